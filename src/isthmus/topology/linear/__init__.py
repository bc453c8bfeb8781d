"""Linear networks: which minima are joined, by which paths, and what joins the others."""

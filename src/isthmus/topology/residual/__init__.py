"""Linear residual networks: blocks with a skip, in series; which minima are joined, and how."""

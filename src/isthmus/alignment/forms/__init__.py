"""One representative of an orbit: balanced, of least norm, in a canonical order."""

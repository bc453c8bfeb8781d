"""Soft maps between models of different widths (Singh and Jaggi 2020)."""

"""Matching by what the models do on data."""

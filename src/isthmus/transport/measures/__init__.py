"""Neurons as empirical measures: atoms with masses, read off a model by its symmetry."""

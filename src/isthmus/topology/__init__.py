"""Topology: the shape of the set of minima: its components, their paths, what joins them."""

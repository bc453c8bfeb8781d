"""Relaxed permutations of all spaces at once: Frank–Wolfe and Sinkhorn."""

"""Passes: each takes redundant coordinates of one kind out of a program."""

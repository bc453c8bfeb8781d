"""Graphs: programs that can be rewritten, and how they are read."""

"""Descending the loss through the group."""

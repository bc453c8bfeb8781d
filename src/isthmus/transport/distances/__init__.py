"""Optimal transport between measures: exact, entropic, sliced; each with what it proves."""

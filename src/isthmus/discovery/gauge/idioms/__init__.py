"""Idioms: stretches of a program that stand for one operator, however they are written."""

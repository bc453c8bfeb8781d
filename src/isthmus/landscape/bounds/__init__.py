"""Bounds that are theorems: of chords of curves, of rescaled pairs."""

from isthmus.landscape.bounds.chord import chord_bound as chord_bound

"""Colours of components, told apart by readers who see fewer colours too; tones of the page."""

from __future__ import annotations

COMPONENTS = (
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#b8a800", "#6a51a3",
)  # fmt: skip
"""Of Okabe and Ito (2008), the yellow darkened to show on white, and a violet."""

REST = "#8a94a0"
"""For all components after those."""

LIGHT = {"ink": "#1b2430", "soft": "#5c6775", "rule": "#d9d4c8", "paper": "#ffffff"}
"""Tones by name, where the page is light."""

DARK = {"ink": "#e8e6df", "soft": "#9aa5b1", "rule": "#38424e", "paper": "#181f27"}
"""And where it is dark."""


def component_colour(rank: int) -> str:
    """The colour of the component of a rank, 0 for the first; those after the last are grey."""
    return COMPONENTS[rank] if rank < len(COMPONENTS) else REST


def rgb(colour: str) -> tuple[int, int, int]:
    """A colour, or a tone where the page is light, as numbers from 0 to 255."""
    code = LIGHT.get(colour, colour)
    return int(code[1:3], 16), int(code[3:5], 16), int(code[5:7], 16)

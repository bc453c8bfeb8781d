"""Colours of components, told apart by readers who see fewer colours too; tones of the page."""

from __future__ import annotations

from string import Template

COMPONENTS = (
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#b8a800", "#6a51a3",
)  # fmt: skip
"""Of Okabe and Ito (2008), the yellow darkened to show on white, and a violet."""

REST = "#8a94a0"
"""For all components after those."""

TONES = {
    "paper": ("#ffffff", "#181f27"),
    "ink": ("#1b2430", "#e8e6df"),
    "soft": ("#5c6775", "#9aa5b1"),
    "rule": ("#d9d4c8", "#38424e"),
    "teal": ("#0b7a75", "#4fd1c5"),
    "red": ("#c8413f", "#ff7a70"),
    "amber": ("#b4770d", "#f0b955"),
    "blue": ("#4863c7", "#8fa5ff"),
    "purple": ("#7f4fa6", "#c19be6"),
    "green": ("#4f9d3a", "#8fd67c"),
    "grey": ("#8a94a0", "#7d8894"),
    "still": ("#c9ced4", "#46525e"),
}
"""Colours by name, where the page is light and where it is dark."""


def themed(rules: str) -> str:
    """Rules of a style sheet with ``$tone`` for colours, for light pages and for dark ones."""
    light, dark = (
        Template(rules).substitute({name: codes[k] for name, codes in TONES.items()})
        for k in (0, 1)
    )
    return f"{light}@media(prefers-color-scheme:dark){{{dark}}}"


def component_colour(rank: int) -> str:
    """The colour of the component of a rank, 0 for the first; those after the last are grey."""
    return COMPONENTS[rank] if rank < len(COMPONENTS) else REST


def rgb(colour: str) -> tuple[int, int, int]:
    """A colour, or a tone where the page is light, as numbers from 0 to 255."""
    code = TONES[colour][0] if colour in TONES else colour
    return int(code[1:3], 16), int(code[3:5], 16), int(code[5:7], 16)

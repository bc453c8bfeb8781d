"""Whether two symmetries are those of one architecture in two widths."""

from __future__ import annotations

from isthmus.algebra.reps import Rep
from isthmus.algebra.symmetry import Symmetry
from isthmus.ground.errors import BadInput, closest


def check_correspondence(first: Symmetry, second: Symmetry) -> None:
    """Raise unless spaces and parameters correspond by name, and each moves alike.

    Raises:
        BadInput: a name is missing in one of them, or a parameter is made of other spaces, or of
            another number of coordinates on which nothing acts.
    """
    remedy = "give models of one architecture that differ in widths alone"
    for word, names, others in (
        ("space", first.spaces, second.spaces),
        ("parameter", first.reps, second.reps),
    ):
        for name in (n for n in (*names, *others) if n not in names or n not in others):
            which, rest = ("first", others) if name in names else ("other", names)
            near = closest(name, rest)
            like = f", which has {near!r}" if near else ""
            other = "other" if which == "first" else "first"
            raise BadInput(
                f"{word} {name!r} of the {which} model is not in the {other}{like}", remedy
            )
    for name, rep in first.reps.items():
        if _structure(rep) != _structure(second.reps[name]):
            mine, theirs = (s.reps[name].text(s.spaces) for s in (first, second))
            raise BadInput(f"{name} is {mine} in the first model and {theirs} in the other", remedy)
    for name, space in first.spaces.items():
        if type(space.group) is not type(second.spaces[name].group):
            raise BadInput(
                f"space {name} has {space.group} and {second.spaces[name].group}", remedy
            )


def _structure(rep: Rep) -> list[object]:
    """The spaces of each block with their characters; sizes of what is fixed."""
    return [
        [
            [(f.space, f.character) if f.space is not None else f.size for f in axis]
            for axis in block.axes
        ]
        for block in rep.blocks
    ]

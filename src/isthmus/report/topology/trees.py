"""A merge tree as a dendrogram: every leaf from its birth up to where it meets an elder one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from isthmus.report.canvas import (
    Cursor,
    Dot,
    Drawing,
    Line,
    Scale,
    Shape,
    Words,
    component_colour,
    number,
)
from isthmus.topology.merging_tree import MergeTree

Pairs: TypeAlias = "Sequence[tuple[float, float]]"
"""(birth, death) of components, or of loops."""

_LEFT, _TOP, _FOOT, _LETTER = 66.0, 76.0, 16.0, 7.0


def ends_of(*kinds: Pairs) -> list[float]:
    """All births and deaths."""
    return [end for pairs in kinds for pair in pairs for end in pair]


def leading(tree: MergeTree) -> list[int]:
    """The leaves, those that last longest first; of equals the elder."""
    lasting = [death - birth for birth, death in tree.pairs()]
    return sorted(range(len(lasting)), key=lambda leaf: (-lasting[leaf], tree.births[leaf], leaf))


def tree_drawing(
    tree: MergeTree,
    names: Sequence[str] | None = None,
    *,
    title: str = "How components merge as the level rises",
    unit: str = "loss",
    level: float | None = None,
    also: Iterable[float] = (),
    like: MergeTree | None = None,
    most: int = 32,
    height: float = 380.0,
) -> Drawing:
    """The tree with its levels upwards: a line for each leaf, from its birth to its death.

    Where two components meet, the elder goes on (the elder rule), so that the length of a line is
    the persistence of its leaf; a survivor ends in an arrow.

    Args:
        tree: The components.
        names: Of its leaves; left out, their numbers.
        title: Above it.
        unit: What the levels are.
        level: One to mark by a dashed line.
        also: Further levels that the scale holds, so that drawings can be compared.
        like: A tree of the same leaves, from which they have their colours.
        most: So many leaves are drawn, those that last longest; the title says how many are not.
        height: Of the part with the levels, in pixels.

    Raises:
        ValueError: There are more names than leaves, or fewer.
    """
    leaves = range(len(tree.births))
    called = dict(zip(leaves, names or map(str, leaves), strict=True))
    colours = {leaf: component_colour(k) for k, leaf in enumerate(leading(like or tree))}
    shown = _order(tree, leading(tree)[:most])
    step = max(26.0, min(110.0, 620.0 / max(1, len(shown))))
    x = {leaf: _LEFT + 34 + step * k for k, leaf in enumerate(shown)}
    right = max(_LEFT + 34 + step * len(shown), 500.0)
    marked = [] if level is None else [level]
    scale = Scale.over([*ends_of(tree.pairs()), *also, *marked], _TOP + height, _TOP)
    words = max((len(called[leaf]) for leaf in shown), default=1) * _LETTER
    turned = words > step - 6
    subtitle = f"{len(leaves)} leaves"
    if len(shown) < len(leaves):
        subtitle += f", of which the {len(shown)} that last longest are drawn"
    shapes = (
        Words(20, 26, title, size=16, bold=True),
        Words(20, 46, subtitle, "soft", 13),
        *level_axis(scale, unit, _LEFT, right),
        *(Line([(_LEFT, y), (right, y)], "soft", 1.2, dash=3.0) for y in map(scale, marked)),
        *_branches(tree, colours, x, scale),
        *_names(called, x, _TOP + height, turned),
    )
    foot = _TOP + height + (words + 14 if turned else 24) + _FOOT
    return Drawing(title, right + 20, foot, shapes, Cursor(scale, True, (_LEFT, right)))


def level_axis(scale: Scale, unit: str, left: float, right: float) -> Iterator[Shape]:
    """Lines across at round levels, with their values at the left."""
    for value in scale.ticks():
        y = scale(value)
        yield Line([(left, y), (right, y)], "rule", 1.0)
        yield Words(left - 8, y + 4, number(value), "soft", 12, "end")
    middle = (scale.start + scale.stop) / 2
    yield Words(20, middle, unit, "soft", 13, "middle", upwards=True)


def _order(tree: MergeTree, shown: Sequence[int]) -> list[int]:
    """Leaves from left to right so that no line crosses another.

    Right of an elder stand those that it meets, in the order of the levels at which it does, each
    followed by its own.
    """
    below: dict[int, list[int]] = {leaf: [] for leaf in shown}
    roots = set(shown)
    for elder, younger, _ in tree.merges:
        if younger in below:
            below[elder].append(younger)
            roots.discard(younger)
    found: list[int] = []
    waiting = sorted(roots, reverse=True)
    while waiting:
        leaf = waiting.pop()
        found.append(leaf)
        waiting += reversed(below[leaf])
    return found


def _branches(
    tree: MergeTree, colours: Mapping[int, str], x: Mapping[int, float], scale: Scale
) -> Iterator[Shape]:
    pairs = tree.pairs()
    elders = {younger: elder for elder, younger, _ in tree.merges}
    for leaf in reversed(list(x)):  # the elder, which others end at, over them
        birth, death = pairs[leaf]
        colour, low, high = colours[leaf], scale(birth), scale(death)
        ends = "never" if death == math.inf else f"at {number(death)}"
        tip = f"appears at {number(birth)}, meets an elder {ends}"
        if death == math.inf:
            high = scale.stop - 12
            yield Line([(x[leaf] - 5, high + 8), (x[leaf], high), (x[leaf] + 5, high + 8)],
                       colour, 2.5)  # fmt: skip
            yield Line([(x[leaf], low), (x[leaf], high)], colour, 2.5, tip=tip)
        else:
            corner = (x[leaf], high)
            yield Line([(x[leaf], low), corner, (x[elders[leaf]], high)], colour, 2.5, tip=tip)
        yield Dot(x[leaf], low, 4, colour, tip=tip)


def _names(
    called: Mapping[int, str], x: Mapping[int, float], foot: float, turned: bool
) -> Iterator[Shape]:
    for leaf, place in x.items():
        if turned:
            yield Words(place + 4, foot + 14, called[leaf], "ink", 12.5, "end", upwards=True)
        else:
            yield Words(place, foot + 20, called[leaf], "ink", 12.5, "middle")

"""Continuity: whether a path that is said to be continuous leaps somewhere."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from isthmus.ground import distance, norm
from isthmus.landscape import AbstractPath

_HALVINGS = 10
_LEFT = 0.25
"""What a leap keeps of its length at least; a smooth piece keeps about a thousandth."""
_NOTHING = 1e-5
"""What is no leap, relative to the norm: rounding makes steps of its own."""


def leap(path: AbstractPath, ts: Sequence[float]) -> float | None:
    """The t near which the path leaps where no jump is declared; None where none is seen.

    The longest of the steps between ``ts`` is halved, the longer half each time. On a path without
    leap what is left goes to zero; at a leap or a pole it stays. A leap that is shorter than a
    smooth step stays unseen.

    Args:
        path: The path.
        ts: Where it is looked at, in order.
    """
    start, stop, length = _longest(path, ts)
    least = max(_LEFT * length, _NOTHING * norm(path.start))
    for _ in range(_HALVINGS):
        middle = (start + stop) / 2
        here = path(middle)
        before, after = distance(path(start), here), distance(here, path(stop))
        start, stop, length = (start, middle, before) if before > after else (middle, stop, after)
    return None if length <= least else (start + stop) / 2


def _longest(path: AbstractPath, ts: Sequence[float]) -> tuple[float, float, float]:
    """The longest step without a declared jump: its two t and its length."""
    jumps = [jump.at for jump in path.jumps if 0 < jump.at < 1]
    found, here = (ts[0], ts[0], 0.0), path(ts[0])
    for start, stop in itertools.pairwise(ts):
        before, here = here, path(stop)
        length = distance(before, here)
        if length > found[2] and not any(start <= at <= stop for at in jumps):
            found = (start, stop, length)
    return found

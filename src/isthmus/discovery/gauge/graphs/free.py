"""Free coordinates: what the function does not depend on at all."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from isthmus.algebra.spaces import Reason
from isthmus.discovery.program import Op


class Move(Enum):
    """How a free coordinate moves."""

    SHIFT = "shift"
    SCALE = "scale"
    STRETCH = "stretch"
    STEP = "step"


@dataclass(frozen=True, slots=True)
class Free:
    """A coordinate on which the function does not depend.

    Attributes:
        size: how many numbers it holds.
        move: shifts take any values, scales any but zero, stretches positive
            ones, steps whole numbers.
        canonical: its value in the gauge.
        why: the operator that makes it free.
    """

    size: int
    move: Move
    canonical: float
    why: Reason


def because(words: str, op: Op) -> Reason:
    """Why something is free: what becomes of it, and at which operator."""
    return Reason(f"{words} {op.target}", frozenset(), op.module, op.source, op.line)

"""A curve in a group: what it is at every t, and the steps by which it acts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from isthmus.algebra.groups.curves.steps import Step

if TYPE_CHECKING:
    from isthmus.algebra.groups.base import Character, Value


@final
@dataclass(frozen=True)
class Curve:
    """``t ↦ value``, from the identity at t = 0.

    Attributes:
        at: The value at t.
        steps: By the character of an axis, the steps that act on it, in the order in which they do.
        rate: By the character, ν with ``‖dᵏ/dtᵏ (value acting on x)‖ ≤ νᵏ exp(|s| ν) ‖x(t - s)‖``:
            the sum of the spectral norms of its generators.
    """

    at: Callable[[float], Value]
    steps: Callable[[Character], tuple[Step, ...]]
    rate: Callable[[Character], float]

    @classmethod
    def resting(cls, value: Value) -> Curve:
        """Stays at the identity."""
        return cls(lambda t: value, lambda character: (), lambda character: 0.0)

    def __call__(self, t: float) -> Value:
        """The value at ``t``."""
        return self.at(t)

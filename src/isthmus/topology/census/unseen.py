"""Unseen: how many components a sample of minima has missed (capture and recapture)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from isthmus.ground import Result


@final
@dataclass(frozen=True)
class Unseen(Result):
    """What the number of components met once and twice says of those never met.

    Hypothesis: the minima are independent draws from one distribution, as runs of one training
    from many seeds are. The estimate is then in expectation a lower bound, whatever the shares of
    the components; where all are equally likely it is near the truth.

    Attributes:
        draws: The minima.
        seen: The components that they are in.
        once: Those with one minimum.
        twice: Those with two.
        estimate: How many components there are at least, in expectation: ``seen`` and
            once (once - 1) / (2 (twice + 1)) unseen ones (Chao 1984, bias-corrected: Chao1).
        coverage: The share of the distribution that is in the components seen: 1 - once / draws
            (Good 1953, after Turing).
    """

    draws: int
    seen: int
    once: int
    twice: int
    estimate: float
    coverage: float

    def __str__(self) -> str:
        return (
            f"{self.seen} seen in {self.draws} draws, {self.once} of them once, {self.twice} "
            f"twice: {self.estimate:.4g} or more expected in all, {self.coverage:.0%} of the "
            "distribution covered (Chao1, Good-Turing; if the minima are independent draws)"
        )


def unseen(sizes: Sequence[int]) -> Unseen:
    """The estimate for components with these numbers of minima, each at least 1."""
    draws, once, twice = sum(sizes), list(sizes).count(1), list(sizes).count(2)
    estimate = len(sizes) + once * (once - 1) / (2 * (twice + 1))
    return Unseen(draws, len(sizes), once, twice, estimate, 1 - once / draws)

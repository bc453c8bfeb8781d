"""Counts of connected components: a number or bounds, with the theorem and its hypotheses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

from isthmus.ground import Certificate, Result

EXACT = 30.0
"""Up to this logarithm (a number of 14 digits) a count is written as an integer."""


@final
@dataclass(frozen=True)
class CountFactor(Result):
    """One factor of a count.

    Attributes:
        name: What it is the count of, as "space fc1, S(8)".
        log: Its natural logarithm.
    """

    name: str
    log: float

    def __str__(self) -> str:
        return f"{self.name}: {written(self.log)}"


@final
@dataclass(frozen=True)
class ComponentCount(Result):
    """How many connected components something has.

    Attributes:
        of: What the components are of.
        theorem: What the count rests on, with its source.
        log_least: The natural logarithm of a lower bound.
        log_most: That of an upper bound; the same where the count is known.
        hypotheses: What the theorem needs, checked; the bounds hold whatever they say.
        factors: Whose product the upper bound is; those below 1 are what is joined.
    """

    of: str
    theorem: str
    log_least: float
    log_most: float
    hypotheses: tuple[Certificate, ...] = ()
    factors: tuple[CountFactor, ...] = ()

    @property
    def exact(self) -> bool:
        """Whether the number is known."""
        return self.log_least == self.log_most

    @property
    def count(self) -> int | None:
        """The number, where it is known and of at most 14 digits."""
        return round(math.exp(self.log_most)) if self.exact and self.log_most <= EXACT else None

    def to_json(self) -> dict[str, Any]:
        """The fields, and the count."""
        return {"count": self.count, **Result.to_json(self)}

    def __str__(self) -> str:
        most = written(self.log_most)
        number = most if self.exact else f"{written(self.log_least)} to {most}"
        plural = "" if self.count == 1 else "s"
        rows = [f"{number} component{plural} of {self.of}", f"  theorem: {self.theorem}"]
        rows += [f"  {factor}" for factor in self.factors]
        return "\n".join([*rows, *(f"  {certificate}" for certificate in self.hypotheses)])


def product_components(counts: Sequence[ComponentCount], of: str) -> ComponentCount:
    """The count of a product of spaces: the product of their counts.

    Zhao et al. 2025, Proposition 3.5.
    """
    return ComponentCount(
        of,
        "|π₀(X × Y)| = |π₀(X)| |π₀(Y)| (Zhao et al. 2025, Proposition 3.5)",
        math.fsum(count.log_least for count in counts),
        math.fsum(count.log_most for count in counts),
        tuple(hypothesis for count in counts for hypothesis in count.hypotheses),
        tuple(CountFactor(count.of, count.log_most) for count in counts),
    )


def partition_components(counts: Sequence[ComponentCount], of: str) -> ComponentCount:
    """Bounds for a space that is the union of some: at most the sum of their counts.

    Zhao et al. 2025, Proposition 3.8. The parts need not be disjoint, and at least one has a point.
    """
    logs = [count.log_most for count in counts]
    largest = max(logs, default=0.0)
    total = math.fsum(math.exp(log - largest) for log in logs) if largest < math.inf else 1.0
    return ComponentCount(
        of,
        "|π₀(X)| ≤ Σ |π₀(Xᵢ)| where X is the union of the Xᵢ (Zhao et al. 2025, Proposition 3.8)",
        0.0,
        largest + math.log(max(total, 1.0)),
        tuple(hypothesis for count in counts for hypothesis in count.hypotheses),
    )


def milnor_thom(degree: int, variables: int) -> float:
    """ln of ``d (2d - 1)^(N - 1)``, which bounds the components of any real algebraic set.

    Of polynomials of degree at most d in N variables (Milnor 1964; Thom 1965).
    """
    return math.log(degree) + (variables - 1) * math.log(2 * degree - 1)


def written(log: float) -> str:
    """A number that is known by its natural logarithm."""
    if log == math.inf:
        return "infinitely many"
    if log < 0:
        return f"1/{written(-log)}"
    return f"{round(math.exp(log)):,}" if log <= EXACT else f"e^{log:.6g}"

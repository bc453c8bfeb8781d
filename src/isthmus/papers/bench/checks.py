"""Checks: what a paper claims, and whether it was seen."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from isthmus.ground import Result


class Standing(Enum):
    """How a check came out. A finding does not hold either, but why is known and said."""

    PASSED = "passed"
    FINDING = "finding"
    FAILED = "failed"


@dataclass(frozen=True)
class Check(Result):
    """A claim, and by how much it was missed.

    Example:
        >>> print(Check("slope", "the slope is 2", off=0.03, tolerance=0.1))
        passed   slope: the slope is 2 (off by 0.03, allowed 0.1)

    Args:
        name: A word or two, its own within an experiment.
        claim: One sentence, with the numbers that it is about.
        off: By how much what was measured misses the claim; 0 or less where it holds, NaN where
            nothing could be measured.
        tolerance: The most by which it may.
        finding: Why it does not hold, where that is known: then it is a finding, no failure.
        source: Where the paper says so.
    """

    name: str
    claim: str
    off: float
    tolerance: float = 0.0
    finding: str = ""
    source: str = ""

    @property
    def passed(self) -> bool:
        """Whether the claim holds, within the tolerance."""
        return self.off <= self.tolerance

    @property
    def standing(self) -> Standing:
        """Passed, a finding, or failed."""
        if self.passed:
            return Standing.PASSED
        return Standing.FINDING if self.finding else Standing.FAILED

    def to_json(self) -> dict[str, object]:
        """The fields, and how it came out."""
        return {**super().to_json(), "standing": self.standing.value}

    def __str__(self) -> str:
        text = f"{self.standing.value:<8} {self.name}: {self.claim} "
        text += f"(off by {self.off:.3g}, allowed {self.tolerance:.3g})"
        return text + (f"\n         {self.finding}" if self.standing is Standing.FINDING else "")

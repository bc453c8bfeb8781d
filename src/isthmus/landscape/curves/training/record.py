"""What a training of control points leaves behind."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

from isthmus.ground import Result


@final
@dataclass(frozen=True)
class TrainingRecord(Result):
    """How control points were trained.

    Attributes:
        steps: The steps made, resumed ones included.
        seconds: What they took, resumed ones included.
        losses: What every step minimised, on its own batch and at its own point.
        seed: The seed.
    """

    steps: int
    seconds: float
    losses: tuple[float, ...] = field(repr=False)
    seed: int

    @property
    def first(self) -> float:
        """The mean of the first tenth of the losses."""
        return self._mean(slice(None, self._tenth))

    @property
    def last(self) -> float:
        """The mean of the last tenth of the losses."""
        return self._mean(slice(-self._tenth, None))

    @property
    def _tenth(self) -> int:
        return max(1, len(self.losses) // 10)

    def _mean(self, part: slice) -> float:
        chosen = self.losses[part]
        return sum(chosen) / len(chosen)

    def __str__(self) -> str:
        return (
            f"{self.steps} steps in {self.seconds:.1f} s: mean loss {self.first:.4g} in the first "
            f"tenth, {self.last:.4g} in the last"
        )

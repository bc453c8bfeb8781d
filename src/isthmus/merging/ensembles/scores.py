"""EnsembleScores: how good an ensemble is, and how much its members differ."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

from isthmus.ground import Result
from isthmus.landscape import Evaluation


@final
@dataclass(frozen=True)
class EnsembleScores(Result):
    """An ensemble and its members on the same data.

    Attributes:
        ensemble: Loss and metrics of the mean prediction; where there are classes, the accuracy and
            the expected calibration error.
        members: The same of every member.
        disagreement: The share of targets at which two members choose another class, the mean over
            pairs; 0 where there are no classes.
        spread: The root mean square distance of the members' predictions (probabilities, or
            outputs) from their mean, over all numbers that are predicted.
    """

    ensemble: Evaluation
    members: tuple[Evaluation, ...] = field(repr=False)
    disagreement: float
    spread: float

    @property
    def loss(self) -> float:
        """Of the ensemble; with cross entropy, its negative log likelihood."""
        return self.ensemble.loss

    @property
    def mean_loss(self) -> float:
        """Of the members."""
        return sum(one.loss for one in self.members) / len(self.members)

    @property
    def gain(self) -> float:
        """By how much the ensemble's loss is below the members' mean loss.

        Never negative where the loss is convex in what is averaged, as cross entropy in
        probabilities; with the squared error it is ``spread²``.
        """
        return self.mean_loss - self.loss

    def to_json(self) -> dict[str, object]:
        """The fields, the mean loss and the gain."""
        return {**super().to_json(), "mean_loss": self.mean_loss, "gain": self.gain}

    def __str__(self) -> str:
        return (
            f"{len(self.members)} members: {self.ensemble}; mean loss of the members "
            f"{self.mean_loss:.4g}, disagreement {self.disagreement:.2%}, spread {self.spread:.3g}"
        )

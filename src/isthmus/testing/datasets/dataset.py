"""What a data set is, and a helper on its labels."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import one_hot


@dataclass(frozen=True, eq=False)
class Dataset:
    """Inputs and targets, split in two.

    Images are float32 in [0, 1], shape (N, 28, 28), (N, 8, 8) or (N, 3, 32, 32); text is int64,
    shape (N, 64), with the next characters as targets. Class targets are int64, shape (N,).
    """

    name: str
    version: str
    x_train: Tensor
    y_train: Tensor
    x_test: Tensor
    y_test: Tensor
    classes: tuple[str, ...]

    def __str__(self) -> str:
        """One line: name, version, sizes."""
        sizes = f"{len(self.x_train)} training and {len(self.x_test)} test samples"
        return f"{self.name} ({self.version}): {sizes}, {len(self.classes)} classes"


def rank_in_class(y: Tensor) -> Tensor:
    """How many earlier samples have the same class, shape (N,)."""
    hot = one_hot(y)
    return (hot.cumsum(0) - hot).gather(1, y[:, None]).squeeze(1)

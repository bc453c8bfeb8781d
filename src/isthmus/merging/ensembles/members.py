"""Members: models made from one, and what they cost."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

from torch import Tensor

from isthmus.ground import BadInput, Params, Result


@final
@dataclass(frozen=True)
class Cost(Result):
    """What it took to make members, besides the model that they are made from.

    Attributes:
        steps: Gradient steps, each on one batch.
        passes: Passes without gradients over the data that something is fitted to.
    """

    steps: int = 0
    passes: int = 0

    def __add__(self, other: Cost) -> Cost:
        """Both."""
        return Cost(self.steps + other.steps, self.passes + other.passes)

    def __str__(self) -> str:
        words = [f"{n} {what}" for n, what in ((self.steps, "steps"), (self.passes, "passes")) if n]
        return " and ".join(words) or "nothing"


@final
@dataclass(frozen=True)
class Members(Result):
    """Models made from one; that one is not among them.

    Attributes:
        params: Of each.
        kind: How they were made, in a word or two.
        cost: What that took.
    """

    params: tuple[Params, ...] = field(repr=False, metadata={"json": False})
    kind: str
    cost: Cost

    def __str__(self) -> str:
        return f"{len(self.params)} members ({self.kind}) for {self.cost}"


class AbstractMaker(ABC):
    """A way to make members of an ensemble from one model."""

    @abstractmethod
    def make(self, params: Mapping[str, Tensor], count: int, seed: int) -> Members:
        """What a call returns; ``count`` is at least 1."""

    def __call__(self, params: Mapping[str, Tensor], count: int = 1, seed: int = 0) -> Members:
        """So many members made from ``params``, which stay as they are.

        Args:
            params: The model.
            count: How many; the model itself is not counted.
            seed: Fixes every choice.

        Raises:
            BadInput: ``count`` is not positive.
            UnknownName: ``params`` are of another model; so ShapeMismatch.
        """
        if count < 1:
            raise BadInput(f"{count} members, expected at least 1", "give a positive number")
        return self.make(params, count, seed)

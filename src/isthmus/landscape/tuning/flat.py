"""FlatDirections: in which directions parameters may move without harm to a task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from torch import Tensor

from isthmus.ground import Params, Result


class FlatDirections(Result, ABC):
    """A linear space of directions in parameter space.

    Its dimension is ``free``, that of all parameters it knows ``width``.
    """

    __slots__ = ()

    @property
    @abstractmethod
    def free(self) -> int:
        """How many independent directions are flat."""

    @property
    @abstractmethod
    def width(self) -> int:
        """How many parameters there are in all."""

    @abstractmethod
    def project(self, vector: Mapping[str, Tensor]) -> Params:
        """The nearest vector that is flat; parameters that are not known stay as they are.

        Args:
            vector: By name, of the shapes of the parameters: a gradient, or a step.
        """

    def __str__(self) -> str:
        return f"{type(self).__name__}: {self.free} of {self.width} directions are free"

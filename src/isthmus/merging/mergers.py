"""What every way of merging offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from torch import Tensor

from isthmus.ground import Params


class AbstractMerger(ABC):
    """A way to make one set of Params of several that agree in names, shapes and dtypes."""

    @abstractmethod
    def __call__(self, models: Sequence[Mapping[str, Tensor]]) -> Params:
        """The merged Params; ``models`` are left as they are.

        Args:
            models: Two or more, checked by `isthmus.merging.merge`.
        """

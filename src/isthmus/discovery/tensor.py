"""Tensor: what is known of a tensor of the program while it is typed."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from isthmus.discovery.indices import Counts, Index
from isthmus.discovery.nodes import Terms, size_of


@dataclass(slots=True)
class Tensor:
    """A typed tensor: one axis per dimension.

    ``inert`` tensors do not depend on parameters; ``fill`` is their value where it is one number.
    ``meaning``: what integers point into, where that is known.
    """

    axes: list[Terms]
    dtype: torch.dtype
    inert: bool = False
    fill: float | None = None
    meaning: Index | Counts | None = None

    @property
    def sizes(self) -> tuple[int, ...]:
        """The shape."""
        return tuple(size_of(axis) for axis in self.axes)

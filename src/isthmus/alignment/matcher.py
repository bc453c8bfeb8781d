"""What every matching method is: a callable from two models to an element."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from isthmus.algebra.elements import Element
from isthmus.algebra.symmetry import Symmetry


@dataclass(frozen=True)
class Match:
    """An element, how it was found, and a claim that the search has proved, if any."""

    element: Element
    evidence: Mapping[str, Any] = field(default_factory=dict)
    proved: str = ""


class Matcher(Protocol):
    """A method of alignment: an object with its options, called on two models."""

    def __call__(
        self,
        a: Mapping[str, Tensor],
        b: Mapping[str, Tensor],
        symmetry: Symmetry,
        generator: torch.Generator,
    ) -> Match:
        """The element ``g`` that brings ``g·b`` near ``a``."""
        ...

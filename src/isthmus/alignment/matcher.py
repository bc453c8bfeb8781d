"""What every matching method is: a callable from two models to an element."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from isthmus.algebra.elements import Element
from isthmus.algebra.symmetry import Symmetry
from isthmus.ground.certificates import Verdict


@dataclass(frozen=True)
class Match:
    """An element, how it was found, and what its search says of it."""

    element: Element
    evidence: Mapping[str, Any] = field(default_factory=dict)
    claim: str = "no change of a single space was found that brings the models nearer"
    verdict: Verdict = Verdict.TESTED


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

"""The ways of matching that the study compares."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from isthmus.algebra import Symmetry
from isthmus.algebra.groups import Motion
from isthmus.alignment import (
    ActivationMatching,
    CovarianceMatching,
    Match,
    Matcher,
    WeightMatching,
)
from isthmus.alignment.starts.start import Identity
from isthmus.papers.ferbach2023.one_sided import (
    IncomingCovariance,
    IncomingWeights,
    UnitActivations,
)

Batches: TypeAlias = "Sequence[tuple[Tensor, Any]]"


@dataclass(frozen=True)
class Within:
    """A matcher in a subgroup: that of the motions given, permutations alone if none are."""

    matcher: Matcher
    motions: tuple[Motion, ...] = (Motion.SWAP,)

    def __call__(
        self,
        a: Mapping[str, Tensor],
        b: Mapping[str, Tensor],
        symmetry: Symmetry,
        generator: torch.Generator,
    ) -> Match:
        """What the matcher finds there, as an element of the whole group."""
        match = self.matcher(a, b, symmetry.restrict(self.motions), generator)
        return replace(match, element=symmetry.lift(match.element))


@dataclass(frozen=True)
class Method:
    """A way of matching.

    Attributes:
        name: what it is called.
        tone: its colour in pictures.
        data: whether it looks at data.
        ours: whether it is Isthmus' own.
        make: from the model and its batches; None does not match at all.
    """

    name: str
    tone: str
    data: bool
    ours: bool
    make: Callable[[nn.Module, Batches], Matcher] | None


def _covariance(model: nn.Module, data: Batches) -> Matcher:
    """From where `ActivationMatching` ends, and from the identity. The other usual start, that of
    `WeightMatching`, takes longer than all else here; at the lowest and at the highest rate the
    descent ended in the same place without it.
    """
    return CovarianceMatching(model, data, starts=(ActivationMatching(model, data),))


METHODS = (
    Method("no matching", "grey", False, False, None),
    Method("incoming weights", "red", False, False, lambda model, data: IncomingWeights()),
    Method(
        "two-sided, from the identity",
        "purple",
        False,
        False,
        lambda model, data: Within(WeightMatching(starts=(Identity(),))),
    ),
    Method("WeightMatching", "blue", False, True, lambda model, data: WeightMatching()),
    Method("incoming covariance", "amber", True, False, IncomingCovariance),
    Method("unit activations", "green", True, False, UnitActivations),
    Method("CovarianceMatching", "teal", True, True, _covariance),
    Method("ActivationMatching", "ink", True, True, ActivationMatching),
)
"""In the order of all tables and arrays. Without data: the one that Ferbach et al. call naive; that
of Ainsworth et al. 2023, as descent from the identity over permutations; ours, over the whole group
from several starts. With data: the paper's own; what it calls activation matching; ours."""

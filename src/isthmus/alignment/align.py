"""align: move one model along its orbit until it meets another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from isthmus.algebra.elements import Element
from isthmus.algebra.symmetry import Params, Symmetry
from isthmus.alignment.finite import check_finite
from isthmus.alignment.matcher import Matcher
from isthmus.alignment.weights import WeightMatching
from isthmus.ground.certificates import Certificate, Verdict
from isthmus.ground.params import distance
from isthmus.ground.results import Result


@dataclass(frozen=True)
class Alignment(Result):
    """A model moved along its orbit.

    Attributes:
        element: the group element ``g``.
        params: ``g·b``: the same function as ``b``, in the coordinates of ``a``.
        before: Euclidean distance between ``a`` and ``b``, in the gauge of the symmetry.
        after: the same between ``a`` and ``g·b``; what moves freely is then equal in both.
        certificate: what is known of how good ``g`` is.
    """

    element: Element = field(metadata={"json": False})
    params: Params = field(metadata={"json": False})
    before: float
    after: float
    certificate: Certificate

    def __str__(self) -> str:
        """One line."""
        return f"distance {self.before:.6g} before, {self.after:.6g} after alignment"


def align(
    b: Mapping[str, Tensor],
    *,
    to: Mapping[str, Tensor],
    symmetry: Symmetry,
    method: Matcher | None = None,
    seed: int = 0,
) -> Alignment:
    """Find ``g`` in the group with ``g·b`` near ``to``; the function of ``b`` is unchanged.

    Args:
        b: the model that is moved.
        to: the model that stays.
        symmetry: of their architecture.
        method: how to search; `WeightMatching` if not given.
        seed: of random starts.

    Raises:
        UnknownName, ShapeMismatch: parameters are not those of the symmetry.
        NotFinite: a parameter holds NaN or infinity.
    """
    for params, which in ((b, "b"), (to, "to")):
        symmetry.check(params)
        check_finite(params, which)
    generator = torch.Generator().manual_seed(seed)
    match = (method or WeightMatching())(to, b, symmetry, generator)
    moved = symmetry.act(match.element, b)
    before, after = gauged_distance(symmetry, to, b), gauged_distance(symmetry, to, moved)
    certificate = Certificate(
        claim="no change of a single space was found that brings the models nearer",
        verdict=Verdict.TESTED,
        margin=before - after,
        evidence=dict(match.evidence),
    )
    return Alignment(match.element, moved, before, after, certificate)


def gauged_distance(symmetry: Symmetry, a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> float:
    """Euclidean distance in the gauge: gains folded into what they scale, shifts taken out."""
    if not symmetry.chart.steps:
        return distance(dict(a), dict(b))
    return distance(symmetry.coordinates(a), symmetry.coordinates(b))

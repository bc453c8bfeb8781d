"""align: move one model along its orbit until it meets another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from isthmus.algebra.elements import Element
from isthmus.algebra.symmetry import Params, Symmetry
from isthmus.alignment.finite import check_finite
from isthmus.alignment.gauged import gauged_distances
from isthmus.alignment.keeping import kept, rounding
from isthmus.alignment.matcher import Matcher
from isthmus.alignment.optimality import optimality, spread
from isthmus.alignment.weights import WeightMatching
from isthmus.ground.certificates import Certificate
from isthmus.ground.results import Result


@dataclass(frozen=True)
class Alignment(Result):
    """A model moved along its orbit.

    Attributes:
        element: the group element ``g``.
        params: ``g·b``: the same function as ``b``, in the coordinates of ``a``.
        before: Euclidean distance between ``a`` and ``b``, in the gauge of the symmetry.
        after: the same between ``a`` and ``g·b``; what moves freely is then equal in both, and so
            are lengths in front of a norm, which least squares would make shorter.
        certificate: what is known of how good ``g`` is.
        kept: how exactly ``g`` is a symmetry: the relative error, in float64, of undoing it.
        rounding: by how much ``params`` of half precision differ from ``g·b``, relative; half
            precision is computed in float32 and given back in its own dtype.
    """

    element: Element = field(metadata={"json": False})
    params: Params = field(metadata={"json": False})
    before: float
    after: float
    certificate: Certificate
    kept: float = 0.0
    rounding: float = 0.0

    def certify(self, b: Mapping[str, Tensor], *, to: Mapping[str, Tensor]) -> Alignment:
        """The same, with a certificate of how far from optimal it can be (`optimality`).

        Args:
            b: the model that was moved, as it was.
            to: the model that stayed.
        """
        search = self.certificate.evidence
        found = optimality(self.element.symmetry, to, b, self.element, search=search)
        return replace(self, certificate=found)

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
        NotAMember: the method found an element that changes the function by more than 1e-9.
    """
    for params, which in ((b, "b"), (to, "to")):
        symmetry.check(params)
        check_finite(params, which)
    generator = torch.Generator().manual_seed(seed)
    match = (method or WeightMatching())(to, b, symmetry, generator)
    exactness = kept(match.element, b)
    moved = symmetry.act(match.element, b)
    before, after = gauged_distances(symmetry, to, b, moved)
    certificate = Certificate(
        claim=match.claim,
        verdict=match.verdict,
        margin=before - after,
        evidence={**match.evidence, **spread(match.evidence)},
    )
    rounded = rounding(symmetry, match.element, b, moved)
    return Alignment(match.element, moved, before, after, certificate, exactness, rounded)

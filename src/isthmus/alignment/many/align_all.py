"""align_all: 2 to 100 models moved along their orbits until all meet."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from isthmus.algebra.elements import Element
from isthmus.algebra.symmetry import Params, Symmetry
from isthmus.alignment.finite import check_finite
from isthmus.alignment.gauged import gauged_distance
from isthmus.alignment.many.mean import mean_of
from isthmus.alignment.many.strategies import Strategy
from isthmus.alignment.many.universe import Universe
from isthmus.alignment.matcher import Matcher
from isthmus.alignment.weights import WeightMatching
from isthmus.ground.certificates import Certificate, Verdict
from isthmus.ground.errors import BadInput
from isthmus.ground.results import Result

_UNIVERSE = Universe()


@dataclass(frozen=True)
class Alignments(Result):
    """Models moved along their orbits into common coordinates.

    Attributes:
        elements: the group element ``g_i`` that moves model i.
        params: ``g_i·b_i``: the same functions, in common coordinates; those of the reference are
            as they were given.
        reference: the number of the model whose coordinates these are.
        mean: the mean of ``params`` in their dtypes, summed in float64. Running statistics are
            averaged too; recompute them before use. Integers are those of the reference.
        before: distances between the models as given, ``(N, N)``, in the gauge of the symmetry.
        after: the same between ``params``; of `Pairwise`, between model i moved to j, and j.
        certificate: what is known of how good the elements are.
        crossings: ``crossings[i][j]`` where pairs were aligned by themselves, else None.
    """

    elements: tuple[Element, ...] = field(metadata={"json": False})
    params: tuple[Params, ...] = field(metadata={"json": False})
    reference: int
    mean: Params = field(metadata={"json": False})
    before: Tensor
    after: Tensor
    certificate: Certificate
    crossings: tuple[tuple[Element, ...], ...] | None = field(
        default=None, metadata={"json": False}
    )

    def between(self, source: int, target: int) -> Element:
        """What moves one model to another: ``g_j⁻¹ g_i``, or the element found for the pair."""
        if self.crossings is not None:
            return self.crossings[source][target]
        return ~self.elements[target] @ self.elements[source]

    def __str__(self) -> str:
        """The mean distance of pairs, before and after."""
        pairs = max(len(self.elements) * (len(self.elements) - 1), 1)
        before, after = (float(m.sum()) / pairs for m in (self.before, self.after))
        return (
            f"{len(self.elements)} models in the coordinates of model {self.reference}: "
            f"mean distance {before:.6g} before, {after:.6g} after alignment"
        )


def align_all(
    models: Sequence[Mapping[str, Tensor]],
    *,
    symmetry: Symmetry,
    method: Matcher | None = None,
    strategy: Strategy = _UNIVERSE,
    seed: int = 0,
) -> Alignments:
    """Find ``g_i`` in the group with all ``g_i·b_i`` near each other; no function is changed.

    Args:
        models: 2 to 100, of one architecture.
        symmetry: of that architecture.
        method: how two models are matched; `WeightMatching` if not given.
        strategy: which model is aligned to which: `Universe`, `Star`, `Pairwise` or
            `MeanDescent`.
        seed: of random starts and orders.

    Raises:
        BadInput: fewer than 2 or more than 100 models, or a reference that is none of them.
        UnknownName, ShapeMismatch: parameters are not those of the symmetry.
        NotFinite: a parameter holds NaN or infinity.
    """
    if not 2 <= len(models) <= 100:
        raise BadInput(f"{len(models)} models to align", "give 2 to 100")
    for number, params in enumerate(models):
        symmetry.check(params)
        check_finite(params, f"model {number}")
    generator = torch.Generator().manual_seed(seed)
    found = strategy(models, symmetry, method or WeightMatching(), generator)
    moved = tuple(
        {n: t.clone() for n, t in params.items()}
        if number == found.reference
        else symmetry.act(g, params)
        for number, (g, params) in enumerate(zip(found.elements, models, strict=True))
    )
    before = _distances(symmetry, models)
    after = _distances(symmetry, moved)
    if found.crossings is not None:
        after = _crossed(symmetry, models, found.crossings)
    certificate = Certificate(
        claim=found.claim,
        verdict=Verdict.TESTED,
        margin=float(before.sum() - after.sum()) / 2,
        evidence=dict(found.evidence),
    )
    mean = mean_of(moved, found.reference)
    return Alignments(
        found.elements, moved, found.reference, mean, before, after, certificate, found.crossings
    )


def _distances(symmetry: Symmetry, models: Sequence[Mapping[str, Tensor]]) -> Tensor:
    """Symmetric, with zeros on the diagonal, float64."""
    out = torch.zeros(len(models), len(models), dtype=torch.float64)
    for i, j in itertools.combinations(range(len(models)), 2):
        out[i, j] = out[j, i] = gauged_distance(symmetry, models[i], models[j])
    return out


def _crossed(
    symmetry: Symmetry,
    models: Sequence[Mapping[str, Tensor]],
    crossings: Sequence[Sequence[Element]],
) -> Tensor:
    """``[i, j]``: between model i moved to j, and j."""
    out = torch.zeros(len(models), len(models), dtype=torch.float64)
    for i, j in itertools.permutations(range(len(models)), 2):
        moved = symmetry.act(crossings[i][j], models[i])
        out[i, j] = gauged_distance(symmetry, models[j], moved)
    return out

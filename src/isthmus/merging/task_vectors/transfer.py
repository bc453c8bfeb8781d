"""transfer: what one model has learned, brought into another that was trained apart from it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

from torch import Tensor

from isthmus.algebra import Element, Symmetry
from isthmus.alignment import Alignment, Matcher, align
from isthmus.alignment.finite import check_finite
from isthmus.ground import BadInput, Certificate, Params, Result, Verdict, double, norm

ON_ORBIT = 1e-6
"""A target this near the base's orbit, relative to its length, counts as lying on it."""


@final
@dataclass(frozen=True)
class Transfer(Result):
    """A model that was given the task vector of another.

    Attributes:
        params: The target with the moved task vector added, in the target's dtypes.
        alignment: Of the base to the target: what moved the task vector.
        scale: How much of the task vector was added.
        vector: Length of the task vector in the gauge, before it was moved.
        moved: Its length afterwards; permutations, signs and rotations keep it.
        certificate: Whether the target lies on the base's orbit. Where it does, nothing is lost:
            the transferred model is the fine-tuned one, moved. Elsewhere it is an attempt.
    """

    params: Params = field(metadata={"json": False})
    alignment: Alignment
    scale: float
    vector: float
    moved: float
    certificate: Certificate

    def __str__(self) -> str:
        return (
            f"base and target: {self.alignment}; task vector of length {self.vector:.6g}, "
            f"{self.moved:.6g} as moved, added {self.scale:g} times"
        )


def transfer(
    fine: Mapping[str, Tensor],
    base: Mapping[str, Tensor],
    *,
    to: Mapping[str, Tensor],
    symmetry: Symmetry,
    method: Matcher | None = None,
    scale: float = 1.0,
    seed: int = 0,
) -> Transfer:
    """Add to one model what another learned in a fine-tuning: ``θ_B + α·g(θ_fine − θ_A)``.

    TransFusion (Rinaldi et al. 2025): task vectors between models that were trained apart, moved
    by what aligns their bases. The source permutes: heads by their singular spectra, then units
    within paired heads (`isthmus.alignment.HeadSpectra` is a start that does). Here ``g`` is of the
    whole group of the architecture, found by ``method``; restrict the symmetry to permute only.

    Differences are taken in the gauge, where the group acts linearly (reconstructed: the source
    subtracts parameters). So the law is exact: if the target is ``h·base``, what comes out at scale
    1 is ``h·fine``. What no output depends on is the target's own.

    Args:
        fine: The base after a fine-tuning.
        base: Where that began.
        to: The target, of the same architecture.
        symmetry: Of the architecture.
        method: How the base is aligned to the target; `isthmus.WeightMatching` if not given.
        scale: α; 0 gives the target.
        seed: Of random starts of the alignment.

    Raises:
        UnknownName, ShapeMismatch: A model is not of the symmetry.
        NotFinite: A model holds NaN or infinity.
        BadInput: The scale is not finite.
    """
    alignment = align(base, to=to, symmetry=symmetry, method=method, seed=seed)
    element = alignment.element
    params = carry_task(fine, base, to=to, element=element, scale=scale)
    before, after = (_essential(symmetry, one) for one in (base, fine))
    vector = {n: after[n] - t for n, t in before.items()}
    moved = _moved(element, vector)
    size = norm(_essential(symmetry, to))
    certificate = _certificate(alignment, size)
    return Transfer(params, alignment, scale, norm(vector), norm(moved), certificate)


def carry_task(
    fine: Mapping[str, Tensor],
    base: Mapping[str, Tensor],
    *,
    to: Mapping[str, Tensor],
    element: Element,
    scale: float = 1.0,
) -> Params:
    """The target with a task vector added that a known element moves: `transfer` without a search.

    Running variances stay positive: none ends below both the target's and the fine-tuned one.
    Integer tensors are the target's.

    Args:
        fine: The base after a fine-tuning.
        base: Where that began.
        to: The target.
        element: Brings the base to the target, as ``align(base, to=to, ...).element``.
        scale: Of the task vector.

    Raises:
        UnknownName, ShapeMismatch: A model is not of the element's symmetry.
        NotFinite: A model holds NaN or infinity.
        BadInput: The scale is not finite.
    """
    if not math.isfinite(scale):
        raise BadInput(f"the scale is {scale}", "give a finite number; 1 adds the task vector once")
    symmetry = element.symmetry
    for params, which in ((fine, "the fine-tuned model"), (base, "the base"), (to, "the target")):
        symmetry.check(params)
        check_finite(params, which)
    before, after = (_moved(element, _essential(symmetry, one)) for one in (base, fine))
    found = symmetry.coordinates(double(to))
    for name, moved in after.items():
        held = found[name]
        found[name] = held + scale * (moved - before[name])
        if name.endswith("running_var"):
            found[name] = found[name].maximum(held.minimum(moved))
    return symmetry.parameters(found, to)


def _essential(symmetry: Symmetry, params: Mapping[str, Tensor]) -> Params:
    """What the function depends on, in the coordinates on which the group acts linearly."""
    found = symmetry.coordinates(double(params))
    reps = symmetry.essential.reps
    return {n: t for n, t in found.items() if n in reps and t.is_floating_point()}


def _moved(element: Element, coordinates: Params) -> Params:
    """The essential part of an element on essential coordinates."""
    core = element.symmetry.essential
    return core.act_all(Element(core, {n: element.values[n] for n in core.spaces}), coordinates)


def _certificate(alignment: Alignment, size: float) -> Certificate:
    """The target on the base's orbit, or not known to be."""
    left = alignment.after / size if size else alignment.after
    return Certificate(
        "the target lies on the orbit of the base, and what was learned arrives whole",
        Verdict.TESTED if left <= ON_ORBIT else Verdict.UNKNOWN,
        ON_ORBIT - left,
        {"left": left, "before": alignment.before, "after": alignment.after},
    )

"""distance: how far two models are apart when gauge is no matter."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from isthmus.algebra.symmetry import Params, Symmetry
from isthmus.alignment.finite import check_finite
from isthmus.alignment.forms.canonical import Balanced, settled
from isthmus.alignment.forms.minimal import compact
from isthmus.alignment.matcher import Matcher
from isthmus.alignment.matching.meeting import counts
from isthmus.alignment.starts.outward import Outward
from isthmus.alignment.starts.signature import Signature
from isthmus.alignment.starts.start import Identity, Warm
from isthmus.alignment.weights import WeightMatching
from isthmus.ground.results import Result


@dataclass(frozen=True)
class Gap:
    """How far apart two models are in one parameter, in one layer, or in all.

    Attributes:
        before: Euclidean distance as the models are, in the gauge of the symmetry.
        after: between the orbits.
        size_before: the root mean square of the two norms as the models are.
        size: the same at the shortest points of their orbits.
    """

    before: float
    after: float
    size_before: float
    size: float

    @classmethod
    def of(cls, a: Tensor, b: Tensor, at: Tensor, met: Tensor) -> Gap:
        """Of two tensors as they are, and at shortest points that have met."""
        sizes = (math.hypot(_length(x), _length(y)) / math.sqrt(2) for x, y in ((a, b), (at, met)))
        return cls(_length(a - b), _length(at - met), *sizes)

    @property
    def relative_before(self) -> float:
        """``before`` over ``size_before``."""
        return self.before / self.size_before if self.size_before else 0.0

    @property
    def relative(self) -> float:
        """``after`` over ``size``: 0 for one orbit, about √2 for strangers that do not meet."""
        return self.after / self.size if self.size else 0.0

    def to_json(self) -> dict[str, float]:
        """The fields and the shares."""
        shares = {"relative_before": self.relative_before, "relative": self.relative}
        return {**dataclasses.asdict(self), **shares}


@dataclass(frozen=True)
class OrbitDistance(Result):
    """The distance between the orbits of two models.

    Attributes:
        total: over all parameters.
        layers: the same for each layer: the parameters of one module.
        parameters: the same for each parameter; those that the gauge makes equal are left out.
    """

    total: Gap
    layers: Mapping[str, Gap]
    parameters: Mapping[str, Gap]

    def __float__(self) -> float:
        """The distance over all parameters."""
        return self.total.after

    def __str__(self) -> str:
        """One line for the whole, and a table of layers."""
        width = max(map(len, self.layers), default=0)
        rows = [
            f"  {name:<{width}}  {gap.before:>10.4g}  {gap.after:>10.4g}  {gap.relative:>8.1%}"
            for name, gap in self.layers.items()
        ]
        head = f"  {'layer':<{width}}  {'as they are':>10}  {'orbits':>10}  {'relative':>8}"
        return "\n".join([_sentence(self.total), head, *rows])


def distance(
    a: Mapping[str, Tensor],
    b: Mapping[str, Tensor],
    *,
    symmetry: Symmetry,
    method: Matcher | None = None,
    seed: int = 0,
) -> OrbitDistance:
    """The distance between the orbits of two models: the same for all models of these orbits.

    The infimum of ``|g·a - h·b|`` over a group with scales is no distance: it is often 0, for
    scales can make short what differs. So each model is first brought to the shortest point of
    its orbit, ``μ(a)`` and ``μ(b)`` (scales in front of a norm: to unit norm), which is unique up
    to the compact part K of the group: permutations, signs, rotations. K keeps lengths, and::

        d(a, b) = min over k in K of |μ(a) - k·μ(b)|

    is symmetric, obeys the triangle inequality, and is 0 for two models of one orbit and, where
    shortest points exist, for no others. What nothing acts on counts as it is; what the function
    does not depend on does not count, nor what a BatchNorm measured.

    The minimum is searched for, so what is returned bounds it from above. The search begins from
    representatives that do not depend on where on their orbits the models were (`canonical`), and
    the two come in an order of their own: so its result does not depend on it either, nor on
    which model is called a.

    Args:
        a: a model.
        b: another one.
        symmetry: of their architecture.
        method: finds a start, from the representatives; by default there are several.
        seed: of random starts.

    Raises:
        UnknownName, ShapeMismatch: parameters are not those of the symmetry.
        NotFinite: a parameter holds NaN or infinity.
    """
    for params, which in ((a, "a"), (b, "b")):
        symmetry.check(params)
        check_finite(params, which)
    sides = [settled(symmetry, params, Balanced(), ordered=True) for params in (a, b)]
    order = sorted((0, 1), key=lambda k: _square(sides[k].point))
    one, two = (sides[k] for k in order)
    generator = torch.Generator().manual_seed(seed)
    turns = compact(one.symmetry)
    search = WeightMatching(starts=(Identity(), Signature(), Outward()))
    if method is not None:
        first, second = (sides[k].params(symmetry, (a, b)[k]) for k in order)
        g = method(first, second, compact(symmetry), generator).element
        search = WeightMatching(starts=(Warm(g),))
    k = search(one.point, two.point, turns, generator).element
    met = {**two.whole, **turns.act_all(k, two.point)}
    point = {**one.whole, **one.point}
    names = [name for name in point if counts(symmetry.essential, name)]
    before = [side.whole for side in sides]
    return _result({n: Gap.of(before[0][n], before[1][n], point[n], met[n]) for n in names})


def _result(parameters: Mapping[str, Gap]) -> OrbitDistance:
    """Parameters with their sums: for each module, and over all."""
    layers: dict[str, dict[str, Gap]] = {}
    for name, gap in parameters.items():
        layers.setdefault(name.rpartition(".")[0] or name, {})[name] = gap
    sums = {name: _sum(of) for name, of in layers.items()}
    return OrbitDistance(_sum(parameters), sums, parameters)


def _length(tensor: Tensor) -> float:
    return float(tensor.double().norm())


def _sum(gaps: Mapping[str, Gap]) -> Gap:
    """Several parameters as one."""
    parts = zip(*(dataclasses.astuple(gap) for gap in gaps.values()), strict=True)
    return Gap(*(math.hypot(*part) for part in parts))


def _square(point: Params) -> float:
    return sum(float(t.square().sum()) for t in point.values())


def _sentence(total: Gap) -> str:
    return (
        f"distance {total.after:.6g} between the orbits ({total.relative:.1%} of the models' "
        f"size), {total.before:.6g} as they are"
    )

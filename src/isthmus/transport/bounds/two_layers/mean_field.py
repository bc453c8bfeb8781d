"""The mean-field bounds of a pair of two-layer networks, beside what is measured.

Theorem 3.1 of Ferbach et al. (2024) says that wide two-layer networks are linearly connected up to
a permutation, with an error that is not computed; mathematics.md 2.2 is its quantified form, for
two given networks: nothing is assumed of how they were made.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor

from isthmus.algebra import Symmetry
from isthmus.ground import BadInput, Certificate, Result, Verdict
from isthmus.ground.assignment import assignment
from isthmus.landscape import Line, Loss
from isthmus.transport.bounds.two_layers.gaps import Pairs
from isthmus.transport.bounds.two_layers.losses import ConvexLoss, LipschitzLoss
from isthmus.transport.bounds.two_layers.network import UnitNetwork, Units
from isthmus.transport.bounds.two_layers.study import Gap, Study, wide

THEOREM = "after Theorem 3.1 of Ferbach et al. (2024), in numbers for two given networks:"


@final
@dataclass(frozen=True)
class MeanFieldBound(Result):
    """Bounds of the gap and of the barrier between two matched two-layer networks.

    Attributes:
        width: N.
        activation: σ.
        scale: N times what the sum over units is multiplied with: 1 for a mean, N for a sum.
        outgoing: How much readers, in the form of a mean, count in distances.
        power: The permutation is optimal for the distances to this power.
        first: The mean distance of matched units: W₁ where ``power`` is 1, at least W₁ else.
        second: The root of their mean square: W₂ where ``power`` is 2, at least W₂ else.
        lipschitz: Lip, the largest over the inputs; on the hull.
        curvature: H, so; infinite where the activation has a corner there.
        bounds: By name: on the hull and by pairs, Lipschitz and smooth; and the sharpest.
        measured: The same of the line, at sampled t.
        unmatched: So without the permutation.
        hypotheses: What the bounds rest on: what holds, what fails, what is taken as given.
        certificate: The smallest bound, proved.
        each: (inputs,), the smallest bound of every input's gap.
        order: (N,), int64: unit k of the one is matched with unit ``order[k]`` of the other.
        line: Between the matched networks, in float64.
        pairs: The matched units.
    """

    width: int
    activation: str
    scale: float
    outgoing: float
    power: float
    first: float
    second: float
    lipschitz: float
    curvature: float
    bounds: Mapping[str, Gap]
    measured: Gap
    unmatched: Gap
    hypotheses: tuple[str, ...]
    certificate: Certificate
    each: Tensor = field(metadata={"json": False})
    order: Tensor = field(metadata={"json": False})
    line: Line = field(metadata={"json": False})
    pairs: Pairs = field(metadata={"json": False})

    def __str__(self) -> str:
        form = {1.0: "mean", float(self.width): "sum"}.get(round(self.scale, 9))
        head = (
            f"{form or f'{self.scale:.4g} times the mean'} of {self.width} {self.activation} units:"
            f" mean distance {self.first:.4g}, root mean square {self.second:.4g}, "
            f"Lip {self.lipschitz:.4g}, H {self.curvature:.4g}"
        )
        rows = {**self.bounds, "measured": self.measured, "unmatched": self.unmatched}
        width = max(map(len, rows))
        title = f"  {'gap of the outputs':<{width}} {'mean':>10} {'worst':>10} {'barrier':>10}"
        lines = [f"  {name:<{width}} {gap}" for name, gap in rows.items()]
        return "\n".join(
            [head, title, *lines, f"  {THEOREM}", *(f"  {h}" for h in self.hypotheses)]
        )

    def at(self, t: float) -> float:
        """A bound of the mean gap at one t: every bound is 4 t (1 - t) times that at 1/2."""
        return 4 * t * (1 - t) * float(self.each.mean())


def mean_field_bound(
    loss: Loss,
    a: Mapping[str, Tensor],
    b: Mapping[str, Tensor],
    symmetry: Symmetry,
    power: float = 2.0,
    outgoing: float | None = None,
    convex: ConvexLoss | None = None,
    points: int = 9,
) -> MeanFieldBound:
    """Bound the barrier between two networks with one hidden layer, its units optimally matched.

    ``|f(tA + (1-t)πB) - t f(A) - (1-t) f(B)|`` is at most ``2 t (1-t) Lip W₁`` where Lip bounds the
    gradient of a unit's share of the outputs on the hull of all units, and at most
    ``t (1-t) H/2 W₂²`` where H bounds its second derivative (mathematics.md 2.2, after Theorem 3.1
    of Ferbach et al. 2024). The same with constants of each pair, and a sharper bound, stand beside
    it, and the gaps that are measured. Constants are computed for every input of the data, in
    float64, with room for rounding; the bounds are of the line in real arithmetic, at the
    parameters as they are given.

    Args:
        loss: Its model has one hidden space of units: linear, activation, linear.
        a: Params.
        b: Params of the same model, the units of which are permuted.
        symmetry: Of the model.
        power: Units are matched by the least sum of distances to this power: 1 for W₁, 2 for W₂.
        outgoing: What readers, in the form of a mean, are multiplied with where distances are
            taken: any positive number gives bounds that hold. None balances readers and writers,
            and then a network written as a sum has the bounds of the same one written as a mean.
        convex: What is known of the criterion; None takes it for cross-entropy.
        points: Where the line is measured.

    Raises:
        UnknownOperator: The model is no such network; says what it is.
        BadInput: There are no data, an argument is out of range, or the criterion is another.
        UnknownName: ``a`` or ``b`` are not of the model; so ShapeMismatch.
        NotFinite: One of them holds NaN or infinity.
    """
    _check(power, outgoing, points)
    a, b = wide(a), wide(b)
    study = Study.of(loss, a, b, symmetry)
    network, knows = study.network, convex or LipschitzLoss()
    pairs, order = matched(network.units(a), network.units(b), network, power, outgoing)
    moved = network.permuted(b, order)
    bounds = study.bounds(pairs, knows)
    measured = study.measured(a, moved, points)
    distances = pairs.distances
    return MeanFieldBound(
        width=network.width,
        activation=network.activation.name,
        scale=network.scale,
        outgoing=pairs.outgoing,
        power=power,
        first=float(distances.mean()),
        second=float(distances.square().mean().sqrt()),
        lipschitz=bounds.lipschitz,
        curvature=bounds.curvature,
        bounds=bounds.gaps,
        measured=measured,
        unmatched=study.measured(a, b, points),
        hypotheses=_hypotheses(network, bounds.curvature, knows),
        certificate=_certificate(bounds.gaps, measured, knows),
        each=bounds.each,
        order=order,
        line=Line(a, moved),
        pairs=pairs,
    )


def matched(
    a: Units, b: Units, network: UnitNetwork, power: float, outgoing: float | None
) -> tuple[Pairs, Tensor]:
    """The pairs of least cost, and which unit of ``b`` each of ``a`` has."""
    if outgoing is None:
        writers, readers = (
            float(torch.cat(sides).square().sum().sqrt())
            for sides in ((a.writers, b.writers), (a.readers, b.readers))
        )
        outgoing = writers / readers if writers > 0 and readers > 0 else 1.0
    rows = a.rows(outgoing), b.rows(outgoing)
    far = torch.cdist(*rows, compute_mode="donot_use_mm_for_euclid_dist")
    order = assignment(far**power)
    return Pairs(a, b[order], outgoing, network.activation), order


def _hypotheses(network: UnitNetwork, curvature: float, convex: ConvexLoss) -> tuple[str, ...]:
    name, corner = network.activation.name, network.activation.corner(-math.inf, math.inf)
    smooth = f"holds: {name} is twice differentiable where they reach"
    if not math.isfinite(curvature):
        smooth = (
            f"fails: {name} has a corner at {corner:.4g} between them, so no smooth bound holds"
        )
    return (
        f"holds: the outputs are a sum over units of {network.space!r}, as the model computes it",
        f"holds: {name} is Lipschitz between what units take",
        smooth,
        f"given: the criterion is {convex}; the ends do not refute it",
    )


def _certificate(bounds: Mapping[str, Gap], measured: Gap, convex: ConvexLoss) -> Certificate:
    name = min(bounds, key=lambda n: bounds[n].mean, default=None)
    if name is None:
        return Certificate("no finite bound of the gap was found", Verdict.UNKNOWN)
    best = bounds[name]
    return Certificate(
        f"outputs on the line are at most {best.mean:.4g} from the mix of the ends in the mean of "
        f"the inputs, and the barrier is at most {best.barrier:.4g}, for every t, where the "
        f"criterion is {convex}",
        Verdict.PROVED,
        best.barrier - measured.barrier,
        {
            "upper": best.barrier,
            "bound": name,
            "gap": best.mean,
            "worst": best.worst,
            "measured": measured.barrier,
        },
    )


def _check(power: float, outgoing: float | None, points: int) -> None:
    if not 0 < power < math.inf:
        raise BadInput(f"power is {power}, expected a positive number", "give 1 for W₁, 2 for W₂")
    if outgoing is not None and not 0 < outgoing < math.inf:
        raise BadInput(f"outgoing is {outgoing}, expected a positive number", "give one, or None")
    if points < 2:
        raise BadInput(f"points is {points}, expected at least 2", "count both ends")

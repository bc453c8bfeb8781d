"""How two models' layers are brought together: by alignment, or carried between widths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from isthmus.algebra.symmetry import Params, Symmetry
from isthmus.alignment.align import align
from isthmus.alignment.data.metric import Metric
from isthmus.alignment.forms.minimal import compact
from isthmus.alignment.fusion.carrier import Carrier
from isthmus.alignment.fusion.correspondence import check_correspondence
from isthmus.alignment.fusion.plans import Plan
from isthmus.alignment.matcher import Matcher
from isthmus.alignment.matching.meeting import widened
from isthmus.ground.errors import BadInput
from isthmus.transport.distances.solvers import Solver
from isthmus.transport.distances.wasserstein import Transport, transport
from isthmus.transport.layers.measuring import Measuring
from isthmus.transport.measures.blocks import holds_blocks, unit_costs
from isthmus.transport.measures.neurons import INCOMING, unit_spaces


@dataclass(frozen=True, eq=False)
class Met:
    """W_1 and W_2 between two layers, before and after; and what the alignment itself reaches."""

    after: tuple[Transport, Transport]
    before: tuple[Transport, Transport] | None = None
    matched: float | None = None


def met_by_alignment(
    models: tuple[Params, Params],
    symmetry: Symmetry,
    measuring: Measuring,
    metrics: Sequence[Metric],
    method: Matcher | None,
    seed: int,
) -> tuple[dict[str, Met], str]:
    """Layers of two equally wide models, and in words how far apart the models are.

    Only permutations, signs and rotations align: they keep lengths, as distances of measures do.
    """
    one, two = models
    fit = align(two, to=one, symmetry=compact(symmetry), method=method, seed=seed)
    found = {}
    for name in unit_spaces(symmetry):
        before, after = (
            unit_costs(one, b, symmetry, name, parts=measuring.parts, metrics=metrics)
            for b in (two, fit.params)
        )
        matched = float(after.diagonal().mean().sqrt())
        found[name] = Met(_both(after, measuring), _both(before, measuring), matched)
    words = f"models {fit.before:.4g} apart before, {fit.after:.4g} after alignment by weights"
    return found, words


@dataclass
class _Recording:
    """Plans between units of equal mass, with the costs that they were found for."""

    solver: Solver
    conserve: bool = True
    costs: list[Tensor] = field(default_factory=list)

    def plan(self, cost: Tensor, target: Tensor, source: Tensor) -> Plan:
        """One plan for each entry of the batch."""
        n, m = cost.shape[-2:]
        self.costs.append(cost)
        one, other = (torch.full((k,), 1 / k, dtype=torch.float64) for k in (n, m))
        plans = [self.solver(c, one, other)[0] for c in cost.double().reshape(-1, n, m)]
        return Plan(torch.stack(plans).reshape(cost.shape))


def met_by_plans(
    models: tuple[Params, Params],
    symmetries: tuple[Symmetry, Symmetry],
    measuring: Measuring,
    metrics: Sequence[Metric],
) -> tuple[dict[str, Met], str]:
    """Layers of two models of any widths.

    Raises:
        BadInput: something other than incoming weights and bias is compared; or the models differ
            in more than widths, or where nothing is permuted.
    """
    if measuring.parts != INCOMING or metrics:
        raise BadInput(
            "models of different widths are compared by incoming weights and biases alone",
            "leave parts, and the metric of data, as they are",
        )
    check_correspondence(*symmetries)
    whole = [widened(s, p, exact=True) for s, p in zip(symmetries, models, strict=True)]
    planner = _Recording(measuring.solver)
    carrier = Carrier(planner, symmetries, (whole[0], whole[1]))
    carrier.carry({}, {})
    costs = dict(zip(carrier.plans, planner.costs, strict=True))
    names = [n for n in unit_spaces(symmetries[0]) if not holds_blocks(symmetries[0], n)]
    words = "after: what reads a layer is carried by the plan found for that layer"
    return {name: Met(_both(costs[name], measuring)) for name in names}, words


def _both(squares: Tensor, measuring: Measuring) -> tuple[Transport, Transport]:
    """W_1 and W_2 from squared distances of units of equal mass."""
    n, m = squares.shape
    one, other = (torch.full((k,), 1 / k, dtype=torch.float64) for k in (n, m))
    return (
        transport(squares.sqrt(), one, other, 1.0, measuring.solver),
        transport(squares, one, other, 2.0, measuring.solver),
    )

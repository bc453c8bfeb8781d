"""Costs of pairs of units; of blocks (heads, groups, experts), each at its best inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from isthmus.algebra.elements import Element
from isthmus.algebra.symmetry import Params, Symmetry
from isthmus.alignment.data.metric import Metric, MetricProblem
from isthmus.alignment.finite import check_finite
from isthmus.alignment.forms.minimal import compact
from isthmus.alignment.matching.meeting import acted, widened
from isthmus.alignment.matching.problem import Problem
from isthmus.alignment.matching.steps import settle_inside
from isthmus.ground.errors import BadInput
from isthmus.transport.measures.measure import squared_distances
from isthmus.transport.measures.neurons import INCOMING, Parts, neurons, require_units


def unit_costs(
    a: Mapping[str, Tensor],
    b: Mapping[str, Tensor],
    symmetry: Symmetry,
    space: str,
    *,
    parts: Parts = INCOMING,
    metrics: Sequence[Metric] = (),
) -> Tensor:
    """The squared distance of every unit of ``a`` from every unit of ``b``, ``(n, n)``.

    Units are compared as `neurons` gives them, at their best sign. Blocks that hold spaces of
    their own (heads with their keys and values) are compared at the permutations, signs and
    rotations inside that bring them together: exact where one space is inside or several that do
    not meet, as keys and values; else found by descent, and so an upper bound. Inside, lengths
    count: `canonical` makes shears and scales comparable.

    Args:
        a: a model.
        b: another, of the same shapes.
        symmetry: of both.
        space: a name of `unit_spaces`.
        parts: what is compared.
        metrics: what weights are multiplied with.

    Raises:
        As `neurons`.
    """
    if not holds_blocks(symmetry, space):
        one, other = (neurons(p, symmetry, space, parts=parts, metrics=metrics) for p in (a, b))
        return squared_distances(one, other)
    for params, which in ((a, "the first model"), (b, "the second model")):
        symmetry.check(params)
        check_finite(params, which)
    require_units(symmetry, space)
    core = compact(symmetry.essential)
    points = [
        _chosen(acted(core, widened(symmetry, p, exact=True)), core, space, parts) for p in (a, b)
    ]
    count = core.spaces[space].size
    costs = torch.zeros(count, count, dtype=torch.float64)
    here = torch.arange(count)
    for shift in range(count):
        there = (here + shift) % count
        costs[here, there] = _met(core, points[0], points[1], space, there, metrics)
    return costs


def holds_blocks(symmetry: Symmetry, space: str) -> bool:
    """Whether the units of a space are blocks that hold spaces of their own."""
    return any(space in one.over for one in symmetry.essential.spaces.values())


def _chosen(point: Params, core: Symmetry, space: str, parts: Parts) -> Params:
    """The parameters of which the chosen parts of a block are made."""
    places = Problem(core, point, point, core.identity()).places[space]
    names = {place.name for place in places if parts.hold(place)}
    if not names:
        raise BadInput(f"the units of space {space} have none of {parts}", "choose other parts")
    return {name: tensor for name, tensor in point.items() if name in names}


def _met(
    core: Symmetry, a: Params, b: Params, space: str, order: Tensor, metrics: Sequence[Metric]
) -> Tensor:
    """The squared distance of each block of ``a`` from the block of ``b`` given to it."""
    values = dict(core.identity().values)
    values[space] = values[space]._replace(perm=order)
    known = [metric for metric in metrics if metric.weight in a]
    state = MetricProblem(core, a, b, Element(core, values), metrics=known)
    settle_inside(state, space)
    gaps = [(target - moved).double().square().sum(-1) for _, target, moved in state.rows(space)]
    return torch.stack(gaps).sum(0)

"""Canonical gauges: scales and shears brought to a standard form, unit by unit.

Scales that grow one side and shrink another are set where the total squared norm is least (a
convex problem, so the form is unique); scales that only grow are set to unit norm. What is left
between two models of one orbit is discrete, or a rotation.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from isthmus.algebra.elements import Element
from isthmus.algebra.groups import AbstractMonomial, GeneralLinear, Moves, Value
from isthmus.algebra.symmetry import Symmetry
from isthmus.alignment.matching.condensed import condensed
from isthmus.alignment.matching.linear import balance, moments_of
from isthmus.alignment.matching.problem import Problem


def balancing(
    symmetry: Symmetry, params: Mapping[str, Tensor], sweeps: int = 12, tolerance: float = 1e-6
) -> Element:
    """The element that brings ``params`` into the gauge of least norm.

    The last sweep is that in which no log-scale or shear changes by more than ``tolerance``.
    """
    small, sizes = condensed(symmetry, params)
    state = Problem(small, sizes, sizes, small.identity())
    for _ in range(sweeps):
        largest = 0.0
        for name, space in symmetry.spaces.items():
            group = space.group
            if not state.places[name]:
                continue
            value: Value | None = None
            if isinstance(group, AbstractMonomial) and group.scales:
                value = _scales(state, name, group)
                largest = max(largest, float(value.logs.abs().max()))
            elif isinstance(group, GeneralLinear):
                value = _shears(state, name)
                largest = max(largest, float((value - torch.eye(group.size)).abs().max()))
            if value is not None:
                state.accept({name: value}, state.propose({name: value}))
        if largest < tolerance:
            break
    return Element(symmetry, state.element.values)


def _scales(state: Problem, name: str, group: AbstractMonomial) -> Moves:
    """One round over the scales of a space."""
    places = state.rows(name)
    squares = [b.double().square().sum(-1) for _, _, b in places]
    powers = torch.tensor([c.scales for c, _, _ in places], dtype=torch.float64)
    one = group.identity(state.symmetry.batch(name))
    logs = one.logs.clone()
    table = torch.stack(squares)
    for k in range(group.scales):
        felt = powers[:, k] != 0
        grown = torch.einsum("ek,...kn->e...n", powers, logs)
        sizes, power = (table * (2 * grown).exp())[felt], powers[felt, k]
        # A unit that has nothing on one side has no shortest form: it is left as it is.
        sides = [sizes[side].sum(0) > 1e-200 for side in (power > 0, power < 0) if bool(side.any())]
        change = _least(sizes.clamp_min(1e-300), power)
        logs[..., k, :] += torch.where(torch.stack(sides).all(0), change, 0.0)
    return Moves(one.perm, one.signs, logs)


def _least(sizes: Tensor, power: Tensor, steps: int = 20) -> Tensor:
    """Minimise ``Σ sizes e^{2 power s}``; where all powers have one sign, make the sum 1."""
    p = power.reshape(-1, *[1] * (sizes.dim() - 1))
    if bool((power > 0).all() or (power < 0).all()):
        low = float(power.abs().min())
        lead = sizes[power.abs() == low].sum(0)
        return -lead.log() / (2 * low) * (1 if power[0] > 0 else -1)
    up, down = (sizes[side].sum(0) for side in (power > 0, power < 0))
    largest = float(power.abs().max())
    s = ((down / up).log() / (4 * largest)).clamp(-20, 20)
    if bool((power.abs() == largest).all()):
        return s
    for _ in range(steps):
        grown = sizes * (2 * p * s).exp()
        first, second = (2 * p * grown).sum(0), (4 * p.square() * grown).sum(0)
        s = s - (first / second.clamp_min(1e-300)).clamp(-1, 1)
    return s.clamp(-20, 20)


def _shears(state: Problem, name: str) -> Tensor:
    """The balanced basis of a space with GL, where both sides have full rank."""
    moments = moments_of(state.rows(name))
    return balance(moments[2], moments[5])

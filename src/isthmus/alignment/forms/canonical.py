"""canonical: one representative for each orbit, of the same function."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from isthmus.algebra.groups import AbstractMonomial, Moves
from isthmus.algebra.symmetry import Params, Symmetry
from isthmus.alignment.finite import check_finite
from isthmus.alignment.forms.minimal import Minimal, compact, minimal
from isthmus.alignment.forms.representative import representative
from isthmus.alignment.matching.problem import Problem


class Form(Protocol):
    """A choice of lengths: which point of an orbit, up to permutations, signs and rotations."""

    def __call__(self, model: Minimal) -> Minimal:
        """The chosen point, from the shortest one."""
        ...


@dataclass(frozen=True)
class Balanced:
    """The shortest point of the orbit.

    What goes into a unit with a scale is as long as what comes out of it; keys and queries (or
    values and outputs) of a head have one Gram matrix, ``QQᵀ = KKᵀ``. Scales in front of a norm,
    which only grow, are set to unit norm.
    """

    def __call__(self, model: Minimal) -> Minimal:
        """As it is."""
        return model


@dataclass(frozen=True)
class UnitNorm:
    """What goes into each unit with a positive scale, weights and bias, has norm 1.

    The norm is over all that feels the scale once and is not its reader. Shears, and scales that
    nothing goes into, are as in `Balanced`.

    Args:
        sweeps: over all units, at most; as many as there are layers suffice where none recurs.
    """

    sweeps: int = 200

    def __call__(self, model: Minimal) -> Minimal:
        """Set lengths space after space, until none changes."""
        symmetry = model.symmetry
        state = Problem(symmetry, model.point, model.point, symmetry.identity())
        for _ in range(self.sweeps):
            changes = [
                _unit(state, name, space.group)
                for name, space in symmetry.spaces.items()
                if isinstance(space.group, AbstractMonomial) and space.group.scales
            ]
            if max(changes, default=0.0) < 1e-12:
                break
        return Minimal(model.whole, state.element @ model.element, state.moved)


_BALANCED = Balanced()


def canonical(
    params: Mapping[str, Tensor],
    symmetry: Symmetry,
    form: Form = _BALANCED,
    *,
    ordered: bool = True,
) -> Params:
    """The representative of the orbit of ``params``: other weights, same function.

    Two models of one orbit come out equal to rounding, where that is possible: no two units of
    equal length, no two equal eigenvalues, no head or unit without full rank on both sides.

    Args:
        params: a model.
        symmetry: of its architecture.
        form: how long units are: `Balanced` or `UnitNorm`.
        ordered: whether units are put in order too, and signs and rotations settled
            (`isthmus.alignment.forms.representative`); otherwise they stay as they are.

    Raises:
        UnknownName, ShapeMismatch: parameters are not those of the symmetry.
        NotFinite: a parameter holds NaN or infinity.
    """
    symmetry.check(params)
    check_finite(params, "the model")
    return settled(symmetry, params, form, ordered=ordered).params(symmetry, params)


def settled(
    symmetry: Symmetry, params: Mapping[str, Tensor], form: Form, *, ordered: bool
) -> Minimal:
    """A model at the point of its orbit that `canonical` speaks of."""
    found = form(minimal(symmetry, params))
    if not ordered:
        return found
    turns = compact(found.symmetry)
    last = representative(turns, found.point)
    element = found.symmetry.lift(last) @ found.element
    return Minimal(found.whole, element, turns.act_all(last, found.point))


def _unit(state: Problem, name: str, group: AbstractMonomial) -> float:
    """Give what goes into each unit norm 1; returns the largest change of a log-scale."""
    one = group.identity(state.symmetry.batch(name))
    largest = 0.0
    for k in range(group.scales):
        into = [(c, x) for c, _, x in state.rows(name) if c.scales[k] > 0 and not c.dual]
        if not into:
            continue
        power = min(c.scales[k] for c, _ in into)
        squares = [x.double().square().sum(-1) for c, x in into if c.scales[k] == power]
        total = torch.stack(squares).sum(0)
        there = total > 1e-200
        change = torch.where(there, -total.clamp_min(1e-200).log() / (2 * power), 0.0)
        logs = one.logs.clone()
        logs[..., k, :] = change
        value = Moves(one.perm, one.signs, logs)
        state.accept({name: value}, state.propose({name: value}))
        largest = max(largest, float(change.abs().max()))
    return largest

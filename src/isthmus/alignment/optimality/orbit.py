"""How near the orbits can come: a lower bound over the whole group, whatever element was found.

``min Σ ≥ Σ min``: every block is given to one term, and the bounds of the terms are added. Blocks
on which one space acts alone are solved together for that space. Of a block on which several act,
one space is taken exactly and the others by what bounds them all, or all by the singular values.
Blocks that a change of basis acts on are bounded together, by products that no basis alters. Blocks
that scales can bring to anything are left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from isthmus.algebra.groups import AbstractMonomial, Group
from isthmus.alignment.matching.problem import Occurrence, Problem
from isthmus.alignment.optimality.costs import costs_of, gibibytes
from isthmus.alignment.optimality.duals import Duals
from isthmus.alignment.optimality.freedom import Freedom, moving
from isthmus.alignment.optimality.products import has_products
from isthmus.alignment.optimality.spectra import side_of, spectral_bound
from isthmus.alignment.optimality.terms import Term, spectral, squared_distance, term


@dataclass(frozen=True)
class Share:
    """Some blocks and the space that answers for them; none where only spectra do, or nothing acts.

    A block is named by its parameter, its number in the rep, and the factor it is seen from.
    """

    space: str | None
    places: tuple[Occurrence, ...]
    bound: Term

    def to_json(self, problem: Problem) -> dict[str, Any]:
        """Plain data."""
        blocks = [[p.name, _number(problem, p), p.dim] for p in self.places]
        return {"space": self.space, "blocks": blocks, **self.bound.to_json()}


def shares(problem: Problem, memory: float) -> list[Share]:
    """Every block in one share, each with what is proved of it."""
    free = set(problem.symmetry.spaces)
    owned: dict[str, list[Occurrence]] = {}
    out: list[Share] = []
    for place in _blocks(problem):
        owner = _owner(problem, place, memory)
        if owner is not None:
            owned.setdefault(str(owner.block.factors[owner.dim].space), []).append(owner)
        else:
            seen = _widest_view(problem, place)
            out.append(Share(None, (seen,), _alone(problem, seen)))
    for space, places in owned.items():
        out.append(Share(space, tuple(places), term(problem, space, places, free, memory=memory)))
    return [share for share in out if share.bound.kind != "none"]


def stored_share(problem: Problem, data: Mapping[str, Any], duals: Duals | None) -> Share:
    """A share as it was written, its bound computed anew from the duals."""
    places = [_place(problem, str(name), int(k), int(dim)) for name, k, dim in data["blocks"]]
    if data["space"] is None:
        (place,) = places
        return Share(None, (place,), _alone(problem, place))
    space = str(data["space"])
    if any(place.block.factors[place.dim].space != space for place in places):
        raise ValueError(f"a block of the share of {space!r} is not one that it acts on")
    found = term(problem, space, places, set(problem.symmetry.spaces), duals)
    return Share(space, tuple(places), found)


def _alone(problem: Problem, place: Occurrence) -> Term:
    free = set(problem.symmetry.spaces)
    if not moving(problem.symmetry, place.block, free):
        value = squared_distance(problem, [place])
        return Term("fixed", value, value, sharp=True)
    return spectral(problem, place, free)


def _blocks(problem: Problem) -> list[Occurrence]:
    """Every block once, seen from its first factor."""
    reps = problem.symmetry.reps
    return [
        _place(problem, name, k, 0) for name in problem.a for k in range(len(reps[name].blocks))
    ]


def _place(problem: Problem, name: str, number: int, dim: int) -> Occurrence:
    block = problem.symmetry.reps[name].blocks[number]
    factors = block.factors
    if not factors:
        return Occurrence(name, block, 0, ())
    at = {f.space: d for d, f in enumerate(factors) if f.space is not None}
    space = factors[dim].space
    outer = problem.symmetry.spaces[space].over if space is not None else ()
    return Occurrence(name, block, dim, tuple(at[o] for o in outer))


def _number(problem: Problem, place: Occurrence) -> int:
    blocks = problem.symmetry.reps[place.name].blocks
    return next(k for k, block in enumerate(blocks) if block is place.block)


def _owner(problem: Problem, place: Occurrence, memory: float) -> Occurrence | None:
    """The space to which a block is given: the one that promises most; None for its spectrum."""
    free = set(problem.symmetry.spaces)
    levels = moving(problem.symmetry, place.block, free)
    number = _number(problem, place)
    if len(levels) == 1:
        return _place(problem, place.name, number, next(iter(levels)))
    seen_from = [_place(problem, place.name, number, d) for d in levels]
    candidates = [c for c in seen_from if _owns(problem, c, levels, memory)]
    endless = [c for c in seen_from if levels[c.dim] is Freedom.UNBOUNDED]
    if not candidates and len(endless) == 1 and has_products(_group(problem, endless[0])):
        return endless[0]
    promised: Sequence[float] = [
        float(costs_of(problem, [c], free).least().amin(-1).sum()) for c in candidates
    ]
    best = max(range(len(promised)), key=promised.__getitem__, default=None)
    if best is None:
        return None
    if max(levels.values()) < Freedom.UNBOUNDED:
        seen = _widest_view(problem, place)
        if spectral_bound(problem, seen, side_of(problem, seen, free)) > promised[best]:
            return None
    return candidates[best]


def _widest_view(problem: Problem, place: Occurrence) -> Occurrence:
    """The block seen from the moving factor for which its singular values say most."""
    free = set(problem.symmetry.spaces)
    levels = moving(problem.symmetry, place.block, free)
    if not levels or max(levels.values()) is Freedom.UNBOUNDED:
        return place
    views = [_place(problem, place.name, _number(problem, place), d) for d in levels]
    if len(views) == 1:
        return views[0]
    return max(views, key=lambda v: spectral_bound(problem, v, side_of(problem, v, free)))


def _owns(
    problem: Problem, place: Occurrence, levels: Mapping[int, Freedom], memory: float
) -> bool:
    space = str(place.block.factors[place.dim].space)
    others = [level for d, level in levels.items() if d != place.dim]
    if not isinstance(problem.symmetry.spaces[space].group, AbstractMonomial):
        return False
    fits = gibibytes(problem.symmetry, space) <= memory
    return fits and not set(place.over) & set(levels) and max(others) < Freedom.UNBOUNDED


def _group(problem: Problem, place: Occurrence) -> Group:
    return problem.symmetry.spaces[str(place.block.factors[place.dim].space)].group


def duals_of(data: Mapping[str, Any]) -> Duals | None:
    """Duals as they were written; None where there are none."""
    if "u" not in data or "v" not in data:
        return None
    u, v = (torch.tensor(data[name], dtype=torch.float64) for name in "uv")
    return u, v

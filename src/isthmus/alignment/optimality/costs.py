"""Costs: what each pair of units costs at every scale and sign, as data."""

from __future__ import annotations

import itertools
from collections.abc import Container, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from isthmus.algebra.groups import AbstractMonomial
from isthmus.algebra.symmetry import Symmetry
from isthmus.alignment.matching.problem import Occurrence, Problem
from isthmus.alignment.optimality.freedom import Freedom, moving, overlaps

_PLAIN, _SCALED = 64, 1200
"""Bytes for each pair of units while an assignment is solved and checked: measured."""


@dataclass(frozen=True)
class Part:
    """Characters that share scales with each other and with no others.

    Attributes:
        rows: the characters.
        powers: of the scales that they feel independently, ``(rows, scales)``.
        kinds: the different signs that they can have together.
        which: for each pattern of all characters, which kind it is.
    """

    rows: list[int]
    powers: Tensor
    kinds: list[tuple[int, ...]]
    which: list[int]


@dataclass(frozen=True)
class Costs:
    """``f_ij(s, σ) = target_i + Σ_e y_e² source_e[i,j] - 2 y_e X_e[i,j]``, of log-scales and signs.

    ``e`` runs over characters, ``y_e = exp(powers_e s)``, and ``X_e`` is ``plus`` or ``minus`` by
    the sign that σ gives to e.

    Attributes:
        plus: ``(characters, batch, n, m)``; m is n, or 1 where units stay in place.
        minus: the same for the other sign.
        source: broadcastable to it.
        target: ``(batch, n, 1)``.
        powers: ``(characters, scales)``.
        odd: ``(characters, flips)``.
    """

    plus: Tensor
    minus: Tensor
    source: Tensor
    target: Tensor
    powers: Tensor
    odd: Tensor

    @cached_property
    def patterns(self) -> list[tuple[int, ...]]:
        """Which characters turn negative together, for all choices of signs."""
        choices = itertools.product((0, 1), repeat=self.odd.shape[1])
        found = [tuple((self.odd @ torch.tensor(c).double() % 2).int().tolist()) for c in choices]
        return list(dict.fromkeys(found)) if self.odd.shape[1] else [(0,) * len(self.odd)]

    @cached_property
    def parts(self) -> list[Part]:
        """The characters with scales, parted where no scale joins them."""
        left, out = set(range(self.powers.shape[1])), []
        while left:
            columns, rows, size = {left.pop()}, set[int](), -1
            while len(columns) > size:
                size = len(columns)
                rows = {e for e, p in enumerate(self.powers) if any(p[k] != 0 for k in columns)}
                columns |= {k for k in left if any(self.powers[e, k] != 0 for e in rows)}
            left -= columns
            if rows:
                out.append(self._part(sorted(rows), sorted(columns)))
        return out

    def _part(self, rows: list[int], columns: list[int]) -> Part:
        signs = [tuple(pattern[e] for e in rows) for pattern in self.patterns]
        kinds = list(dict.fromkeys(signs))
        kept: list[int] = []
        for k in columns:
            if int(torch.linalg.matrix_rank(self.powers[rows][:, [*kept, k]])) > len(kept):
                kept.append(k)
        which = [kinds.index(sign) for sign in signs]
        return Part(rows, self.powers[rows][:, kept], kinds, which)

    def crosses(self, part: Part) -> Tensor:
        """``X`` of a part's characters, ``(rows, kinds, batch, n, m)``."""
        flipped = torch.tensor(part.kinds, dtype=torch.bool).mT[..., None, None, None]
        plus, minus = self.plus[part.rows].unsqueeze(1), self.minus[part.rows].unsqueeze(1)
        return torch.where(flipped, minus, plus)

    @property
    def still(self) -> Tensor:
        """What no scale can change, for each pattern of signs: ``(patterns, batch, n, m)``."""
        rows = (self.powers == 0).all(1)
        flipped = torch.tensor(self.patterns, dtype=torch.bool)[:, rows, None, None, None]
        cross = torch.where(flipped, self.minus[rows], self.plus[rows])
        return self.target + (self.source[rows] - 2 * cross).sum(1)

    def cross(self, pattern: Sequence[int]) -> Tensor:
        """``X`` at one choice of signs."""
        flipped = torch.tensor(pattern, dtype=torch.bool).reshape(-1, 1, 1, 1)
        return torch.where(flipped, self.minus, self.plus)

    def least(self) -> Tensor:
        """The smallest cost of each pair if every character had a scale of its own.

        Exact without scales; with them a lower bound.
        """
        felt = (self.powers != 0).any(1).reshape(-1, 1, 1, 1)
        if not bool(felt.any()):
            return self.still.amin(0)
        best: Tensor | None = None
        for pattern in self.patterns:
            cross = self.cross(pattern)
            scaled = -(cross.clamp_min(0) / self.source.sqrt().clamp_min(1e-150)).square()
            cost = self.target + torch.where(felt, scaled, self.source - 2 * cross).sum(0)
            best = cost if best is None else torch.minimum(best, cost)
        assert best is not None
        return best

    @property
    def crossed(self) -> bool:
        """Whether units may change places."""
        return self.plus.shape[-1] > 1


def gibibytes(symmetry: Symmetry, space: str) -> float:
    """About how much memory it takes to prove the assignment of a space."""
    group = symmetry.spaces[space].group
    assert isinstance(group, AbstractMonomial)
    pairs = symmetry.copies(space) * group.size * (group.size if group.swaps else 1)
    return pairs * (_SCALED if group.scales else _PLAIN) / 2**30


def costs_of(problem: Problem, places: Sequence[Occurrence], free: Container[str]) -> Costs:
    """The costs of the pairs of a space, over some of its places, all of bounded freedom.

    Args:
        problem: the state; pairs are units of ``a`` and of the moved ``b``.
        places: where the space acts, each block once.
        free: the spaces that may move beside it.
    """
    group = _group(problem, places[0])
    kinds = list(dict.fromkeys(_kind(place) for place in places))
    sums: list[list[Tensor]] = [[] for _ in kinds]
    for place in places:
        level, a, b = rows_of(problem, place, free)
        crossed = group.swaps and group.size > 1
        plus, minus = overlaps(a, b, level, crossed=crossed)
        source = b.square().sum((-1, -2)).unsqueeze(-2 if crossed else -1)
        parts = [plus, minus, source, a.square().sum((-1, -2)).unsqueeze(-1)]
        held = sums[kinds.index(_kind(place))]
        held[:] = [x + y for x, y in zip(held, parts, strict=True)] if held else parts
    batch = int(sums[0][3][..., 0, 0].numel())
    flat = [[part.reshape(batch, *part.shape[-2:]) for part in held] for held in sums]
    plus, minus, source, target = (torch.stack(list(part)) for part in zip(*flat, strict=True))
    return Costs(
        plus,
        minus,
        source,
        target.sum(0),
        torch.tensor([k[0] for k in kinds]).double().reshape(len(kinds), group.scales),
        torch.tensor([k[1] for k in kinds]).double().reshape(len(kinds), group.flips),
    )


def rows_of(
    problem: Problem, place: Occurrence, free: Container[str]
) -> tuple[Freedom, Tensor, Tensor]:
    """How free the rest of a block is, and both models' rows ``(*over, n, moving, still)``."""
    others = {
        d: f for d, f in moving(problem.symmetry, place.block, free).items() if d != place.dim
    }
    others = {d: f for d, f in others.items() if d not in place.over}
    front = [*place.over, place.dim, *others]

    def rows(tensor: Tensor) -> Tensor:
        x = place.block.read(tensor).double()
        x = x.movedim(front, list(range(len(front))))
        lead = len(place.over) + 1
        count = x.shape[lead : lead + len(others)].numel()
        return x.reshape(*x.shape[:lead], count, -1)

    level = Freedom(max(others.values(), default=Freedom.NONE))
    return level, rows(problem.target[place.name]), rows(problem.moved[place.name])


def _group(problem: Problem, place: Occurrence) -> AbstractMonomial:
    group = problem.symmetry.spaces[str(place.block.factors[place.dim].space)].group
    assert isinstance(group, AbstractMonomial)
    return group


def _kind(place: Occurrence) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return place.character.scales, tuple(k % 2 for k in place.character.flips)

"""Signs, all at once: every overlap of two blocks says what a product of signs should be.

Space by space, signs that only make sense together are never found: flipping a head and flipping
what it holds each look wrong alone. Here the overlaps are linear equations over the field of two
elements, taken by falling size as long as they are independent of those before: for two models of
one orbit, in equal order and gauge, the solution is exact (synchronisation over Z₂).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from isthmus.algebra.groups import AbstractMonomial, Value
from isthmus.algebra.reps import Block
from isthmus.alignment.matching.problem import Problem

MOST = 200_000
"""Of so many equations the largest are taken: those of one layer of width 450."""


def settle_signs(problem: Problem) -> float:
    """Choose all signs together, where that lowers the distance; returns by how much."""
    unknowns = _Unknowns.of(problem)
    if not unknowns.count:
        return 0.0
    equations = list(_equations(problem, unknowns))
    if not equations:
        return 0.0
    overlaps = torch.cat([overlap for overlap, _ in equations])
    width = max(index.shape[1] for _, index in equations)
    pad = unknowns.count  # an unknown that is always +1
    terms = torch.cat(
        [torch.nn.functional.pad(i, (0, width - i.shape[1]), value=pad) for _, i in equations]
    )
    order = overlaps.abs().topk(min(MOST, len(overlaps))).indices
    order = order[overlaps[order].abs() > 1e-12 * overlaps.abs().max()]
    rows = zip(terms[order].tolist(), (overlaps[order] < 0).tolist(), strict=True)
    return problem.try_change(unknowns.values(_solve(rows, unknowns.count), problem), 0.0)


@dataclass(frozen=True)
class _Unknowns:
    """One bit for each sign: where those of each space begin, ``(*batch, flips, size)``."""

    start: Mapping[str, int]
    shape: Mapping[str, tuple[int, ...]]
    count: int

    @classmethod
    def of(cls, problem: Problem) -> _Unknowns:
        start, shape, count = {}, {}, 0
        for name, space in problem.symmetry.spaces.items():
            group = space.group
            if isinstance(group, AbstractMonomial) and group.flips and problem.places[name]:
                start[name] = count
                shape[name] = (*problem.symmetry.batch(name), group.flips, group.size)
                count += int(torch.Size(shape[name]).numel())
        return cls(start, shape, count)

    def values(self, bits: int, problem: Problem) -> dict[str, Value]:
        out: dict[str, Value] = {}
        for name, shape in self.shape.items():
            count = torch.Size(shape).numel()
            mine = [(bits >> (self.start[name] + k)) & 1 for k in range(count)]
            signs = 1.0 - 2.0 * torch.tensor(mine, dtype=torch.float64).reshape(shape)
            one = problem.symmetry.spaces[name].group.identity(problem.symmetry.batch(name))
            out[name] = one._replace(signs=signs)
        return out


def _equations(problem: Problem, unknowns: _Unknowns) -> Iterator[tuple[Tensor, Tensor]]:
    """For each block: its overlaps ``(m,)`` and the unknowns of each, ``(m, terms)``."""
    for name in problem.moved:
        for block in problem.symmetry.reps[name].blocks:
            felt = [
                (d, k)
                for d, factor in enumerate(block.factors)
                if factor.space in unknowns.start
                for k, power in enumerate(factor.character.flips)
                if power % 2
            ]
            if felt:
                product = block.read(problem.target[name]) * block.read(problem.moved[name])
                yield _block(problem, unknowns, block, felt, product)


def _block(
    problem: Problem,
    unknowns: _Unknowns,
    block: Block,
    felt: list[tuple[int, int]],
    product: Tensor,
) -> tuple[Tensor, Tensor]:
    at = {f.space: d for d, f in enumerate(block.factors) if f.space is not None}
    spaces, kept, indices = problem.symmetry.spaces, set[int](), []
    for d, family in felt:
        space = str(block.factors[d].space)
        dims = [*(at[o] for o in spaces[space].over), d]
        numbers = torch.arange(torch.Size(unknowns.shape[space]).numel())
        mine = unknowns.start[space] + numbers.reshape(unknowns.shape[space])[..., family, :]
        order = sorted(range(len(dims)), key=dims.__getitem__)
        shape = [1] * product.dim()
        for k in order:
            shape[dims[k]] = mine.shape[k]
        indices.append(mine.permute(order).reshape(shape))
        kept |= set(dims)
    loose = [d for d in range(product.dim()) if d not in kept]
    overlap = product.double().sum(loose, keepdim=True) if loose else product.double()
    terms = torch.stack([index.expand(overlap.shape).flatten() for index in indices], 1)
    return overlap.flatten(), terms


def _solve(rows: Iterator[tuple[list[int], bool]], count: int) -> int:
    """Bits that fulfil the equations, each as far as those before it leave it free."""
    pivots: dict[int, tuple[int, bool]] = {}
    for terms, odd in rows:
        row = 0
        for term in terms:
            row ^= 1 << term
        row &= (1 << count) - 1
        while row and (top := row.bit_length() - 1) in pivots:
            other, flip = pivots[top]
            row, odd = row ^ other, odd ^ flip
        if row:
            pivots[row.bit_length() - 1] = (row, odd)
            if len(pivots) == count:
                break
    bits = 0
    for top in sorted(pivots):
        row, odd = pivots[top]
        if odd ^ bool((row & bits).bit_count() % 2):
            bits |= 1 << top
    return bits

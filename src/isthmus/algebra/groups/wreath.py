"""Wreath products: a group element per block, and the blocks permuted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, final

import torch
from torch import Tensor

from isthmus.algebra.groups.base import FLOAT, Character, Group, Motion, Value, spread
from isthmus.algebra.groups.curves import Curve, Felt, Inside
from isthmus.algebra.groups.monomial import AbstractMonomial, Permutation, Trivial, monomial
from isthmus.algebra.groups.moves import Moves
from isthmus.ground.assignment import assignment


class Blocks(NamedTuple):
    """``perm`` moves the blocks, then ``inner`` (batched over blocks) acts in each."""

    perm: Tensor
    inner: Value


@final
@dataclass(frozen=True, slots=True)
class Wreath(Group):
    """``inner ≀ S(blocks)``: attention heads, groups of a grouped convolution.

    Acts on ``blocks * inner.size`` coordinates, block after block.
    """

    inner: Group
    blocks: int

    @property
    def size(self) -> int:  # type: ignore[override]
        """All coordinates."""
        return self.blocks * self.inner.size

    @property
    def outer(self) -> Permutation:
        """The group that permutes the blocks."""
        return Permutation(self.blocks)

    @property
    def motions(self) -> frozenset[Motion]:  # type: ignore[override]
        """Those of the inner group and swaps."""
        return self.inner.motions | {Motion.SWAP}

    @property
    def lie_dim(self) -> int:  # type: ignore[override]
        """One copy of the inner group per block."""
        return self.blocks * self.inner.lie_dim

    @property
    def log_components(self) -> float:  # type: ignore[override]
        """ln(blocks!) and the inner components, once per block."""
        return self.outer.log_components + self.blocks * self.inner.log_components

    @property
    def natural(self) -> Character:
        """That of the inner group."""
        return self.inner.natural

    @property
    def name(self) -> str:
        """``GL(4)≀S(2)``."""
        return f"{self.inner}≀{self.outer}"

    def _moves(self, perm: Tensor) -> Moves:
        one = self.outer.identity(perm.shape[:-1])
        return Moves(perm, one.signs, one.logs)

    def _carry(self, perm: Tensor, inner: Value) -> Value:
        """The inner values, each at the place to which its block has moved."""
        batch = perm.dim() - 1

        def move(part: Tensor) -> Tensor:
            return torch.take_along_dim(part, spread(perm, range(batch + 1), part.dim()), batch)

        return self.inner.reindex(inner, move)

    def identity(self, batch: Sequence[int] = ()) -> Blocks:
        """Nothing moves."""
        return Blocks(self.outer.identity(batch).perm, self.inner.identity((*batch, self.blocks)))

    def compose(self, g: Blocks, h: Blocks) -> Blocks:
        """(k₂,p₂)(k₁,p₁) = (k₂ · p₂k₁, p₂p₁)."""
        perm = torch.take_along_dim(h.perm, g.perm, -1)
        return Blocks(perm, self.inner.compose(g.inner, self._carry(g.perm, h.inner)))

    def inverse(self, g: Blocks) -> Blocks:
        """The inverse permutation, carrying the inverse elements."""
        back = torch.argsort(g.perm, -1)
        return Blocks(back, self._carry(back, self.inner.inverse(g.inner)))

    def sample(
        self, generator: torch.Generator, scale: float = 0.3, batch: Sequence[int] = ()
    ) -> Blocks:
        """A permutation of blocks and an inner element for each."""
        perm = self.outer.sample(generator, scale, batch).perm
        return Blocks(perm, self.inner.sample(generator, scale, (*batch, self.blocks)))

    def act(
        self,
        g: Blocks,
        x: Tensor,
        dim: int,
        character: Character,
        over: Sequence[int] = (),
    ) -> Tensor:
        """Unfold the dimension into (block, inner), act on both, fold again."""
        dim = dim % x.dim()
        wide = x.reshape(*x.shape[:dim], self.blocks, self.inner.size, *x.shape[dim + 1 :])
        shifted = [k if k < dim else k + 1 for k in over]
        wide = self.outer.act(self._moves(g.perm), wide, dim, Character(), shifted)
        wide = self.inner.act(g.inner, wide, dim + 1, character, [*shifted, dim])
        return wide.flatten(dim, dim + 1)

    def matrix(self, g: Blocks, character: Character) -> Tensor:
        """Dense block matrix."""
        blocks = self.inner.matrix(g.inner, character)
        swap = self.outer.matrix(self._moves(g.perm), Character())
        dense = torch.einsum("...ab,...aij->...aibj", swap, blocks)
        return dense.flatten(-4, -3).flatten(-2, -1)

    def exp(self, tangent: Tensor) -> Blocks:
        """Inner exponentials; blocks stay."""
        batch = tangent.shape[:-1]
        inner = self.inner.exp(tangent.reshape(*batch, self.blocks, self.inner.lie_dim))
        return Blocks(self.outer.identity(batch).perm, inner)

    def generator(self, tangent: Tensor) -> Tensor:
        """The inner generators, block after block along the diagonal."""
        batch = tangent.shape[:-1]
        blocks = self.inner.generator(tangent.reshape(*batch, self.blocks, self.inner.lie_dim))
        dense = torch.einsum(
            "...aij,ab->...aibj", blocks, torch.eye(self.blocks, dtype=tangent.dtype)
        )
        return dense.flatten(-4, -3).flatten(-2, -1)

    def log(self, g: Blocks) -> Tensor:
        """Inner logarithms, if no block moves."""
        self.outer.log(self._moves(g.perm))
        return self.inner.log(g.inner).flatten(-2)

    def split(self, g: Blocks) -> tuple[Blocks, Blocks]:
        """Blocks and inner discrete parts jump; inner continuous parts flow."""
        jump, flow = self.inner.split(g.inner)
        return Blocks(g.perm, jump), Blocks(self.outer.identity(g.perm.shape[:-1]).perm, flow)

    def curve(self, flow: Blocks, felt: Felt | None = None) -> Curve:
        """Inner curves."""
        self.outer.log(self._moves(flow.perm))
        inner = self.inner.curve(flow.inner)
        return Curve(
            lambda t: Blocks(flow.perm, inner(t)),
            lambda c: tuple(Inside(step, self.blocks) for step in inner.steps(c)),
            inner.rate,
        )

    def why_not(self, matrix: Tensor, tolerance: float = 1e-8) -> str | None:
        """Check one non-zero block in each row and column, then each block."""
        if matrix.shape != (self.size, self.size):
            return f"shape {tuple(matrix.shape)}, expected {(self.size, self.size)}"
        step = self.inner.size
        blocks = matrix.reshape(self.blocks, step, self.blocks, step).permute(0, 2, 1, 3)
        there = blocks.abs().amax((-2, -1)) > tolerance
        if bool((there.sum(0) != 1).any() or (there.sum(1) != 1).any()):
            return "not one non-zero block in each row and column of blocks"
        for k, block in enumerate(blocks[there]):
            reason = self.inner.why_not(block, tolerance)
            if reason:
                return f"block {k}: {reason}"
        return None

    def fit(self, source: Tensor, target: Tensor) -> Blocks:
        """Inner fits for every pair of blocks, then an assignment of blocks."""
        step, count = self.inner.size, self.blocks
        sources = source.to(FLOAT).reshape(count, step, -1)
        targets = target.to(FLOAT).reshape(count, step, -1)
        cost = torch.zeros(count, count, dtype=FLOAT)
        fits: dict[tuple[int, int], Value] = {}
        for i in range(count):
            for j in range(count):
                fits[i, j] = self.inner.fit(sources[j], targets[i])
                moved = self.inner.act(fits[i, j], sources[j], 0, self.natural)
                cost[i, j] = (targets[i] - moved).square().sum()
        perm = assignment(cost)
        chosen = [fits[i, int(perm[i])] for i in range(count)]
        return Blocks(perm, stack(chosen))

    def moves(self, g: Blocks) -> str:
        """Outer and inner motion."""
        said = {
            "blocks": self.outer.moves(self._moves(g.perm)),
            "inside": self.inner.moves(g.inner),
        }
        parts = [f"{where}: {text}" for where, text in said.items() if text != "does nothing"]
        return "; ".join(parts) or "does nothing"

    def is_identity(self, g: Blocks, tolerance: float = 1e-12) -> bool:
        """No block moves, and nothing inside one."""
        outer = self.outer.is_identity(self._moves(g.perm))
        return outer and self.inner.is_identity(g.inner, tolerance)

    def reindex(self, g: Blocks, move: Callable[[Tensor], Tensor]) -> Blocks:
        """Permute the batch of both parts."""
        return Blocks(move(g.perm), self.inner.reindex(g.inner, move))

    def meet(self, motions: frozenset[Motion]) -> tuple[Group, Callable[[Character], Character]]:
        """Restrict the inner group; without swaps only a diagonal one is left."""
        inner, restrict = self.inner.meet(motions)
        if Motion.SWAP in motions:
            return Wreath(inner, self.blocks), restrict
        if isinstance(inner, AbstractMonomial):
            flips, scales = inner.flips, inner.scales
            return monomial(self.size, swaps=False, flips=flips, scales=scales), restrict
        return Trivial(self.size), lambda c: Character(c.dual)


def stack(values: Sequence[Value]) -> Value:
    """Stack values (tensors or named tuples of values) along a new leading batch dimension."""
    first = values[0]
    if isinstance(first, Tensor):
        return torch.stack(list(values))
    return type(first)(*(stack(parts) for parts in zip(*values, strict=True)))

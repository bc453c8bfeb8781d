"""Groups of monomial matrices: swaps, flips and stretches of coordinates.

``Trivial``, ``Permutation``, ``SignedPermutation``, ``PositiveScaling`` and ``Monomial`` are one
group with different generators allowed. A unit may carry several independent scales (a
BatchNorm channel has one before and one after the norm); a ``Character`` says which axis feels
which scale, and how often.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from isthmus.algebra.groups.base import FLOAT, Character, Group, Motion, spread
from isthmus.algebra.groups.curves import Curve, Felt, Spectrum
from isthmus.algebra.groups.moves import Moves, combined
from isthmus.ground.assignment import assignment
from isthmus.ground.errors import Disconnected


class AbstractMonomial(Group):
    """The monomial matrices with the given generators; concrete classes fix which."""

    size: int
    swaps: bool
    flips: int
    scales: int

    @property
    def motions(self) -> frozenset[Motion]:  # type: ignore[override]
        """Which generator families are in the group."""
        held = {Motion.SWAP: self.swaps, Motion.FLIP: self.flips, Motion.STRETCH: self.scales}
        return frozenset(motion for motion, present in held.items() if present)

    @property
    def lie_dim(self) -> int:  # type: ignore[override]
        """One dimension per scale and unit."""
        return self.scales * self.size

    @property
    def log_components(self) -> float:  # type: ignore[override]
        """ln(n! 2^(n flips))."""
        return math.lgamma(self.size + 1) * self.swaps + self.flips * self.size * math.log(2)

    @property
    def natural(self) -> Character:
        """Every scale and every sign felt once."""
        return Character(False, (1,) * self.scales, (1,) * self.flips)

    def identity(self, batch: Sequence[int] = ()) -> Moves:
        """No swap, no flip, no stretch."""
        batch = tuple(batch)
        return Moves(
            torch.arange(self.size).expand(*batch, self.size),
            torch.ones(*batch, self.flips, self.size, dtype=FLOAT),
            torch.zeros(*batch, self.scales, self.size, dtype=FLOAT),
        )

    def compose(self, g: Moves, h: Moves) -> Moves:
        """(D₂P₂)(D₁P₁) = (D₂ · P₂D₁P₂⁻¹)(P₂P₁)."""
        return g.after(h)

    def inverse(self, g: Moves) -> Moves:
        """(DP)⁻¹ = (P⁻¹D⁻¹P)P⁻¹."""
        return g.back()

    def sample(
        self, generator: torch.Generator, scale: float = 0.3, batch: Sequence[int] = ()
    ) -> Moves:
        """Uniform permutation and signs, log-scales normal with deviation ``scale``."""
        one = self.identity(batch)
        perm = one.perm
        if self.swaps:
            perm = torch.argsort(torch.rand(one.perm.shape, generator=generator), -1)
        signs = torch.randint(0, 2, one.signs.shape, generator=generator).to(FLOAT) * 2 - 1
        logs = scale * torch.randn(one.logs.shape, generator=generator, dtype=FLOAT)
        return Moves(perm, signs, logs)

    def weights(self, g: Moves, character: Character) -> Tensor | None:
        """The diagonal part felt by an axis, ``(*batch, n)``; None where it is all ones."""
        return g.felt(character)

    def act(
        self,
        g: Moves,
        x: Tensor,
        dim: int,
        character: Character,
        over: Sequence[int] = (),
    ) -> Tensor:
        """Gather, then multiply by the diagonal."""
        if self.swaps and not over:
            x = x.index_select(dim, g.perm)
        elif self.swaps:
            x = torch.take_along_dim(x, spread(g.perm, [*over, dim], x.dim()), dim)
        felt = self.weights(g, character)
        if felt is None:
            return x
        return x * spread(felt.to(x.dtype), [*over, dim], x.dim())

    def matrix(self, g: Moves, character: Character) -> Tensor:
        """Dense, for checks and for small sizes."""
        rows = torch.nn.functional.one_hot(g.perm, self.size).to(FLOAT)
        felt = self.weights(g, character)
        return rows if felt is None else rows * felt.unsqueeze(-1)

    def exp(self, tangent: Tensor) -> Moves:
        """Log-scales are their own coordinates."""
        batch = tangent.shape[:-1]
        one = self.identity(batch)
        return Moves(one.perm, one.signs, tangent.reshape(*batch, self.scales, self.size))

    def generator(self, tangent: Tensor) -> Tensor:
        """Diagonal: on a natural axis every scale is felt once."""
        return torch.diag_embed(
            tangent.reshape(*tangent.shape[:-1], self.scales, self.size).sum(-2)
        )

    def log(self, g: Moves) -> Tensor:
        """The log-scales, if nothing is swapped or flipped."""
        if not g.joined:
            raise Disconnected(
                f"no path in {self} joins the identity to an element that {self.moves(g)}",
                "split it first: a jump, then a curve (Element.split)",
            )
        return g.logs.flatten(-2)

    def split(self, g: Moves) -> tuple[Moves, Moves]:
        """Swaps and flips jump; scales flow."""
        one = self.identity(g.perm.shape[:-1])
        return Moves(g.perm, g.signs, one.logs), Moves(one.perm, one.signs, g.logs)

    def curve(self, flow: Moves, felt: Felt | None = None) -> Curve:
        """Geometric: the log-scales grow linearly."""
        self.log(flow)

        def steps(character: Character) -> tuple[Spectrum, ...]:
            grows = any(character.scales)
            return (Spectrum(combined(flow.logs, character.scales)),) if grows else ()

        return Curve(
            lambda t: Moves(flow.perm, flow.signs, t * flow.logs),
            steps,
            lambda character: max((step.norm for step in steps(character)), default=0.0),
        )

    def why_not(self, matrix: Tensor, tolerance: float = 1e-8) -> str | None:
        """Check one non-zero per row and column, then the entries."""
        if matrix.shape != (self.size, self.size):
            return f"shape {tuple(matrix.shape)}, expected {(self.size, self.size)}"
        there = matrix.abs() > tolerance
        if bool((there.sum(0) != 1).any() or (there.sum(1) != 1).any()):
            return "not one non-zero entry in each row and column"
        if not self.swaps and not bool(there.diagonal().all()):
            return "coordinates are swapped"
        entries = matrix[there]
        if not self.flips and bool((entries < 0).any()):
            return "a negative entry"
        if not self.scales and bool(((entries.abs() - 1).abs() > tolerance).any()):
            return "an entry of absolute value other than 1"
        return None

    def fit(self, source: Tensor, target: Tensor) -> Moves:
        """Joint assignment with closed-form sign and scale for each pair of rows."""
        cross = target.to(FLOAT) @ source.to(FLOAT).T
        square = source.to(FLOAT).square().sum(1).clamp_min(1e-300)
        best = cross if not self.flips else cross.abs()
        gain = 2 * best if not self.scales else best.clamp_min(0).square() / square
        perm = torch.arange(self.size)
        if self.swaps:
            perm = assignment(gain, maximise=True)
        row = torch.arange(self.size)
        chosen = cross[row, perm]
        one = self.identity()
        signs, logs = one.signs.clone(), one.logs.clone()
        if self.flips:
            signs[0] = torch.where(chosen < 0, -1.0, 1.0)
        if self.scales:
            size = chosen.abs() if self.flips else chosen.clamp_min(1e-300)
            logs[0] = torch.log((size / square[perm]).clamp_min(1e-300))
        return Moves(perm, signs, logs)

    def moves(self, g: Moves) -> str:
        """Count what is moved."""
        return str(g)

    def is_identity(self, g: Moves, tolerance: float = 1e-12) -> bool:
        """No swap, no flip and no stretch, in any family."""
        return g.joined and bool((g.logs.abs() <= tolerance).all())

    def reindex(self, g: Moves, move: Callable[[Tensor], Tensor]) -> Moves:
        """Permute the batch of all three parts."""
        return Moves(*(move(part) for part in g))

    def meet(self, motions: frozenset[Motion]) -> tuple[Group, Callable[[Character], Character]]:
        """Drop the generators that are not in ``motions``."""
        swaps = self.swaps and Motion.SWAP in motions
        flips = self.flips if Motion.FLIP in motions else 0
        scales = self.scales if Motion.STRETCH in motions else 0
        return monomial(self.size, swaps=swaps, flips=flips, scales=scales), lambda c: Character(
            c.dual, c.scales[:scales], c.flips[:flips]
        )


@final
@dataclass(frozen=True, slots=True)
class Trivial(AbstractMonomial):
    """Only the identity: inputs, outputs, and axes that a constant pins."""

    size: int
    swaps = False
    flips = 0
    scales = 0

    @property
    def name(self) -> str:
        """``1(n)``."""
        return f"1({self.size})"


@final
@dataclass(frozen=True, slots=True)
class Permutation(AbstractMonomial):
    """The symmetric group S_n: hidden units may be reordered, as after GELU."""

    size: int
    swaps = True
    flips = 0
    scales = 0

    @property
    def name(self) -> str:
        """``S(n)``."""
        return f"S({self.size})"


@final
@dataclass(frozen=True, slots=True)
class SignedPermutation(AbstractMonomial):
    """The hyperoctahedral group B_n = {±1}ⁿ ⋊ S_n, as after tanh."""

    size: int
    flips: int = 1
    swaps: bool = True
    scales = 0

    @property
    def name(self) -> str:
        """``B(n)``, with the number of sign families where it is not one."""
        symbol = "B" if self.swaps else "±1"
        return (
            f"{symbol}({self.size})" if self.flips == 1 else f"{symbol}({self.size};{self.flips})"
        )


@final
@dataclass(frozen=True, slots=True)
class PositiveScaling(AbstractMonomial):
    """The group of positive diagonal matrices, R₊ⁿ: units stay in place and are stretched."""

    size: int
    scales: int = 1
    swaps = False
    flips = 0

    @property
    def name(self) -> str:
        """``R⁺(n)``, with the number of scale families where it is not one."""
        return f"R⁺({self.size})" if self.scales == 1 else f"R⁺({self.size};{self.scales})"


@final
@dataclass(frozen=True, slots=True)
class Monomial(AbstractMonomial):
    """Permutations with scales: M⁺_n = R₊ⁿ ⋊ S_n (ReLU) or, with signs, M_n (gates)."""

    size: int
    scales: int = 1
    flips: int = 0
    swaps: bool = True

    @property
    def name(self) -> str:
        """``M⁺(n)``, ``M(n)``; with the numbers of families of scales and signs if not one."""
        symbol = ("M" if self.swaps else "R*") if self.flips else ("M⁺" if self.swaps else "R⁺")
        plain = self.scales == 1 and self.flips <= 1
        return (
            f"{symbol}({self.size})"
            if plain
            else f"{symbol}({self.size};{self.scales},{self.flips})"
        )


def monomial(size: int, *, swaps: bool, flips: int, scales: int) -> Group:
    """The named group with exactly these generators."""
    if scales and (flips or swaps):
        return Monomial(size, scales, flips, swaps)
    if scales:
        return PositiveScaling(size, scales)
    if flips:
        return SignedPermutation(size, flips, swaps)
    return Permutation(size) if swaps else Trivial(size)

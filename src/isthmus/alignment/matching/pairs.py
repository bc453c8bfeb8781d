"""Units against units: the best scale and sign for every pair, and what the pair then costs.

For a pair (i, j) the places of a space contribute ``Σ_e |a_i|² - 2 c_e S_e[i,j] + c_e² |b_j|²``,
where ``e`` runs over the characters and ``c_e = ± Π_k d_k^{e_k}`` (mathematics.md 5.2). One scale
at a time this is a polynomial in ``d_k``; Newton steps in ``log d_k`` find its minimum.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from isthmus.algebra.groups import Character


@dataclass
class Classes:
    """Places of one space, summed by character.

    ``cross`` is ``S_e``, ``(E, *shape)``; ``source`` is ``|b_j|²`` and ``target`` ``|a_i|²``,
    broadcastable to it. ``scales`` is ``(E, families)`` and ``flips`` the same for signs.
    """

    cross: Tensor
    source: Tensor
    target: Tensor
    scales: Tensor
    flips: Tensor

    def sizes(self, logs: Tensor) -> Tensor:
        """``|c_e|``, ``(E, *shape)``; logs are ``(scales, *shape)``."""
        return torch.einsum("ek,k...->e...", self.scales.to(logs.dtype), logs).exp()

    def factor(self, signs: Tensor, logs: Tensor) -> Tensor:
        """``c_e``, ``(E, *shape)``; signs are ``(flips, *shape)``, logs ``(scales, *shape)``."""
        out = self.sizes(logs)
        if self.flips.shape[1]:
            odd = self.flips.bool()
            for e in range(len(out)):
                if bool(odd[e].any()):
                    out[e] = out[e] * signs[odd[e]].prod(0)
        return out

    def cost(self, signs: Tensor, logs: Tensor) -> Tensor:
        """What each pair costs."""
        c = self.factor(signs, logs)
        return (self.target - 2 * c * self.cross + c.square() * self.source).sum(0)

    def blocks(self) -> Iterator[Classes]:
        """Some target units at a time: what is computed of all pairs is many times their costs."""
        units = self.cross.shape[-2]
        count = max(1, _BLOCK * units // max(self.cross.numel(), 1))
        for first in range(0, units, count):
            some = slice(first, first + count)
            cross, target = self.cross[..., some, :], self.target[..., some, :]
            yield Classes(cross, self.source, target, self.scales, self.flips)

    def at(self, perm: Tensor) -> Classes:
        """Of all pairs ``(*batch, n, n)`` those of (i, perm i)."""

        def chosen(x: Tensor) -> Tensor:
            return x.expand(self.cross.shape).gather(-1, index)[..., 0]

        index = perm.unsqueeze(-1).expand(*self.cross.shape[:-1], 1)
        cross, source, target = map(chosen, (self.cross, self.source, self.target))
        return Classes(cross, source, target, self.scales, self.flips)


_BLOCK = 2**18
"""The pairs of a block: small enough for a cache, large enough to keep it busy."""

FADED = 1e-6
"""Of its partner's square: at least so much is left of a unit whose best scale would be 0."""

Row: TypeAlias = "tuple[Character, Tensor, Tensor]"
Part: TypeAlias = "tuple[Character, Tensor, Tensor, Tensor]"
"""Character, overlaps, squares of the source, squares of the target."""


def classes(rows: Sequence[Row], families: tuple[int, int]) -> Classes:
    """All pairs: ``shape = (*batch, n, n)`` with target units as rows."""
    # Single precision ranks pairs well enough; the chosen pairs are solved again in double.
    single = ((c, a.float(), b.float()) for c, a, b in rows)
    return gathered(
        ((c, a @ b.mT, b.square().sum(-1), a.square().sum(-1)) for c, a, b in single), families
    )


def gathered(parts: Iterable[Part], families: tuple[int, int]) -> Classes:
    """Overlaps ``(*batch, n, n)`` and squares ``(*batch, n)`` of places, summed by character."""
    sums: dict[tuple[tuple[int, ...], tuple[int, ...]], list[Tensor]] = {}
    for character, *mine in parts:
        kind = (character.scales, character.flips)
        sums[kind] = (
            [x + y for x, y in zip(sums[kind], mine, strict=True)] if kind in sums else mine
        )
    cross, source, target = (torch.stack(part) for part in zip(*sums.values(), strict=True))
    exponents = _exponents(list(sums), families)
    return Classes(cross, source.unsqueeze(-2), target.unsqueeze(-1), *exponents)


def diagonal(rows: Sequence[Row], families: tuple[int, int], perm: Tensor | None = None) -> Classes:
    """The classes of the pairs (i, perm i) alone, ``shape = (*batch, n)``, in double precision."""
    kinds = list(dict.fromkeys((c.scales, c.flips) for c, _, _ in rows))
    shape = (len(kinds), *rows[0][1].shape[:-1])
    cross, source, target = (torch.zeros(shape, dtype=torch.float64) for _ in range(3))
    for character, a, b in rows:
        e = kinds.index((character.scales, character.flips))
        moved = b if perm is None else torch.take_along_dim(b, perm.unsqueeze(-1), -2)
        cross[e] += (a.double() * moved.double()).sum(-1)
        source[e] += moved.double().square().sum(-1)
        target[e] += a.double().square().sum(-1)
    return Classes(cross, source, target, *_exponents(kinds, families))


def _exponents(
    kinds: Sequence[tuple[tuple[int, ...], tuple[int, ...]]], families: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """``(E, scales)`` and ``(E, flips)``."""
    scales = torch.tensor([k[0] for k in kinds]).double().reshape(len(kinds), families[0])
    flips = torch.tensor([k[1] for k in kinds]).double().reshape(len(kinds), families[1])
    return scales, flips.remainder(2)


def fit(of: Classes, rounds: int, steps: int) -> tuple[Tensor, Tensor]:
    """Signs and log-scales for every pair: all signs together, scales family after family."""
    logs = of.cross.new_zeros(of.scales.shape[1], *of.cross.shape[1:])
    for _ in range(rounds):
        before = logs.clone()
        signs = _best_signs(of, logs)
        for k in range(len(logs)):
            logs[k] = _best_log(of, signs, logs, k, steps)
        if len(logs):
            signs = _best_signs(of, logs)
        if len(signs) + len(logs) <= 1 or bool(((logs - before).abs() < 1e-13).all()):
            break
    return signs, logs


def _best_signs(of: Classes, logs: Tensor) -> Tensor:
    """The signs of largest overlap, of all there are: one by one they would wait for each other."""
    families = of.flips.shape[1]
    if not families:
        return of.cross.new_ones(0, *of.cross.shape[1:])
    signs = of.cross.new_tensor(list(itertools.product((1.0, -1.0), repeat=families)))
    felt = torch.where(of.flips.bool(), signs.unsqueeze(1), 1.0).prod(-1)
    overlap = torch.einsum("se,e...->s...", felt, of.sizes(logs) * of.cross)
    return signs[overlap.argmax(0)].movedim(-1, 0)


def _best_log(of: Classes, signs: Tensor, logs: Tensor, k: int, steps: int) -> Tensor:
    """Minimise over one log-scale by safeguarded Newton steps, from where both sides balance."""
    felt = of.scales[:, k] != 0
    power = of.scales[felt, k].to(logs.dtype).reshape(-1, *[1] * (of.cross.dim() - 1))
    c = of.factor(signs, logs)[felt]
    linear, square = 2 * c * of.cross[felt], c.square() * of.source[felt]
    s = _balanced(power, square, linear)
    for _ in range(steps):
        grown = (power * s).exp_()
        overlap, size = grown * linear, grown.square_().mul_(square)
        first = (power * (2 * size - overlap)).sum(0)
        bend = (power.square() * (4 * size - overlap)).sum(0)
        safe = (power.square() * (4 * size + overlap.abs())).sum(0)
        bend = torch.where(bend > 1e-3 * safe, bend, safe).clamp_min_(1e-30)
        move = (first / bend).clamp_(-1.5, 1.5)
        s = s - move
        if s.dim() == 1 and bool((move.abs() < 1e-14).all()):
            break

    s = _visible(s, power, square, of.target[felt].sum(0))

    def worth(at: Tensor) -> Tensor:
        grown = (power * at).exp()
        return (grown.square() * square - grown * linear).sum(0)

    return logs[k] + torch.where(worth(s) < (square - linear).sum(0), s, 0.0)


def _visible(s: Tensor, power: Tensor, square: Tensor, target: Tensor) -> Tensor:
    """Log-scales that leave something of a unit: one that speaks against all would vanish."""
    up = torch.where(power > 0, square, 0.0).sum(0)
    down = torch.where(power < 0, square, 0.0).sum(0)
    size = (up + down).clamp_min(1e-300)
    low = 0.5 * (FADED * target.clamp_min(1e-300) / size).log() / power.abs().min()
    s = torch.where(down > 0, s, torch.maximum(s, low.clamp_max(0.0)))
    return torch.where(up > 0, s, torch.minimum(s, -low.clamp_max(0.0)))


def _balanced(power: Tensor, square: Tensor, linear: Tensor) -> Tensor:
    """Where growing and shrinking places are of one size; else, where the overlap is best."""
    up = torch.where(power > 0, square, 0.0).sum(0)
    down = torch.where(power < 0, square, 0.0).sum(0)
    overlap = torch.where(power > 0, linear, 0.0).sum(0) / 2
    both = 0.25 * (down.clamp_min(1e-30) / up.clamp_min(1e-30)).log()
    alone = (overlap.clamp_min(1e-12 * up.clamp_min(1e-30)) / up.clamp_min(1e-30)).log()
    return torch.where(down > 0, both, alone).clamp(-8, 8)

"""Steps at norms: means that are lost, gains and biases before readers that cannot hold them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from isthmus.algebra.charts.step import SINGULAR, Working, say, vanishing, without_zeros
from isthmus.ground.matrices import helmert


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean along a dimension as a coordinate of its own; what is left has mean zero.

    Along the dimensions ``centred`` the mean itself is known to sum to zero: there it is held in
    one coordinate less (`helmert`). ``only``: the entries of the mean that are taken out; the
    others stay.
    """

    name: str
    dim: int
    into: str
    centred: tuple[int, ...] = ()
    only: tuple[int, ...] | None = None
    kind: ClassVar[str] = "mean"

    def forward(self, x: Working) -> None:
        """Take the mean out, times √n, so that lengths are kept."""
        mean = x[self.name].mean(self.dim, keepdim=True)
        if self.only is not None:
            chosen = torch.zeros_like(mean).flatten()
            chosen[list(self.only)] = 1.0
            mean = mean * chosen.reshape(mean.shape)
        x[self.name] = x[self.name] - mean
        held = self._held(mean * math.sqrt(x[self.name].shape[self.dim]), back=False)
        x[self.into] = held if self.only is None else held[list(self.only)]

    def back(self, x: Working) -> None:
        """Put it back."""
        size = x[self.name].shape[self.dim]
        shape = list(x[self.name].shape)
        shape[self.dim] = 1
        for d in self.centred:
            shape[d] -= 1
        held = x.pop(self.into)
        if self.only is not None:
            whole = held.new_zeros(math.prod(shape))
            whole[list(self.only)] = held
            held = whole
        x[self.name] = x[self.name] + self._held(held.reshape(shape), back=True) / math.sqrt(size)

    def _held(self, mean: Tensor, *, back: bool) -> Tensor:
        for d in self.centred:
            size = mean.shape[d] + back
            basis = helmert(size).to(mean)
            mean = torch.tensordot(mean, basis, ([d], [0 if back else 1])).movedim(-1, d)
        return mean if back else mean.flatten()


@dataclass(frozen=True, slots=True)
class Readout:
    """A layer norm's gain γ and bias β before readers of which some have no bias of their own.

    The normalised x̂ sums to zero, so the mean of a reader's row meets only the bias: it *is* the
    reader's bias. In the gauge γ = β = 1, and a reader is ``A + v 1ᵀ/n`` with ``A 1 = 0`` and
    ``v = W β``. Free are γ, the mean of β/γ (the *level*), and the rest of β/γ over the level (the
    *shift*).
    """

    gain: str
    bias: str
    readers: tuple[tuple[str, int], ...]
    kind: ClassVar[str] = "readout"

    def forward(self, x: Working) -> None:
        """Fold both into the readers; what is left of the bias are its level and its shift."""
        gain, bias = x[self.gain], x.pop(self.bias)
        size = gain.numel()
        safe = without_zeros(self.gain, gain)
        ratio = bias / safe
        level = ratio.mean()
        if bool((ratio != 0).any()) and bool(level.abs() <= SINGULAR * ratio.abs().max()):
            say(f"{self.bias} over {self.gain} has mean zero (or as good as): it becomes one")
            level = torch.ones_like(level)
        for name, dim in self.readers:
            rows = x[name].movedim(dim, -1)
            scaled = rows * gain
            if bool(level != 0):
                fixed = rows @ bias
                scaled = scaled - scaled.mean(-1, keepdim=True) + fixed.unsqueeze(-1) / size
            x[name] = scaled.movedim(-1, dim)
        basis = helmert(size).to(ratio)
        x[self.gain] = safe
        x[f"{self.bias}.level"] = level.reshape(1)
        x[f"{self.bias}.shift"] = basis @ (ratio / level) if bool(level != 0) else basis @ ratio

    def back(self, x: Working) -> None:
        """Unfold. A bias of zero stays zero: its level does."""
        gain = x[self.gain]
        level, shift = x.pop(f"{self.bias}.level"), x.pop(f"{self.bias}.shift")
        size = gain.numel()
        ratio = level * (1 + shift @ helmert(size).to(shift))
        for name, dim in self.readers:
            rows = x[name].movedim(dim, -1)
            if bool(level != 0):
                fixed = rows.sum(-1)
                centred = rows - fixed.unsqueeze(-1) / size
                mean = (fixed - centred @ ratio) / (size * level)
                rows = centred + mean.unsqueeze(-1)
            x[name] = (rows / gain).movedim(-1, dim)
        x[self.bias] = ratio * gain


@dataclass(frozen=True, slots=True)
class Tap:
    """What a reader of ``γ x̂ + β`` does not see, where x̂ sums to zero: ``a (1/γ)ᵀ``.

    The reader's bias takes up ``a Σ β/γ``. Where an entry of the gain vanishes nothing is taken.
    ``centred``: a is known to sum to zero, and held in one coordinate less (`helmert`).
    """

    weight: str
    dim: int
    gain: str
    bias: str | None
    target: str | None
    into: str
    centred: bool = False
    kind: ClassVar[str] = "tap"

    def forward(self, x: Working) -> None:
        """Take it out: what is left times γ sums to zero."""
        gain = x[self.gain]
        rows = x[self.weight].movedim(self.dim, -1)
        unseen = rows @ gain / gain.numel()
        unseen = torch.zeros_like(unseen) if bool(vanishing(gain).any()) else unseen
        self._add(x, -unseen)
        basis = helmert(unseen.numel()).to(unseen) if self.centred else None
        x[self.into] = unseen if basis is None else basis @ unseen.flatten()

    def back(self, x: Working) -> None:
        """Put it back."""
        unseen = x.pop(self.into)
        if self.centred:
            unseen = unseen @ helmert(unseen.numel() + 1).to(unseen)
        self._add(x, unseen)

    def _add(self, x: Working, unseen: Tensor) -> None:
        gain = x[self.gain]
        if bool(vanishing(gain).any()):
            return
        rows = x[self.weight].movedim(self.dim, -1)
        unseen = unseen.reshape(rows.shape[:-1])
        x[self.weight] = (rows + unseen.unsqueeze(-1) / gain).movedim(-1, self.dim)
        if self.bias is not None and self.target is not None:
            level = (x[self.bias] / gain).sum()
            x[self.target] = x[self.target] - unseen.reshape(x[self.target].shape) * level

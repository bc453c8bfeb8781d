"""Subnetworks: what a network becomes when all but k units of a layer are dropped.

Shevchenko and Mondelli (2020) prove that solutions of stochastic descent in the mean-field regime
are dropout stable: the error depends on the number k of units that are kept, like ``1/√k``, and not
on the width or, with two layers, on the dimension. Where the outputs are linear in the units, more
is exact. With ``f_i`` the outputs of the network that keeps only unit i and counts it n times, a
random subset S of k units has the outputs ``mean of f_i over S``: a sample without replacement, of
which the mean is the network, and

    E ‖f_S - f‖² = (1/k) (1 - k/n) Σ_i ‖f_i - f‖² / (n - 1).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import final

import torch
from torch import Tensor

from isthmus.algebra import Symmetry
from isthmus.ground import BadInput, Params, Result, UnknownName
from isthmus.ground.errors import closest
from isthmus.landscape import Loss
from isthmus.landscape.constructive.layers import Layers, layers
from isthmus.landscape.running import pair
from isthmus.transport.bounds.two_layers.study import outputs, wide
from isthmus.transport.estimate import Estimate
from isthmus.transport.powers import falling

_LINEAR = 1e-9
"""Relative: by so much the mean over single units may differ from the network."""


@final
@dataclass(frozen=True)
class Subnetworks(Result):
    """How far random subnetworks are from the whole.

    Attributes:
        spaces: From which units were dropped.
        width: Of the narrowest of them.
        kept: How many units of each space stayed.
        moved: ``(kept, tries)``: how far the outputs moved, root mean square over the inputs.
        excess: ``(kept, tries)``: by how much the loss rose.
        expected: The root mean square of ``moved`` over all subsets, for each of ``kept``: exact;
            None where the outputs are not linear in the units.
        exponent: e of ``k^-e``, with which ``moved`` falls beside the factor ``√(1 - k/n)`` of
            samples without replacement.
    """

    spaces: tuple[str, ...]
    width: int
    kept: tuple[int, ...]
    moved: Tensor = field(metadata={"json": False})
    excess: Tensor = field(metadata={"json": False})
    expected: tuple[float, ...] | None
    exponent: Estimate

    def __str__(self) -> str:
        rows = [f"units kept of {', '.join(self.spaces)} ({self.width}), and change of the outputs"]
        for k, count in enumerate(self.kept):
            law = "" if self.expected is None else f" (law {self.expected[k]:.4g})"
            size = float(self.moved[k].square().mean().sqrt())
            rise = float(self.excess[k].mean())
            rows.append(f"  {count:>5}  {size:.4g}{law}, loss {rise:+.4g}")
        return "\n".join([*rows, f"  falls like k^-{self.exponent:.3g}"])


def subnetworks(
    loss: Loss,
    params: Mapping[str, Tensor],
    symmetry: Symmetry,
    kept: Sequence[int],
    tries: int = 16,
    spaces: Sequence[str] | None = None,
    seed: int = 0,
) -> Subnetworks:
    """Keep k random units of every layer, count them n/k times, and compare with the network.

    Args:
        loss: Of the model; its data are the inputs.
        params: Of the model.
        symmetry: Of the model: hidden layers that only feed later ones.
        kept: Numbers k, at least two different ones, below the width.
        tries: Random subsets for each k.
        spaces: From which units are dropped; None takes all hidden ones.
        seed: Of the subsets.

    Raises:
        Disconnected: The model has a stream, a loop, or units that meet; says where.
        BadInput: The numbers do not fit the widths, or there is nothing to look at.
        UnknownName: There is no such space, or the params are of another model.
    """
    symmetry.check(params)
    given: Params = wide(dict(params))
    network = layers(symmetry, given)
    chosen = _chosen(network, spaces)
    width = min(network.units[space].size for space in chosen)
    counts = tuple(sorted(set(kept)))
    if len(counts) < 2 or counts[0] < 1 or counts[-1] >= width or tries < 2:
        raise BadInput(
            f"{', '.join(map(str, counts)) or 'no'} of {width} units are kept, {tries} times; "
            "expected two numbers or more from 1 to below the width, and at least 2 tries",
            "give such numbers",
        )
    study = _Study(replace(loss, dtype=torch.float64), given, symmetry, network)
    generator = torch.Generator().manual_seed(seed)
    found = [
        [study.compared(study.drawn(chosen, k, generator)) for _ in range(tries)] for k in counts
    ]
    table = torch.tensor(found, dtype=torch.float64)
    room = torch.tensor([1 - k / width for k in counts], dtype=torch.float64).sqrt().unsqueeze(1)
    return Subnetworks(
        chosen,
        width,
        counts,
        table[..., 0],
        table[..., 1],
        study.expected(chosen, counts),
        falling(counts, table[..., 0] / room),
    )


def _chosen(network: Layers, spaces: Sequence[str] | None) -> tuple[str, ...]:
    chosen = tuple(network.units if spaces is None else spaces)
    for space in chosen:
        if space not in network.units:
            near = closest(space, network.units)
            remedy = f"did you mean {near!r}?" if near else f"use one of {', '.join(network.units)}"
            raise UnknownName(f"the network has no hidden layer {space!r}", remedy)
    if not chosen:
        raise BadInput("no hidden layer to drop units from", "name one, or use a deeper network")
    return chosen


class _Study:
    """A network in float64, and what it gives on its data."""

    def __init__(self, loss: Loss, params: Params, symmetry: Symmetry, network: Layers) -> None:
        self.loss, self.params, self.symmetry, self.network = loss, params, symmetry, network
        self.here = symmetry.coordinates(params)
        self.whole, self.value = self._given(params), loss(params)
        if not sum(map(len, self.whole)):
            raise BadInput("no samples to compare networks on", "give at least one batch")

    def _given(self, params: Params) -> list[Tensor]:
        """Outputs, ``(samples, numbers)``, for each batch."""
        batches = (pair(batch, k)[0] for k, batch in enumerate(self.loss.batches))
        return [outputs(self.loss, params, wide(x)).flatten(1) for x in batches]

    def drawn(self, spaces: Sequence[str], count: int, generator: torch.Generator) -> Params:
        """A random subnetwork."""
        here = self.here
        for space in spaces:
            order = torch.randperm(self.network.units[space].size, generator=generator)
            here = self._only(here, space, order[:count].tolist())
        return self.symmetry.parameters(here, self.params)

    def _only(self, here: Params, space: str, units: Sequence[int]) -> Params:
        scale = self.network.units[space].size / len(units)
        return self.network.without(here, space, units, scale)

    def compared(self, params: Params) -> tuple[float, float]:
        """How far its outputs are from the whole network's, and by how much its loss is higher."""
        return math.sqrt(self._squared(self._given(params))), self.loss(params) - self.value

    def _squared(self, others: Sequence[Tensor]) -> float:
        gaps = [(o - w).square().sum(1) for o, w in zip(others, self.whole, strict=True)]
        return float(torch.cat(gaps).mean())

    def expected(self, spaces: Sequence[str], counts: Sequence[int]) -> tuple[float, ...] | None:
        """By the exact law, if one space is dropped from and the outputs are linear in it."""
        if len(spaces) > 1 or self.network.after(spaces[0]):
            return None
        size = self.network.units[spaces[0]].size
        total, squares = [torch.zeros_like(w) for w in self.whole], 0.0
        for unit in range(size):
            only = self._only(self.here, spaces[0], [unit])
            given = self._given(self.symmetry.parameters(only, self.params))
            total = [t + g / size for t, g in zip(total, given, strict=True)]
            squares += self._squared(given)
        if self._squared(total) > _LINEAR**2 * squares:
            return None
        spread = squares / (size - 1)
        return tuple(math.sqrt(spread / k * (1 - k / size)) for k in counts)

"""A network of hidden layers, one feeding later ones, as its symmetry shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import final

import torch
from torch import Tensor

from isthmus.algebra import Symmetry
from isthmus.algebra.reps import Block
from isthmus.ground import Disconnected, Params
from isthmus.ground.params import is_real_valued
from isthmus.landscape.constructive.units import Units

OUTPUT = "an output of the model"
"""How discovery calls it where coordinates are fixed because the model puts them out."""


@final
@dataclass(frozen=True, eq=False)
class Layers:
    """Hidden spaces in the order in which they are computed, and what makes the outputs of them.

    Attributes:
        units: By space, the first computed first.
        heads: The parts of parameters that no unit is computed from: weights and biases of the
            outputs, in which the outputs are linear.
    """

    units: Mapping[str, Units]
    heads: tuple[tuple[str, Block], ...]

    def after(self, space: str) -> list[str]:
        """The spaces computed later."""
        names = list(self.units)
        return names[names.index(space) + 1 :]

    def without(
        self, here: Mapping[str, Tensor], space: str, kept: Sequence[int], scale: float
    ) -> Params:
        """The same network with only ``kept`` units of a space, read ``scale`` times as much."""
        diagonal = torch.zeros(self.units[space].size, dtype=torch.float64)
        diagonal[list(kept)] = scale
        return self.units[space].mixed(here, columns=torch.diag(diagonal))

    def hosting(
        self,
        here: Mapping[str, Tensor],
        guest: Mapping[str, Tensor],
        units: Mapping[str, Sequence[int]],
    ) -> Params:
        """The same network, but some units are computed as they are in ``guest``."""
        out = dict(here)
        for space, chosen in units.items():
            out = self.units[space].filled(out, guest, chosen)
        return out

    def swapped(
        self, here: Mapping[str, Tensor], pairs: Mapping[str, Sequence[tuple[int, int]]]
    ) -> Params:
        """The same function with units exchanged, in several spaces at once."""
        out = dict(here)
        for space, chosen in pairs.items():
            swap = self.units[space].swapped(chosen)
            out = self.units[space].mixed(out, swap, swap)
        return out

    def headed(self, here: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> Params:
        """The same hidden layers with the heads of another network."""
        out = dict(here)
        for name, block in self.heads:
            out[name] = out[name].clone()
            block.write(out[name], block.read(other[name]))
        return out


def layers(symmetry: Symmetry, params: Mapping[str, Tensor]) -> Layers:
    """The layers of a network without loops, norms across units, or streams that are written twice.

    Raises:
        Disconnected: It is not of that kind; says which space or parameter is not.
    """
    free = symmetry.chart.canonical
    blocks = [
        (name, block)
        for name, rep in symmetry.reps.items()
        if name not in free and is_real_valued(params[name])
        for block in rep.blocks
    ]
    sorter: TopologicalSorter[str] = TopologicalSorter()
    heads = []
    for name, block in blocks:
        hidden = [factor for factor in block.factors if factor.space is not None]
        written = [str(f.space) for f in hidden if not f.character.dual]
        if len(written) > 1:
            raise Disconnected(
                f"{name} is written by units of {' and '.join(written)} at once",
                "use a network of plain hidden layers, or swap_path and replicate_path by unit",
            )
        if written:
            sorter.add(written[0], *(str(f.space) for f in hidden if f.character.dual))
            continue
        _require_output(symmetry, name)
        heads.append((name, block))
    return Layers({name: Units(symmetry, name) for name in _ordered(sorter)}, tuple(heads))


def _ordered(sorter: TopologicalSorter[str]) -> list[str]:
    try:
        return list(sorter.static_order())
    except CycleError as error:
        around = " to ".join(dict.fromkeys(error.args[1]))
        raise Disconnected(
            f"units of {around} feed units of the same space: a residual stream, or a loop",
            "use a network in which hidden layers only feed later ones",
        ) from error


def _require_output(symmetry: Symmetry, name: str) -> None:
    """Raise where a parameter without units is known to be something else than an output's."""
    reasons = [reason for axis in symmetry.pinned.get(name, ()) for reason in axis]
    if symmetry.pinned and not any(reason.operator.startswith(OUTPUT) for reason in reasons):
        where = "; ".join(dict.fromkeys(reason.where for reason in reasons)) or "no unit writes it"
        raise Disconnected(
            f"{name} belongs to no hidden unit and to no output ({where}): two networks cannot "
            "stand side by side in it",
            "give every unit its own, or fix it",
        )

"""DataSymmetryMembers: hidden units mixed at random, and what reads them fitted to make up for it.

Equation 6 of Zhao et al. (2025), in its anchored form (mathematics.md 1.14), for every hidden space
that linear layers read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor, nn

from isthmus.algebra import Symmetry
from isthmus.ground import BadInput, Params
from isthmus.landscape import Line
from isthmus.landscape.data_maps import Anchored, Refit, Refitted
from isthmus.landscape.running import Inputs, evaluation_mode, place, run, weights_for
from isthmus.merging.ensembles.between import Between, between
from isthmus.merging.ensembles.members import AbstractMaker, Cost, Members


@final
@dataclass(frozen=True, eq=False)
class DataSymmetryMembers(AbstractMaker):
    """Members that say the same on ``inputs``, as well as a linear layer can see to that.

    Each hidden space that linear layers alone read (`between`) is moved by a random matrix
    ``exp(size · M)``, ``M`` normal with variance 1 / units: the group that its activation allows
    plays no part. Then every reader is refitted to its old outputs. Where the features that it
    reads have rank ``samples`` (about: no more samples than units) a member is the same function on
    ``inputs``, and another one elsewhere; with more samples it agrees with the model only
    approximately.

    Args:
        model: The module.
        inputs: What readers are fitted to; every row that a reader reads is a sample.
        symmetry: Of the architecture: it says which layers share a space.
        size: How far hidden units are mixed.
        refit: The map of the readers.
        spaces: Which spaces move; None takes all that can.

    Raises:
        BadInput: No space can be moved so, or a name in ``spaces`` is none that can.
    """

    model: nn.Module
    inputs: Inputs
    symmetry: Symmetry
    size: float = 0.5
    refit: Refit = field(default_factory=Anchored)
    spaces: Sequence[str] | None = None

    def __post_init__(self) -> None:
        known = {one.space for one in between(self.symmetry, self.model)}
        for name in self.spaces or ():
            if name not in known:
                raise BadInput(
                    f"{name!r} is no space that linear layers alone read",
                    f"use some of {', '.join(known) or 'another model'}",
                )
        if not known:
            raise BadInput(
                "no hidden space is read by linear layers alone", "use another way to make members"
            )

    def make(self, params: Mapping[str, Tensor], count: int, seed: int) -> Members:
        """Spaces are moved in the order in which their readers run."""
        chance = torch.Generator().manual_seed(seed)
        chosen = self._chosen(params)
        found = tuple(self._member(params, chosen, chance) for _ in range(count))
        readers = sum(len(one.readers) for one in chosen)
        return Members(found, "data symmetry", Cost(passes=2 * count * readers))

    def _member(
        self, params: Mapping[str, Tensor], chosen: Sequence[Between], chance: torch.Generator
    ) -> Params:
        moved = dict(params)
        for one in chosen:
            units = params[one.writers[0]].shape[0]
            mixing = torch.randn(units, units, generator=chance, dtype=torch.float64)
            g = torch.linalg.matrix_exp(self.size * mixing / units**0.5)
            for name in one.writers:
                new = torch.tensordot(g, moved[name].double(), 1)
                moved[name] = new.to(params[name].dtype)
            for reader in one.readers:
                moved = self._refitted(params, moved, reader)
        return moved

    def _refitted(self, params: Mapping[str, Tensor], moved: Params, reader: str) -> Params:
        return Refitted(Line(params, moved), self.model, self.inputs, reader, self.refit).end

    def _chosen(self, params: Mapping[str, Tensor]) -> list[Between]:
        """The spaces to move, in the order in which their first readers run."""
        wanted = [
            one
            for one in between(self.symmetry, self.model)
            if self.spaces is None or one.space in self.spaces
        ]
        order: list[str] = []
        hooks = [
            self.model.get_submodule(name).register_forward_pre_hook(
                lambda _, args, name=name: order.append(name)
            )
            for one in wanted
            for name in one.readers
        ]
        try:
            with torch.no_grad(), evaluation_mode(self.model):
                weights = weights_for(self.model, params, torch.float64)
                device = next(iter(weights.values())).device
                run(self.model, weights, place(self.inputs, device, torch.float64))
        finally:
            for hook in hooks:
                hook.remove()
        return sorted(wanted, key=lambda one: order.index(one.readers[0]))

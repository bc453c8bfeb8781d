"""How much is held at once: points of a path, samples of a step, shared results."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from isthmus.landscape.evaluation.sharing import WATCHING, work
from isthmus.landscape.running import tensors

_CACHE = 2 * 2**20
"""Bytes of the largest result of a step that a CPU is fastest with: 32 images of a ResNet, 1000
samples of an MLP. Six times as much is as fast on an idle machine, not on a busy one."""


@dataclass(frozen=True)
class Footprint:
    """What one sample needs.

    Attributes:
        largest: Bytes of the largest result.
        peak: Bytes of all results that live at one time.
        work: Multiplications.
        operators: How many operators a run has, for any number of samples.
    """

    largest: float
    peak: float
    work: float
    operators: int

    def worth_watching(self, samples: int) -> bool:
        """Whether a run on so many samples is more work than watching it."""
        return self.work * samples > WATCHING * self.operators


class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While this is on, the results of operators are weighed, but not what was ``there`` before."""

    def __init__(self, there: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._users = {
            t.untyped_storage().data_ptr(): 1 for t in there if t.layout is torch.strided
        }
        self._live = self.peak = self.largest = self.operators = 0
        self.work = 0.0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """False: nothing is compiled here, and to skip it torch would import its compiler."""
        return False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Run one operator and weigh what it gives."""
        made = func(*args, **(kwargs or {}))
        self.operators += 1
        self.work += work(func, args, tensors(made))
        for tensor in tensors(made):
            if tensor.layout is torch.strided:
                self._weigh(tensor)
        return made

    def _weigh(self, tensor: Tensor) -> None:
        place, size = tensor.untyped_storage().data_ptr(), tensor.untyped_storage().nbytes()
        if not self._users.get(place):
            self._users[place] = 0
            self._live += size
            self.largest = max(self.largest, size)
        self._users[place] += 1
        self.peak = max(self.peak, self._live)
        weakref.finalize(tensor, self._drop, place, size)

    def _drop(self, place: int, size: int) -> None:
        self._users[place] -= 1
        if not self._users[place]:
            self._live -= size


def step_size(footprint: Footprint, memory: int, device: str) -> int:
    """Samples a step: a quarter of the memory at most, and what a CPU's cache likes."""
    fits = memory / 4 / max(footprint.peak, 1)
    if device == "cpu":
        fits = min(fits, _CACHE / max(footprint.largest, 1))
    return max(1, int(fits))


def weight(params: Mapping[str, Tensor]) -> int:
    """The bytes of all tensors together."""
    return sum(t.numel() * t.element_size() for t in params.values())

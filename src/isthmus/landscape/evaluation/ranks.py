"""The processes of one ``torchrun`` that compute the loss together."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar, final

import torch
import torch.distributed as dist

from isthmus.ground import BadInput

Thing = TypeVar("Thing")


@final
@dataclass(frozen=True)
class Ranks:
    """This process among those that share the samples: each takes a part, sums are added up.

    Make them by `ranks`; all processes must then make the same calls in the same order.

    Attributes:
        rank: Which process this is, from 0.
        count: How many there are.
    """

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that speaks."""
        return self.rank == 0

    def part(self, samples: int, turn: int = 0) -> slice:
        """Which of ``samples`` samples are for this process: a run of nearly equal length.

        Who gets the odd ones changes with ``turn``.
        """
        place = (self.rank + turn) % self.count
        return slice(place * samples // self.count, (place + 1) * samples // self.count)

    def gather(self, own: Thing) -> list[Thing]:
        """What every process has of it, in the order of the processes."""
        if self.count == 1:
            return [own]
        found: list[Any] = [None] * self.count
        dist.all_gather_object(found, own)
        return found


ALONE = Ranks()
"""One process."""


@contextmanager
def ranks() -> Iterator[Ranks]:
    """The processes that ``torchrun`` started, joined by gloo on CPUs and by nccl on GPUs.

    A single process outside ``torchrun``. A process group that there is already is used, and left.

    Raises:
        BadInput: ``WORLD_SIZE`` is set, but not what the processes need to find each other.
    """
    if dist.is_available() and dist.is_initialized():
        yield Ranks(dist.get_rank(), dist.get_world_size())
        return
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        yield Ranks()
        return
    missing = [n for n in ("RANK", "MASTER_ADDR", "MASTER_PORT") if n not in os.environ]
    if missing:
        raise BadInput(
            f"WORLD_SIZE is {os.environ['WORLD_SIZE']}, but {', '.join(missing)} is not set",
            "start the processes by torchrun, or unset WORLD_SIZE",
        )
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield Ranks(dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()

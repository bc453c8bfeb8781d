"""between: the hidden spaces that are written by some layers and read by linear ones alone."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from isthmus.algebra import Symmetry
from isthmus.algebra.reps import Block

_WRITERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


@dataclass(frozen=True)
class Between:
    """A hidden space and the layers around it.

    Attributes:
        space: Its name.
        writers: Parameters whose first axis it is: weights and biases.
        readers: Linear modules that read it.
    """

    space: str
    writers: tuple[str, ...]
    readers: tuple[str, ...]


def between(symmetry: Symmetry, model: nn.Module) -> tuple[Between, ...]:
    """Every space such that whatever happens to its writers reaches the outputs through readers.

    That is so where it occurs in weights and biases of linear layers and convolutions that write
    it, in weights of linear layers that read it, and nowhere else: not in a residual stream, not in
    front of a norm with a gain.
    """
    modules = dict(model.named_modules())
    found = (_around(symmetry, modules, space) for space in symmetry.spaces)
    return tuple(one for one in found if one is not None)


def _around(symmetry: Symmetry, modules: dict[str, nn.Module], space: str) -> Between | None:
    writers, readers = [], []
    for parameter, block, dim in symmetry.occurrences(space):
        owner, _, part = parameter.rpartition(".")
        module = modules.get(owner)
        axis = _axis(block, dim)
        whole = len(symmetry.reps[parameter].blocks) == 1 and len(block.axes[0]) == 1
        if isinstance(module, _WRITERS) and axis == 0 and whole:
            writers.append(parameter)
        elif isinstance(module, nn.Linear) and part == "weight" and axis == 1:
            readers.append(owner)
        else:
            return None
    return Between(space, tuple(writers), tuple(readers)) if writers and readers else None


def _axis(block: Block, dim: int) -> int:
    """The dimension of the parameter that a factor of a block belongs to."""
    ends = [sum(len(axis) for axis in block.axes[: k + 1]) for k in range(len(block.axes))]
    return next(k for k, end in enumerate(ends) if dim < end)

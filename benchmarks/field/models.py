"""What the baselines share: where permutations act, and how axes are moved."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

Axes = Mapping[str, tuple[str | None, ...]]
"""For each parameter the name of a permutation, or None, for each of its axes."""

Params = Mapping[str, Tensor]
Matrices = dict[str, Tensor]


def places(axes: Axes) -> dict[str, list[tuple[str, int]]]:
    """For each permutation the parameters and axes on which it acts."""
    found: dict[str, list[tuple[str, int]]] = {}
    for name, perms in axes.items():
        for axis, perm in enumerate(perms):
            if perm is not None:
                found.setdefault(perm, []).append((name, axis))
    return found


def sizes(axes: Axes, params: Params) -> dict[str, int]:
    """How many units each permutation moves."""
    return {perm: params[of[0][0]].shape[of[0][1]] for perm, of in places(axes).items()}


def rows(tensor: Tensor, axis: int) -> Tensor:
    """``(n, everything else)``, contiguous."""
    return tensor.movedim(axis, 0).reshape(tensor.shape[axis], -1)


def permuted(b: Params, axes: Axes, perms: Matrices, name: str, but: int | None = None) -> Tensor:
    """A parameter with index arrays on all its axes, or on all but one."""
    moved = b[name]
    for axis, perm in enumerate(axes[name]):
        if perm is not None and axis != but:
            moved = moved.index_select(axis, perms[perm])
    return moved


def mixed(b: Params, axes: Axes, soft: Matrices, name: str, but: int | None = None) -> Tensor:
    """A parameter with matrices on all its axes, or on all but one."""
    moved = b[name]
    for axis, perm in enumerate(axes[name]):
        if perm is not None and axis != but:
            front = moved.movedim(axis, 0)
            product = soft[perm] @ front.reshape(front.shape[0], -1)
            moved = product.reshape(front.shape).movedim(0, axis)
    return moved


def best(score: Tensor) -> Tensor:
    """The permutation of the largest score."""
    return torch.as_tensor(linear_sum_assignment(score.detach().numpy(), maximize=True)[1])

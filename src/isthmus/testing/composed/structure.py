"""Steps that only rearrange: views, slices, concatenations."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from isthmus.testing.composed.network import Composed, Made


def concatenate(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    """Two tensors end to end."""
    dim = 1 + k % (a.ndim - 1)
    same = a.ndim == b.ndim and all(
        m == n for d, (m, n) in enumerate(zip(a.shape, b.shape, strict=True)) if d != dim
    )
    return (lambda m, x, y: torch.cat([x, y], dim)) if same else None


def stack(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    """Two tensors along a new axis."""
    dim = 1 + k % a.ndim
    return (lambda m, x, y: torch.stack([x, y], dim)) if a.shape == b.shape else None


def cut(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    """A range of one axis."""
    dim = 1 + k % (a.ndim - 1)
    size = a.shape[dim]
    if size < 2:
        return None
    start, length = ((0, size // 2), (size // 2, size - size // 2), (1, size - 1), (0, size - 1))[
        (k // 3) % 4
    ]
    return lambda m, x, _: x.narrow(dim, start, length)


def stride(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    """Every second coordinate."""
    if a.shape[-1] % 2:
        return None
    return lambda m, x, _: x[..., k % 2 :: 2]


def pick(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    """One coordinate of an axis."""
    dim = 1 + k % (a.ndim - 1)
    return (lambda m, x, _: x.select(dim, (k // 2) % a.shape[dim])) if a.ndim > 2 else None


def chunks(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    """Two halves: a gate, or swapped."""
    if a.shape[-1] % 2:
        return None

    def halves(m: Composed, x: Tensor, _: Tensor) -> Tensor:
        one, two = x.chunk(2, -1)
        return F.relu(one) * two if k % 2 else torch.cat([two, one], -1)

    return halves


def split_view(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    """An axis as two."""
    parts = (2, 3, 4)[k % 3]
    if a.shape[-1] % parts:
        return None
    sizes = (parts, -1) if (k // 3) % 2 else (-1, parts)
    return lambda m, x, _: torch.unflatten(x, -1, sizes)


def join_view(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    """Two axes as one."""
    return (lambda m, x, _: x.flatten(-2)) if a.ndim > 2 else None


def other_view(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    """All axes but the batch viewed as two others."""
    parts = (2, 3, 4)[k % 3]
    if a.ndim < 3 or a[0].numel() % parts:
        return None
    return lambda m, x, _: x.reshape(2, parts, -1)


def swap_axes(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    """Two axes exchanged."""
    if a.ndim < 3:
        return None
    return lambda m, x, _: x.transpose(-1, 1 + k % (a.ndim - 2))


def positional(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    """Operators that mix positions."""
    dim = 1 + k % (a.ndim - 1)
    chosen = (
        lambda m, x, _: x.flip(dim),
        lambda m, x, _: x.cumsum(dim),
        lambda m, x, _: x.roll(1, dim),
        lambda m, x, _: F.pad(x, (1, 0)),
    )
    return chosen[(k // 3) % 4]


def copies(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    """Every coordinate twice."""
    if k % 2:
        return lambda m, x, _: x.repeat_interleave(2, -1)
    return lambda m, x, _: torch.cat([x, x], -1)

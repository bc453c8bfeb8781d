"""Steps that act on every entry."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from isthmus.testing.composed.network import Composed, Made


def activation(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    """A nonlinear function of every entry."""
    chosen = (F.relu, torch.tanh, F.gelu, torch.abs, torch.sin, torch.square, F.hardtanh, torch.cos)
    return lambda m, x, _: chosen[k % len(chosen)](x)


def homogeneous(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    """A function that scales pass through."""
    chosen = (F.relu, F.leaky_relu, torch.sign, lambda x: F.relu(x) ** 2, lambda x: x**3)
    return lambda m, x, _: chosen[k % len(chosen)](x)


def add(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    """Sum or difference."""
    if a.shape != b.shape:
        return None
    return lambda m, x, y: x + y if k % 2 else x - y


def multiply(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    """Product, or a gate."""
    if a.shape != b.shape:
        return None
    return (lambda m, x, y: F.silu(x) * y) if k % 2 else (lambda m, x, y: x * y)


def divide(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    """Quotient."""
    return (lambda m, x, y: x / (y.abs() + 1)) if a.shape == b.shape else None


def larger(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    """The larger of two."""
    if a.shape != b.shape:
        return None
    if k % 2:
        return lambda m, x, y: torch.where(x > y, x, y)
    return lambda m, x, y: torch.maximum(x, y)


def masked(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    """Entries where another tensor is positive."""
    return (lambda m, x, y: x * (y > 0)) if a.shape == b.shape else None


def spread(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    """A product that broadcasts."""
    return (lambda m, x, y: x * y) if a.ndim == b.ndim and _broadcasts(a, b) else None


def _broadcasts(a: Tensor, b: Tensor) -> bool:
    return all(m == n or 1 in (m, n) for m, n in zip(a.shape, b.shape, strict=True))


def in_place(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    """Writes into a part of a copy."""

    def write(m: Composed, x: Tensor, y: Tensor) -> Tensor:
        z = x * 1
        view = z[..., : max(1, z.shape[-1] // 2)]
        (view.relu_, z.tanh_, lambda: z.mul_(2.0), view.sigmoid_)[k % 4]()
        return z

    return write

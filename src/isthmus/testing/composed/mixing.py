"""Steps that sum over an axis: reductions, contractions, attention."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from isthmus.testing.composed.network import Composed, Made


def softmax(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    """Softmax of an axis."""
    return lambda m, x, _: x.softmax(1 + k % (a.ndim - 1))


def total(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    """A reduction of an axis."""
    chosen = (torch.sum, torch.mean, torch.amax, torch.var, torch.linalg.vector_norm)
    dim = 1 + k % (a.ndim - 1)
    if a.shape[dim] < 2:
        return None
    keep = a.ndim == 2 or bool(k % 2)
    return lambda m, x, _: chosen[(k // 2) % 5](x, dim=dim, keepdim=keep)


def scores(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    """Products of two tensors, or attention of one to the other."""
    if a.ndim < 3 or a.shape != b.shape:
        return None
    if k % 2:
        return lambda m, x, y: F.scaled_dot_product_attention(
            x, y, y + x, is_causal=bool(k % 4 == 1)
        )
    return lambda m, x, y: x @ y.transpose(-1, -2)


def contraction(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    """An einsum."""
    if a.ndim != 3 or b.ndim != 3:
        return None
    word = ("bij,bkj->bik", "bij,bij->bi", "bij,bij->bj", "bij,bik->bjk")[k % 4]
    known: dict[str, int] = {}
    for letter, size in zip("".join(word[:7].split(",")), (*a.shape, *b.shape), strict=True):
        if known.setdefault(letter, size) != size:
            return None
    return lambda m, x, y: torch.einsum(word, x, y)

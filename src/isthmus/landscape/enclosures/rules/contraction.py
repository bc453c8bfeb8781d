"""Operators that multiply two tensors and sum: linear layers, matrix products, convolutions."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from isthmus.landscape.enclosures.calculus import add, bilinear, scale
from isthmus.landscape.enclosures.enclosure import Enclosure, lift
from isthmus.landscape.enclosures.table import encloses


@encloses("linear")
def linear(x: Any, weight: Any, bias: Any = None) -> Enclosure:
    """x·weightᵀ + bias."""
    like = x if isinstance(x, Enclosure) else weight
    made = bilinear(F.linear, lift(x, like), lift(weight, like), int(weight.shape[-1]))
    return made if bias is None else add(made, lift(bias, like))


@encloses("matmul", "mm", "bmm", "mv", "dot")
def matmul(x: Any, y: Any) -> Enclosure:
    """x·y, batched."""
    like = x if isinstance(x, Enclosure) else y
    return bilinear(torch.matmul, lift(x, like), lift(y, like), int(x.shape[-1]))


@encloses("addmm", "baddbmm")
def addmm(z: Any, x: Any, y: Any, *, beta: float = 1, alpha: float = 1) -> Enclosure:
    """beta·z + alpha·x·y."""
    made = scale(matmul(x, y), alpha)
    return add(made, lift(z, made), beta)


@encloses("convolution")
def convolution(
    x: Any,
    weight: Any,
    bias: Any,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    transposed: bool,
    output_padding: list[int],
    groups: int,
) -> Enclosure:
    """A convolution, transposed or not, in any number of dimensions."""
    like = x if isinstance(x, Enclosure) else weight
    shape = (stride, padding, dilation, transposed, output_padding, groups)

    def product(a: Tensor, b: Tensor) -> Tensor:
        made: Tensor = torch.ops.aten.convolution.default(a, b, None, *shape)
        return made

    terms = weight.numel() if transposed else weight[0].numel()
    made = bilinear(product, lift(x, like), lift(weight, like), int(terms))
    if bias is None:
        return made
    per_channel: Any = bias.reshape(-1, *[1] * (weight.dim() - 2))
    return add(made, lift(per_channel, like))

"""Steps with parameters: linear maps, norms, convolutions."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from isthmus.testing.composed.network import Composed, Made, applied


def linear(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    """A linear layer of the last axis."""
    return applied(net, nn.Linear(a.shape[-1], (8, 4, 6, 12)[k % 4], bias=k % 3 != 0))


def again(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    """A linear layer that is there already, used again."""
    fits = _fitting(net, "in_features", a.shape[-1])
    return (lambda m, x, _: m.layers[fits[k % len(fits)]](x)) if fits else None


def transposed_weight(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    """The transpose of a weight that is there already."""
    fits = _fitting(net, "out_features", a.shape[-1])

    def run(m: Composed, x: Tensor, _: Tensor) -> Tensor:
        layer = m.layers[fits[k % len(fits)]]
        weight: Tensor = layer.weight  # type: ignore[assignment]
        return x @ weight

    return run if fits else None


def _fitting(net: Composed, side: str, size: int) -> list[int]:
    """The linear layers with so many features."""
    return [i for i, layer in enumerate(net.layers) if getattr(layer, side, 0) == size]


def norm(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    """Layer norm or RMS norm."""
    affine = bool(k % 2)
    if (k // 2) % 2:
        layer: nn.Module = nn.RMSNorm(a.shape[-1], elementwise_affine=affine)
    else:
        layer = nn.LayerNorm(a.shape[-1], elementwise_affine=affine)
    return applied(net, layer)


def channel_norm(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    """Batch norm or group norm."""
    if a.ndim > 3:
        return None
    channels = a.shape[1]
    kinds: tuple[Callable[[], nn.Module], ...] = (
        lambda: nn.BatchNorm1d(channels, affine=bool(k % 2)),
        lambda: nn.GroupNorm(2 if channels % 2 == 0 else 1, channels, affine=bool(k % 2)),
    )
    if (k // 2) % 2 and a.ndim < 3:
        return None
    return applied(net, kinds[(k // 2) % 2]())


def parameter(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    """A parameter added or multiplied."""
    shape = a.shape[1 + k % (a.ndim - 1) :]
    net.weights.append(nn.Parameter(torch.randn(shape)))
    at = len(net.weights) - 1
    return (
        (lambda m, x, _: x + m.weights[at]) if k // 3 % 2 else (lambda m, x, _: x * m.weights[at])
    )


def convolution(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    """A convolution, perhaps in groups."""
    if a.ndim != 3 or a.shape[1] % 2:
        return None
    grouped = 2 if k % 2 else 1
    return applied(net, nn.Conv1d(a.shape[1], 4, 1 + 2 * (k // 2 % 2), 1, 1, groups=grouped))

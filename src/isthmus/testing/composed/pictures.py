"""Steps of convolutional networks: convolutions of every kind, pooling, shuffles."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isthmus.testing.composed.network import Composed, Made, applied


def any_convolution(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    """Depthwise, strided, dilated or transposed, along one or two axes."""
    if a.ndim not in (3, 4) or min(a.shape[2:]) < 2:
        return None
    flat, channels = a.ndim == 3, a.shape[1]
    kind = k % 4
    if kind == 3:
        turned = nn.ConvTranspose1d if flat else nn.ConvTranspose2d
        return applied(net, turned(channels, 4, 2, groups=2 if channels % 2 == 0 else 1))
    layer = nn.Conv1d if flat else nn.Conv2d
    options = (
        {"groups": channels, "padding": 1, "kernel_size": 3},
        {"stride": 2, "kernel_size": 2},
        {"dilation": 1, "kernel_size": 1, "bias": False},
    )[kind]
    return applied(net, layer(channels, channels * (1 + k // 4 % 2), **options))  # type: ignore[arg-type]


def pool(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    """The largest, the average, or a power mean of neighbours."""
    if a.ndim not in (3, 4) or min(a.shape[2:]) < 2:
        return None
    flat = a.ndim == 3
    one = (F.max_pool1d, F.avg_pool1d)[k % 2] if flat else (F.max_pool2d, F.avg_pool2d)[k % 2]
    whole = (F.adaptive_avg_pool1d, F.adaptive_max_pool1d)[k % 2] if flat else (
        F.adaptive_avg_pool2d, F.adaptive_max_pool2d)[k % 2]  # fmt: skip
    if (k // 2) % 2:
        return lambda m, x, _: whole(x, 1)
    return lambda m, x, _: one(x, 2)


def resize(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    """Twice as many positions: copied or between their neighbours."""
    if a.ndim not in (3, 4):
        return None
    mode = "nearest" if k % 2 else ("linear" if a.ndim == 3 else "bilinear")
    return lambda m, x, _: F.interpolate(x, scale_factor=2, mode=mode)


def shuffle(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    """Channels to positions and back, or channels among groups."""
    if a.ndim == 4 and a.shape[1] % 4 == 0 and k % 2:
        return lambda m, x, _: F.pixel_shuffle(x, 2)
    if a.ndim == 4 and a.shape[2] % 2 == 0 and a.shape[3] % 2 == 0:
        return lambda m, x, _: F.pixel_unshuffle(x, 2)
    if a.ndim < 3 or a.shape[1] % 2:
        return None
    return lambda m, x, _: x.reshape(2, 2, -1, *x.shape[2:]).transpose(1, 2).flatten(1, 2)


def windows(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    """Positions in windows, perhaps shifted; or neighbours unfolded."""
    if a.ndim != 3 or a.shape[1] % 2:
        return None
    if k % 3 == 2:
        return lambda m, x, _: x.unfold(1, 2, 1).flatten(2)

    def run(m: Composed, x: Tensor, _: Tensor) -> Tensor:
        x = x.roll(1, 1) if k % 3 else x
        return x.view(2, -1, 2, x.shape[-1]).mean(2)

    return run


def picture(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    """An axis of positions as two."""
    if a.ndim != 3 or a.shape[2] % 2:
        return None
    return lambda m, x, _: x.reshape(2, x.shape[1], 2, -1)


def normalised(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    """Norms by hand: of length, of mean and deviation, of a largest value."""
    if a.shape[-1] < 2:
        return None

    def run(m: Composed, x: Tensor, _: Tensor) -> Tensor:
        if k % 4 == 0:
            return F.normalize(x, dim=1 + (k // 4) % (x.ndim - 1))
        if k % 4 == 1:
            return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6)
        if k % 4 == 2:
            centred = x - x.mean(-1, keepdim=True)
            return centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
        return x / (x.abs().sum(-1, keepdim=True) + 1e-3)

    return run


def constants(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    """A constant added, multiplied, or a mask of positions."""
    size = a.shape[-1]
    kind = k % 6

    def run(m: Composed, x: Tensor, _: Tensor) -> Tensor:
        row = torch.arange(size, dtype=x.dtype)
        if kind == 0:
            return 1 - 2 * x
        if kind == 1:
            return x * row
        if kind == 2:
            return x + row
        if kind == 3:
            return x.masked_fill(row > size // 2, 0.0)
        if kind == 4:
            return x.clamp(-1.0, 1.0) if k % 4 else x.clamp(min=0.0)
        return x[..., torch.arange(size - 1, -1, -1)]

    return run


def pieces(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    """Uneven parts in another order, unbound and stacked, or one part repeated."""
    size = a.shape[-1]
    if size < 3:
        return None

    def run(m: Composed, x: Tensor, _: Tensor) -> Tensor:
        if k % 4 == 0:
            one, two, three = torch.split_with_sizes(x, [1, size - 2, 1], -1)
            return torch.cat([three, two, one], -1)
        if k % 4 == 1:
            return torch.stack(x.unbind(-1)[: size // 2], -1)
        if k % 4 == 2:
            return torch.cat([x[..., :1].expand(*x.shape[:-1], 2), x], -1)
        return x.movedim(-1, 1)

    return run

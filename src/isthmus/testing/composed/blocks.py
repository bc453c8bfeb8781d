"""Steps as large as the blocks of real architectures: attention, gates, residuals, cells."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isthmus.testing.composed.network import Composed, Made


def _text(a: Tensor, multiple: int) -> bool:
    """Whether a tensor is (2, positions, width) with at least one head of even size."""
    return a.ndim == 3 and a.shape[-1] % multiple == 0 and a.shape[-1] >= 4


def rotated(x: Tensor, interleaved: bool) -> Tensor:
    """Pairs of the last axis turned by an angle that grows with the position."""
    half = x.shape[-1] // 2
    speed = 0.5 ** torch.arange(half, dtype=x.dtype)
    angle = torch.arange(x.shape[-2], dtype=x.dtype)[:, None] * speed
    if interleaved:
        a, b = x[..., ::2], x[..., 1::2]
    else:
        a, b = x.chunk(2, -1)
    turned = (a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin())
    return torch.stack(turned, -1).flatten(-2) if interleaved else torch.cat(turned, -1)


def rotary(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    """Rotary positions alone."""
    return (lambda m, x, _: rotated(x, bool(k % 2))) if _text(a, 2) else None


def self_attention(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    """Two heads over a fused projection, split in one of three layouts; rotary or not."""
    if not _text(a, 4):
        return None
    width = a.shape[-1]
    size = width // 2
    into = net.add(nn.Linear(width, 3 * width, bias=k % 2 == 0))
    out = net.add(nn.Linear(width, width))

    def run(m: Composed, x: Tensor, _: Tensor) -> Tensor:
        q, k_, v = _split_heads(m.layers[into](x), size, k % 3)
        if (k // 6) % 2 and size % 2 == 0:
            q, k_ = rotated(q, k % 2 == 0), rotated(k_, k % 2 == 0)
        mixed = F.scaled_dot_product_attention(q, k_, v, is_causal=bool((k // 12) % 2))
        done: Tensor = m.layers[out](mixed.transpose(1, 2).flatten(2))
        return done

    return run


def _split_heads(fused: Tensor, size: int, layout: int) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values of two heads, each (2, 2, positions, size)."""
    b, t, _ = fused.shape
    if layout == 0:
        q, k, v = (y.view(b, t, 2, size).transpose(1, 2) for y in fused.chunk(3, -1))
    elif layout == 1:
        q, k, v = fused.view(b, t, 3, 2, size).permute(2, 0, 3, 1, 4).unbind(0)
    else:
        q, k, v = fused.view(b, t, 2, 3 * size).transpose(1, 2).chunk(3, -1)
    return q, k, v


def grouped_attention(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    """Two queries of one key; scores by hand, with a cap, a learned bias, or a sink."""
    if not _text(a, 4):
        return None
    width = a.shape[-1]
    size = width // 2
    q, kv = net.add(nn.Linear(width, width)), net.add(nn.Linear(width, 2 * size))
    bias = net.weight(2, a.shape[1], a.shape[1])

    def run(m: Composed, x: Tensor, _: Tensor) -> Tensor:
        n, t, _w = x.shape
        query = m.layers[q](x).view(n, t, 2, size).transpose(1, 2)
        key, value = m.layers[kv](x).view(n, t, 1, 2 * size).transpose(1, 2).split(size, -1)
        score = query @ key.expand(n, 2, t, size).transpose(-1, -2)
        if k % 3 == 0:
            score = 5 * torch.tanh(score / 5)
        elif k % 3 == 1:
            score = score + m.weights[bias]
        weights = score.softmax(-1)
        if (k // 3) % 2:
            sink = m.weights[bias][:, :1, :1].expand(n, 2, t, 1)
            weights = torch.cat([score, sink], -1).softmax(-1)[..., :-1]
        out: Tensor = (weights @ value.expand(n, 2, t, size)).transpose(1, 2).reshape(n, t, -1)
        return out

    return run


def cross_attention(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    """PyTorch's own attention of one tensor to another."""
    if a.ndim != 3 or a.shape[-1] % 2 or b.ndim != 3 or a.shape[-1] != b.shape[-1]:
        return None
    at = net.add(nn.MultiheadAttention(a.shape[-1], 2, bias=bool(k % 2), batch_first=True))
    return lambda m, x, y: m.layers[at](x, y, y, need_weights=False)[0]


def gate(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    """A gated unit: fused or apart, with any of six gates."""
    width, hidden = a.shape[-1], 6
    gates: tuple[Callable[[Tensor], Tensor], ...] = (
        F.silu, F.gelu, F.relu, torch.sigmoid, torch.tanh, torch.clone,
    )  # fmt: skip
    both, down = net.add(nn.Linear(width, 2 * hidden)), net.add(nn.Linear(hidden, width))

    def run(m: Composed, x: Tensor, _: Tensor) -> Tensor:
        fused = m.layers[both](x)
        one, two = (fused[..., ::2], fused[..., 1::2]) if (k // 6) % 2 else fused.chunk(2, -1)
        out: Tensor = m.layers[down](gates[k % 6](one) * two)
        return x + out if (k // 12) % 2 else out

    return run


def residual(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    """A residual unit; norm before, after, or none."""
    width = a.shape[-1]
    up, down = net.add(nn.Linear(width, 7)), net.add(nn.Linear(7, width))
    norm = net.add((nn.LayerNorm, nn.RMSNorm)[k % 2](width))
    activation = (F.relu, F.gelu, torch.tanh)[k % 3]

    def run(m: Composed, x: Tensor, _: Tensor) -> Tensor:
        where = (k // 6) % 3
        y: Tensor = x + m.layers[down](
            activation(m.layers[up](m.layers[norm](x) if where == 1 else x))
        )
        out: Tensor = m.layers[norm](y) if where == 2 else y
        return out

    return run


def cell(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    """A recurrent layer."""
    if a.ndim != 3:
        return None
    kinds = (nn.RNN, nn.LSTM, nn.GRU)
    at = net.add(kinds[k % 3](a.shape[-1], 4, batch_first=True, bidirectional=bool((k // 3) % 2)))
    return lambda m, x, _: m.layers[at](x)[0]


def low_rank(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    """A linear map plus a product of two: with the weight shared or its own."""
    width = a.shape[-1]
    whole, down, up = net.weight(width, width), net.weight(width, 2), net.weight(2, width)
    return lambda m, x, _: x @ (m.weights[whole] + m.weights[down] @ m.weights[up]).T


def experts(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    """Three experts, all of them weighed by a softmax of the input."""
    width = a.shape[-1]
    router, up, down = net.weight(3, width), net.weight(3, 5, width), net.weight(3, width, 5)

    def run(m: Composed, x: Tensor, _: Tensor) -> Tensor:
        w = m.weights
        hidden = F.relu(torch.einsum("...i,eoi->...eo", x, w[up]))
        made = torch.einsum("...eo,eio->...ei", hidden, w[down])
        return (made * torch.softmax(x @ w[router].T, -1)[..., None]).sum(-2)

    return run


def linear_attention(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    """Keys and values summed over positions first; features positive or plain."""
    if a.ndim != 3:
        return None
    width = a.shape[-1]
    q, key, value = (net.add(nn.Linear(width, 4)) for _ in range(3))

    def run(m: Composed, x: Tensor, _: Tensor) -> Tensor:
        feature = F.elu if k % 2 else torch.clone
        query, keys = feature(m.layers[q](x)), feature(m.layers[key](x))
        state = torch.einsum("bti,btj->bij", keys, m.layers[value](x))
        return torch.einsum("bti,bij->btj", query, state)

    return run

"""Attention in the forms in which people write it.

Inputs and heads are as wide as the stream between them: directions of a linear stream that no input
reaches or no head reads are flat, but belong to no group.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isthmus.testing.zoo.entry import Entry, define, floats

WIDTH, HEADS, HEAD = 8, 2, 4


class SeparateAttention(nn.Module):
    """Four linear layers: query, key, value, output."""

    def __init__(self) -> None:
        super().__init__()
        self.q = nn.Linear(WIDTH, HEADS * HEAD)
        self.k = nn.Linear(WIDTH, HEADS * HEAD)
        self.v = nn.Linear(WIDTH, HEADS * HEAD)
        self.o = nn.Linear(HEADS * HEAD, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, positions, width) to the same shape."""
        b, t, _ = x.shape
        q = self.q(x).view(b, t, HEADS, HEAD).transpose(1, 2)
        k = self.k(x).view(b, t, HEADS, HEAD).transpose(1, 2)
        v = self.v(x).view(b, t, HEADS, HEAD).transpose(1, 2)
        scores = q @ k.transpose(-2, -1) / HEAD**0.5
        mixed = torch.softmax(scores, dim=-1) @ v
        out: Tensor = self.o(mixed.transpose(1, 2).reshape(b, t, HEADS * HEAD))
        return out


class FusedAttention(nn.Module):
    """One linear layer for all three, taken apart by view, permute and unbind."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(WIDTH, 3 * HEADS * HEAD)
        self.o = nn.Linear(HEADS * HEAD, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, positions, width) to the same shape."""
        b, t, _ = x.shape
        q, k, v = self.qkv(x).view(b, t, 3, HEADS, HEAD).permute(2, 0, 3, 1, 4).unbind(0)
        mixed = F.scaled_dot_product_attention(q, k, v)
        out: Tensor = self.o(mixed.transpose(1, 2).flatten(2))
        return out


class ChunkAttention(nn.Module):
    """One linear layer for all three, taken apart by chunk."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(WIDTH, 3 * HEADS * HEAD)
        self.o = nn.Linear(HEADS * HEAD, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, positions, width) to the same shape."""
        b, t, _ = x.shape
        q, k, v = (
            part.reshape(b, t, HEADS, HEAD).transpose(1, 2) for part in self.qkv(x).chunk(3, dim=-1)
        )
        mixed = F.scaled_dot_product_attention(q, k, v)
        out: Tensor = self.o(mixed.transpose(1, 2).reshape(b, t, HEADS * HEAD))
        return out


class EinsumAttention(nn.Module):
    """Three-dimensional weights and einsum."""

    def __init__(self) -> None:
        super().__init__()
        self.q = nn.Parameter(torch.randn(WIDTH, HEADS, HEAD) / WIDTH**0.5)
        self.k = nn.Parameter(torch.randn(WIDTH, HEADS, HEAD) / WIDTH**0.5)
        self.v = nn.Parameter(torch.randn(WIDTH, HEADS, HEAD) / WIDTH**0.5)
        self.o = nn.Parameter(torch.randn(HEADS, HEAD, WIDTH) / WIDTH**0.5)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, positions, width) to the same shape."""
        q = torch.einsum("btd,dhk->bthk", x, self.q)
        k = torch.einsum("btd,dhk->bthk", x, self.k)
        v = torch.einsum("btd,dhk->bthk", x, self.v)
        weights = torch.einsum("bthk,bshk->bhts", q, k).div(HEAD**0.5).softmax(dim=-1)
        mixed = torch.einsum("bhts,bshk->bthk", weights, v)
        return torch.einsum("bthk,hkd->btd", mixed, self.o)


class ModuleAttention(nn.Module):
    """PyTorch's own multi-head attention."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, positions, width) to the same shape."""
        out: Tensor = self.attention(x, x, x, need_weights=False)[0]
        return out


class AttentionNet(nn.Module):
    """Embedding, residual attention, a linear head at every position."""

    def __init__(self, attention: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.embed = nn.Linear(WIDTH, WIDTH)
        self.attention = attention()
        self.head = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, positions, width) to the same shape."""
        x = self.embed(x)
        out: Tensor = self.head(x + self.attention(x))
        return out


class EncoderNet(nn.Module):
    """A linear embedding, one ``nn.TransformerEncoderLayer``, a linear head."""

    def __init__(self, activation: str, norm_first: bool) -> None:
        super().__init__()
        self.embed = nn.Linear(WIDTH, WIDTH)
        self.layer = nn.TransformerEncoderLayer(
            WIDTH, HEADS, 12, activation=activation, batch_first=True, norm_first=norm_first
        )
        self.head = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, positions, width) to the same shape."""
        out: Tensor = self.head(self.layer(self.embed(x)))
        return out


def entries() -> tuple[Entry, ...]:
    """The attention part of the zoo."""
    x = floats(2, 5, WIDTH)

    def net(name: str, attention: Callable[[], nn.Module], tags: str = "") -> Entry:
        return define(name, partial(AttentionNet, attention), x, f"smooth attention {tags}")

    def encoder(name: str, activation: str, norm_first: bool, tags: str = "") -> Entry:
        kind = "relu" if activation == "relu" else "smooth"
        factory = partial(EncoderNet, activation, norm_first)
        return define(name, factory, x, f"{kind} attention norm {tags}")

    return (
        net("attention_separate", SeparateAttention, "peers15"),
        net("attention_fused_qkv", FusedAttention),
        net("attention_chunk", ChunkAttention),
        net("attention_einsum", EinsumAttention),
        net("attention_module", ModuleAttention),
        encoder("encoder_layer_relu", "relu", False, "peers15"),
        encoder("encoder_layer_relu_norm_first", "relu", True),
        encoder("encoder_layer_gelu", "gelu", False),
        encoder("encoder_layer_gelu_norm_first", "gelu", True),
    )

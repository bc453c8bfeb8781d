"""Small language models: of our own (GPT, Llama) and from transformers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isthmus.testing.zoo.entry import Entry, Inputs, define, tokens

VOCABULARY, LLAMA_VOCABULARY, POSITIONS = 7, 11, 5


class RMSNorm(nn.Module):
    """x / sqrt(mean(x**2) + eps) * weight."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """(..., width) to the same shape."""
        return x * torch.rsqrt(x.square().mean(dim=-1, keepdim=True) + self.eps) * self.weight


class CausalAttention(nn.Module):
    """Multi-head attention to earlier positions, all biases."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(width, width)
        self.k = nn.Linear(width, width)
        self.v = nn.Linear(width, width)
        self.o = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, positions, width) to the same shape."""
        b, t, d = x.shape
        q, k, v = (
            layer(x).view(b, t, self.heads, d // self.heads).transpose(1, 2)
            for layer in (self.q, self.k, self.v)
        )
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        out: Tensor = self.o(mixed.transpose(1, 2).reshape(b, t, d))
        return out


class GptBlock(nn.Module):
    """Attention, then a GELU MLP; both pre-norm and residual."""

    def __init__(self, width: int, heads: int, hidden: int, norm: Callable[[int], nn.Module]):
        super().__init__()
        self.norm1 = norm(width)
        self.attention = CausalAttention(width, heads)
        self.norm2 = norm(width)
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, positions, width) to the same shape."""
        x = x + self.attention(self.norm1(x))
        out: Tensor = x + self.fc2(F.gelu(self.fc1(self.norm2(x))))
        return out


class Gpt(nn.Module):
    """Token and position embeddings, pre-norm blocks, final norm, head without bias."""

    def __init__(
        self,
        norm: Callable[[int], nn.Module],
        blocks: int = 1,
        tied: bool = False,
        *,
        width: int = 6,
        heads: int = 2,
        hidden: int = 8,
        vocabulary: int = VOCABULARY,
        positions: int = POSITIONS,
    ) -> None:
        super().__init__()
        self.token = nn.Embedding(vocabulary, width)
        self.position = nn.Parameter(torch.randn(positions, width))
        self.blocks = nn.ModuleList(GptBlock(width, heads, hidden, norm) for _ in range(blocks))
        self.norm = norm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        if tied:
            self.head.weight = self.token.weight

    def forward(self, ids: Tensor) -> Tensor:
        """(batch, positions) to (batch, positions, vocabulary)."""
        x = self.token(ids) + self.position[: ids.shape[1]]
        for block in self.blocks:
            x = block(x)
        out: Tensor = self.head(self.norm(x))
        return out


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn each pair (i, i + half) by its position's angle: x (..., positions, head)."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


class RotaryAttention(nn.Module):
    """Causal grouped-query attention with rotary positions, without biases."""

    cos: Tensor
    sin: Tensor

    def __init__(self, width: int, heads: int, kv_heads: int, positions: int = POSITIONS) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.size = heads, kv_heads, width // heads
        self.q = nn.Linear(width, heads * self.size, bias=False)
        self.k = nn.Linear(width, kv_heads * self.size, bias=False)
        self.v = nn.Linear(width, kv_heads * self.size, bias=False)
        self.o = nn.Linear(heads * self.size, width, bias=False)
        frequencies = 10000.0 ** -(torch.arange(0, self.size, 2, dtype=torch.float64) / self.size)
        angles = torch.outer(torch.arange(positions, dtype=torch.float64), frequencies)
        self.register_buffer("cos", angles.cos().float(), persistent=False)
        self.register_buffer("sin", angles.sin().float(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, positions, width) to the same shape."""
        b, t, _ = x.shape
        q = self.q(x).view(b, t, self.heads, self.size).transpose(1, 2)
        k = self.k(x).view(b, t, self.kv_heads, self.size).transpose(1, 2)
        v = self.v(x).view(b, t, self.kv_heads, self.size).transpose(1, 2)
        q, k = rotate(q, self.cos[:t], self.sin[:t]), rotate(k, self.cos[:t], self.sin[:t])
        shared = self.heads // self.kv_heads
        k, v = k.repeat_interleave(shared, dim=1), v.repeat_interleave(shared, dim=1)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        out: Tensor = self.o(mixed.transpose(1, 2).reshape(b, t, self.heads * self.size))
        return out


class LlamaBlock(nn.Module):
    """Rotary attention, then SwiGLU; both pre-norm and residual."""

    def __init__(
        self, width: int, heads: int, kv_heads: int, hidden: int, positions: int = POSITIONS
    ) -> None:
        super().__init__()
        self.norm1 = RMSNorm(width, 1e-30)
        self.attention = RotaryAttention(width, heads, kv_heads, positions)
        self.norm2 = RMSNorm(width, 1e-30)
        self.gate = nn.Linear(width, hidden, bias=False)
        self.up = nn.Linear(width, hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, positions, width) to the same shape."""
        x = x + self.attention(self.norm1(x))
        y = self.norm2(x)
        out: Tensor = x + self.down(F.silu(self.gate(y)) * self.up(y))
        return out


class Llama(nn.Module):
    """Token embedding, rotary blocks, final RMS norm, untied head without bias.

    The vocabulary exceeds the width, so that the embeddings span the residual stream.
    """

    def __init__(
        self,
        blocks: int,
        heads: int = 2,
        kv_heads: int = 1,
        *,
        width: int = 8,
        hidden: int = 6,
        vocabulary: int = LLAMA_VOCABULARY,
        positions: int = POSITIONS,
    ) -> None:
        super().__init__()
        self.token = nn.Embedding(vocabulary, width)
        self.blocks = nn.ModuleList(
            LlamaBlock(width, heads, kv_heads, hidden, positions) for _ in range(blocks)
        )
        self.norm = RMSNorm(width, 1e-30)
        self.head = nn.Linear(width, vocabulary, bias=False)

    def forward(self, ids: Tensor) -> Tensor:
        """(batch, positions) to (batch, positions, vocabulary)."""
        x = self.token(ids)
        for block in self.blocks:
            x = block(x)
        out: Tensor = self.head(self.norm(x))
        return out


class Logits(nn.Module):
    """A transformers model that returns its logits alone and keeps no cache."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor) -> Tensor:
        """(batch, positions) to (batch, positions, vocabulary)."""
        out: Tensor = self.model(input_ids=input_ids, use_cache=False).logits
        return out


def _hf_gpt2() -> nn.Module:
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        vocab_size=11,
        n_positions=8,
        n_embd=16,
        n_layer=2,
        n_head=2,
        initializer_range=0.25,
        bos_token_id=0,
        eos_token_id=0,
    )
    return Logits(GPT2LMHeadModel(config))


def _hf_llama() -> nn.Module:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=11,
        hidden_size=16,
        intermediate_size=12,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=8,
        initializer_range=0.25,
        bos_token_id=0,
        eos_token_id=0,
    )
    return Logits(LlamaForCausalLM(config))


def _keyword_tokens() -> Inputs:
    return {"input_ids": tokens(11, 2, 5)()[0]}


def entries() -> tuple[Entry, ...]:
    """The language models of the zoo."""
    ids = tokens(VOCABULARY, 2, POSITIONS)
    more_ids = tokens(LLAMA_VOCABULARY, 2, POSITIONS)
    rms = partial(RMSNorm, eps=2e-16)
    tags = "smooth attention norm tokens"
    return (
        define("gpt", partial(Gpt, nn.LayerNorm), ids, tags),
        define("gpt_two_layers", partial(Gpt, nn.LayerNorm, 2), ids, tags),
        define("gpt_tied", partial(Gpt, nn.LayerNorm, tied=True), ids, f"{tags} tied"),
        define("gpt_rms_norm", partial(Gpt, rms), ids, tags),
        define("llama", partial(Llama, 1), more_ids, tags),
        define("llama_two_layers", partial(Llama, 2), more_ids, tags),
        define("llama_four_heads", partial(Llama, 2, 4, 2), more_ids, tags),
        define("hf_gpt2", _hf_gpt2, _keyword_tokens, f"{tags} tied hf peers15", "hf"),
        define("hf_llama", _hf_llama, tokens(11, 2, 5), f"{tags} hf peers15", "hf"),
    )

"""Networks: a GPT with mixtures of experts, and a masked language model."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isthmus.papers.tasks import Task, tiny_gpt
from isthmus.testing.zoo.language import CausalAttention


class Mixture(nn.Module):
    """Experts of one hidden ReLU layer, weighed by a softmax of a gate's numbers.

    All experts read every token; where only the ``chosen`` largest gates count, the softmax is over
    those, and the others weigh nothing.
    """

    def __init__(self, width: int, hidden: int, experts: int, chosen: int | None) -> None:
        super().__init__()
        self.chosen = chosen
        self.gate = nn.Linear(width, experts)
        self.up = nn.Parameter(torch.randn(experts, hidden, width) / width**0.5)
        self.up_bias = nn.Parameter(torch.zeros(experts, hidden))
        self.down = nn.Parameter(torch.randn(experts, width, hidden) / hidden**0.5)

    def forward(self, x: Tensor) -> Tensor:
        """``(..., width)`` to the same shape."""
        numbers = self.gate(x)
        if self.chosen is None:
            weights = numbers.softmax(-1)
        else:
            largest, which = numbers.topk(self.chosen, -1)
            weights = torch.zeros_like(numbers).scatter(-1, which, largest.softmax(-1))
        hidden = F.relu(torch.einsum("...d,ehd->...eh", x, self.up) + self.up_bias)
        outputs = torch.einsum("...eh,edh->...ed", hidden, self.down)
        out: Tensor = (weights.unsqueeze(-1) * outputs).sum(-2)
        return out


class MixtureBlock(nn.Module):
    """Attention, then a mixture of experts; both pre-norm and residual."""

    def __init__(self, width: int, hidden: int, experts: int, chosen: int | None) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = CausalAttention(width, 2)
        self.mixture = Mixture(width, hidden, experts, chosen)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, positions, width) to the same shape."""
        x = x + self.attention(self.norm1(x))
        out: Tensor = x + self.mixture(self.norm2(x))
        return out


class MixtureGpt(nn.Module):
    """A GPT with a mixture of experts in every block; ``frozen``, only the mixtures learn."""

    def __init__(
        self,
        vocabulary: int,
        positions: int,
        width: int,
        blocks: int,
        hidden: int,
        experts: int,
        chosen: int | None,
        frozen: bool = False,
    ) -> None:
        super().__init__()
        self.token = nn.Embedding(vocabulary, width)
        self.position = nn.Parameter(torch.randn(positions, width))
        sizes = (width, hidden, experts, chosen)
        self.blocks = nn.ModuleList(MixtureBlock(*sizes) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(not frozen or "mixture" in name)

    def forward(self, ids: Tensor) -> Tensor:
        """(batch, positions) to (batch, positions, vocabulary)."""
        x = self.token(ids) + self.position[: ids.shape[1]]
        for block in self.blocks:
            x = block(x)
        out: Tensor = self.head(self.norm(x))
        return out


def mixture_gpt(
    text: str,
    context: int,
    width: int,
    blocks: int,
    experts: int,
    chosen: int | None,
    *,
    frozen: bool = False,
) -> Task:
    """A small GPT with mixtures of experts on a text; each expert is as wide as the stream."""
    task = tiny_gpt(context, width, blocks, text)
    sizes = (len(task.classes), context, width, blocks, width, experts, chosen)
    name = f"mixture-{chosen or 'dense'}{'-frozen' * frozen}"
    return replace(task, name=name, build=partial(MixtureGpt, *sizes, frozen))


class Encoder(nn.Module):
    """A masked language model: embeddings, post-norm encoder layers, a head at every position."""

    def __init__(
        self, vocabulary: int, positions: int, width: int, layers: int, heads: int = 4
    ) -> None:
        super().__init__()
        self.token = nn.Embedding(vocabulary + 1, width)
        self.position = nn.Parameter(torch.randn(positions, width))
        self.norm = nn.LayerNorm(width)
        self.layers = nn.ModuleList(EncoderLayer(width, heads) for _ in range(layers))
        self.head = nn.Linear(width, vocabulary)

    def forward(self, ids: Tensor) -> Tensor:
        """(batch, positions) to (batch, positions, vocabulary)."""
        x = self.norm(self.token(ids) + self.position[: ids.shape[1]])
        for layer in self.layers:
            x = layer(x)
        out: Tensor = self.head(x)
        return out


class EncoderLayer(nn.Module):
    """Attention to all positions, then a GELU MLP, each added and normed, as in BERT."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.o = (nn.Linear(width, width) for _ in range(4))
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, positions, width) to the same shape."""
        q, k, v = (
            read(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for read in (self.q, self.k, self.v)
        )
        mixed = F.scaled_dot_product_attention(q, k, v)
        x = self.norm1(x + self.o(mixed.transpose(1, 2).flatten(2)))
        out: Tensor = self.norm2(x + self.down(F.gelu(self.up(x))))
        return out


def masked_text(text: str, context: int, width: int, layers: int) -> Task:
    """The encoder on a text of which a fifth of each window's characters are hidden, and asked for.

    Which are hidden is drawn once for every window. A hidden character is one more symbol; targets
    that are not asked for are -100, which cross entropy passes over.
    """
    task = tiny_gpt(context, width, layers, text)
    count = len(task.classes)
    x, y = _masked(task.x, count, 0)
    x_test, y_test = _masked(task.x_test, count, 1)
    build = partial(Encoder, count, context, width, layers)
    return replace(task, name="masked-text", build=build, x=x, y=y, x_test=x_test, y_test=y_test)


def _masked(ids: Tensor, symbol: int, seed: int) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    order = torch.rand(ids.shape, generator=rng).argsort(-1)
    hidden = order < max(1, ids.shape[1] // 5)  # as many in every window: losses are means
    return ids.masked_fill(hidden, symbol), ids.masked_fill(~hidden, -100)

"""Blocks with norms, composed at random: all that the gauge claims of them is true."""

from __future__ import annotations

import math
import random
import warnings
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from isthmus import discover, verify
from isthmus.algebra.groups import MeanOrthogonal, Orthogonal
from isthmus.discovery.completeness import completeness
from isthmus.ground import distance, norm
from isthmus.ground.certificates import Verdict
from isthmus.ground.params import params_of
from isthmus.testing.zoo import entry, randomise

WIDTH, PLACES, TOKENS = 6, 5, 7
Part = Callable[[Tensor], Tensor]


class HandNorm(nn.Module):
    """An RMS norm as models write it: gain stored from one or from zero."""

    def __init__(self, eps: float, offset: float) -> None:
        super().__init__()
        self.weight, self.eps, self.offset = nn.Parameter(torch.ones(WIDTH)), eps, offset

    def forward(self, x: Tensor) -> Tensor:
        return (
            x
            * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps)
            * (self.weight + self.offset)
        )


class Stack(nn.Module):
    """A random residual network; every choice is drawn from one seed."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed, self.draw = seed, random.Random(seed)
        self.made = nn.ModuleList()
        self.words = self.draw.random() < 0.4
        self.embed = nn.Embedding(TOKENS, WIDTH) if self.words else self._linear(4, WIDTH)
        self.position = nn.Parameter(torch.randn(PLACES + self.draw.randrange(3), WIDTH))
        self.first = nn.Parameter(torch.randn(1, 1, WIDTH))
        self.positioned, self.leads = self.draw.random() < 0.5, self.draw.random() < 0.3
        shared = self._norm() if self.draw.random() < 0.15 else None
        self.blocks = [self._block(shared) for _ in range(self.draw.randint(1, 3))]
        self.last = self._norm() if self.draw.random() < 0.7 else None
        self.head = self._linear(WIDTH, TOKENS)
        if self.words and self.draw.random() < 0.3:
            self.head.weight = self.embed.weight  # type: ignore[assignment]
        self.end = self.draw.choice(["", "softmax", "cap", "both"])
        self.pool = self.draw.choice(["", "mean", "first"])

    def __deepcopy__(self, memo: dict[int, object]) -> Stack:
        """Blocks are functions that know their own layers: they are made anew."""
        made = Stack(self.seed).to(self.position.dtype).train(self.training)
        made.load_state_dict(self.state_dict())
        return made

    def example(self) -> Tensor:
        """Token ids, or features."""
        generator = torch.Generator().manual_seed(1)
        if self.words:
            return torch.randint(TOKENS, (2, PLACES), generator=generator)
        return torch.randn(2, PLACES, 4, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        h = self.embed(x)
        if self.positioned:
            h = h + self.position[:PLACES]
        if self.leads:
            h = torch.cat([self.first.expand(2, 1, WIDTH), h], 1)
        for block in self.blocks:
            h = block(h)
        h = self.last(h) if self.last is not None else h
        h = {"mean": h.mean(1), "first": h[:, 0]}.get(self.pool, h)
        out: Tensor = self.head(h)
        out = 3 * torch.tanh(out / 3) if self.end in ("cap", "both") else out
        return out.log_softmax(-1) if self.end in ("softmax", "both") else out

    def _keep(self, part: nn.Module) -> nn.Module:
        self.made.append(part)
        return part

    def _linear(self, into: int, out: int) -> nn.Linear:
        return nn.Linear(into, out, bias=self.draw.random() < 0.6)

    def _norm(self) -> nn.Module:
        eps = self.draw.choice([1e-5, 0.3, 1e-30])
        kind = self.draw.randrange(6)
        if kind == 0:
            return self._keep(HandNorm(eps, float(self.draw.randrange(2))))
        if kind == 1:
            return self._keep(nn.RMSNorm(WIDTH, eps=eps))
        if kind == 2:
            return self._keep(nn.LayerNorm(WIDTH, eps=eps, elementwise_affine=False))
        return self._keep(nn.LayerNorm(WIDTH, eps=eps, bias=self.draw.random() < 0.7))

    def _block(self, shared: nn.Module | None) -> Part:
        norm = shared or self._norm()
        inner = self.draw.choice([self._hidden, self._attention, self._written, self._mixing])()
        style = self.draw.choice(["pre", "pre", "post", "sandwich", "parallel", "plain"])
        grow = f"scale{len(self.made)}" if self.draw.random() < 0.3 else ""
        if grow:
            self.register_parameter(grow, nn.Parameter(torch.randn(WIDTH)))
        more = self._norm() if style in ("sandwich", "parallel") else norm
        other = self._hidden() if style == "parallel" else inner

        def grown(y: Tensor) -> Tensor:
            y = F.dropout(y, 0.1, training=False)
            return y * getattr(self, grow) if grow else y

        def run(x: Tensor) -> Tensor:
            if style == "post":
                out: Tensor = norm(x + grown(inner(x)))
                return out
            if style == "plain":
                return grown(inner(norm(x)))
            if style == "sandwich":
                return x + grown(more(inner(norm(x))))
            if style == "parallel":
                return x + grown(inner(norm(x))) + other(norm(x))
            return x + grown(inner(norm(x)))

        return run

    def _hidden(self) -> Part:
        up, down = self._keep(self._linear(WIDTH, 8)), self._keep(self._linear(8, WIDTH))
        gate = self._keep(self._linear(WIDTH, 8)) if self.draw.random() < 0.4 else None
        bend = self.draw.choice([F.gelu, F.silu, F.relu, torch.tanh, torch.clone])
        if gate is None:
            return lambda x: down(bend(up(x)))  # type: ignore[no-any-return]
        return lambda x: down(bend(gate(x)) * up(x))  # type: ignore[no-any-return]

    def _heads(self) -> tuple[Callable[[Tensor], list[Tensor]], nn.Module]:
        """Queries, keys and values of two heads; sometimes one projection for two of them."""
        layers = [self._keep(self._linear(WIDTH, 8)) for _ in range(3)]
        share = self.draw.random()
        if share < 0.2:
            layers[self.draw.randrange(3)] = layers[self.draw.randrange(3)]
        own = [self._keep(nn.LayerNorm(4)) for _ in range(2)] if self.draw.random() < 0.2 else []

        def split(x: Tensor) -> list[Tensor]:
            parts = [f(x).view(2, -1, 2, 4).transpose(1, 2) for f in layers]
            return [f(y) for f, y in zip(own, parts, strict=False)] + parts[len(own) :]

        return split, self._keep(self._linear(8, WIDTH))

    def _attention(self) -> Part:
        split, out = self._heads()
        causal = self.draw.random() < 0.5
        return lambda x: out(  # type: ignore[no-any-return]
            F.scaled_dot_product_attention(*split(x), is_causal=causal).transpose(1, 2).flatten(2)
        )

    def _written(self) -> Part:
        split, out = self._heads()
        cap, mask, weigh = (self.draw.randrange(3) for _ in range(3))

        def run(x: Tensor) -> Tensor:
            q, k, v = split(x)
            score = q @ k.transpose(-1, -2) / 2
            score = torch.tanh(score) if cap == 0 else score
            hidden = torch.ones(score.shape[-2:]).triu(1)
            if mask == 0:
                score = score.masked_fill(hidden.bool(), -math.inf)
            elif mask == 1:
                score = score + hidden.to(score) * -1e4
            weights = torch.sigmoid(score) if weigh == 0 else score.softmax(-1)
            done: Tensor = out((weights @ v).transpose(1, 2).flatten(2))
            return done

        return run

    def _mixing(self) -> Part:
        """Positions mixed: a kernel, a pool, or a constant matrix."""
        size, padding = self.draw.choice([(1, 0), (3, 1)])
        groups = self.draw.choice([1, 1, 2, WIDTH])
        kernel = nn.Conv1d(WIDTH, WIDTH, size, padding=padding, groups=groups,
                           bias=self.draw.random() < 0.6)  # fmt: skip
        self._keep(kernel)
        kind, after = self.draw.randrange(3), self._keep(self._linear(WIDTH, WIDTH))

        def run(x: Tensor) -> Tensor:
            if kind == 0:
                return after(kernel(x.transpose(1, 2)).transpose(1, 2))  # type: ignore[no-any-return]
            if kind == 1:
                return after(F.avg_pool1d(x.transpose(1, 2), 3, 1, 1).transpose(1, 2))  # type: ignore[no-any-return]
            n = x.shape[1]
            mixed: Tensor = torch.arange(float(n * n)).view(n, n).sin().to(x) @ x
            return after(mixed)  # type: ignore[no-any-return]

        return run


def check(seed: int) -> int:
    """The number of generators found; fails if one of them changes the function."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Stack(seed).eval()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
        symmetry = discover(model, model.example())
    certificate = verify(symmetry, model, model.example(), samples=2)
    assert certificate.verdict is Verdict.TESTED, f"{seed}\n{symmetry}\n{certificate}"
    params = {n: t.double() for n, t in params_of(randomise(model, seed)).items()}
    g, h = symmetry.sample(seed, 0.1), symmetry.sample(seed + 1, 0.1)
    twice = symmetry.act(g, symmetry.act(h, params))
    assert distance(symmetry.act(g @ h, params), twice) <= 1e-8 * norm(params), f"{seed}: g@h"
    settled = symmetry.canonical(params)
    gap = distance(settled, symmetry.canonical(settled))
    assert gap <= 1e-8 * norm(settled), f"{seed}: canonical twice"
    return symmetry.lie_dim


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 10**6))
def test_blocks(seed: int) -> None:
    check(seed)


@pytest.mark.parametrize("block", range(5))
def test_most_blocks_have_symmetries(block: int) -> None:
    assert sum(check(seed) > 5 for seed in range(10 * block, 10 * block + 10)) >= 8


@pytest.mark.slow
@pytest.mark.parametrize("block", range(20))
def test_many_blocks(block: int) -> None:
    for seed in range(50 * block, 50 * block + 50):
        check(10**7 + seed)


@pytest.mark.parametrize(
    ("name", "nullity"),
    [("gpt", 153), ("gpt_tied", 119), ("gpt_rms_norm", 88), ("llama", 79)],
)
def test_streams_are_counted(name: str, nullity: int) -> None:
    """The numbers of design.md 6: every flat direction is one of the group's."""
    one = entry(name)
    model = randomise(one.build(), 2)
    symmetry = discover(model, one.example())
    counted = completeness(symmetry, model, one.example())
    assert (counted.nullity, counted.explained, symmetry.lie_dim) == (nullity,) * 3
    assert counted.complete
    kinds = {type(space.group) for space in symmetry.spaces.values()}
    assert (MeanOrthogonal if name in ("gpt", "gpt_tied") else Orthogonal) in kinds or (
        name == "gpt_tied"
    )

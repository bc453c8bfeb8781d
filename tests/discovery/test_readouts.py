"""A layer norm's bias before readers without one: which of their rows feel it, and which do not."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isthmus import Symmetry, verify
from isthmus.algebra.symmetry import Params
from isthmus.discovery.completeness import completeness
from isthmus.discovery.evaluation import double_inputs, run
from isthmus.discovery.verify import relative_change
from isthmus.ground.params import params_of

WIDTH, PLACES = 6, 4
Forward = Callable[..., Any]
ANGLES = torch.outer(torch.arange(PLACES), torch.tensor([1.0, 0.4])).float()


def bare(*sizes: int) -> Callable[[], nn.Linear]:
    return lambda: nn.Linear(*sizes, bias=False)


PARTS: dict[str, Any] = {
    "first": (5, WIDTH), "norm": lambda: nn.LayerNorm(WIDTH), "q": bare(WIDTH, WIDTH),
    "k": bare(WIDTH, WIDTH), "v": bare(WIDTH, WIDTH), "o": bare(WIDTH, WIDTH),
    "up": (WIDTH, 7), "down": (7, WIDTH), "head": (WIDTH, 5),
}  # fmt: skip


def turned(x: Tensor) -> Tensor:
    """The first four coordinates turned in planes, by place; the others stay."""
    c, s = ANGLES.cos().repeat(1, 2), ANGLES.sin().repeat(1, 2)
    one, two = x[..., :2], x[..., 2:4]
    return torch.cat([x[..., :4] * c + torch.cat([-two, one], -1) * s, x[..., 4:]], -1)


def block(
    m: Any,
    x: Tensor,
    keys: Forward = lambda t: t,
    values: Forward = lambda t: t,
    mixed: Forward = lambda t: t,
    normed: Forward = lambda t: t,
) -> Tensor:
    """A parallel block; attention has no biases, the other branch has."""
    stream = m.first(x)
    y = normed(m.norm(stream))
    v = values(m.v(y))
    told = mixed(F.scaled_dot_product_attention(keys(m.q(y)), keys(m.k(y)), v))
    return m.head(torch.tanh(stream + m.down(torch.tanh(m.up(y))) + m.o(told)))


def fused(m: Any, x: Tensor) -> Tensor:
    """Queries, keys and values made by one weight; keys are turned in part."""
    stream = m.first(x)
    y = m.norm(stream)
    q, k, v = m.qkv(y).chunk(3, -1)
    told = F.scaled_dot_product_attention(turned(q), turned(k), v)
    return m.head(torch.tanh(stream + m.down(torch.tanh(m.up(y))) + m.o(told)))


FUSED = {**{n: p for n, p in PARTS.items() if n not in "qkv"}, "qkv": bare(WIDTH, 3 * WIDTH)}


def examine(
    tools: SimpleNamespace, forward: Forward, parts: dict[str, Any]
) -> tuple[Symmetry, int]:
    """The symmetry, tested at two scales, and how many flat directions it leaves unexplained."""
    model, example = tools.written(forward, **parts), tools.noise(3, PLACES, 5)
    symmetry, _ = tools.typed(forward, example, samples=2, **parts)
    for scale in (0.1, 1.0):
        evidence = verify(symmetry, model, example, samples=4, scale=scale).evidence
        assert evidence["relative_error"] < 1e-9, str(symmetry)
    counted = completeness(symmetry, model, example)
    assert counted.sound, str(counted)
    return symmetry, counted.nullity - counted.explained


def rows(symmetry: Symmetry, name: str) -> int:
    """How many rows of a weight have a free mean."""
    space = symmetry.spaces.get(f"{name}.weight.mean")
    return 0 if space is None else space.group.lie_dim


WHOLE: dict[str, tuple[Forward, dict[str, Any], dict[str, int]]] = {
    "apart": (block, PARTS, {"q": 0, "k": 6, "v": 6}),
    "partly turned": (
        lambda m, x: block(m, x, keys=turned), PARTS, {"q": 0, "k": 2, "v": 6},
    ),
    "fused": (fused, FUSED, {"qkv": 8}),
    "values felt in part": (
        lambda m, x: block(m, x, values=lambda v: torch.cat([v[..., :2], v[..., 2:].tanh()], -1)),
        PARTS, {"q": 0, "k": 6, "v": 2},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WHOLE)
def test_rows_that_lose_what_others_feel(tools: SimpleNamespace, name: str) -> None:
    forward, parts, expected = WHOLE[name]
    symmetry, missing = examine(tools, forward, parts)
    assert {n: rows(symmetry, n) for n in expected} == expected
    assert missing == 0


def sinking(m: Any, x: Tensor) -> Tensor:
    """One more place, without a score of its own: keys are felt."""
    stream = m.first(x)
    y = m.norm(stream)
    scores = m.q(y) @ m.k(y).transpose(1, 2)
    weights = torch.cat([scores, torch.zeros_like(scores[..., :1])], -1).softmax(-1)[..., :-1]
    return m.head(torch.tanh(stream + m.down(torch.tanh(m.up(y))) + m.o(weights @ m.v(y))))


def places_cut(t: Tensor) -> Tensor:
    """Nothing at the first place."""
    return torch.cat([torch.zeros_like(t[:, :1]), t[:, 1:]], 1)


FELT: dict[str, tuple[Forward, dict[str, Any]]] = {
    "a sink": (sinking, {"k": 0, "v": 0}),
    "values bent": (lambda m, x: block(m, x, values=torch.tanh), {"v": 0}),
    "nothing at one place": (lambda m, x: block(m, x, mixed=places_cut), {"v": 0}),
    "places weighted": (
        lambda m, x: block(m, x, mixed=lambda t: t * torch.arange(PLACES)[:, None]), {"v": 0},
    ),
    "keys bent": (lambda m, x: block(m, x, keys=torch.tanh), {"k": 0}),
    "returned": (lambda m, x: (block(m, x), m.v(m.norm(m.first(x)))), {"v": 0}),
    "cut before the readers": (lambda m, x: block(m, x, normed=places_cut), {"v": 0}),
}  # fmt: skip


@pytest.mark.parametrize("name", FELT)
def test_rows_that_feel(tools: SimpleNamespace, name: str) -> None:
    forward, expected = FELT[name]
    symmetry, _ = examine(tools, forward, PARTS)
    assert {n: rows(symmetry, n) for n in expected} == expected


def shared_bias(m: Any, x: Tensor) -> Tensor:
    """The bias that could make up for the values is added elsewhere, too."""
    return block(m, x) + m.down.bias[:5]


def test_a_bias_that_others_read_takes_nothing_up(tools: SimpleNamespace) -> None:
    symmetry, _ = examine(tools, shared_bias, PARTS)
    assert rows(symmetry, "v") == 0


@pytest.mark.parametrize("again", [False, True])
def test_two_layers(tools: SimpleNamespace, again: bool) -> None:
    """Twice the same layer, or two of them: weights that are read twice take part in nothing."""

    def twice(m: Any, x: Tensor) -> Tensor:
        stream = m.first(x)
        for n in ("", "" if again else "2"):
            p = {k: getattr(m, f"{k}{n}") for k in ("norm", "q", "k", "v", "o", "up", "down")}
            y = p["norm"](stream)
            told = F.scaled_dot_product_attention(p["q"](y), p["k"](y), p["v"](y))
            stream = stream + p["down"](torch.tanh(p["up"](y))) + p["o"](told)
        return m.head(torch.tanh(stream))

    parts = {**PARTS, **{f"{n}2": p for n, p in PARTS.items() if n not in ("first", "head")}}
    symmetry, missing = examine(tools, twice, PARTS if again else parts)
    assert rows(symmetry, "v") == (0 if again else 6)
    assert again or missing == 0


@pytest.mark.parametrize("bias", [0.0, 1.0])
def test_a_bias_of_zero_carries_nothing(tools: SimpleNamespace, bias: float) -> None:
    """Then the readers' means are no constants, but not seen: they move, and nothing else does."""
    model, example = tools.written(fused, **FUSED).double(), tools.noise(3, PLACES, 5)
    symmetry, _ = tools.typed(fused, example, samples=1, **FUSED)
    params: Params = dict(params_of(model))
    params["norm.bias"] = bias * torch.linspace(-1, 2, WIDTH, dtype=torch.float64)
    moved = symmetry.act(symmetry.sample(seed=1, scale=1.0), params)
    inputs = double_inputs(example, torch.Generator().manual_seed(0))
    assert relative_change(run(model, params, inputs), run(model, moved, inputs)) < 1e-9
    assert bool((moved["qkv.weight"].sum(1) - params["qkv.weight"].sum(1)).abs().max() > 0.1)
    back = symmetry.act(symmetry.identity(), params)
    assert all(torch.allclose(back[n], t, rtol=1e-9, atol=1e-12) for n, t in params.items())
    read = Symmetry.from_json(symmetry.to_json())
    assert read.chart == symmetry.chart

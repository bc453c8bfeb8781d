"""The largest group of mixtures of experts (mathematics.md 4.5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tests.discovery.largest.conftest import Move, Row, Subject, added, common, scaled
from torch import Tensor

Params = dict[str, Tensor]
Weighing = Callable[[Tensor], tuple[Tensor, Tensor]]


def soft(scores: Tensor) -> tuple[Tensor, Tensor]:
    """Weights of the best two, not made to sum to one again."""
    weights, chosen = scores.softmax(-1).topk(2, -1)
    return weights, chosen


def renormalised(scores: Tensor) -> tuple[Tensor, Tensor]:
    """Weights of the best two that sum to one."""
    weights, chosen = scores.topk(2, -1)
    return weights.softmax(-1), chosen


def sigmoid(scores: Tensor) -> tuple[Tensor, Tensor]:
    """Every weight by itself."""
    weights, chosen = scores.sigmoid().topk(2, -1)
    return weights, chosen


def first(scores: Tensor) -> tuple[Tensor, Tensor]:
    """The best expert alone, with weight one."""
    weights, chosen = scores.topk(1, -1)
    return torch.ones_like(weights), chosen


def best(scores: Tensor) -> tuple[Tensor, Tensor]:
    """The best expert alone, with its weight."""
    weights, chosen = scores.softmax(-1).topk(1, -1)
    return weights, chosen


def largest_alone(scores: Tensor) -> tuple[Tensor, Tensor]:
    """The same, named by argmax."""
    return torch.ones_like(scores[:, :1]), scores.argmax(-1, keepdim=True)


def experts(weighing: Weighing, *, fixed: bool = False) -> Subject:
    """Four gated experts of five units, two of which read each token; a shared one beside them."""

    def forward(m: Any, x: Tensor) -> Tensor:
        weights, chosen = weighing(m.router(x))
        inner = F.silu(torch.einsum("nd,edh->neh", x, m.gate))
        inner = inner * torch.einsum("nd,edh->neh", x, m.up)
        made = torch.einsum("neh,ehd->ned", inner, m.down)
        if fixed:
            made = made * torch.arange(1.0, 5.0).to(x)[:, None]
        picked = made.gather(1, chosen[..., None].expand(-1, -1, made.shape[-1]))
        out: Tensor = (picked * weights[..., None]).sum(1) + torch.tanh(x @ m.a) @ m.b
        return out

    parts = {"router": (6, 4), "gate": [4, 6, 5], "up": [4, 6, 5], "down": [4, 5, 3]}
    return Subject(forward, {**parts, "a": [6, 7], "b": [7, 3]}, (40, 6), "folded")


SOFT, SHARP, APART, ONE, BEST, LARGEST = (
    experts(one) for one in (soft, renormalised, sigmoid, first, best, largest_alone)
)
FIXED = experts(soft, fixed=True)
ROUTER = "router.weight:0 router.bias:0"
EXPERTS = "gate:0 up:0 down:0"
COMMON = common("router.weight", "router.bias")
SCALED = scaled(1.5, "router.weight", "router.bias")


def on(expert: int, word: str, *places: tuple[str, int]) -> Move:
    """Units 0 and 1 of one expert: exchanged, stretched or flipped."""

    def move(params: Params) -> None:
        for name, dim in places:
            part = params[name][expert].movedim(dim, 0)
            if word == "swap":
                part[[0, 1]] = part[[1, 0]]
            else:
                part[0] *= {"stretch": 2.0, "shrink": 0.5, "flip": -1.0}[word]

    return move


def across(params: Params) -> None:
    """Unit 0 of expert 0 exchanged with unit 0 of expert 1."""
    for name, dim in (("gate", 1), ("up", 1), ("down", 0)):
        part = params[name].movedim(dim + 1, 1)
        part[[0, 1], 0] = part[[1, 0], 0]


GATE, UP, DOWN = ("gate", 1), ("up", 1), ("down", 0)


def exchanged(*names: str) -> Move:
    """Experts 0 and 1 exchanged in some of what is theirs."""

    def move(params: Params) -> None:
        for name in names:
            params[name][[0, 1]] = params[name][[1, 0]]

    return move


def permuted(of: Subject, group: str = "S(4)") -> Row:
    """Experts go with their rows of the router."""
    return Row(
        of,
        group,
        ("swap",),
        (exchanged("gate", "up", "down"), exchanged("gate", "up")),
        EXPERTS,
        along=ROUTER,
        size=4,
        at="gate:0",
    )


def router(of: Subject, keeps: tuple[Move, ...], breaks: tuple[Move, ...], group: str) -> Row:
    """What all rows of the router may gain at once: shifts, or no more than the experts' swaps."""
    place = "router.weight.mean:0" if group == "R(6)" else "router.weight:0"
    return Row(of, group, keeps, breaks, at=place)


ONE_ROW = added(0.7, "router.weight", only=slice(1))

TABLE: dict[str, Row] = {
    "soft, experts": permuted(SOFT),
    "soft, router": router(SOFT, (COMMON,), (SCALED, ONE_ROW), "R(6)"),
    "renormalised, experts": permuted(SHARP),
    "renormalised, router": router(SHARP, (COMMON,), (SCALED, ONE_ROW), "R(6)"),
    "sigmoid, experts": permuted(APART),
    "sigmoid, router": router(APART, (), (COMMON, SCALED, ONE_ROW), "S(4)"),
    "the best alone, router": Row(
        ONE, "S(4)", (), (ONE_ROW,), at="router.weight:0", missed=(COMMON, SCALED)
    ),
    "the best alone, units of an expert": Row(
        ONE, "M(5)≀",
        (on(0, "swap", GATE, UP, DOWN), (on(0, "stretch", UP), on(0, "shrink", DOWN))),
        (on(0, "swap", UP, DOWN), across), at="up:2",
    ),
    "the best, weighted, units of an expert": Row(
        BEST, "M(5)≀", (on(0, "swap", GATE, UP, DOWN),), (on(0, "swap", UP, DOWN), across),
        at="up:2",
    ),
    "the largest alone, units of an expert": Row(
        LARGEST, "M(5)≀", (on(0, "swap", GATE, UP, DOWN),), (on(0, "swap", UP, DOWN), across),
        at="up:2",
    ),
    "the best, weighted, router": router(BEST, (COMMON,), (SCALED, ONE_ROW), "R(6)"),
    "experts with a place of their own": Row(
        FIXED, "1(4)", (), ("swap",), EXPERTS, along=ROUTER, size=4, at="gate:0"
    ),
    "units of an expert": Row(
        SOFT, "M(5)≀", (on(0, "swap", GATE, UP, DOWN),), (on(0, "swap", UP, DOWN), across),
        at="up:2",
    ),
    "scales of an expert's up": Row(
        SOFT, "M(5)≀", ((on(0, "stretch", UP), on(0, "shrink", DOWN)), on(0, "flip", UP, DOWN)),
        (on(0, "stretch", UP), (on(0, "stretch", UP), on(1, "shrink", DOWN))), at="up:2",
    ),
    "scales of an expert's gate": Row(
        SOFT, "M(5)≀", (),
        ((on(0, "stretch", GATE), on(0, "shrink", DOWN)), on(0, "flip", GATE, DOWN)), at="gate:2",
    ),
    "the shared expert": Row(
        SOFT, "B(7)", ("swap", "flip"), ("stretch", "turn"), "a:1", "b:0", size=7
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLE)
def test_the_group_is_the_largest(name: str, largest: Callable[[Row], None]) -> None:
    largest(TABLE[name])

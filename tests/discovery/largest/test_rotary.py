"""The largest group of rotary positions and latent attention (mathematics.md 4.4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tests.discovery.largest.conftest import Row, Subject, shift
from torch import Tensor, nn

Turn = Callable[..., Tensor]
TEXT = (2, 5, 6)
ALL: dict[str, Any] = {"q": (6, 8), "k": (6, 8), "v": (6, 8), "o": (8, 4)}


def halves(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Planes (i, i + half)."""
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def neighbours(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Planes (2i, 2i + 1)."""
    a, b = x[..., ::2], x[..., 1::2]
    return torch.stack([a * cos - b * sin, b * cos + a * sin], -1).flatten(-2)


def part(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """The first two of four coordinates are turned."""
    return torch.cat([halves(x[..., :2], cos[..., :1], sin[..., :1]), x[..., 2:]], -1)


def angles(like: Tensor, *speeds: float) -> tuple[Tensor, Tensor]:
    """Cosines and sines of five positions."""
    turned = torch.arange(5).to(like)[:, None] * torch.tensor(speeds).to(like)
    return turned.cos(), turned.sin()


def attention(turn: Turn, *speeds: float) -> Callable[..., Tensor]:
    """Heads of four whose queries and keys are turned."""

    def forward(m: Any, x: Tensor) -> Tensor:
        q, k, v = (f(x).unflatten(-1, (-1, 4)).transpose(1, 2) for f in (m.q, m.k, m.v))
        q, k = (turn(y, *angles(x, *speeds)) for y in (q, k))
        mixed = F.scaled_dot_product_attention(q, k, v, enable_gqa=True)
        out: Tensor = m.o(mixed.transpose(1, 2).flatten(2))
        return out

    return forward


def latent(m: Any, x: Tensor) -> Tensor:
    """Keys and values of one latent; a rotary part of the key that the heads share."""
    content, turned = m.q(x).unflatten(-1, (2, 8)).transpose(1, 2).split([4, 4], -1)
    small, shared = m.down(x).split([3, 4], -1)
    k, v = m.up(m.norm(small)).unflatten(-1, (2, 8)).transpose(1, 2).split([4, 4], -1)
    tables = angles(x, 1.0, 0.1)
    turned, shared = halves(turned, *tables), halves(shared[:, None], *tables)
    scores = content @ k.transpose(2, 3) + turned @ shared.transpose(2, 3)
    out: Tensor = m.o(((scores / 2).softmax(-1) @ v).transpose(1, 2).flatten(2))
    return out


HALVES = Subject(attention(halves, 1.0, 0.1), ALL, TEXT, "folded")
NEIGHBOURS = Subject(attention(neighbours, 1.0, 0.1), ALL, TEXT, "folded")
EQUAL = Subject(attention(halves, 0.5, 0.5), ALL, TEXT, "folded")
PART = Subject(attention(part, 1.0), ALL, TEXT, "folded")
ONE_PLANE = Subject(
    lambda m, x: m.o(
        F.scaled_dot_product_attention(
            halves(m.q(x), *angles(x, 1.0)), halves(m.k(x), *angles(x, 1.0)), m.v(x)
        )
    ),
    {"q": (6, 2), "k": (6, 2), "v": (6, 8), "o": (8, 4)}, TEXT, "folded",
)  # fmt: skip
GROUPED = Subject(
    attention(halves, 1.0, 0.1), {"q": (6, 16), "k": (6, 8), "v": (6, 8), "o": (16, 4)}, TEXT
)
LATENT: dict[str, Any] = {"q": (6, 16), "down": (6, 7), "up": (3, 16), "o": (8, 4)}
PLAIN_LATENT = Subject(latent, {**LATENT, "norm": nn.Identity}, TEXT, "folded")
NORMED_LATENT = Subject(
    latent, {**LATENT, "norm": lambda: nn.RMSNorm(3, eps=0.1)}, TEXT, "folded"
)  # fmt: skip

QUERY, KEY = "q.weight:0 q.bias:0", "k.weight:0 k.bias:0"
VALUE, OUT = "v.weight:0 v.bias:0", "o.weight:1"
PLANES = "S(2) × R⁺(2)≀ × SO(2)≀"
HEADS = "swap 0,1,2,3 4,5,6,7"
SMALL, READ_SMALL = "down.weight:0 down.bias:0", "up.weight:1"


def queries(of: Subject, group: str, keeps: tuple[str, ...], breaks: tuple[str, ...]) -> Row:
    """Queries against keys."""
    return Row(of, group, keeps, breaks, QUERY, KEY)


TABLE = {
    "halves": queries(
        HALVES, PLANES, ("turn 0 2", "stretch 0,2", "turn 5 7"),
        ("stretch 0", "turn 0 1", "swap 0,2 1,3", "flip 0", "flip 2", "shear 0 2", "turn 0 4"),
    ),
    "neighbours": queries(
        NEIGHBOURS, PLANES, ("turn 0 1", "stretch 0,1", "turn 6 7"),
        ("stretch 0", "turn 0 2", "swap 0,1 2,3", "flip 0", "shear 0 1"),
    ),
    "heads": Row(HALVES, PLANES, (HEADS,), ("swap 0,2 4,6",), f"{QUERY} {KEY} {VALUE} {OUT}"),
    "values": Row(HALVES, "S(2) × GL(4)≀", ("shear 0 3",), ("shear 0 4",), VALUE, OUT),
    "key bias": Row(HALVES, PLANES, (), (shift("k.bias"),), at="k.bias:0"),
    "value bias": Row(
        HALVES, "R(8)", (shift("v.bias", into="o"),), (shift("v.bias"),), at="v.bias:0"
    ),
    "equal speeds": Row(
        EQUAL, PLANES, ("turn 0 2",), ("stretch 0", "flip 0", "swap 0 1"), QUERY, KEY,
        missed=("swap 0,2 1,3", "shear 0,2 1,3"),
    ),
    "one plane": Row(
        ONE_PLANE, "R⁺(1) × SO(2)≀", ("turn", "stretch 0,1"), ("stretch 0", "flip 0", "shear"),
        QUERY, KEY, size=2,
    ),
    "grouped queries": Row(
        GROUPED, "S(2) × R*(2)≀", ("stretch 0,2",), ("only stretch 0,2", "turn 0 1"), KEY,
        "q.weight:0 q.bias:0 q.weight:0+4 q.bias:0+4", size=4,
    ),
    "part, planes": queries(
        PART, "S(2) × R⁺(1)≀ × SO(2)≀", ("turn 0 1", "stretch 0,1"),
        ("stretch 0", "turn 1 2", "flip 0"),
    ),
    "part, rest": Row(
        PART, "S(2) × GL(2)≀", ("shear 2 3", "stretch 2"), ("shear 2 1", "shear 2 6"), QUERY, KEY,
        at="q.weight:0+2",
    ),
    "part, key bias": Row(
        PART, "R(4)", (shift("k.bias", at=slice(2, 4)),), (shift("k.bias", at=slice(2)),),
        at="k.bias.shift:0",
    ),
    "latent": Row(
        PLAIN_LATENT, "GL(3)", ("shear", "stretch", "turn 0 2"), ("only shear",), SMALL,
        READ_SMALL, size=3,
    ),
    "latent into the shared key": Row(
        PLAIN_LATENT, "GL(3)", (), ("shear 2 3", "turn 2 3"), SMALL, size=7
    ),
    "latent behind a norm": Row(
        NORMED_LATENT, "O(3)", (), ("shear", "turn", "stretch"), SMALL, READ_SMALL, size=3
    ),
    "shared key, against all queries": Row(
        PLAIN_LATENT, "R⁺(2) × SO(2)≀", ("stretch 0,2", "turn 0 2"),
        ("stretch 0", "flip 0", "turn 0 1", "only turn 0 2"), "down.weight:0+3 down.bias:0+3",
        "q.weight:0+4 q.bias:0+4 q.weight:0+12 q.bias:0+12", size=4,
    ),
    "shared key, against one query": Row(
        PLAIN_LATENT, "R⁺(2) × SO(2)≀", (), ("turn 0 2",), "down.weight:0+3 down.bias:0+3",
        "q.weight:0+4 q.bias:0+4", size=4,
    ),
    "latent, keys of a head": Row(
        PLAIN_LATENT, "S(2) × GL(4)≀", ("shear",), ("only shear",), "up.weight:0 up.bias:0",
        "q.weight:0 q.bias:0", size=4,
    ),
    "latent, turned with the rest": Row(
        PLAIN_LATENT, "S(2) × GL(4)≀", (), ("shear 3 4",), "q.weight:0 q.bias:0"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLE)
def test_the_group_is_the_largest(name: str, largest: Callable[[Row], None]) -> None:
    largest(TABLE[name])

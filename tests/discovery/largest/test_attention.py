"""The largest group of attention in its variants (mathematics.md 4.4)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tests.discovery.largest.conftest import Move, Row, Subject, added, shift
from torch import Tensor, nn

TEXT = (2, 5, 6)
ALL: dict[str, Any] = {"q": (6, 8), "k": (6, 8), "v": (6, 8), "o": (8, 4)}
ORDER = torch.arange(5)


def heads(m: Any, x: Tensor) -> tuple[Tensor, ...]:
    """Queries, keys and values in heads of four."""
    return tuple(f(x).unflatten(-1, (-1, 4)).transpose(1, 2) for f in (m.q, m.k, m.v))


def joined(m: Any, mixed: Tensor) -> Tensor:
    """The heads' values, through the output."""
    out: Tensor = m.o(mixed.transpose(1, 2).flatten(2))
    return out


def scored(change: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Two heads whose scores are changed before the softmax."""

    def forward(m: Any, x: Tensor) -> Tensor:
        q, k, v = heads(m, x)
        return joined(m, change(m, q @ k.transpose(2, 3) / 2).softmax(-1) @ v)

    return forward


def grouped(m: Any, x: Tensor) -> Tensor:
    """Queries in more heads than keys and values."""
    q, k, v = heads(m, x)
    mixed = F.scaled_dot_product_attention(q, k, v, enable_gqa=True)
    return joined(m, mixed)


def gated(m: Any, x: Tensor) -> Tensor:
    """What the heads give is gated entry by entry."""
    q, k, v = heads(m, x)
    mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
    out: Tensor = m.o(mixed * torch.sigmoid(m.gate(x)))
    return out


def crossed(m: Any, x: Tensor) -> Tensor:
    """Queries of one part of the text, keys and values of another."""
    q, _, _ = heads(m, x[:, :2])
    _, k, v = heads(m, x[:, 2:])
    return joined(m, F.scaled_dot_product_attention(q, k, v))


def sunk(m: Any, scores: Tensor) -> Tensor:
    """A learned sink for each head stands beside the keys."""
    sink = m.sink.view(1, 2, 1, 1).expand(2, 2, 5, 1)
    return torch.cat([scores, sink], -1)


def with_sinks(m: Any, x: Tensor) -> Tensor:
    q, k, v = heads(m, x)
    weights = sunk(m, q @ k.transpose(2, 3) / 2).softmax(-1)
    return joined(m, weights[..., :-1] @ v)


def linear(bend: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    """Attention without a softmax."""

    def forward(m: Any, x: Tensor) -> Tensor:
        q, k, v = heads(m, x)
        return joined(m, bend(q) @ (bend(k).transpose(2, 3) @ v))

    return forward


def fused(m: Any, x: Tensor) -> Tensor:
    """Queries, keys and values of one layer, head by head."""
    q, k, v = m.qkv(x).unflatten(-1, (2, 3, 4)).permute(3, 0, 2, 1, 4).unbind(0)
    return joined(m, F.scaled_dot_product_attention(q, k, v))


def near(width: int) -> Tensor:
    """Positions at most so far apart."""
    return (ORDER[:, None] - ORDER[None]).abs() < width


PLAIN = Subject(scored(lambda m, s: s), ALL, TEXT)
FOLDED = Subject(scored(lambda m, s: s), ALL, TEXT, "folded")
BARE = Subject(
    FOLDED.forward, {**ALL, "o": lambda: nn.Linear(8, 4, bias=False)}, TEXT, "folded"
)  # fmt: skip
CAPPED = Subject(scored(lambda m, s: 2 * torch.tanh(s / 2)), ALL, TEXT, "folded")
SLOPES = Subject(
    scored(lambda m, s: s + ORDER.to(s) * torch.tensor([1.0, 0.5]).to(s).view(2, 1, 1)), ALL, TEXT
)
EQUAL_SLOPES = Subject(scored(lambda m, s: s + ORDER.to(s)), ALL, TEXT)
TABLES = Subject(
    scored(lambda m, s: s + m.table[ORDER[:, None] - ORDER[None] + 4].permute(2, 0, 1)),
    {**ALL, "table": [9, 2]}, TEXT,
)  # fmt: skip
WINDOW = Subject(
    scored(lambda m, s: s.masked_fill(~near(2), -math.inf)), ALL, TEXT, "folded"
)  # fmt: skip
TEMPERATURES = Subject(
    scored(lambda m, s: s * m.heat.view(2, 1, 1)), {**ALL, "heat": [2]}, TEXT
)  # fmt: skip
SINKS = Subject(with_sinks, {**ALL, "sink": [2]}, TEXT, "folded")
GROUPED = Subject(
    grouped, {"q": (6, 16), "k": (6, 8), "v": (6, 8), "o": (16, 4)}, TEXT
)  # fmt: skip
MULTI_QUERY = Subject(grouped, {"q": (6, 8), "k": (6, 4), "v": (6, 4), "o": (8, 4)}, TEXT)
GATED = Subject(gated, {**ALL, "gate": (6, 8)}, TEXT)
CROSSED = Subject(crossed, ALL, TEXT)
LINEAR = Subject(linear(torch.clone), ALL, TEXT)
BENT = Subject(linear(lambda y: F.elu(y) + 1), ALL, TEXT)
RECTIFIED = Subject(linear(F.relu), ALL, TEXT)
FUSED = Subject(fused, {"qkv": (6, 24), "o": (8, 4)}, TEXT)

QUERY, KEY = "q.weight:0 q.bias:0", "k.weight:0 k.bias:0"
VALUE, OUT = "v.weight:0 v.bias:0", "o.weight:1"
EVERY = f"{QUERY} {KEY} {VALUE} {OUT}"
BLOCK = "S(2) × GL(4)≀"
LOOSE = "M(2) × GL(4)≀"
HEADS = "swap 0,1,2,3 4,5,6,7"
SHIFT_KEY, SHIFT_VALUE = shift("k.bias"), shift("v.bias", into="o")


def queries(
    of: Subject, group: str = BLOCK,
    keeps: tuple[Move, ...] = ("shear 0 3", "turn 4 7", "stretch", "flip"),
    breaks: tuple[Move, ...] = ("shear 0 4", HEADS, "only shear"),
) -> Row:  # fmt: skip
    """Queries against keys."""
    return Row(of, group, keeps, breaks, QUERY, KEY)


def values(of: Subject) -> Row:
    """Values against the output."""
    return Row(of, BLOCK, ("shear 0 3", "turn 4 7"), ("shear 0 4", HEADS, "only shear"), VALUE, OUT)


def whole(of: Subject, along: str = "", *, swapped: bool = True) -> Row:
    """Heads with all that is theirs; coordinates of two heads may not be exchanged."""
    keeps, breaks = ((HEADS,), ("swap 0 4",)) if swapped else ((), (HEADS, "swap 0 4"))
    return Row(of, BLOCK if swapped else "1(2) × GL(4)≀", keeps, breaks, EVERY, along=along)


TABLE = {
    "queries and keys": queries(PLAIN),
    "values and output": values(PLAIN),
    "heads": whole(PLAIN),
    "one layer for all, heads": Row(
        FUSED, BLOCK, ("swap",), ("only swap",), "qkv.weight:0*12 qkv.bias:0*12", "o.weight:1*4",
        size=2,
    ),
    "one layer for all, keys": Row(
        FUSED, BLOCK, ("shear", "turn"), ("only shear",), "qkv.weight:0 qkv.bias:0",
        "qkv.weight:0+4 qkv.bias:0+4", size=4,
    ),
    "one layer for all, queries into keys": Row(
        FUSED, BLOCK, (), ("shear 0 4",), "qkv.weight:0 qkv.bias:0"
    ),
    "key bias": Row(FOLDED, "R(8)", (SHIFT_KEY,), (shift("q.bias"),), at="k.bias:0"),
    "value bias": Row(FOLDED, "R(8)", (SHIFT_VALUE,), (shift("v.bias"),), at="v.bias:0"),
    "value bias without an output bias": Row(
        BARE, BLOCK, (), (shift("v.bias"),), at="v.bias:0"
    ),
    "query bias": Row(FOLDED, BLOCK, (), (shift("q.bias"),), at="q.bias:0"),
    "cap, queries and keys": queries(CAPPED),
    "cap, key bias": Row(CAPPED, BLOCK, (), (SHIFT_KEY,), at="k.bias:0"),
    "cap, value bias": Row(CAPPED, "R(8)", (SHIFT_VALUE,), (shift("v.bias"),), at="v.bias:0"),
    "slopes of their own, heads": whole(SLOPES, swapped=False),
    "slopes of their own, keys": queries(SLOPES, "1(2) × GL(4)≀"),
    "slopes in common, heads": whole(EQUAL_SLOPES),
    "relative tables, heads": Row(
        TABLES, BLOCK, ((HEADS, lambda p: p["table"].copy_(p["table"].flip(1))),),
        (HEADS, lambda p: p["table"].copy_(p["table"].flip(1))), EVERY,
    ),
    "relative tables, keys": queries(TABLES),
    "relative tables, common shift": Row(
        Subject(TABLES.forward, TABLES.parts, TEXT, "folded"), "S(2)",
        (added(0.7, "table"),), (added(0.7, "table", only=slice(4)),), at="table:1",
    ),
    "window, keys": queries(WINDOW),
    "window, key bias": Row(WINDOW, "R(8)", (SHIFT_KEY,), (shift("q.bias"),), at="k.bias:0"),
    "temperatures, heads": Row(
        TEMPERATURES, "M(2) × GL(4)≀",
        ((HEADS, lambda p: p["heat"].copy_(p["heat"].flip(0))),), (HEADS,), EVERY,
    ),
    "sinks, heads": Row(
        SINKS, BLOCK, ((HEADS, lambda p: p["sink"].copy_(p["sink"].flip(0))),), (HEADS,), EVERY
    ),
    "sinks, key bias": Row(
        SINKS, BLOCK, (), (SHIFT_KEY, added(0.7, "sink")), at="k.bias:0"
    ),
    "sinks, value bias": Row(SINKS, BLOCK, (), (SHIFT_VALUE,), at="v.bias:0"),
    "grouped, queries": Row(
        GROUPED, "S(2) × S(2)≀ × GL(4)≀", ("swap 0,1,2,3 4,5,6,7",),
        ("swap 0,1,2,3 8,9,10,11", "shear 0 1", "swap 0 4"), QUERY, OUT, size=16,
    ),
    "grouped, keys": Row(
        GROUPED, BLOCK, ("shear 0 3",), ("only shear",), KEY,
        "q.weight:0 q.bias:0 q.weight:0+4 q.bias:0+4", size=4,
    ),
    "grouped, one query alone": Row(
        GROUPED, BLOCK, (), ("shear 0 3",), KEY, "q.weight:0 q.bias:0", size=4
    ),
    "grouped, values": Row(
        GROUPED, BLOCK, ("shear 0 3",), ("only shear",), VALUE, "o.weight:1 o.weight:1+4", size=4
    ),
    "gate behind the heads": Row(
        GATED, "S(2) × M(4)≀", ("swap 0 3", "stretch", "flip"), ("shear 0 3", "swap 0 4"), VALUE,
        OUT, along="gate.weight:0 gate.bias:0",
    ),
    "one key for two queries": Row(
        MULTI_QUERY, "S(2) × GL(4)", (HEADS,), ("shear 0 1", "stretch 0,4", "swap 0 4"), QUERY,
        along=OUT,
    ),
    "cross attention, keys": queries(CROSSED),
    "cross attention, values": values(CROSSED),
    "linear, keys": queries(LINEAR, LOOSE),
    "linear, key bias": Row(
        Subject(LINEAR.forward, ALL, TEXT, "folded"), LOOSE, (), (SHIFT_KEY,), at="k.bias:0"
    ),
    "linear, value bias": Row(
        Subject(LINEAR.forward, ALL, TEXT, "folded"), LOOSE, (), (SHIFT_VALUE,), at="v.bias:0"
    ),
    "linear, a scale of queries and values": Row(
        LINEAR, LOOSE, ("stretch 0,1,2,3",), ("stretch 0", "flip 0,1,2"), QUERY, VALUE
    ),
    "linear behind elu, keys": queries(
        BENT, "S(2) × S(4)≀", (), ("stretch", "flip", "turn 0 1", "swap 0 4")
    ),
    "linear behind relu, keys": queries(
        RECTIFIED, "M⁺(2) × M⁺(4)≀", ("stretch",), ("flip", "turn 0 1", "swap 0 4")
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLE)
def test_the_group_is_the_largest(name: str, largest: Callable[[Row], None]) -> None:
    largest(TABLE[name])

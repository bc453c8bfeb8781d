"""For every row of the table of operators: the group is the largest that there is.

Each row moves parameters by hand, with no rep in between: an element of its group keeps the
function to 1e-9, an element of the next larger group changes it by more than 1e-3. So no wider
claim could be true, and `discover` makes the one that is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isthmus.discovery import discover, verify
from isthmus.discovery.verify import relative_change, run
from isthmus.ground.certificates import Verdict
from isthmus.ground.params import params_of
from isthmus.testing.zoo import randomise

PLACE = re.compile(
    r"(?P<name>[\w.]+):(?P<dim>\d)(\+(?P<start>\d+))?(\*(?P<block>\d+))?(\^(?P<power>\d))?"
)


Function = Callable[[Tensor], Tensor]
Maker = Callable[[SimpleNamespace], nn.Module]


@dataclass(frozen=True)
class Row:
    """One row of the table: a module, and what its hidden coordinates bear.

    Places are ``name:dim``, with ``+k`` where the coordinates begin at k, ``*n`` where each is a
    block of n, and ``^p`` where scales act p times. ``along`` feel swaps only. ``carried`` says
    with which factor a scale or sign comes out of the activation.
    """

    model: Maker
    group: str
    writers: str
    readers: str
    keeps: tuple[str, ...]
    breaks: tuple[str, ...]
    size: int = 8
    along: str = ""
    carried: Function = torch.clone
    shape: tuple[int, ...] = (5, 6)


def element(move: str, size: int) -> Tensor:
    """The matrix of a move: ``swap 0 1``, ``flip 0``, ``stretch 0 2``, ``turn 0 1``, ``shear 0 1``;
    several coordinates at once as ``stretch 0,2``, whole blocks as ``swap 0,1 2,3``."""
    word, *rest = move.split()
    places = [[int(k) for k in part.split(",")] for part in rest] or [[0], [1]]
    matrix = torch.eye(size, dtype=torch.float64)
    first = places[0]
    if word in ("flip", "stretch"):
        matrix[first, first] = -1.0 if word == "flip" else 2.0
        return matrix
    second = places[1]
    if word == "swap":
        matrix[[*first, *second]] = matrix[[*second, *first]]
    elif word == "shear":
        matrix[first, second] = 0.7
    elif word == "turn":
        matrix[first, first] = matrix[second, second] = 0.6
        matrix[first, second], matrix[second, first] = 0.8, -0.8
    return matrix


def moved(row: Row, params: dict[str, Tensor], move: str) -> dict[str, Tensor]:
    """The parameters under the move; ``only`` before it leaves the readers as they are."""
    only = move.startswith("only ")
    matrix = element(move.removeprefix("only "), row.size)
    out = dict(params)
    _apply(out, row.writers, matrix)
    if not only:
        carried = torch.where(matrix == 0, 0.0, row.carried(matrix))
        carried = torch.where(carried == 0, matrix, carried)
        _apply(out, row.readers, torch.linalg.inv(carried).T)
    if "swap" in move:
        _apply(out, row.along, matrix)
    return out


def _apply(params: dict[str, Tensor], places: str, matrix: Tensor) -> None:
    for place in PLACE.finditer(places):
        name, dim = place["name"], int(place["dim"])
        whole = torch.kron(matrix, torch.eye(int(place["block"] or 1), dtype=matrix.dtype))
        whole = whole ** int(place["power"] or 1)
        new = params[name].clone()
        part = new.narrow(dim, int(place["start"] or 0), len(whole))
        part.copy_(torch.tensordot(whole, part, dims=([1], [dim])).movedim(0, dim))
        params[name] = new


def hidden(activation: Function) -> Maker:
    """Linear, activation, linear."""
    return lambda tools: tools.written(
        lambda m, x: m.down(activation(m.up(x))), up=(6, 8), down=(8, 4)
    )


def unit(
    activation: Function, group: str, keeps: str, breaks: str, carried: Function = torch.clone
) -> Row:
    """A row of table 4.1."""
    return Row(
        hidden(activation), group, "up.weight:0 up.bias:0", "down.weight:1",
        tuple(keeps.split(", ")), tuple(breaks.split(", ")), carried=carried,
    )  # fmt: skip


ODD = ("swap, flip", "stretch, turn, shear")
NONE_BUT_SWAPS = ("swap", "flip, stretch, turn")
POSITIVE = ("swap, stretch", "flip, turn, shear")
ANY_SCALE = ("swap, stretch, flip", "turn, shear")

ACTIVATIONS = {
    "identity": unit(torch.clone, "GL(8)", "swap, stretch, flip, turn, shear", "only shear"),
    "relu": unit(F.relu, "M⁺(8)", *POSITIVE, F.relu),
    "leaky relu": unit(F.leaky_relu, "M⁺(8)", *POSITIVE, F.leaky_relu),
    "relu squared": unit(lambda x: F.relu(x) ** 2, "M⁺(8)", *POSITIVE, torch.square),
    "absolute value": unit(torch.abs, "M(8)", *ANY_SCALE, torch.abs),
    "square": unit(torch.square, "M(8)", *ANY_SCALE, torch.square),
    "cube": unit(lambda x: x**3, "M(8)", *ANY_SCALE, lambda c: c**3),
    "sign": unit(torch.sign, "M(8)", *ANY_SCALE, torch.sign),
    "gelu": unit(F.gelu, "S(8)", *NONE_BUT_SWAPS),
    "silu": unit(F.silu, "S(8)", *NONE_BUT_SWAPS),
    "softplus": unit(F.softplus, "S(8)", *NONE_BUT_SWAPS),
    "elu": unit(F.elu, "S(8)", *NONE_BUT_SWAPS),
    "selu": unit(F.selu, "S(8)", *NONE_BUT_SWAPS),
    "mish": unit(F.mish, "S(8)", *NONE_BUT_SWAPS),
    "hardswish": unit(F.hardswish, "S(8)", *NONE_BUT_SWAPS),
    "tanh": unit(torch.tanh, "B(8)", *ODD),
    "erf": unit(torch.erf, "B(8)", *ODD),
    "arctan": unit(torch.arctan, "B(8)", *ODD),
    "softsign": unit(F.softsign, "B(8)", *ODD),
    "hardtanh": unit(F.hardtanh, "B(8)", *ODD),
    "sine": unit(torch.sin, "B(8)", *ODD),
    "cosine": unit(torch.cos, "B(8)", *ODD, torch.abs),
    "gaussian": unit(lambda x: torch.exp(-x * x), "B(8)", *ODD, torch.abs),
}


def gated(function: Function) -> Maker:
    return lambda tools: tools.written(
        lambda m, x: m.down(function(m.gate(x)) * m.up(x)), gate=(6, 8), up=(6, 8), down=(8, 4)
    )


UP = ("up.weight:0 up.bias:0", "down.weight:1")
GATE = ("gate.weight:0 gate.bias:0", "down.weight:1")
WITH_GATE, WITH_UP = "gate.weight:0 gate.bias:0", "up.weight:0 up.bias:0"

GATES = {
    "SwiGLU, up": Row(
        gated(F.silu), "M(8)", *UP, ("swap", "stretch", "flip"), ("turn", "only swap"),
        along=WITH_GATE,
    ),
    "SwiGLU, gate": Row(gated(F.silu), "M(8)", *GATE, (), ("swap", "stretch", "flip")),
    "GeGLU, gate": Row(gated(F.gelu), "M(8)", *GATE, (), ("swap", "stretch", "flip")),
    "GLU, gate": Row(gated(torch.sigmoid), "M(8)", *GATE, (), ("swap", "stretch", "flip")),
    "ReGLU, gate": Row(
        gated(F.relu), "M(8;2,1)", *GATE, ("swap", "stretch"), ("flip", "turn"), along=WITH_UP
    ),
    "bilinear, gate": Row(
        gated(torch.clone), "M(8;2,2)", *GATE, ("swap", "stretch", "flip"), ("turn", "shear"),
        along=WITH_UP,
    ),
    "tanh gate": Row(
        gated(torch.tanh), "M(8;1,2)", *GATE, ("swap", "flip"), ("stretch", "turn"), along=WITH_UP
    ),
}  # fmt: skip


def stream(norm: Callable[[], nn.Module]) -> Maker:
    return lambda tools: tools.written(
        lambda m, x: m.down(m.norm(m.up(x))), up=(6, 8), norm=norm, down=(8, 4)
    )


def channels(norm: Callable[[], nn.Module]) -> Maker:
    return lambda tools: tools.written(
        lambda m, x: m.down(F.gelu(m.norm(m.up(x)))),
        up=lambda: nn.Conv1d(3, 8, 3), norm=norm, down=lambda: nn.Conv1d(8, 4, 3),
    )  # fmt: skip


WRITE, GAIN, READ = "up.weight:0 up.bias:0", "norm.weight:0", "down.weight:1"
BOTH = "norm.weight:0 norm.bias:0"
MOMENTS = f"{WRITE} norm.running_mean:0 norm.running_var:0^2"
PICTURE = (2, 3, 9)

NORMS = {
    "LayerNorm, stream": Row(
        stream(lambda: nn.LayerNorm(8)), "M(8)", WRITE, READ, ("swap",),
        ("stretch", "flip", "turn"), along=BOTH,
    ),
    "LayerNorm, gain": Row(
        stream(lambda: nn.LayerNorm(8)), "M(8)", BOTH, READ, ("stretch", "flip"),
        ("swap", "only stretch"),
    ),
    "RMSNorm, stream": Row(
        stream(lambda: nn.RMSNorm(8)), "M(8;1,2)", WRITE, READ, ("swap", "flip"),
        ("stretch", "turn"), along=GAIN,
    ),
    "RMSNorm, gain": Row(
        stream(lambda: nn.RMSNorm(8)), "M(8;1,2)", GAIN, READ, ("stretch", "flip"),
        ("swap", "only stretch"),
    ),
    "BatchNorm, before": Row(
        channels(lambda: nn.BatchNorm1d(8, eps=0.0)), "M(8)", MOMENTS, "",
        ("swap", "stretch"), ("flip", "turn"), along=f"{BOTH} down.weight:1", shape=PICTURE,
    ),
    "BatchNorm, after": Row(
        channels(lambda: nn.BatchNorm1d(8, eps=0.0)), "M(8)", BOTH, READ, (),
        ("stretch", "flip", "swap"), shape=PICTURE,
    ),
    "GroupNorm": Row(
        channels(lambda: nn.GroupNorm(2, 8)), "S(2) × S(4)≀", WRITE, READ,
        ("swap 0 3", "swap 0,1,2,3 4,5,6,7"), ("swap 0 4", "stretch 0", "flip 0"), along=BOTH,
        shape=PICTURE,
    ),
}  # fmt: skip


def attention(rotary: bool = False, slopes: bool = False, groups: int = 2) -> Maker:
    """Two heads of four; ``groups`` keys and values; half-split rotary positions; ALiBi."""

    def heads(m: nn.Module, x: Tensor) -> Tensor:
        q, k, v = (f(x).unflatten(-1, (-1, 4)).transpose(1, 2) for f in (m.q, m.k, m.v))
        if rotary:
            angle = torch.arange(5, dtype=x.dtype)[:, None] * torch.tensor([1.0, 0.1]).to(x.dtype)
            cos, sin = angle.cos(), angle.sin()
            q, k = (
                torch.cat([a * cos - b * sin, b * cos + a * sin], -1)
                for a, b in (q.chunk(2, -1), k.chunk(2, -1))
            )
        k, v = (y.repeat_interleave(2 // groups, 1) for y in (k, v))
        far = torch.arange(5, dtype=x.dtype) * torch.tensor([[1.0], [0.5]], dtype=x.dtype)
        mask = far[:, None].expand(2, 5, 5) if slopes else None
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        out: Tensor = m.o(mixed.transpose(1, 2).flatten(2))
        return out

    return lambda tools: tools.written(
        heads, q=(6, 8), k=(6, 4 * groups), v=(6, 4 * groups), o=(8, 4)
    )


QUERY, KEY = "q.weight:0 q.bias:0", "k.weight:0 k.bias:0"
VALUE, OUT = "v.weight:0 v.bias:0", "o.weight:1"
TEXT = (2, 5, 6)
HEADS = "swap 0,1,2,3 4,5,6,7"

ATTENTION = {
    "queries and keys": Row(
        attention(), "S(2) × GL(4)≀ × GL(4)≀", QUERY, KEY,
        ("shear 0 3", "turn 4 7", "stretch", "flip"), ("shear 0 4", HEADS, "only shear"),
        shape=TEXT,
    ),
    "values and output": Row(
        attention(), "S(2) × GL(4)≀ × GL(4)≀", VALUE, OUT, ("shear 0 3", "turn 4 7"),
        ("shear 0 4", HEADS, "only shear"), shape=TEXT,
    ),
    "heads": Row(
        attention(), "S(2) × GL(4)≀ × GL(4)≀", f"{QUERY} {KEY} {VALUE} {OUT}", "", (HEADS,),
        ("swap 0 4",), shape=TEXT,
    ),
    "heads with slopes": Row(
        attention(slopes=True), "1(2) × GL(4)≀ × GL(4)≀", f"{QUERY} {KEY} {VALUE} {OUT}", "", (),
        (HEADS,), shape=TEXT,
    ),
    "one key for two queries": Row(
        attention(groups=1), "S(2) × GL(4) × GL(4)", QUERY, "", (HEADS,),
        ("shear 0 1", "stretch 0,4", "swap 0 4"), along=OUT, shape=TEXT,
    ),
    "rotary": Row(
        attention(rotary=True), "R*(2)≀", QUERY, KEY, ("stretch 0,2",),
        ("stretch 0", "turn 0 1", "swap 0,2 1,3", "flip 0"), shape=TEXT,
    ),
    "values beside rotary": Row(
        attention(rotary=True), "GL(4)≀", VALUE, OUT, ("shear 0 3",), ("shear 0 4",), shape=TEXT
    ),
}  # fmt: skip


def convolutions(pool: Function = torch.clone, groups: int = 1, middle: int = 1) -> Maker:
    """A convolution, perhaps one in groups, a function of positions, and a linear reader."""
    return lambda tools: tools.written(
        lambda m, x: m.down(pool(m.middle(m.up(x))).flatten(1)),
        up=lambda: nn.Conv1d(3, 8, 3),
        middle=lambda: nn.Conv1d(8, 8, 1, groups=groups) if middle else nn.Identity(),
        down=(8 * (7 if pool is F.relu or pool is torch.clone else 1), 4),
    )


def squeezed(kind: Callable[[Tensor, int], Tensor]) -> Function:
    return lambda x: kind(x, 1)


FLAT = "down.weight:1*7"
MIDDLE = "middle.weight:0 middle.bias:0"
INTO, HIDDEN = "cell.weight_ih_l0:0 cell.bias_ih_l0:0 cell.bias_hh_l0:0", "cell.weight_hh_l0:1"


def recurrent(cell: Callable[[], nn.Module]) -> Maker:
    return lambda tools: tools.written(lambda m, x: m.down(m.cell(x)[0]), cell=cell, down=(8, 4))


def gate(start: int) -> str:
    """The rows of one gate of a recurrent cell."""
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    return "".join(f" cell.{name}_l0:0+{start}" for name in names)


def tied(activation: Function) -> Maker:
    return lambda tools: tools.written(lambda m, x: activation(x @ m.w.T) @ m.w, w=[8, 6])


STRUCTURES = {
    "convolution": Row(
        convolutions(F.relu, middle=0), "M⁺(8)", WRITE, FLAT, ("swap", "stretch"),
        ("flip", "turn"), shape=PICTURE,
    ),
    "flattened channels": Row(
        convolutions(middle=0), "GL(8)", WRITE, FLAT, ("swap", "turn", "shear"),
        ("only shear",), shape=PICTURE,
    ),
    "average pool": Row(
        convolutions(squeezed(F.adaptive_avg_pool1d), middle=0), "GL(8)", WRITE, READ,
        ("swap", "shear"), ("only shear",), shape=PICTURE,
    ),
    "max pool": Row(
        convolutions(squeezed(F.adaptive_max_pool1d), middle=0), "M⁺(8)", WRITE, READ,
        ("swap", "stretch"), ("flip", "turn"), shape=PICTURE,
    ),
    "depthwise, before": Row(
        convolutions(groups=8), "M(8;2,2)", WRITE, "middle.weight:0",
        ("stretch", "flip", "swap"), ("turn", "shear"), along=f"middle.bias:0 {FLAT}",
        shape=PICTURE,
    ),
    "groups": Row(
        convolutions(F.relu, groups=2), "M⁺(4)≀", MIDDLE, FLAT,
        ("swap 0 3", "stretch"), ("swap 0 4", "flip", "turn 0 1"), shape=PICTURE,
    ),
    "tanh recurrence": Row(
        recurrent(lambda: nn.RNN(6, 8, batch_first=True)), "B(8)",
        f"{INTO} cell.weight_hh_l0:0", f"{HIDDEN} {READ}", ("swap", "flip"),
        ("stretch", "turn", "only flip"), shape=TEXT,
    ),
    "relu recurrence": Row(
        recurrent(lambda: nn.RNN(6, 8, nonlinearity="relu", batch_first=True)), "M⁺(8)",
        f"{INTO} cell.weight_hh_l0:0", f"{HIDDEN} {READ}", ("swap", "stretch"),
        ("flip", "turn", "only stretch"), shape=TEXT,
    ),
    "LSTM, cells": Row(
        recurrent(lambda: nn.LSTM(6, 8, batch_first=True)), "B(8)", gate(16),
        f"{HIDDEN} {READ}", ("flip", "swap"), ("stretch", "turn", "only flip"),
        along=gate(0) + gate(8) + gate(24), shape=TEXT,
    ),
    "LSTM, all gates": Row(
        recurrent(lambda: nn.LSTM(6, 8, batch_first=True)), "B(8)",
        gate(0) + gate(8) + gate(16) + gate(24), f"{HIDDEN} {READ}", ("swap",),
        ("flip", "stretch"), shape=TEXT,
    ),
    "GRU, candidates": Row(
        recurrent(lambda: nn.GRU(6, 8, batch_first=True)), "B(8)", gate(16), f"{HIDDEN} {READ}",
        ("flip", "swap"), ("stretch", "turn", "only flip"), along=gate(0) + gate(8), shape=TEXT,
    ),
    "tied, tanh": Row(tied(torch.tanh), "B(8)", "w:0", "", ("swap", "flip"), ("stretch", "turn")),
    "tied, relu": Row(tied(F.relu), "S(8)", "w:0", "", ("swap",), ("stretch", "flip", "turn")),
    "tied, linear": Row(
        tied(torch.clone), "O(8)", "w:0", "", ("swap", "flip", "turn"), ("stretch", "shear")
    ),
    "low rank": Row(
        lambda tools: tools.written(
            lambda m, x: x @ (m.w + m.down @ m.up).T, w=[4, 6], down=[4, 8], up=[8, 6]
        ),
        "GL(8)", "up:0", "down:1", ("shear", "stretch", "flip"), ("only shear",),
    ),
    "residual, no norm": Row(
        lambda tools: tools.written(
            lambda m, x: m.down((y := m.up(x)) + m.back(F.relu(m.inner(y)))),
            up=(6, 8), inner=(8, 9), back=(9, 8), down=(8, 4),
        ),
        "GL(8)", f"{WRITE} back.weight:0 back.bias:0", "inner.weight:1 down.weight:1",
        ("shear", "turn", "stretch"), ("only shear",),
    ),
}  # fmt: skip

TABLE = {**ACTIVATIONS, **GATES, **NORMS, **ATTENTION, **STRUCTURES}


@pytest.mark.parametrize("name", TABLE)
def test_the_group_is_the_largest(name: str, tools: SimpleNamespace) -> None:
    row = TABLE[name]
    model = randomise(row.model(tools), seed=3).double()
    example = 3 * torch.randn(row.shape, generator=torch.Generator().manual_seed(2)).double()
    symmetry = discover(model, example, gauge="asis")
    assert row.group in tools.headline(symmetry)
    assert verify(symmetry, model, example).verdict is Verdict.TESTED
    params = params_of(model)
    before = run(model, params, ((example,), {}))

    def change(move: str) -> float:
        return relative_change(before, run(model, moved(row, params, move), ((example,), {})))

    for move in row.keeps:
        assert change(move) <= 1e-9, move
    assert row.breaks
    for move in row.breaks:
        assert change(move) > 1e-3, move

"""The largest group of recurrent cells, state spaces and their kin (mathematics.md 4.5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tests.discovery.largest.conftest import Move, Row, Subject, added, element
from torch import Tensor, nn

Params = dict[str, Tensor]
TEXT = (2, 5, 6)
READ = "down.weight:1"
INTO = "cell.weight_ih_l0:0 cell.bias_ih_l0:0 cell.bias_hh_l0:0"
BACK = f"cell.weight_hh_l0:1 {READ}"
STATE = f"{INTO} cell.weight_hh_l0:0"


def recurrent(cell: Callable[[], nn.Module]) -> Subject:
    """A recurrent layer, and a linear reader of all its states."""
    return Subject(lambda m, x: m.down(m.cell(x)[0]), {"cell": cell, "down": (8, 4)}, TEXT)


def gates(*starts: int) -> str:
    """The rows of some gates."""
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    return " ".join(f"cell.{name}_l0:0+{start}" for start in starts for name in names)


TANH = recurrent(lambda: nn.RNN(6, 8, batch_first=True))
RELU = recurrent(lambda: nn.RNN(6, 8, nonlinearity="relu", batch_first=True))
LSTM = recurrent(lambda: nn.LSTM(6, 8, batch_first=True))
GRU = recurrent(lambda: nn.GRU(6, 8, batch_first=True))


def peepholes(m: Any, x: Tensor) -> Tensor:
    """An LSTM whose gates read the cell, entry by entry."""
    h = c = x.new_zeros(2, 8)
    found = []
    for k in range(5):
        i, f, g, o = (m.w(x[:, k]) + h @ m.u).chunk(4, -1)
        c = torch.sigmoid(f + m.p[1] * c) * c + torch.sigmoid(i + m.p[0] * c) * torch.tanh(g)
        h = torch.sigmoid(o + m.p[2] * c) * torch.tanh(c)
        found.append(h)
    out: Tensor = m.down(torch.stack(found, 1))
    return out


def scan(step: Callable[[Any, Tensor, int], Tensor], states: Tensor, m: Any) -> Tensor:
    """All states of a recurrence, one after another."""
    found = []
    for k in range(5):
        states = step(m, states, k)
        found.append(states)
    return torch.stack(found, 1)


def linear_recurrence(m: Any, x: Tensor) -> Tensor:
    """A dense matrix moves the state: h ← hA + xB, read by C."""
    u = x @ m.b
    out: Tensor = scan(lambda m, h, k: h @ m.a + u[:, k], x.new_zeros(2, 8), m) @ m.c
    return out


def diagonal(m: Any, x: Tensor) -> Tensor:
    """Every coordinate of the state decays by itself."""
    u = x @ m.b
    out: Tensor = scan(lambda m, h, k: h * m.a + u[:, k], x.new_zeros(2, 8), m) @ m.c
    return out


def cast(m: Any, x: Tensor) -> Tensor:
    """The same from zeros of another precision."""
    u = x @ m.b
    start = torch.zeros(2, 8, dtype=torch.float16).to(x.dtype)
    out: Tensor = scan(lambda m, h, k: h * m.a + u[:, k], start, m) @ m.c
    return out


def turning(m: Any, x: Tensor) -> Tensor:
    """Every coordinate of the state is complex: it turns and decays."""
    a, b = torch.view_as_complex(m.a), torch.view_as_complex(m.b)
    u = torch.einsum("ntd,dh->nth", x.to(b.dtype), b)
    h = scan(lambda m, h, k: h * a + u[:, k], u.new_zeros(2, 8), m)
    out: Tensor = torch.einsum("nthr,hrf->ntf", torch.view_as_real(h), m.c)
    return out


def selective(m: Any, x: Tensor) -> Tensor:
    """Mamba: six channels with eight states each; steps through a low rank of three."""
    y, gate = F.silu(m.inner(x)), F.silu(m.gate(x))
    time, b, c = m.read(y).split([3, 8, 8], -1)
    step = F.softplus(m.time(time))
    decay = torch.exp(-step[..., None] * torch.exp(m.logs))
    fed = (step * y)[..., None] * b[:, :, None]
    h = scan(lambda m, h, k: decay[:, k] * h + fed[:, k], x.new_zeros(2, 6, 8), m)
    out: Tensor = m.out(((h * c[:, :, None]).sum(-1) + m.skip * y) * gate)
    return out


def bent_selective(m: Any, x: Tensor) -> Tensor:
    """Mamba-2: two heads of three, one decay a head; b and c behind a convolution and SiLU."""
    joined = F.silu(m.mix(m.read(x).transpose(1, 2))[..., :5].transpose(1, 2))
    y, b, c = joined.split([6, 8, 8], -1)
    step = F.softplus(m.time(x))
    decay = torch.exp(-step * torch.exp(m.logs))[..., None, None]
    heads = y.unflatten(-1, (2, 3)) * step[..., None]
    fed = heads[..., None] * b[:, :, None, None]
    h = scan(lambda m, h, k: decay[:, k] * h + fed[:, k], x.new_zeros(2, 2, 3, 8), m)
    out: Tensor = m.out((h * c[:, :, None, None]).sum(-1).flatten(2))
    return out


def weighted_keys(m: Any, x: Tensor) -> Tensor:
    """RWKV: sums of values weighted by exponentials of keys, gated by receptances."""
    k, v = m.k(x), m.v(x)
    decay = torch.exp(-torch.exp(m.logs))
    above, below, found = x.new_zeros(2, 8), x.new_zeros(2, 8), []
    for t in range(5):
        bonus = torch.exp(m.bonus + k[:, t])
        found.append((above + bonus * v[:, t]) / (below + bonus))
        above = decay * above + torch.exp(k[:, t]) * v[:, t]
        below = decay * below + torch.exp(k[:, t])
    out: Tensor = m.out(torch.sigmoid(m.gate(x)) * torch.stack(found, 1))
    return out


PEEPHOLES = Subject(peepholes, {"w": (6, 32), "u": [8, 32], "p": [3, 8], "down": (8, 4)}, TEXT)
DENSE = Subject(linear_recurrence, {"a": [8, 8], "b": [6, 8], "c": [8, 4]}, TEXT)
DIAGONAL = Subject(diagonal, {"a": [8], "b": [6, 8], "c": [8, 4]}, TEXT)
CAST = Subject(cast, {"a": [8], "b": [6, 8], "c": [8, 4]}, TEXT)
COMPLEX = Subject(turning, {"a": [8, 2], "b": [6, 8, 2], "c": [8, 2, 4]}, TEXT)
MAMBA = Subject(
    selective,
    {"inner": (6, 6), "gate": (6, 6), "read": (6, 19), "time": (3, 6), "logs": [6, 8],
     "skip": [6], "out": (6, 4)}, TEXT,
)  # fmt: skip
MAMBA_TWO = Subject(
    bent_selective,
    {"read": (6, 22), "mix": lambda: nn.Conv1d(22, 22, 2, padding=1, groups=22), "time": (6, 2),
     "logs": [2], "out": (6, 4)}, TEXT,
)  # fmt: skip
RWKV = Subject(
    weighted_keys,
    {"k": (6, 8), "v": (6, 8), "gate": (6, 8), "logs": [8], "bonus": [8], "out": (8, 4)}, TEXT,
    "folded",
)  # fmt: skip
ROW_B, ROW_C = "read.weight:0+3 read.bias:0+3", "read.weight:0+11 read.bias:0+11"
CHANNELS = "inner.weight:0 inner.bias:0 gate.weight:0 gate.bias:0 time.weight:0 time.bias:0"
MIXED = "read.weight:0+{0} read.bias:0+{0} mix.weight:0+{0} mix.bias:0+{0}"
ROW_INTO = "read.weight:0+6 read.bias:0+6"
VALUES = "v.weight:0 v.bias:0"
KEYED = "k.weight:0 k.bias:0 gate.weight:0 gate.bias:0 logs:0 bonus:0"


def exchanged(*names: str, among: tuple[int, int] = (0, 1), dim: int = 0) -> Move:
    """Two entries of each of these, exchanged."""

    def move(params: Params) -> None:
        for name in names:
            part = params[name].movedim(dim, 0)
            part[list(among)] = part[list(reversed(among))]

    return move


def rotated(params: Params) -> None:
    """The first complex coordinate of the state, times a number of length one."""
    turn = element("turn", 2)
    params["b"][:, 0] = params["b"][:, 0] @ turn.T
    params["c"][0] = turn @ params["c"][0]


TABLE = {
    "tanh recurrence": Row(
        TANH, "B(8)", ("swap", "flip"), ("stretch", "turn", "only flip"), STATE, BACK
    ),
    "relu recurrence": Row(
        RELU, "M⁺(8)", ("swap", "stretch"), ("flip", "turn", "only stretch"), STATE, BACK
    ),
    "LSTM, cells": Row(
        LSTM, "B(8)", ("flip", "swap"), ("stretch", "turn", "only flip"), gates(16), BACK,
        along=gates(0, 8, 24), at="cell.weight_ih_l0:0+16",
    ),
    "LSTM, all gates": Row(
        LSTM, "B(8)", ("swap",), ("flip", "stretch"), gates(0, 8, 16, 24), BACK
    ),
    "LSTM with peepholes, cells": Row(
        PEEPHOLES, "B(8)", ("flip", "swap"), ("stretch", "turn", "only flip"),
        "w.weight:0+16 w.bias:0+16 u:1+16 p:1", f"u:0 {READ}",
        along="w.weight:0 w.weight:0+8 w.weight:0+24 w.bias:0 w.bias:0+8 w.bias:0+24 "
        "u:1 u:1+8 u:1+24", at="w.weight:0+16",
    ),
    "LSTM with peepholes, holes alone": Row(PEEPHOLES, "B(8)", (), ("flip", "swap"), "p:1"),
    "LSTM, a gate alone": Row(LSTM, "B(8)", (), ("swap",), gates(0)),
    "GRU, candidates": Row(
        GRU, "B(8)", ("flip", "swap"), ("stretch", "turn", "only flip"), gates(16), BACK,
        along=gates(0, 8), at="cell.weight_ih_l0:0+16",
    ),
    "GRU, a gate alone": Row(GRU, "B(8)", (), ("swap", "flip"), gates(0)),
    "dense state": Row(
        DENSE, "GL(8)", ("shear", "turn", "stretch"), ("only shear",), "a:1 b:1", "a:0 c:0"
    ),
    "diagonal state": Row(
        DIAGONAL, "M(8)", ("swap", "stretch", "flip"), ("turn", "shear"), "b:1", "c:0", along="a:0"
    ),
    "state of zeros cast": Row(
        CAST, "M(8)", ("swap", "stretch", "flip"), ("turn", "shear"), "b:1", "c:0", along="a:0"
    ),
    "complex state": Row(
        COMPLEX, "M(8)", ("swap", "stretch", "flip"), ("turn",), "b:1", "c:0", along="a:0",
        missed=(rotated,),
    ),
    "Mamba, states": Row(
        MAMBA, "M(8)", ("swap", "stretch", "flip"), ("turn", "shear"), ROW_B, ROW_C, along="logs:1",
    ),
    "Mamba, states without decays": Row(
        MAMBA, "M(8)", (), ("swap",), ROW_B, ROW_C
    ),
    "Mamba, rank of the steps": Row(
        MAMBA, "GL(3)", ("shear", "turn", "stretch"), ("only shear",), "read.weight:0 read.bias:0",
        "time.weight:1", size=3,
    ),
    "Mamba, channels": Row(
        MAMBA, "S(6)", ("swap",), ("flip", "stretch", "turn"), CHANNELS,
        "read.weight:1 logs:0 skip:0 out.weight:1", size=6,
    ),
    "Mamba, gate": Row(
        MAMBA, "S(6)", (), ("stretch", "swap"), "gate.weight:0 gate.bias:0", "out.weight:1", size=6
    ),
    "Mamba-2, states": Row(
        MAMBA_TWO, "M(8;2,2)", ("swap",), ("flip", "stretch", "turn"), MIXED.format(6),
        along=MIXED.format(14), at="read.weight:0+6",
    ),
    "Mamba-2, states before the kernel": Row(
        MAMBA_TWO, "M(8;2,2)", ("stretch", "flip"), ("swap", "turn"), ROW_INTO, "mix.weight:0+6",
        at="read.weight:0+6",
    ),
    "Mamba-2, heads": Row(
        MAMBA_TWO, "S(2) × M(3)≀",
        (("swap 0,1,2 3,4,5", exchanged("time.weight", "time.bias", "logs")), "swap 0 1"),
        ("swap 0,1,2 3,4,5", "swap 0 3", "flip", "stretch"), MIXED.format(0), "out.weight:1",
        size=6,
    ),
    "RWKV, values": Row(
        RWKV, "M(8)", ("swap", "stretch", "flip"), ("turn", "shear"), VALUES, "out.weight:1",
        along=KEYED,
    ),
    "RWKV, keys": Row(
        RWKV, "M(8)", (), ("flip", "stretch", "swap"), "k.weight:0 k.bias:0", "out.weight:1"
    ),
    "RWKV, key bias": Row(
        RWKV, "M(8)", (), (added(0.7, "k.weight"), added(0.7, "bonus")), at="k.bias:0",
        missed=(added(0.7, "k.bias"),),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLE)
def test_the_group_is_the_largest(name: str, largest: Callable[[Row], None]) -> None:
    largest(TABLE[name])

"""The largest group of gated units (mathematics.md 4.2)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from tests.discovery.largest.conftest import Row, Subject
from torch import Tensor

Function = Callable[[Tensor], Tensor]


def gated(function: Function) -> Subject:
    """What stands up, times a function of the gate."""
    return Subject(
        lambda m, x: m.down(function(m.gate(x)) * m.up(x)),
        {"gate": (6, 8), "up": (6, 8), "down": (8, 4)},
    )


def fused(params: dict[str, Tensor]) -> None:
    """Gate and up of unit 0, exchanged."""
    for part in ("weight", "bias"):
        gate, up = params[f"gate.{part}"][0].clone(), params[f"up.{part}"][0].clone()
        params[f"gate.{part}"][0], params[f"up.{part}"][0] = up, gate


WITH_GATE, WITH_UP, DOWN = "gate.weight:0 gate.bias:0", "up.weight:0 up.bias:0", "down.weight:1"
SWIGLU, BILINEAR = gated(F.silu), gated(torch.clone)


def up(of: Subject, group: str, keeps: tuple[str, ...], breaks: tuple[str, ...]) -> Row:
    return Row(of, group, keeps, breaks, WITH_UP, DOWN, along=WITH_GATE)


def gate(of: Subject, group: str, keeps: tuple[str, ...], breaks: tuple[str, ...]) -> Row:
    return Row(of, group, keeps, breaks, WITH_GATE, DOWN, along=WITH_UP)


TABLE = {
    "SwiGLU, up": up(SWIGLU, "M(8)", ("swap", "stretch", "flip"), ("turn", "only swap")),
    "SwiGLU, gate": gate(SWIGLU, "M(8)", ("swap",), ("stretch", "flip", "only swap")),
    "GeGLU, gate": gate(gated(F.gelu), "M(8)", ("swap",), ("stretch", "flip")),
    "GLU, gate": gate(gated(torch.sigmoid), "M(8)", ("swap",), ("stretch", "flip")),
    "ReGLU, gate": gate(gated(F.relu), "M(8;2,1)", ("swap", "stretch"), ("flip", "turn")),
    "ReGLU, up": up(gated(F.relu), "M(8;2,1)", ("swap", "stretch", "flip"), ("turn",)),
    "bilinear, gate": gate(BILINEAR, "M(8;2,2)", ("swap", "stretch", "flip"), ("turn", "shear")),
    "bilinear, gate against up": Row(BILINEAR, "M(8;2,2)", (), ("turn",), WITH_UP, missed=(fused,)),
    "bilinear, up": up(BILINEAR, "M(8;2,2)", ("swap", "stretch", "flip"), ("turn", "shear")),
    "tanh gate": gate(gated(torch.tanh), "M(8;1,2)", ("swap", "flip"), ("stretch", "turn")),
    "gate against up": Row(SWIGLU, "M(8)", (), (fused,), WITH_UP),
}


@pytest.mark.parametrize("name", TABLE)
def test_the_group_is_the_largest(name: str, largest: Callable[[Row], None]) -> None:
    largest(TABLE[name])

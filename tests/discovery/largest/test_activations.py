"""The largest group of every activation (mathematics.md 4.1)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tests.discovery.largest.conftest import Move, Row, Subject, added, scaled
from torch import Tensor, nn

Function = Callable[[Tensor], Tensor]
WRITE, READ = "up.weight:0 up.bias:0", "down.weight:1"


def hidden(activation: Function) -> Subject:
    """Linear, activation, linear."""
    return Subject(lambda m, x: m.down(activation(m.up(x))), {"up": (6, 8), "down": (8, 4)})


def unit(
    activation: Function, group: str, keeps: str, breaks: str, carried: Function = torch.clone
) -> Row:
    """A row whose moves are words."""
    return Row(
        hidden(activation), group, tuple(keeps.split(", ")), tuple(breaks.split(", ")),
        WRITE, READ, carried=carried,
    )  # fmt: skip


ODD = ("swap, flip", "stretch, turn, shear")
NONE_BUT_SWAPS = ("swap", "flip, stretch, turn")
POSITIVE = ("swap, stretch", "flip, turn, shear")
ANY_SCALE = ("swap, stretch, flip", "turn, shear")

TABLE = {
    "identity": unit(torch.clone, "GL(8)", "swap, stretch, flip, turn, shear", "only shear"),
    "relu": unit(F.relu, "M⁺(8)", *POSITIVE, F.relu),
    "leaky relu": unit(F.leaky_relu, "M⁺(8)", *POSITIVE, F.leaky_relu),
    "relu squared": unit(lambda x: F.relu(x) ** 2, "M⁺(8)", *POSITIVE, torch.square),
    "relu cubed": unit(lambda x: F.relu(x) ** 3, "M⁺(8)", *POSITIVE, lambda c: c**3),
    "absolute value": unit(torch.abs, "M(8)", *ANY_SCALE, torch.abs),
    "square": unit(torch.square, "M(8)", *ANY_SCALE, torch.square),
    "cube": unit(lambda x: x**3, "M(8)", *ANY_SCALE, lambda c: c**3),
    "sign": unit(torch.sign, "M(8)", *ANY_SCALE, torch.sign),
    "step": unit(lambda x: (x > 0).to(x.dtype), "M⁺(8)", *POSITIVE, torch.sign),
    "gelu": unit(F.gelu, "S(8)", *NONE_BUT_SWAPS),
    "gelu by tanh": unit(lambda x: F.gelu(x, approximate="tanh"), "S(8)", *NONE_BUT_SWAPS),
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


def absorbed(params: dict[str, Tensor]) -> None:
    """What a sigmoid's flip leaves: the flipped column, back into the bias."""
    params["down.bias"] -= params["down.weight"][:, 0]


ONE = slice(0, 1)


def column(factor: float) -> Move:
    """The column that reads unit 0, times a number."""

    def move(params: dict[str, Tensor]) -> None:
        params["down.weight"][:, 0] *= factor

    return move


def column_turned(angle: float) -> Move:
    """The columns that read cosine and sine of unit 0, turned."""

    def move(params: dict[str, Tensor]) -> None:
        weight = params["down.weight"]
        cosine, sine = weight[:, 0].clone(), weight[:, 8].clone()
        weight[:, 0] = math.cos(angle) * cosine - math.sin(angle) * sine
        weight[:, 8] = math.cos(angle) * sine + math.sin(angle) * cosine

    return move


def pushed(amount: float) -> Move:
    """The bias of unit 0, by an amount."""
    return added(amount, "up.bias", only=ONE)


def into_constant(amount: float) -> Move:
    """The reader's bias makes up for an amount that unit 0 gives more."""

    def move(params: dict[str, Tensor]) -> None:
        params["down.bias"] -= amount * params["down.weight"][:, 0]

    return move


def folded(forward: Callable[..., Tensor], down: int = 8, up: int = 8) -> Subject:
    """In the gauge in which shifts are free."""
    return Subject(forward, {"up": (6, up), "down": (down, 4)}, gauge="folded")


def both_waves(m: Any, x: Tensor) -> Tensor:
    """Cosines beside sines of the same angles."""
    angles = m.up(x)
    out: Tensor = m.down(torch.cat([angles.cos(), angles.sin()], -1))
    return out


def padded(m: Any, x: Tensor) -> Tensor:
    """Behind the sigmoid stands a border of zeros."""
    out: Tensor = m.down(torch.sigmoid(m.up(x)))
    return out


def maxout(m: Any, x: Tensor) -> Tensor:
    """Eight units, each the largest of three."""
    out: Tensor = m.down(m.up(x).unflatten(-1, (8, 3)).amax(-1))
    return out


def slopes(m: Any, x: Tensor) -> Tensor:
    """A learned slope for each unit."""
    out: Tensor = m.down(m.act(m.up(x)))
    return out


def inverted(units: slice) -> Move:
    """What a learned slope leaves of a flip: z and sz change places."""

    def move(params: dict[str, Tensor]) -> None:
        slope = params["act.weight"]
        old = slope[units].clone() if len(slope) > 1 else slope.clone()
        params["down.weight"][:, units] *= old
        slope[units if len(slope) > 1 else slice(None)] = 1 / old

    return move


def same_form(params: dict[str, Tensor]) -> None:
    """Two units turned so that the quadratic form of the one output stays."""
    weights = params["down.weight"][0]
    a, b = next((a, b) for a in range(3) for b in range(a) if weights[a] * weights[b] > 0)
    ratio = (weights[a] / weights[b]).sqrt()
    for part in ("up.weight", "up.bias"):
        one, two = params[part][a].clone(), params[part][b].clone()
        params[part][a] = 0.6 * one + 0.8 / ratio * two
        params[part][b] = 0.6 * two - 0.8 * ratio * one


def into_linear(params: dict[str, Tensor]) -> None:
    """gelu(z) = z + gelu(-z), and the linear layer takes z."""
    column = params["down.weight"][:, 0]
    params["skip.weight"] += torch.outer(column, params["up.weight"][0])
    params["skip.bias"] += column * params["up.bias"][0]
    params["up.weight"][0] *= -1
    params["up.bias"][0] *= -1


HALF = math.pi / 3
FORM = Subject(lambda m, x: m.down(m.up(x) ** 2), {"up": (6, 8), "down": (8, 1)})
BESIDE = Subject(
    lambda m, x: m.down(F.gelu(m.up(x))) + m.skip(x),
    {"up": (6, 8), "down": (8, 4), "skip": (6, 4)},
)
ONE_SLOPE = Subject(slopes, {"up": (6, 8), "act": nn.PReLU, "down": (8, 4)})
SINE = folded(lambda m, x: m.down(torch.sin(3 * m.up(x))))
COSINE = folded(lambda m, x: m.down(torch.cos(3 * m.up(x))))
EXPONENTIAL = folded(lambda m, x: m.down(torch.exp(m.up(x))))
PAIR = folded(both_waves, down=16)
MAXOUT = folded(maxout, up=24)
PIECES = "up.weight:0 up.bias:0"
BETA = Subject(
    lambda m, x: m.down(F.softplus(m.up(x) * m.beta) / m.beta),
    {"up": (6, 8), "beta": [8], "down": (8, 4)},
)
PRELU = Subject(slopes, {"up": (6, 8), "act": lambda: nn.PReLU(8), "down": (8, 4)})
PADDED = Subject(
    padded,
    {"up": lambda: nn.Conv1d(3, 8, 3), "down": lambda: nn.Conv1d(8, 4, 3, padding=1)},
    (2, 3, 9),
)

TABLE |= {
    "sigmoid": Row(
        hidden(torch.sigmoid), "B(8)", ("swap", ("flip 0", absorbed)),
        ("flip", "stretch", "turn"), WRITE, READ,
    ),
    "sigmoid before padding": Row(
        PADDED, "S(8)", ("swap",),
        (("flip 0", lambda p: p["down.bias"].sub_(p["down.weight"][:, 0].sum(-1))), "stretch"),
        WRITE, READ,
    ),
    "softplus with its own beta": Row(
        BETA, "M(8)", ("swap", "stretch"), ("turn", "only stretch"), "beta:0 down.weight:1", WRITE
    ),
    "sine, half turns": Row(
        SINE, "Z(8)", ((pushed(HALF), column(-1)), pushed(2 * HALF)),
        (pushed(HALF), (pushed(HALF / 2), column(-1))), at="up.bias.turns:0",
    ),
    "cosine, half turns": Row(
        COSINE, "Z(8)", ((pushed(HALF), column(-1)), pushed(2 * HALF)),
        (pushed(HALF), (pushed(HALF / 2), column(-1))), at="up.bias.turns:0",
    ),
    "cosine beside sine": Row(
        PAIR, "R(8)", ((pushed(0.4), column_turned(0.4)),),
        (pushed(0.4), (pushed(0.4), column_turned(-0.4))), at="up.bias:0",
    ),
    "exponential": Row(
        EXPONENTIAL, "R(8)", ((pushed(0.7), column(math.exp(-0.7))),),
        (pushed(0.7), (pushed(-0.7), column(math.exp(-0.7)))), at="up.bias:0",
    ),
    "exponential, units": Row(EXPONENTIAL, "S(8)", ("swap",), ("flip", "stretch"), WRITE, READ),
    "sum of powers": unit(lambda x: x**3 + x**2, "S(8)", *NONE_BUT_SWAPS),
    "maxout, units": Row(
        MAXOUT, "M⁺(8) × S(3)≀", ("swap", "stretch"), ("flip", "turn"),
        "up.weight:0*3 up.bias:0*3", READ,
    ),
    "maxout, pieces": Row(
        MAXOUT, "M⁺(8) × S(3)≀", ("swap 0 2",), ("swap 0 3", "stretch 0"), PIECES, size=24
    ),
    "maxout, shifts": Row(
        MAXOUT, "R(8)", ((added(0.7, "up.bias", only=slice(0, 3)), into_constant(0.7)),),
        ((added(0.7, "up.bias", only=slice(0, 2)), into_constant(0.7)),), at="up.bias.shift:0",
    ),
    "slopes of their own": Row(
        PRELU, "M⁺(8)", ("swap", "stretch"), ("flip", "turn"), WRITE, READ, along="act.weight:0",
        missed=(("flip 0", inverted(ONE)),),
    ),
    "a slope in common": Row(
        ONE_SLOPE, "M⁺(8)", ("swap", "stretch"), ("flip", ("flip 0", inverted(ONE))), WRITE, READ,
        missed=(("flip 0,1,2,3,4,5,6,7", inverted(slice(None))),),
    ),
    "logarithm": Row(
        hidden(lambda x: torch.log(x.abs())), "B(8)", ("swap",), ("stretch", "turn"), WRITE, READ,
        missed=((scaled(2.0, "up.weight", "up.bias", only=ONE), into_constant(math.log(2.0))),),
    ),
    "square, one output": Row(
        FORM, "M(8)", ("swap", "stretch", "flip"), ("turn",), WRITE, READ, carried=torch.square,
        missed=(same_form,),
    ),
    "gelu beside a linear layer": Row(
        BESIDE, "S(8)", ("swap",), ("flip", "stretch"), WRITE, READ, missed=(into_linear,)
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLE)
def test_the_group_is_the_largest(name: str, largest: Callable[[Row], None]) -> None:
    largest(TABLE[name])

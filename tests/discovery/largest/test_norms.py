"""The largest group of every norm, in both gauges (mathematics.md 4.3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tests.discovery.largest.conftest import (
    Move,
    Row,
    Subject,
    added,
    common,
    element,
    scaled,
    shift,
)
from torch import Tensor, nn
from torch.nn.utils import parametrizations

Params = dict[str, Tensor]
WRITE, GAIN, READ = "up.weight:0 up.bias:0", "norm.weight:0", "down.weight:1"
BOTH = "norm.weight:0 norm.bias:0"
MOMENTS = f"{WRITE} norm.running_mean:0 norm.running_var:0^2"
PICTURE = (2, 3, 9)


def stream(norm: Callable[[], nn.Module]) -> Subject:
    """Linear, norm, linear."""
    return Subject(
        lambda m, x: m.down(m.norm(m.up(x))), {"up": (6, 8), "norm": norm, "down": (8, 4)}
    )


def channels(norm: Callable[[], nn.Module], bend: Callable[[Tensor], Tensor] = F.gelu) -> Subject:
    """Convolution, norm, bend, convolution."""
    return Subject(
        lambda m, x: m.down(bend(m.norm(m.up(x)))),
        {"up": lambda: nn.Conv1d(3, 8, 3), "norm": norm, "down": lambda: nn.Conv1d(8, 4, 3)},
        PICTURE,
    )


def folded(of: Subject) -> Subject:
    return replace(of, gauge="folded")


def without_gain(params: Params) -> None:
    """The norm's gain and bias into its reader."""
    if "norm.bias" in params:
        params["down.bias"] += params["down.weight"] @ params["norm.bias"]
        params["norm.bias"].zero_()
    params["down.weight"] *= params["norm.weight"]
    params["norm.weight"].fill_(1.0)


def turned(word: str | None = None, write: str = "up", read: str = "down") -> Move:
    """The stream turned; without a word, by a mirror that keeps the vector of ones."""
    ones = torch.ones(8, dtype=torch.float64)
    axis = torch.eye(8, dtype=torch.float64)[0] - ones / 8
    mirror = torch.eye(8, dtype=torch.float64) - 2 * torch.outer(axis, axis) / axis.dot(axis)
    matrix = element(word, 8) if word else mirror

    def move(params: Params) -> None:
        for name in write.split():
            params[f"{name}.weight"] = matrix @ params[f"{name}.weight"]
            params[f"{name}.bias"] = matrix @ params[f"{name}.bias"]
        for name in read.split():
            params[f"{name}.weight"] = params[f"{name}.weight"] @ torch.linalg.inv(matrix)

    return move


LAYER, RMS = stream(lambda: nn.LayerNorm(8)), stream(lambda: nn.RMSNorm(8))
BLUNT = folded(stream(lambda: nn.RMSNorm(8, eps=0.1)))
SHARP = folded(stream(lambda: nn.RMSNorm(8, eps=1e-30)))
POST = Subject(
    lambda m, x: m.down(m.norm((y := m.up(x)) + m.back(F.gelu(m.inner(y))))),
    {"up": (6, 8), "inner": (8, 9), "back": (9, 8), "norm": lambda: nn.LayerNorm(8),
     "down": (8, 4)}, gauge="folded",
)  # fmt: skip
BATCH = channels(lambda: nn.BatchNorm1d(8, eps=0.0))
RECTIFIED = channels(lambda: nn.BatchNorm1d(8, eps=0.0), F.relu)
GROUPS = channels(lambda: nn.GroupNorm(2, 8, eps=0.1))
SHARP_GROUPS = channels(lambda: nn.GroupNorm(2, 8, eps=1e-30))
INSTANCES = channels(lambda: nn.InstanceNorm1d(8, eps=1e-30, affine=True))
MEASURED = channels(
    lambda: nn.InstanceNorm1d(8, eps=0.0, affine=True, track_running_stats=True)
)  # fmt: skip
TRAINING = Subject(
    lambda m, x: m.down(
        F.gelu(F.batch_norm(m.up(x), m.mean, m.var, m.gain, training=True, eps=0.1))
    ),
    {"up": lambda: nn.Conv1d(3, 8, 3), "down": lambda: nn.Conv1d(8, 4, 3), "gain": [8],
     "mean": lambda: nn.Buffer(torch.zeros(8)), "var": lambda: nn.Buffer(torch.ones(8))},
    PICTURE,
)  # fmt: skip
MADE = ("up.weight", "up.bias")
NEGATIVE = scaled(-1.0, *MADE, "norm.weight", only=slice(4))
HALF_NEGATIVE = scaled(-1.0, *MADE, "norm.weight", only=slice(2))
MEAN = common("up.weight", "up.bias")


def normed_heads(m: Any, x: Tensor) -> Tensor:
    """Two heads of four, whose queries and keys are normed by gains that the heads share."""
    q, k, v = (f(x).unflatten(-1, (2, 4)).transpose(1, 2) for f in (m.q, m.k, m.v))
    mixed = F.scaled_dot_product_attention(m.qn(q), m.kn(k), v)
    out: Tensor = m.o(mixed.transpose(1, 2).flatten(2))
    return out


def gains(params: Params) -> None:
    """The gains of coordinates 0 and 1, exchanged."""
    for name in ("qn.weight", "kn.weight"):
        params[name][[0, 1]] = params[name][[1, 0]]


def small() -> nn.Module:
    return nn.RMSNorm(4, eps=1e-30)


def parametrized(kind: Callable[[nn.Module], nn.Module]) -> Subject:
    """A parametrized layer before a hyperbolic tangent."""
    return Subject(
        lambda m, x: m.down(torch.tanh(m.up(x))),
        {"up": lambda: kind(nn.Linear(6, 8)), "down": (8, 4)},
    )


NORMED = Subject(
    normed_heads,
    {"q": (6, 8), "k": (6, 8), "v": (6, 8), "o": (8, 4), "qn": small, "kn": small},
    (2, 5, 6), "folded",
)  # fmt: skip
QUERY, KEY = "q.weight:0 q.bias:0", "k.weight:0 k.bias:0"
WEIGHTS = parametrized(parametrizations.weight_norm)
SPECTRAL = parametrized(parametrizations.spectral_norm)
SIZE, DIRECTION, ORIGINAL = (
    f"up.parametrizations.weight.{part}" for part in ("original0:0", "original1:0", "original")
)

TABLE = {
    "LayerNorm, stream": Row(
        LAYER, "M(8)", ("swap",), ("stretch", "flip", "turn"), WRITE, READ, along=BOTH
    ),
    "LayerNorm, gain": Row(
        LAYER, "M(8)", ("stretch", "flip"), ("swap", "only stretch"), BOTH, READ
    ),
    "LayerNorm, folded": Row(
        folded(LAYER), "O(8|1)", ((without_gain, turned()), (without_gain, turned("swap"))),
        (turned(), (without_gain, turned("flip")), (without_gain, turned("shear"))), WRITE,
    ),
    "LayerNorm, mean of the stream": Row(
        folded(LAYER), "R(6)", (MEAN,), (common("up.weight", dim=1),), at="up.weight.mean:0"
    ),
    "LayerNorm, mean of the reader": Row(
        folded(LAYER), "R(4)", ((without_gain, common("down.weight", dim=1)),),
        (common("down.weight", dim=1), (without_gain, common("down.weight", dim=0))),
        at="down.weight.mean:0",
    ),
    "RMSNorm, stream": Row(
        RMS, "M(8;1,2)", ("swap", "flip"), ("stretch", "turn"), WRITE, READ, along=GAIN
    ),
    "RMSNorm, gain": Row(
        RMS, "M(8;1,2)", ("stretch", "flip"), ("swap", "only stretch"), GAIN, READ
    ),
    "RMSNorm, folded": Row(
        BLUNT, "O(8)", ((without_gain, turned("turn")), (without_gain, turned("flip"))),
        (turned("turn"), (without_gain, turned("shear")), MEAN,
         scaled(3.0, "up.weight", "up.bias"), scaled(1.5, "norm.weight")), WRITE,
    ),
    "RMSNorm without epsilon, length": Row(
        SHARP, "R⁺(1)", (scaled(2.0, "up.weight", "up.bias"),), (scaled(2.0, "up.weight"), MEAN),
        at="up.weight.level:0",
    ),
    "behind the residual, stream": Row(
        POST, "O(8|1)", ((without_gain, turned(None, "up back", "down inner")),),
        ((without_gain, turned()), (without_gain, turned("turn"))), WRITE,
    ),
    "BatchNorm, before": Row(
        BATCH, "M(8)", ("swap", "stretch"), ("flip", "turn"), MOMENTS,
        along=f"{BOTH} down.weight:1",
    ),
    "BatchNorm, signs": Row(
        BATCH, "M(8)", ("flip",), ("turn", "stretch"), f"{MOMENTS} norm.weight:0"
    ),
    "BatchNorm, mean": Row(
        folded(BATCH), "R(8)", (shift("up.bias", "norm.running_mean"),), (shift("up.bias"),),
        at="up.bias:0",
    ),
    "BatchNorm, after": Row(BATCH, "M(8)", (), ("stretch", "flip", "swap"), BOTH, READ),
    "BatchNorm before relu": Row(
        RECTIFIED, "M(8;2,1)", ("stretch",), ("flip", "swap"), BOTH, READ
    ),
    "GroupNorm": Row(
        GROUPS, "B(2) × S(4)≀", ("swap 0 3", "swap 0,1,2,3 4,5,6,7", NEGATIVE),
        ("swap 0 4", "stretch 0", "flip 0", HALF_NEGATIVE, scaled(-1.0, *MADE, only=slice(4)),
         scaled(2.0, *MADE, only=slice(4))), WRITE, READ, along=BOTH,
    ),
    "GroupNorm without epsilon": Row(
        SHARP_GROUPS, "M(2) × S(4)≀", ("swap 0 3", NEGATIVE, scaled(2.0, *MADE, only=slice(4))),
        ("stretch 0", "stretch 0,1,4,5", HALF_NEGATIVE), WRITE, along=f"{BOTH} {READ}",
    ),
    "GroupNorm, common shifts": Row(
        folded(GROUPS), "R(2)", (added(0.7, "up.bias", only=slice(4)),),
        (added(0.7, "up.bias", only=slice(3)), shift("up.bias")), at="up.bias.shift:0",
    ),
    "InstanceNorm": Row(
        INSTANCES, "M(8)", ("swap", "flip", scaled(2.0, *MADE, only=slice(1))),
        ("turn", "stretch", scaled(-1.0, *MADE, only=slice(1))), f"{WRITE} norm.weight:0",
        along=f"norm.bias:0 {READ}",
    ),
    "InstanceNorm, gain and bias": Row(
        INSTANCES, "M(8)", (), ("swap", "stretch", "flip"), BOTH, READ
    ),
    "InstanceNorm with epsilon": Row(
        channels(lambda: nn.InstanceNorm1d(8, eps=0.1, affine=True)), "B(8)", ("swap", "flip"),
        (scaled(2.0, *MADE, only=slice(1)),), f"{WRITE} norm.weight:0", along=f"norm.bias:0 {READ}",
    ),
    "InstanceNorm by given moments": Row(
        MEASURED, "M(8)", ("stretch",), ("turn", "swap"), MOMENTS
    ),
    "InstanceNorm by given moments, without them": Row(
        MEASURED, "M(8)", (), ("stretch", "flip", scaled(2.0, *MADE, only=slice(1))), WRITE
    ),
    "BatchNorm by the batch": Row(
        TRAINING, "B(8)", ("swap", "flip"), ("turn", scaled(2.0, *MADE, only=slice(1))),
        f"{WRITE} gain:0", along=READ,
    ),
    "QK-norm": Row(
        NORMED, "B(2) × M(4;1,3)", (("swap 0,4 1,5", gains), "flip 0,4", "flip 0,1,2,3"),
        ("swap 0,4 1,5", ("swap 0 1", gains), "stretch 0,4", "turn 0 1"), QUERY, KEY,
        missed=("flip 0",),
    ),
    "QK-norm, gains": Row(
        NORMED, "M(4;1,3)", ("stretch", "flip"), ("turn", "swap", "only stretch"),
        "qn.weight:0", "kn.weight:0", size=4,
    ),
    "QK-norm, length of queries": Row(
        NORMED, "R⁺(1)", (scaled(2.0, "q.weight", "q.bias"),),
        (scaled(2.0, "q.weight"), scaled(2.0, "qn.weight")), at="q.weight.level:0",
    ),
    "weight norm, directions": Row(
        WEIGHTS, "M(8;1,2)", ("stretch",), ("turn", "flip"), DIRECTION
    ),
    "weight norm, both": Row(WEIGHTS, "M(8;1,2)", ("flip",), ("turn",), f"{SIZE} {DIRECTION}"),
    "weight norm, sizes": Row(
        WEIGHTS, "M(8;1,2)", ("flip",), ("stretch", "turn"), f"{SIZE} up.bias:0", READ
    ),
    "spectral norm": Row(
        SPECTRAL, "B(8)", ("swap", "flip"), ("stretch", "turn"),
        f"{ORIGINAL}:0 up.bias:0 up.parametrizations.weight.0._u:0", READ,
        missed=(scaled(2.0, ORIGINAL),),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLE)
def test_the_group_is_the_largest(name: str, largest: Callable[[Row], None]) -> None:
    largest(TABLE[name])

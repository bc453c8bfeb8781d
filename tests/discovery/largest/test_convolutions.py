"""The largest group of convolutions, pools, shuffles and windows (mathematics.md 4.5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tests.discovery.largest.conftest import Row, Subject
from torch import Tensor, nn

Function = Callable[[Tensor], Tensor]
PICTURE, IMAGE = (2, 3, 9), (2, 3, 6, 6)
WRITE, READ, FLAT = "up.weight:0 up.bias:0", "down.weight:1", "down.weight:1*7"
MIDDLE = "middle.weight:0 middle.bias:0"


def first() -> nn.Module:
    return nn.Conv1d(3, 8, 3)


def positions(pool: Function, size: int = 8) -> Subject:
    """A convolution, a function of positions, a linear reader of all that is left."""
    return Subject(
        lambda m, x: m.down(pool(m.up(x)).flatten(1)), {"up": first, "down": (size, 4)}, PICTURE
    )


def between(middle: Callable[[], nn.Module], bend: Function) -> Subject:
    """A second convolution between the first and a linear reader."""
    return Subject(
        lambda m, x: m.down(bend(m.middle(m.up(x))).flatten(1)),
        {"up": first, "middle": middle, "down": (56, 4)}, PICTURE,
    )  # fmt: skip


def grouped(groups: int) -> Callable[[], nn.Module]:
    return lambda: nn.Conv1d(8, 8, 1, groups=groups)


def image(change: Function, up: int = 8, down: int = 8, bend: Function = F.relu) -> Subject:
    """Two convolutions of pictures, and what stands between them."""
    return Subject(
        lambda m, x: m.down(change(bend(m.up(x)))),
        {"up": lambda: nn.Conv2d(3, up, 3), "down": lambda: nn.Conv2d(down, 4, 1)}, IMAGE,
    )  # fmt: skip


def shuffled(m: Any, x: Tensor) -> Tensor:
    """Channels of two groups, interleaved before a grouped convolution."""
    y = torch.tanh(m.up(x)).unflatten(1, (2, 4)).transpose(1, 2).flatten(1, 2)
    out: Tensor = m.down(torch.tanh(m.middle(y)).flatten(1))
    return out


def columns(step: int, channel: int) -> Callable[[dict[str, Tensor]], None]:
    """Columns of channels 0 and 1 exchanged: channels so far apart, positions every ``step``."""

    def move(params: dict[str, Tensor]) -> None:
        places = torch.arange(7) * step
        weight = params["down.weight"]
        one, two = weight[:, places].clone(), weight[:, places + channel].clone()
        weight[:, places], weight[:, places + channel] = two, one

    return move


def read(a: int, b: int) -> Callable[[dict[str, Tensor]], None]:
    """Columns of the first group exchanged, or one of them turned round."""

    def move(params: dict[str, Tensor]) -> None:
        columns = params["middle.weight"][:4]
        columns[:, [a, b]] = columns[:, [b, a]] if a != b else -columns[:, [a, a]]

    return move


def windows(m: Any, x: Tensor) -> Tensor:
    """Two windows of positions, shifted by one, each with attention of its own."""
    y = m.up(x).roll(-1, 1).unflatten(1, (2, 3)).flatten(0, 1)
    mixed = F.scaled_dot_product_attention(m.q(y), m.k(y), m.v(y))
    out: Tensor = m.down(mixed.unflatten(0, (-1, 2)).flatten(1, 2).roll(1, 1))
    return out


def skipped(m: Any, x: Tensor) -> Tensor:
    """A residual block of channels."""
    y = F.relu(m.up(x))
    out: Tensor = m.down(F.relu(y + m.middle(y)).flatten(1))
    return out


RELU = positions(F.relu, 56)
POSITIONS_FIRST = positions(lambda x: F.relu(x).transpose(1, 2), 56)
FLATTENED = positions(torch.clone, 56)
AVERAGE = positions(lambda x: F.adaptive_avg_pool1d(x, 1))
LARGEST = positions(lambda x: F.adaptive_max_pool1d(x, 1))
UPSAMPLED = positions(lambda x: F.interpolate(x, scale_factor=2, mode="linear"), 112)
DEPTHWISE, BENT_DEPTHWISE = between(grouped(8), torch.clone), between(grouped(8), torch.tanh)
GROUPS = between(grouped(2), F.relu)
SHUFFLED = Subject(
    shuffled, {"up": first, "middle": grouped(2), "down": (56, 4)}, PICTURE
)  # fmt: skip
SKIPPED = Subject(skipped, {"up": first, "middle": grouped(1), "down": (56, 4)}, PICTURE)
WINDOWS = Subject(
    windows, {"up": (6, 8), "q": (8, 8), "k": (8, 8), "v": (8, 8), "down": (8, 4)}, (2, 6, 6)
)  # fmt: skip
PIXELS = image(lambda y: F.pixel_shuffle(y, 2), down=2)
PATCHES = image(lambda y: F.pixel_unshuffle(y, 2), up=8, down=32)
DROPPED = replace(positions(lambda x: F.dropout1d(x, 0.5, training=False), 56))
TRANSPOSED = Subject(
    lambda m, x: m.down(torch.tanh(m.up(x))),
    {"up": lambda: nn.ConvTranspose1d(3, 8, 3), "down": lambda: nn.Conv1d(8, 4, 3)}, PICTURE,
)  # fmt: skip
UP_TRANSPOSED = "up.weight:1 up.bias:0"
EXPANDED = "up.weight:0*4 up.bias:0*4"

TABLE = {
    "convolution": Row(RELU, "M⁺(8)", ("swap", "stretch"), ("flip", "turn"), WRITE, FLAT),
    "transposed convolution": Row(
        TRANSPOSED, "B(8)", ("swap", "flip"), ("stretch", "turn"), UP_TRANSPOSED, READ
    ),
    "flattened channels": Row(
        FLATTENED, "GL(8)", ("swap", "turn", "shear"), ("only shear",), WRITE, FLAT
    ),
    "flattened positions": Row(
        POSITIONS_FIRST, "M⁺(8)", (("only swap", columns(8, 1)),),
        (("only swap", columns(1, 7)), "only swap"), WRITE,
    ),
    "positions of a channel": Row(
        FLATTENED, "GL(8)", (), ("swap",), WRITE, "down.weight:1+0"
    ),
    "average pool": Row(AVERAGE, "GL(8)", ("swap", "shear"), ("only shear",), WRITE, READ),
    "max pool": Row(LARGEST, "M⁺(8)", ("swap", "stretch"), ("flip", "turn", "shear"), WRITE, READ),
    "upsampling": Row(
        UPSAMPLED, "GL(8)", ("shear",), ("only shear",), WRITE, "down.weight:1*14"
    ),
    "dropout of channels": Row(DROPPED, "GL(8)", ("shear",), ("only shear",), WRITE, FLAT),
    "depthwise, before": Row(
        DEPTHWISE, "M(8;2,2)", ("stretch", "flip", "swap"), ("turn", "shear"), WRITE,
        "middle.weight:0", along=f"middle.bias:0 {FLAT}",
    ),
    "depthwise, after": Row(
        DEPTHWISE, "M(8;2,2)", ("stretch", "flip"), ("turn", "shear", "swap"), MIDDLE, FLAT
    ),
    "depthwise before a bend": Row(
        BENT_DEPTHWISE, "M(8;1,2)", ("flip",), ("stretch", "turn"), MIDDLE, FLAT
    ),
    "groups, after": Row(
        GROUPS, "S(2) × M⁺(4)≀", ("swap 0 3", "stretch"), ("swap 0 4", "flip", "turn 0 1"),
        MIDDLE, FLAT,
    ),
    "groups, before": Row(
        GROUPS, "S(2) × GL(4)≀", ("shear", "turn"), ("only shear",),
        f"{WRITE} up.weight:0+4 up.bias:0+4", "middle.weight:1", size=4,
    ),
    "groups, as blocks": Row(
        GROUPS, "S(2) × GL(4)≀", ("swap 0,1,2,3 4,5,6,7",), ("swap 0 4", "swap 0,1 4,5"), WRITE,
        along=f"{MIDDLE} {FLAT}",
    ),
    "shuffled channels": Row(
        SHUFFLED, "S(2) × S(2)≀ × B(2)≀",
        (("swap 0 1", read(0, 2)), ("flip 0", read(0, 0))),
        (("swap 0 2", read(0, 2)), "swap 0 1", ("stretch 0", read(0, 0))), WRITE,
        missed=(("swap 0 4", read(0, 1)),),
    ),
    "residual channels": Row(
        SKIPPED, "M⁺(8)", ("swap", "stretch"), ("flip", "turn", "only swap"),
        f"{WRITE} {MIDDLE}", f"middle.weight:1 {FLAT}",
    ),
    "pixel shuffle": Row(
        PIXELS, "M⁺(2)", ("swap", "stretch"), ("flip", "only stretch"), EXPANDED, READ, size=2
    ),
    "pixels of a shuffle": Row(PIXELS, "M⁺(2)", (), ("swap 0 1", "stretch 0"), WRITE),
    "pixel unshuffle": Row(
        PATCHES, "M⁺(8)", ("swap", "stretch"), ("flip", "turn"), WRITE, "down.weight:1*4"
    ),
    "windows, stream": Row(
        WINDOWS, "GL(8)", ("shear", "turn"), ("only shear",), WRITE,
        "q.weight:1 k.weight:1 v.weight:1",
    ),
    "windows, keys": Row(
        WINDOWS, "GL(8)", ("shear",), ("only shear",), "q.weight:0 q.bias:0", "k.weight:0 k.bias:0"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLE)
def test_the_group_is_the_largest(name: str, largest: Callable[[Row], None]) -> None:
    largest(TABLE[name])

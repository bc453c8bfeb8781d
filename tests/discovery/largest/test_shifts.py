"""Every kind of shift: what may be shifted, and the next larger shift that may not.

The shifts of attention, norms and activations stand beside the groups of these.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tests.discovery.largest.conftest import Row, Subject, added, common, shift
from torch import Tensor, nn

Params = dict[str, Tensor]
TOKENS = torch.tensor([[0, 3, 5, 1, 2], [4, 4, 6, 2, 8]])
LAYERS: dict[str, Any] = {"up": (6, 8), "norm": lambda: nn.LayerNorm(8), "down": (8, 4)}


def folded(forward: Callable[..., Any], shape: Any = (2, 5, 6), **parts: Any) -> Subject:
    return Subject(forward, parts, shape, "folded")


def embedded(m: Any, ids: Tensor) -> Tensor:
    """Tokens and positions, added."""
    y: Tensor = m.token(ids) + m.place.weight[: ids.shape[1]]
    return y


EMBEDDED: dict[str, Any] = {
    "token": lambda: nn.Embedding(9, 8), "place": lambda: nn.Embedding(5, 8), "down": (8, 4),
}  # fmt: skip
LAST: dict[str, Any] = {**EMBEDDED, "down": (8, 8), "head": (8, 4)}

BOTH = folded(lambda m, i: m.down(torch.tanh(embedded(m, i))), TOKENS, **EMBEDDED)
PLACES_READ = folded(
    lambda m, i: m.down(torch.tanh(embedded(m, i)) + torch.sin(m.place.weight)), TOKENS, **EMBEDDED
)
TOKENS_READ = folded(
    lambda m, i: m.head(torch.tanh(m.down(torch.tanh(embedded(m, i)))) + m.token(i)),
    TOKENS, **LAST,
)  # fmt: skip
MASKED = folded(
    lambda m, i: m.down(torch.tanh(m.token(i) * (i > 2)[..., None] + m.place.weight)),
    TOKENS, **EMBEDDED,
)  # fmt: skip
LINEAR = folded(lambda m, x: m.down(m.up(x)), **{k: LAYERS[k] for k in ("up", "down")})
BENT = folded(lambda m, x: m.down(F.gelu(m.up(x))), **{k: LAYERS[k] for k in ("up", "down")})
SHOWN = folded(lambda m, x: (m.up(x), m.down(m.up(x))), **{k: LAYERS[k] for k in ("up", "down")})
NORMED = folded(lambda m, x: m.down(m.norm(m.up(x))), **LAYERS)
VALID = folded(
    lambda m, x: m.down(m.norm(m.up(x)).transpose(1, 2)),
    **{**LAYERS, "down": lambda: nn.Conv1d(8, 4, 3)},
)
BORDERED = folded(
    lambda m, x: m.down(m.norm(m.up(x)).transpose(1, 2)),
    **{**LAYERS, "down": lambda: nn.Conv1d(8, 4, 3, padding=1)},
)
BESIDE = folded(
    lambda m, x: (lambda y: m.down(m.norm(y)) + m.skip(y))(m.up(x)), **LAYERS, skip=(8, 4)
)
BEFORE_BEND = folded(lambda m, x: m.down(F.gelu(m.norm(m.up(x)))), **LAYERS)
LOGITS = folded(lambda m, x: m.up(x).log_softmax(-1), up=(6, 8))
CAPPED = folded(lambda m, x: torch.tanh(m.up(x)).log_softmax(-1), up=(6, 8))
HEADLESS = folded(
    lambda m, x: m.norm(m.up(x)) @ m.w, **{k: LAYERS[k] for k in ("up", "norm")}, w=[8, 4]
)
BATCH = folded(lambda m, x: m.down(F.relu(m.norm(m.up(x[:, 0])))),
               **{**LAYERS, "norm": lambda: nn.BatchNorm1d(8)})  # fmt: skip
TWO = folded(lambda m, x: F.gelu(m.up(x) + m.other(x.flip(1))), up=(6, 8), other=(6, 8))
GATED = folded(lambda m, x: torch.sigmoid(m.up(x)) * m.other(x), up=(6, 8), other=(6, 8))
AVERAGED = folded(
    lambda m, x: m.down(F.avg_pool1d(m.up(x), 3, 1)),
    (2, 3, 9), up=lambda: nn.Conv1d(3, 8, 3), down=lambda: nn.Conv1d(8, 4, 1),
)  # fmt: skip
AVERAGED_BORDER = folded(
    lambda m, x: m.down(F.avg_pool1d(m.up(x), 3, 1, 1)),
    (2, 3, 9), up=lambda: nn.Conv1d(3, 8, 3), down=lambda: nn.Conv1d(8, 4, 1),
)  # fmt: skip


def made_up(params: Params) -> None:
    """The norm's bias shifted; the head's mean, which only that bias feels, makes up for it."""
    before = params["norm.bias"] @ params["w"]
    shift("norm.bias")(params)
    left = before - params["norm.bias"] @ params["w"]
    mean = 1 / params["norm.weight"]
    params["w"] += torch.outer(mean, left / (mean @ params["norm.bias"]))


def tokens(of: Subject, group: str, *, good: bool) -> Row:
    """A vector added to every token and taken from every position."""
    against = (added(0.7, "token.weight"), added(-0.7, "place.weight"))
    some = (added(0.7, "token.weight", only=slice(3)), added(-0.7, "place.weight", only=slice(3)))
    return Row(
        of, group, (against,) if good else (),
        (added(0.7, "token.weight"), some) if good else (against,),
        at="token.weight.shift:0" if good else "token.weight:1",
    )  # fmt: skip


def row(of: Subject, at: str, group: str, keeps: Any = None, breaks: Any = None) -> Row:
    """One shift that keeps, one that does not."""
    return Row(of, group, (keeps,) if keeps else (), (breaks,), at=at)


UP_INTO = shift("up.bias", into="down")
NORM_INTO = shift("norm.bias", into="down")
MEAN = common("up.weight", "up.bias")

TABLE = {
    "token against position": tokens(BOTH, "R(8)", good=True),
    "token against position that is read": tokens(PLACES_READ, "B(8)", good=False),
    "token that is read against position": tokens(TOKENS_READ, "B(8)", good=False),
    "masked token against position": tokens(MASKED, "B(8)", good=False),
    "bias into a linear reader": row(LINEAR, "up.bias:0", "R(8)", UP_INTO, shift("up.bias")),
    "bias into a reader behind a bend": row(BENT, "up.bias:0", "S(8)", None, UP_INTO),
    "bias that is shown": row(SHOWN, "up.bias:0", "1", None, UP_INTO),
    "norm bias into its reader": row(
        NORMED, "norm.bias:0", "R(8)", NORM_INTO, shift("norm.bias")
    ),
    "norm bias into a kernel": row(
        VALID, "norm.bias:0", "R(8)", NORM_INTO, shift("norm.bias")
    ),
    "norm bias into a reader behind padding": row(
        BORDERED, "norm.bias:0", "M(8)", None, NORM_INTO
    ),
    "norm bias before a bend": row(BEFORE_BEND, "norm.bias:0", "S(8)", None, NORM_INTO),
    "mean that a norm takes": row(NORMED, "up.bias.mean:0", "R(1)", MEAN, shift("up.bias")),
    "mean that a skip reads": row(BESIDE, "up.bias:0", "O(8|1)", None, MEAN),
    "logits": row(
        LOGITS, "up.weight.mean:0", "R(6)", MEAN, common("up.weight", dim=1)
    ),
    "logits behind a cap": row(CAPPED, "up.bias:0", "1", None, added(0.7, "up.bias")),
    "norm bias before a head without one": row(
        HEADLESS, "norm.bias.shift:0", "R(7)", made_up, shift("norm.bias")
    ),
    "bias into a norm's mean of the batch": row(
        BATCH, "up.bias:0", "R(8)", shift("up.bias", "norm.running_mean"), shift("up.bias")
    ),
    "bias of that norm before relu": row(BATCH, "norm.bias:0", "M(8;2,1)", None, NORM_INTO),
    "one of two biases": row(
        TWO, "up.bias:0", "R(8)",
        (added(0.7, "up.bias"), added(-0.7, "other.bias")), added(0.7, "up.bias"),
    ),
    "one of two biases in a gate": row(
        GATED, "up.bias:0", "1", None, (added(0.7, "up.bias"), added(-0.7, "other.bias"))
    ),
    "bias through an average": row(AVERAGED, "up.bias:0", "R(8)", UP_INTO, shift("up.bias")),
    "bias through an average with a border": row(
        AVERAGED_BORDER, "up.bias:0", "GL(8)", None, UP_INTO
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLE)
def test_the_group_is_the_largest(name: str, largest: Callable[[Row], None]) -> None:
    largest(TABLE[name])

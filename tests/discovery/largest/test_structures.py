"""The largest group of tied and factored weights, streams and products (mathematics.md 4.5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tests.discovery.largest.conftest import Move, Row, Subject, added, common, element, scaled
from torch import Tensor, nn

Function = Callable[[Tensor], Tensor]
WRITE, READ = "up.weight:0 up.bias:0", "down.weight:1"
TOKENS = torch.tensor([[0, 3, 5, 1, 2], [4, 4, 6, 2, 8]])


def tied(activation: Function) -> Subject:
    """An autoencoder whose second matrix is the first, transposed."""
    return Subject(lambda m, x: activation(x @ m.w.T) @ m.w, {"w": [8, 6]})


def twice(activation: Function) -> Subject:
    """One layer, used two times in turn."""
    return Subject(
        lambda m, x: m.down(activation(m.mid(activation(m.mid(m.up(x)))))),
        {"up": (6, 8), "mid": (8, 8), "down": (8, 4)},
    )


def language(norm: Callable[[], nn.Module], *, head: bool) -> Subject:
    """An embedding, a norm, and logits by the embedding or by a head."""

    def forward(m: Any, ids: Tensor) -> Tensor:
        y: Tensor = m.norm(m.token(ids))
        logits: Tensor = m.head(y) if head else y @ m.token.weight.T
        return logits

    parts: dict[str, Any] = {"token": lambda: nn.Embedding(9, 8), "norm": norm}
    return Subject(forward, {**parts, "head": (8, 9)} if head else parts, TOKENS, "folded")


def blunt() -> nn.Module:
    return nn.RMSNorm(8, eps=0.1)


def written(forward: Callable[..., Any], shape: Any = (5, 6), **parts: Any) -> Subject:
    return Subject(forward, parts, shape)


def kept(params: dict[str, Tensor]) -> None:
    """The norm's gain into the head."""
    params["head.weight"] *= params["norm.weight"]
    params["norm.weight"].fill_(1.0)


def jointly(word: str) -> Move:
    """A move of two axes that are summed over together, seen as one."""
    matrix = element(word, 8)

    def move(params: dict[str, Tensor]) -> None:
        params["a"] = (params["a"].flatten(1) @ matrix.T).view(6, 2, 4)
        params["b"] = (torch.linalg.inv(matrix).T @ params["b"].flatten(0, 1)).view(2, 4, 3)

    return move


UP_DOWN: dict[str, Any] = {"up": (6, 8), "down": (8, 4)}
LORA = written(lambda m, x: x @ (m.w + m.down @ m.up).T, w=[4, 6], down=[4, 8], up=[8, 6])
DORA = written(
    lambda m, x: x @ (m.size[:, None] * F.normalize(m.w + m.down @ m.up, dim=1, eps=0.0)).T,
    w=[4, 6], down=[4, 8], up=[8, 6], size=[4],
)  # fmt: skip
FACTORED = written(lambda m, x: F.gelu(m.down(m.up(x))), **UP_DOWN)
RESIDUAL = written(
    lambda m, x: m.down((y := m.up(x)) + m.back(F.relu(m.inner(y)))),
    **UP_DOWN, inner=(8, 9), back=(9, 8),
)  # fmt: skip
SKIPPED = written(
    lambda m, x: m.down((y := F.relu(m.up(x))) + m.back(F.relu(m.inner(y)))),
    **UP_DOWN, inner=(8, 9), back=(9, 8),
)  # fmt: skip
EINSUM = written(lambda m, x: torch.einsum("nd,dhk,hkf->nf", x, m.a, m.b), a=[6, 2, 4], b=[2, 4, 3])
BENT_EINSUM = written(
    lambda m, x: torch.einsum("nhk,hkf->nf", torch.tanh(torch.einsum("nd,dhk->nhk", x, m.a)), m.b),
    a=[6, 2, 4], b=[2, 4, 3],
)  # fmt: skip
MIXED = written(
    lambda m, x: torch.einsum("nhk,hkf->nf", torch.einsum("nd,dhk->nhk", x, m.a).softmax(-1), m.b),
    a=[6, 2, 4], b=[2, 4, 3],
)  # fmt: skip
JOINED = written(
    lambda m, x: m.down(torch.cat([F.relu(m.up(x)), torch.tanh(m.other(x))], -1)),
    up=(6, 8), other=(6, 8), down=(16, 4),
)  # fmt: skip
SLICED = written(
    lambda m, x: m.down(y := m.up(x)) + m.few(torch.tanh(y[:, :3])), **UP_DOWN, few=(3, 4)
)
SQUEEZED = written(
    lambda m, x: m.down((y := F.relu(m.up(x))) * torch.sigmoid(m.s(y.mean(1, keepdim=True)))),
    (2, 5, 6), **UP_DOWN, s=(8, 8),
)  # fmt: skip
LEARNED = written(
    lambda m, x: m.down(F.gelu(m.mid(m.up(x) + m.place))), (2, 5, 6), **UP_DOWN, mid=(8, 8),
    place=[5, 8],
)  # fmt: skip
CONSTANT = written(
    lambda m, x: m.down(F.gelu(m.mid(m.up(x) + torch.arange(40).to(x).sin().view(5, 8)))),
    (2, 5, 6), **UP_DOWN, mid=(8, 8),
)  # fmt: skip
LOGITS = Subject(lambda m, x: m.up(x).softmax(-1), {"up": (6, 8)}, gauge="folded")
TIED_LOGITS = language(blunt, head=False)
UNTIED = language(blunt, head=True)

TABLE = {
    "tied, tanh": Row(tied(torch.tanh), "B(8)", ("swap", "flip"), ("stretch", "turn"), "w:0"),
    "tied, relu": Row(tied(F.relu), "S(8)", ("swap",), ("stretch", "flip", "turn"), "w:0"),
    "tied, linear": Row(
        tied(torch.clone), "O(8)", ("swap", "flip", "turn"), ("stretch", "shear"), "w:0"
    ),
    "used twice, tanh": Row(
        twice(torch.tanh), "B(8)", ("swap", "flip"), ("stretch", "only flip"),
        f"{WRITE} mid.weight:0 mid.bias:0", f"mid.weight:1 {READ}",
    ),
    "used twice, linear": Row(
        twice(torch.clone), "GL(8)", ("shear", "turn"), ("only shear",),
        f"{WRITE} mid.weight:0 mid.bias:0", f"mid.weight:1 {READ}",
    ),
    "used twice, one side": Row(
        twice(torch.clone), "GL(8)", (), ("shear", "flip"), WRITE, "mid.weight:1"
    ),
    "LoRA": Row(LORA, "GL(8)", ("shear", "stretch", "flip"), ("only shear",), "up:0", "down:1"),
    "LoRA, base": Row(LORA, "1", (), (common("w"),), at="w:0"),
    "DoRA": Row(DORA, "GL(8)", ("shear", "stretch"), ("only shear",), "up:0", "down:1"),
    "DoRA, rows": Row(
        DORA, "R*(4)", ("stretch", ("flip 0", scaled(-1.0, "size", only=slice(1)))),
        ("flip", "swap", ("stretch 0", scaled(2.0, "size", only=slice(1)))), "w:0 down:0", size=4,
    ),
    "factored layer": Row(FACTORED, "GL(8)", ("shear", "turn"), ("only shear",), WRITE, READ),
    "residual without norm": Row(
        RESIDUAL, "GL(8)", ("shear", "turn", "stretch"), ("only shear",),
        f"{WRITE} back.weight:0 back.bias:0", "inner.weight:1 down.weight:1",
    ),
    "residual, one branch": Row(
        RESIDUAL, "GL(8)", (), ("shear", "flip"), WRITE, "inner.weight:1 down.weight:1"
    ),
    "residual behind relu": Row(
        SKIPPED, "M⁺(8)", ("swap", "stretch"), ("flip", "turn"),
        f"{WRITE} back.weight:0 back.bias:0", "inner.weight:1 down.weight:1",
    ),
    "einsum": Row(
        EINSUM, "GL(4)≀", (jointly("turn 0 3"), jointly("shear 4 5")),
        ("only shear",), at="a:2", writers="a:1", readers="b:0", size=2,
        missed=(jointly("shear 0 4"),),
    ),
    "einsum behind a bend": Row(
        BENT_EINSUM, "B(4)≀", ("swap", "flip"), ("stretch", "turn"), "a:2", "b:1", size=4
    ),
    "einsum behind a softmax": Row(
        MIXED, "S(4)≀", ("swap",), ("stretch", "flip", "turn"), "a:2", "b:1", size=4
    ),
    "einsum, outer": Row(
        MIXED, "S(2)", ("swap",), ("stretch", "turn"), "a:1", "b:0", size=2
    ),
    "joined branches": Row(
        JOINED, "M⁺(8)", ("swap", "stretch"), ("flip", "turn"), WRITE, READ
    ),
    "joined branches, the other": Row(
        JOINED, "B(8)", ("swap", "flip"), ("stretch", "turn"), "other.weight:0 other.bias:0",
        "down.weight:1+8",
    ),
    "across joined branches": Row(
        JOINED, "B(8)", (), ("swap", "flip"), "other.weight:0 other.bias:0", READ
    ),
    "slice": Row(
        SLICED, "B(3)", ("swap 0 2", "flip 0"), ("stretch 0", "turn 0 2"), WRITE,
        f"{READ} few.weight:1", size=3,
    ),
    "slice, rest": Row(
        SLICED, "GL(5)", ("turn 3 4", "shear 4 5"),
        ("turn 2 3", "swap 2 3", "shear 0 3"), WRITE, READ, at="up.weight:0+3",
        missed=("shear 3 0",),
    ),
    "squeezed and excited": Row(
        SQUEEZED, "M⁺(8)", ("stretch",), ("flip", "turn", "swap"), WRITE, f"{READ} s.weight:1"
    ),
    "probabilities": Row(
        LOGITS, "R(6)", (common("up.weight", "up.bias"),),
        (common("up.weight", dim=1), scaled(2.0, "up.weight", "up.bias"),
         added(0.7, "up.bias", only=slice(1))), at="up.weight.mean:0",
    ),
    "tied embedding": Row(
        TIED_LOGITS, "B(8)", ("swap", "flip"), ("turn", "stretch"), "token.weight:1",
        along="norm.weight:0",
    ),
    "untied embedding": Row(
        UNTIED, "O(8)", ((kept, "turn"), (kept, "flip")), ("turn", (kept, "shear")),
        "token.weight:1", "head.weight:1",
    ),
    "learned positions": Row(
        LEARNED, "GL(8)", ("shear",), ("only shear",), f"{WRITE} place:1", "mid.weight:1"
    ),
    "positions that are constant": Row(
        CONSTANT, "1", (), ("swap", "flip"), WRITE, "mid.weight:1"
    ),
    "tokens": Row(UNTIED, "1", (), ("swap",), "token.weight:0", at="token.weight:0"),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLE)
def test_the_group_is_the_largest(name: str, largest: Callable[[Row], None]) -> None:
    largest(TABLE[name])

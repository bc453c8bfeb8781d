"""Moves by hand that only look like symmetries: each breaks the function, and none is claimed."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isthmus import discover, verify
from isthmus.algebra.symmetry import Params
from isthmus.discovery.completeness import completeness
from isthmus.discovery.evaluation import double_inputs, run
from isthmus.discovery.verify import relative_change
from isthmus.ground.certificates import Verdict
from isthmus.ground.params import params_of
from isthmus.testing.zoo import randomise

GENERATOR = torch.Generator().manual_seed(5)
ROTATION = torch.linalg.qr(torch.randn(8, 8, generator=GENERATOR, dtype=torch.float64))[0]
ONES = torch.ones(8, dtype=torch.float64)
CENTRE = torch.eye(8, dtype=torch.float64) - torch.outer(ONES, ONES) / 8
KEEPING = torch.eye(8, dtype=torch.float64) - 2 * torch.outer(CENTRE[0], CENTRE[0]) / CENTRE[0, 0]
"""A mirror that keeps the vector of ones."""
MIRROR = torch.diag(torch.tensor([-1.0, 1, 1, 1, 1, 1, 1, 1], dtype=torch.float64))

Move = Callable[[Params], None]


def turned(matrix: Tensor, *readers: str) -> Move:
    """Writers ``a`` and ``b`` turned by a matrix, readers by its transpose."""

    def move(p: Params) -> None:
        for name in ("a", "b"):
            for part in ("weight", "bias"):
                if f"{name}.{part}" in p:
                    p[f"{name}.{part}"] = matrix @ p[f"{name}.{part}"]
        for name in readers:
            p[f"{name}.weight"] = p[f"{name}.weight"] @ matrix.T

    return move


def folded(*readers: str) -> Move:
    """The gain of ``n`` into its readers."""

    def move(p: Params) -> None:
        for name in readers:
            shape = (1, -1) + (1,) * (p[f"{name}.weight"].dim() - 2)
            p[f"{name}.weight"] = p[f"{name}.weight"] * p["n.weight"].view(shape)
        p["n.weight"] = torch.ones_like(p["n.weight"])

    return move


def unshifted(reader: str) -> Move:
    """The bias of ``n`` into its reader's."""

    def move(p: Params) -> None:
        weight = p[f"{reader}.weight"]
        p[f"{reader}.bias"] = p[f"{reader}.bias"] + weight.flatten(2).sum(2) @ p["n.bias"] if (
            weight.dim() > 2) else p[f"{reader}.bias"] + weight @ p["n.bias"]  # fmt: skip
        p["n.bias"] = torch.zeros_like(p["n.bias"])

    return move


def scaled(factor: float, *names: str) -> Move:
    def move(p: Params) -> None:
        for name in names:
            p[name] = p[name] * factor

    return move


def raised(*names: str, dim: int = 0) -> Move:
    """What is the same along one dimension, added."""

    def move(p: Params) -> None:
        for name in names:
            shape = [1 if d == dim else n for d, n in enumerate(p[name].shape)]
            noise = torch.randn(shape, generator=torch.Generator().manual_seed(2))
            p[name] = p[name] + noise.double()

    return move


def both(*moves: Move) -> Move:
    def move(p: Params) -> None:
        for one in moves:
            one(p)

    return move


def layer(**options: Any) -> nn.Module:
    return nn.LayerNorm(8, **options)


def pre(m: Any, x: Tensor) -> Tensor:
    out: Tensor = m.o(m.n(m.a(x)))
    return out


def stream(m: Any, x: Tensor) -> Tensor:
    """The norm is read by a layer and by the residual."""
    h = m.n(m.a(x))
    out: Tensor = m.o(h + m.b(F.gelu(h)))
    return out


def beside(m: Any, x: Tensor) -> Tensor:
    """A linear head reads the stream beside the norm."""
    h = m.a(x)
    out: Tensor = m.o(m.n(h)) + m.c(h)
    return out


def convolved(m: Any, x: Tensor) -> Tensor:
    out: Tensor = m.o(m.n(m.a(x)).transpose(1, 2))
    return out


PLAIN: dict[str, Any] = {"a": (6, 8), "n": layer, "o": (8, 4)}
RMS: dict[str, Any] = {"a": (6, 8), "n": lambda: nn.RMSNorm(8, eps=0.1), "o": (8, 4)}
TWICE: dict[str, Any] = {**PLAIN, "b": (8, 8)}
HEADED: dict[str, Any] = {**PLAIN, "c": (8, 4)}
PADDED: dict[str, Any] = {"a": (6, 8), "n": layer, "o": lambda: nn.Conv1d(8, 4, 3, padding=1)}
VALID: dict[str, Any] = {"a": (6, 8), "n": layer, "o": lambda: nn.Conv1d(8, 4, 3)}
BATCH: dict[str, Any] = {"a": (6, 8), "n": lambda: nn.BatchNorm1d(8), "o": (8, 4)}
DEEP: dict[str, Any] = {
    "a": (6, 8), "d": lambda: nn.Conv1d(8, 8, 3, groups=8), "n": layer, "o": (8, 4),
}  # fmt: skip


def depthwise(m: Any, x: Tensor) -> Tensor:
    out: Tensor = m.o(m.n(m.d(m.a(x).transpose(1, 2)).transpose(1, 2)))
    return out


def batch(m: Any, x: Tensor) -> Tensor:
    out: Tensor = m.o(F.relu(m.n(m.a(x[:, 0]))))
    return out


def capped(m: Any, x: Tensor) -> Tensor:
    out: Tensor = torch.tanh(m.o(F.gelu(m.a(x)))).log_softmax(-1)
    return out


def ended(m: Any, x: Tensor) -> Tensor:
    out: Tensor = m.o(F.gelu(m.a(x))).log_softmax(-1)
    return out


CASES: dict[str, tuple[Callable[..., Tensor], dict[str, Any], Move, bool]] = {
    # a rotation of the stream
    "without folding": (pre, RMS, turned(ROTATION, "o"), False),
    "after folding": (pre, RMS, both(folded("o"), turned(ROTATION, "o")), True),
    "behind a layer norm": (
        pre, PLAIN, both(unshifted("o"), folded("o"), turned(ROTATION, "o")), False,
    ),
    "a mirror that moves the mean": (
        pre, PLAIN, both(unshifted("o"), folded("o"), turned(MIRROR, "o")), False,
    ),
    "a mirror that keeps the mean": (
        pre, PLAIN, both(unshifted("o"), folded("o"), turned(KEEPING, "o")), True,
    ),
    # gains and biases
    "a gain that a residual reads": (stream, TWICE, folded("o", "b"), False),
    "a gain": (pre, PLAIN, both(unshifted("o"), folded("o")), True),
    "a bias before padding": (convolved, PADDED, unshifted("o"), False),
    "a bias before a kernel": (convolved, VALID, unshifted("o"), True),
    "a batch norm's bias before relu": (batch, BATCH, unshifted("o"), False),
    # lengths and means
    "the length of the stream": (pre, RMS, scaled(2.0, "a.weight", "a.bias"), False),
    "a mean that a head reads": (beside, HEADED, raised("a.weight", "a.bias"), False),
    "a mean": (pre, PLAIN, raised("a.weight", "a.bias"), True),
    "a mean of a depthwise kernel": (depthwise, DEEP, raised("d.weight"), False),
    "a reader's mean": (
        pre, PLAIN, both(unshifted("o"), folded("o"), raised("o.weight", dim=1)), True,
    ),
    "a reader's mean before folding": (pre, PLAIN, raised("o.weight", dim=1), False),
    "logits behind a cap": (capped, {"a": (6, 8), "o": (8, 4)}, raised("o.bias"), False),
    "logits": (ended, {"a": (6, 8), "o": (8, 4)}, raised("o.weight", "o.bias"), True),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_moves_by_hand(tools: SimpleNamespace, name: str) -> None:
    forward, parts, move, good = CASES[name]
    model = randomise(tools.written(forward, **parts), 1).double()
    params = params_of(model)
    moved = dict(params)
    move(moved)
    inputs = double_inputs(tools.noise(2, 5, 6), torch.Generator().manual_seed(0))
    change = relative_change(run(model, params, inputs), run(model, moved, inputs))
    assert change < 1e-9 if good else change > 1e-3, change


@pytest.mark.parametrize(("forward", "parts"), [
    (pre, PLAIN), (pre, RMS), (stream, TWICE), (beside, HEADED), (convolved, PADDED),
    (convolved, VALID), (batch, BATCH), (depthwise, DEEP), (capped, {"a": (6, 8), "o": (8, 4)}),
])  # fmt: skip
def test_nothing_more_than_the_nullity_is_claimed(
    tools: SimpleNamespace, forward: Callable[..., Tensor], parts: dict[str, Any]
) -> None:
    model, example = tools.written(forward, **parts), tools.noise(2, 5, 6)
    symmetry = discover(model, example)
    assert verify(symmetry, model, example).verdict is Verdict.TESTED
    counted = completeness(symmetry, model, example)
    assert counted.sound
    assert counted.explained <= counted.nullity


def test_a_tied_embedding_keeps_the_last_gain() -> None:
    """Folding it into the head would change the embedding, too."""

    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.token, self.n = nn.Embedding(9, 8), nn.LayerNorm(8)
            self.o = nn.Linear(8, 9, bias=False)
            self.o.weight = self.token.weight

        def forward(self, ids: Tensor) -> Tensor:
            out: Tensor = self.o(self.n(self.token(ids)))
            return out

    model, ids = Tied().eval(), torch.arange(8).view(2, 4)
    symmetry = discover(model, ids)
    assert not {"n.weight", "n.bias"} & set(symmetry.chart.canonical)
    assert verify(symmetry, model, ids).verdict is Verdict.TESTED


class Epsilon(nn.Module):
    """Two embeddings before a norm, drawn as BERT draws them."""

    def __init__(self, eps: float) -> None:
        super().__init__()
        self.token, self.place = nn.Embedding(9, 8), nn.Embedding(4, 8)
        self.n, self.o = nn.LayerNorm(8, eps=eps), nn.Linear(8, 3)
        for table in (self.token, self.place):
            nn.init.normal_(table.weight, std=0.02)

    def forward(self, ids: Tensor) -> Tensor:
        places = torch.arange(ids.shape[1], device=ids.device)
        out: Tensor = self.o(self.n(self.token(ids) + self.place(places)))
        return out


@pytest.mark.parametrize(("eps", "free"), [(1e-30, True), (1e-16, True), (1e-12, False),
                                           (1e-5, False)])  # fmt: skip
def test_an_epsilon_that_is_felt_keeps_the_length(eps: float, free: bool) -> None:
    model, ids = Epsilon(eps).eval(), torch.arange(8).view(2, 4)
    symmetry = discover(model, ids)
    assert any(name.endswith("level") for name in symmetry.chart.canonical) == free
    certificate = verify(symmetry, model, ids, randomise=False)
    assert certificate.verdict is Verdict.TESTED

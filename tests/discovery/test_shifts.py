"""Shifts: what is free, and the traps in which a bias only looks free."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tests.discovery.conftest import shifted
from torch import Tensor, nn

from isthmus.algebra.symmetry import Symmetry
from isthmus.discovery.completeness import completeness
from isthmus.ground.certificates import Verdict

sdpa = F.scaled_dot_product_attention
HEADS: dict[str, Any] = {"q": (6, 8), "k": (6, 8), "v": (6, 8), "o": (8, 4)}
WAVES = torch.arange(25.0).view(5, 5).sin()

BEFORE = torch.ones(5, 5).tril().bool()


def scores(m: Any, x: Tensor) -> Tensor:
    out: Tensor = m.q(x) @ m.k(x).transpose(1, 2)
    return out


def holds(
    tools: SimpleNamespace, forward: Callable[..., Any], example: Tensor | None = None, **parts: Any
) -> Symmetry:
    """The symmetry, tested, with no more generators than flat directions."""
    example = tools.noise(2, 5, 6) if example is None else example
    symmetry, certificate = tools.typed(forward, example, samples=4, **parts)
    assert certificate.verdict is Verdict.TESTED, f"{certificate}\n{symmetry}"
    counted = completeness(symmetry, tools.written(forward, **parts), example)
    assert counted.sound, str(counted)
    assert counted.explained <= counted.nullity
    return symmetry  # type: ignore[no-any-return]


FREE: dict[str, tuple[Callable[..., Any], set[str], dict[str, Any]]] = {
    "key and value": (
        lambda m, x: m.o(sdpa(m.q(x), m.k(x), m.v(x))), {"k.bias", "v.bias"}, HEADS,
    ),
    "written out": (
        lambda m, x: m.o(scores(m, x).softmax(-1) @ m.v(x)), {"k.bias", "v.bias"}, HEADS,
    ),
    "masked": (
        lambda m, x: m.o(
            scores(m, x).masked_fill(torch.ones(5, 5).triu(1).bool(), -torch.inf).softmax(-1)
            @ m.v(x)
        ),
        {"k.bias", "v.bias"}, HEADS,
    ),
    "hidden by choice": (
        lambda m, x: m.o(
            torch.where(BEFORE, scores(m, x), torch.tensor(-1e30)).softmax(-1) @ m.v(x)
        ),
        {"k.bias", "v.bias"}, HEADS,
    ),
    "a sum of two": (
        lambda m, x: F.gelu(m.q(x) + m.k(x)), {"q.bias"}, {"q": (6, 8), "k": (6, 8)},
    ),
    "one layer after another": (lambda m, x: m.o(m.q(x)), {"q.bias"}, {"q": (6, 8), "o": (8, 4)}),
    "positions beyond the input": (
        lambda m, x: F.gelu(m.q(x) + m.p[:5]), {"q.bias"}, {"q": (6, 8), "p": [9, 8]},
    ),
    "logits before a softmax": (
        lambda m, x: m.q(x).log_softmax(-1), {"q.weight.mean", "q.bias.mean"}, {"q": (6, 8)},
    ),
    "averages": (
        lambda m, x: m.o(F.avg_pool1d(m.q(x).transpose(1, 2), 2).transpose(1, 2)),
        {"q.bias"}, {"q": (6, 8), "o": (8, 4)},
    ),
    "dropout in evaluation": (
        lambda m, x: m.o(F.dropout(m.q(x), 0.5, training=False)),
        {"q.bias"}, {"q": (6, 8), "o": (8, 4)},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FREE)
def test_what_may_be_shifted(tools: SimpleNamespace, name: str) -> None:
    forward, expected, parts = FREE[name]
    assert shifted(holds(tools, forward, **parts)) == expected


def sink(m: Any, x: Tensor) -> Tensor:
    wide = torch.cat([scores(m, x), m.s.expand(2, 5, 1)], -1).softmax(-1)
    out: Tensor = m.o(wide[..., :-1] @ m.v(x))
    return out


def in_place(m: Any, x: Tensor) -> Tensor:
    y = m.q(x)
    y.add_(torch.tanh(y))
    out: Tensor = m.o(y)
    return out


FELT: dict[str, tuple[Callable[..., Any], set[str], dict[str, Any]]] = {
    "a cap on scores": (
        lambda m, x: m.o(torch.tanh(scores(m, x)).softmax(-1) @ m.v(x)), {"v.bias"}, HEADS,
    ),
    "places chosen, not hidden": (
        lambda m, x: m.o(torch.where(BEFORE, scores(m, x), 0.0).softmax(-1) @ m.v(x)),
        {"v.bias"}, HEADS,
    ),
    "places chosen by scores": (
        lambda m, x: m.o(
            (lambda s: torch.where(s > 0.1, s, -1e30))(scores(m, x)).softmax(-1) @ m.v(x)
        ),
        {"v.bias"}, HEADS,
    ),
    "scores instead of hidden ones, twice": (
        lambda m, x: m.o(
            (lambda s: torch.where(BEFORE, s, s.softmax(-1)))(scores(m, x)).softmax(-1) @ m.v(x)
        ),
        {"v.bias"}, HEADS,
    ),
    "a sink": (sink, set(), {**HEADS, "s": [1]}),
    "weights gated behind the softmax": (
        lambda m, x: m.o(scores(m, x).softmax(-1) * torch.sigmoid(x[..., :1]) @ m.v(x)),
        {"k.bias"}, HEADS,
    ),
    "weights by relu": (lambda m, x: m.o(F.relu(scores(m, x)) @ m.v(x)), set(), HEADS),
    "a softmax over queries": (lambda m, x: m.o(scores(m, x).softmax(-2) @ m.v(x)), set(), HEADS),
    "scores multiplied by a mask": (
        lambda m, x: m.o((scores(m, x) * torch.ones(5, 5).tril().to(x)).softmax(-1) @ m.v(x)),
        {"v.bias"}, HEADS,
    ),
    "keys that are values": (
        lambda m, x: m.o(sdpa(m.q(x), m.k(x), m.k(x))), set(),
        {"q": (6, 8), "k": (6, 8), "o": (8, 4)},
    ),
    "keys that are queries": (
        lambda m, x: m.o(sdpa(m.q(x), m.q(x), m.v(x))), {"v.bias"},
        {"q": (6, 8), "v": (6, 8), "o": (8, 4)},
    ),
    "a bias read elsewhere": (
        lambda m, x: m.o(sdpa(m.q(x), m.k(x), m.v(x) + m.k.bias)), {"v.bias"}, HEADS,
    ),
    "a bias returned": (lambda m, x: (m.o(m.q(x)), m.q.bias), set(), {"q": (6, 8), "o": (8, 4)}),
    "a sum returned": (
        lambda m, x: (lambda y: (y, m.o(y)))(m.q(x)), set(), {"q": (6, 8), "o": (8, 4)},
    ),
    "padding": (
        lambda m, x: m.c(m.q(x).transpose(1, 2)), set(),
        {"q": (6, 8), "c": nn.Conv1d(8, 4, 3, padding=1)},
    ),
    "sums for averages": (
        lambda m, x: m.c(F.avg_pool2d(m.d(x[:, None]), 2, divisor_override=1)), set(),
        {"d": nn.Conv2d(1, 4, 1), "c": nn.Conv2d(4, 3, 1)},
    ),
    "averages with zeros around": (
        lambda m, x: m.c(F.avg_pool1d(m.q(x).transpose(1, 2), 3, 1, 1)), set(),
        {"q": (6, 8), "c": nn.Conv1d(8, 4, 1)},
    ),
    "a cast to integers": (
        lambda m, x: m.o((9 * m.q(x)).to(torch.int64).to(x.dtype)), set(),
        {"q": (6, 8), "o": (8, 4)},
    ),
    "a capped softmax": (lambda m, x: torch.tanh(m.q(x)).log_softmax(-1), set(), {"q": (6, 8)}),
    "added in place": (in_place, set(), {"q": (6, 8), "o": (8, 4)}),
    "a layer used twice": (
        lambda m, x: m.o(m.q(F.gelu(m.q(x)))), set(), {"q": (6, 6), "o": (6, 4)},
    ),
    "a mean over one dimension behind another": (
        lambda m, x: m.n(WAVES.to(x) @ m.q(x[0])).transpose(0, 1), {"q.weight.mean", "q.bias.mean"},
        {"q": (6, 8), "n": nn.LayerNorm(8, elementwise_affine=False)},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FELT)
def test_what_may_not_be_shifted(tools: SimpleNamespace, name: str) -> None:
    forward, expected, parts = FELT[name]
    assert shifted(holds(tools, forward, **parts)) == expected


def test_a_vector_behind_a_matrix_is_summed_over(tools: SimpleNamespace) -> None:
    """Without a batch, ``matrix @ vector`` mixes the features themselves."""
    norm = {"a": (6, 6), "n": nn.LayerNorm(6), "w": [6, 6], "o": (6, 6)}
    one = tools.noise(6)
    symmetry = holds(tools, lambda m, x: m.o(m.w @ m.n(m.a(x))), one, **norm)
    assert "o.weight.mean" not in shifted(symmetry)
    holds(tools, lambda m, x: m.n(m.w @ m.a(x)), one, **norm)


@pytest.mark.parametrize("pool", [F.avg_pool1d, F.max_pool1d])
def test_unbatched_pictures(tools: SimpleNamespace, pool: Callable[..., Tensor]) -> None:
    parts = {"a": (6, 6), "n": nn.LayerNorm(6), "o": (6, 6), "c": nn.Conv1d(5, 6, 1)}
    one = tools.noise(5, 6)
    holds(tools, lambda m, x: m.o(pool(m.n(m.a(x)), 3, 1, 1)), one, **parts)
    holds(tools, lambda m, x: m.o(m.n(m.c(x))), one, **parts)


def test_a_gru_has_one_double_bias_less(tools: SimpleNamespace) -> None:
    """Reset and update gates add both biases; the new gate multiplies one by the reset gate."""
    symmetry = holds(tools, lambda m, x: m.o(m.r(x)[0]),
                     r=nn.GRU(6, 4, batch_first=True), o=(4, 3))  # fmt: skip
    assert symmetry.spaces["r.bias_hh_l0.shift"].group.lie_dim == 8


def moved_by_hand(tools: SimpleNamespace, name: str, bias: str) -> float:
    """How much a shift of one bias changes the function, by itself."""
    from isthmus.discovery.evaluation import double_inputs, run
    from isthmus.discovery.verify import relative_change
    from isthmus.ground.params import params_of

    forward, _, parts = {**FREE, **FELT}[name]
    model = tools.written(forward, **parts).double()
    params = params_of(model)
    inputs = double_inputs(tools.noise(2, 5, 6), torch.Generator().manual_seed(0))
    moved = {**params, bias: params[bias] + torch.linspace(1, 2, len(params[bias])).double()}
    return relative_change(run(model, params, inputs), run(model, moved, inputs))


@pytest.mark.parametrize(
    "name",
    ["a cap on scores", "a sink", "weights by relu", "a softmax over queries",
     "scores multiplied by a mask", "keys that are values", "a bias read elsewhere"],
)  # fmt: skip
def test_the_key_s_bias_is_felt(tools: SimpleNamespace, name: str) -> None:
    assert moved_by_hand(tools, name, "k.bias") > 1e-3


@pytest.mark.parametrize("name", ["key and value", "written out", "masked"])
def test_the_key_s_bias_is_not_felt(tools: SimpleNamespace, name: str) -> None:
    assert moved_by_hand(tools, name, "k.bias") < 1e-9

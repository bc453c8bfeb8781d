"""What a shift or a mean passes on its way to where it is lost or made up for."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tests.discovery.conftest import shifted
from torch import Tensor, nn

from isthmus.discovery import verify
from isthmus.discovery.completeness import completeness
from isthmus.ground.certificates import Verdict

sdpa = F.scaled_dot_product_attention
HEADS: dict[str, Any] = {"q": (6, 8), "k": (6, 8), "v": (6, 8), "o": (8, 4)}
PLACES = torch.arange(5)[:, None] - torch.arange(5)[None, :] + 4
CAUSAL = torch.ones(5, 5).tril().bool()
IDS = torch.arange(18).view(2, 9)


def mixed(m: Any, x: Tensor, mask: Tensor) -> Tensor:
    """One head with a mask that is added."""
    out: Tensor = m.o(sdpa(m.q(x), m.k(x), m.v(x), attn_mask=mask))
    return out


def distances(m: Any) -> Tensor:
    out: Tensor = m.t[PLACES][..., 0]
    return out


def tied(m: Any, ids: Tensor) -> Tensor:
    x = m.n(torch.tanh(m.mix(m.e(ids))))
    out: Tensor = F.linear(x, m.e.weight, m.b)
    return out


TIED: dict[str, Any] = {
    "e": nn.Embedding(18, 4), "mix": (4, 4), "n": nn.LayerNorm(4), "b": [18],
}  # fmt: skip
TABLE: dict[str, Any] = {**HEADS, "t": [9, 1]}
STREAM: dict[str, Any] = {
    "a": (6, 4), "b": (4, 4), "n": nn.LayerNorm(4, elementwise_affine=False), "o": (4, 4),
}  # fmt: skip
ATTENTION = {"k.bias", "v.bias"}

PASSED: dict[str, tuple[Callable[..., Any], set[str], dict[str, Any], Any]] = {
    "a norm's bias before a head that is tied": (tied, {"n.bias"}, TIED, IDS),
    "a head whose bias is written apart": (
        lambda m, x: F.linear(m.n(x), m.w) + m.b, {"n.bias", "w.mean"},
        {"n": nn.LayerNorm(6), "w": [9, 6], "b": [9]}, None,
    ),
    "a row of biases written apart": (
        lambda m, x: m.b + m.n(x) @ m.w, {"n.bias", "w.mean"},
        {"n": nn.LayerNorm(6), "w": [6, 9], "b": [1, 9]}, None,
    ),
    "a table of distances in a mask": (
        lambda m, x: mixed(m, x, distances(m)), {*ATTENTION, "t.shift"}, TABLE, None,
    ),
    "a table of distances behind a causal mask": (
        lambda m, x: mixed(m, x, torch.where(CAUSAL, distances(m), -3e38)),
        {*ATTENTION, "t.shift"}, TABLE, None,
    ),
    "a causal mask the other way about": (
        lambda m, x: mixed(m, x, torch.where(~CAUSAL, -3e38, distances(m))),
        {*ATTENTION, "t.shift"}, TABLE, None,
    ),
    "a mask of parameters": (
        lambda m, x: mixed(m, x, m.p), {*ATTENTION, "p.mean"}, {**HEADS, "p": [5, 5]}, None,
    ),
    "a position that integers choose": (
        lambda m, x: m.o(m.n(m.q(x))[torch.arange(2), x[..., 0].argmax(1)]),
        {"q.weight.mean", "q.bias.mean", "n.bias", "o.weight.mean"},
        {"q": (6, 8), "n": nn.LayerNorm(8), "o": (8, 4)}, None,
    ),
    "positions in another order": (
        lambda m, x: m.o(m.q(x).index_select(1, torch.tensor([3, 0, 3]))),
        {"q.bias"}, {"q": (6, 8), "o": (8, 4)}, None,
    ),
    "padding by nothing": (
        lambda m, x: m.o(F.pad(m.q(x), (0, 0, 0, 0))), {"q.bias"}, {"q": (6, 8), "o": (8, 4)},
        None,
    ),
    "what is computed and not read": (
        lambda m, x: (lambda y: (y.view(2, -1).t(), m.o(m.n(y + m.b(m.n(y)))))[1])(m.a(x)),
        {"a.weight.mean", "a.bias.mean", "b.weight.mean", "b.bias.mean", "b.weight.mean1",
         "o.weight.mean"},
        STREAM, None,
    ),
}  # fmt: skip

STOPPED: dict[str, tuple[Callable[..., Any], set[str], dict[str, Any], Any]] = {
    "a tied head without a bias": (
        lambda m, ids: F.linear(m.n(torch.tanh(m.mix(m.e(ids)))), m.e.weight), set(),
        {name: part for name, part in TIED.items() if name != "b"}, IDS,
    ),
    "a bias apart for each position": (
        lambda m, x: F.linear(m.n(x), m.w) + m.b, {"n.bias.shift"},
        {"n": nn.LayerNorm(6), "w": [5, 6], "b": [5, 1]}, None,
    ),
    "a bias apart that is read twice": (
        lambda m, x: (F.linear(m.n(x), m.w) + m.b) * m.b.tanh(), {"n.bias.shift"},
        {"n": nn.LayerNorm(6), "w": [9, 6], "b": [9]}, None,
    ),
    "a bias apart behind what is returned": (
        lambda m, x: (lambda y: (y, y + m.b))(F.linear(m.n(x), m.w)), {"n.bias.shift"},
        {"n": nn.LayerNorm(6), "w": [9, 6], "b": [9]}, None,
    ),
    "a table of distances that is returned": (
        lambda m, x: (mixed(m, x, distances(m)), distances(m)), ATTENTION, TABLE, None,
    ),
    "a table of distances that scales": (
        lambda m, x: m.o((m.q(x) @ m.k(x).mT * distances(m)).softmax(-1) @ m.v(x)), {"v.bias"},
        TABLE, None,
    ),
    "a mask along the queries": (
        lambda m, x: m.o((m.q(x) @ m.k(x).mT + m.p).softmax(-2) @ m.v(x)), {"p.mean"},
        {**HEADS, "p": [5, 5]}, None,
    ),
    "a fill that hides nothing": (
        lambda m, x: mixed(m, x, torch.where(CAUSAL, distances(m), -3.0)), ATTENTION, TABLE, None,
    ),
    "hidden, but not before a softmax": (
        lambda m, x: m.o(torch.where(CAUSAL, distances(m), -3e38).sigmoid() @ m.v(x)), set(),
        {"v": (6, 8), "o": (8, 4), "t": [9, 1]}, None,
    ),
    "a sum of a mask and zeros beside it": (
        lambda m, x: m.o(sdpa(m.q(x), m.k(x), m.v(x), attn_mask=F.pad(m.p, (0, 1)))), ATTENTION,
        {**HEADS, "p": [5, 4]}, None,
    ),
    "features that integers choose": (
        lambda m, x: m.o(m.q(x)[..., torch.tensor([3, 0, 3])]), set(),
        {"q": (6, 4), "o": (3, 4)}, None,
    ),
    "features from other positions": (
        lambda m, x: m.n(m.q(x).gather(1, torch.arange(40).view(2, 5, 4) * 7 % 5)), set(),
        {"q": (6, 4), "n": nn.LayerNorm(4, elementwise_affine=False)}, None,
    ),
    "a position that integers choose, returned": (
        lambda m, x: (m.o(m.q(x)), m.q(x)[torch.arange(2), x[..., 0].argmax(1)]), set(),
        {"q": (6, 8), "o": (8, 4)}, None,
    ),
    "zeros around": (
        lambda m, x: m.o(F.pad(m.q(x), (0, 0, 1, 1))), set(), {"q": (6, 8), "o": (8, 4)}, None,
    ),
}  # fmt: skip


def check(tools: SimpleNamespace, case: tuple[Callable[..., Any], set[str], Any, Any]) -> None:
    """These shifts and no others; true at both scales; no more generators than flat directions."""
    forward, expected, parts, example = case
    example = tools.noise(2, 5, 6) if example is None else example
    symmetry, certificate = tools.typed(forward, example, samples=4, **parts)
    assert certificate.verdict is Verdict.TESTED, f"{certificate}\n{symmetry}"
    assert shifted(symmetry) == expected
    model = tools.written(forward, **parts)
    small = verify(symmetry, model, example, samples=4, scale=0.1)
    assert small.evidence["relative_error"] < 1e-9
    counted = completeness(symmetry, model, example)
    assert counted.sound, str(counted)
    assert counted.explained <= counted.nullity


@pytest.mark.parametrize("name", PASSED)
def test_what_is_passed(tools: SimpleNamespace, name: str) -> None:
    check(tools, PASSED[name])


@pytest.mark.parametrize("name", STOPPED)
def test_what_is_not_passed(tools: SimpleNamespace, name: str) -> None:
    check(tools, STOPPED[name])

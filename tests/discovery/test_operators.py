"""Single operators: what each leaves of the group, and that nothing unsound comes out of it."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from isthmus.discovery import discover, verify

Forward = Callable[[Any, Tensor], Tensor]

ONE: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "linear": (lambda y: 2 * y, "GL(8)"),
    "shift": (lambda y: y + 1, "S(8)"),
    "a power that is a fraction": (lambda y: torch.relu(y) ** 1.5, "M⁺(8)"),
    "a third": (lambda y: torch.relu(y) ** (1 / 3), "M⁺(8)"),
    "a power that is no fraction": (lambda y: torch.relu(y) ** 0.123456789, "S(8)"),
    "a base": (lambda y: 2**y, "S(8)"),
    "reciprocal": (lambda y: 1 / y, "M(8)"),
    "root": (lambda y: torch.relu(y).sqrt(), "M⁺(8)"),
    "cast to integers": (lambda y: (3 * torch.relu(y)).to(torch.int32).to(y.dtype), "S(8)"),
    "cast to truth values": (lambda y: (y > 0).to(y.dtype), "M⁺(8)"),
    "truth of a value": (lambda y: y.bool().to(y.dtype), "S(8)"),
    "cast to half and back": (lambda y: y.to(torch.float64).to(y.dtype), "GL(8)"),
    "softmax": (lambda y: y.softmax(-1), "S(8)"),
    "softmax of some": (
        lambda y: y.masked_fill(torch.arange(8) % 3 == 0, -1e9).softmax(-1),
        "1",
    ),
    "centring": (lambda y: y - y.mean(-1, keepdim=True), "S(8)"),
    "normalising": (lambda y: F.normalize(y, dim=-1), "B(8)"),
    "dividing by a sum": (lambda y: y / y.abs().sum(-1, keepdim=True), "B(8)"),
    "clamp at zero": (lambda y: y.clamp(min=0), "M⁺(8)"),
    "clamp both sides": (lambda y: y.clamp(-0.1, 0.1), "B(8)"),
    "clamp at a number": (lambda y: y.clamp(max=0.2), "S(8)"),
    "rounding": (lambda y: (5 * y).round(), "B(8)"),
    "rounding down": (lambda y: torch.div(y, 0.1, rounding_mode="floor"), "S(8)"),
    "above a number": (lambda y: y * (y > 0.1), "S(8)"),
    "above zero": (lambda y: y * (y > 0), "M⁺(8)"),
    "an unknown elementwise function": (torch.special.i0e, "S(8)"),
    "products of all": (lambda y: y * y.prod(-1, keepdim=True), "S(8)"),
    "with a maximum": (lambda y: y - y.amax(-1, keepdim=True), "S(8)"),
}


@pytest.mark.parametrize("kind", ONE)
def test_functions_of_one_tensor(kind: str, tools: SimpleNamespace) -> None:
    function, expected = ONE[kind]
    assert tools.groups(lambda m, x: m.h(function(m.a(x))), a=(6, 8), h=(8, 4)) == expected


TWO: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], str]] = {
    "product": (lambda a, b: a * b, "M(8;2,2)"),
    "quotient": (lambda a, b: torch.relu(a) / b.abs(), "M(8;2,1)"),
    "larger": (torch.maximum, "M⁺(8)"),
    "chosen by comparison": (lambda a, b: torch.where(a > b, a, b), "M⁺(8)"),
    "chosen by sign": (lambda a, b: torch.where(a > 0, b, -b), "M(8;2,1)"),
    "chosen or nothing": (lambda a, b: torch.where(a > 0.1, b, 0.0), "M(8)"),
    "masked": (lambda a, b: b * (a > 0), "M(8;2,1)"),
    "filled where": (lambda a, b: b.masked_fill(a > 0, 0.0), "M(8;2,1)"),
    "clamped from below": (lambda a, b: a.clamp(min=b), "M⁺(8)"),
    "clamped between": (lambda a, b: a.clamp(b, b + 1), "S(8)"),
    "divided and rounded": (lambda a, b: torch.div(a, b, rounding_mode="floor"), "S(8)"),
    "mixed": (lambda a, b: torch.lerp(a, b, 0.3), "GL(8)"),
    "added thrice": (lambda a, b: torch.addcmul(a, b, b, value=0.5), "M(8)"),
    "two unknown to the table": (torch.atan2, "S(8)"),
    "log of sums": (torch.logaddexp, "S(8)"),
    "contracted": (lambda a, b: (a * b).sum(-1, keepdim=True) * a, "M(8)"),
    "a dot product": (lambda a, b: (a[:, None] @ b[:, :, None])[:, :, 0].expand(-1, 8), "GL(8)"),
}


@pytest.mark.parametrize("kind", TWO)
def test_functions_of_two_tensors(kind: str, tools: SimpleNamespace) -> None:
    function, expected = TWO[kind]
    found = tools.groups(lambda m, x: m.h(function(m.a(x), m.b(x))), a=(6, 8), b=(6, 8), h=(8, 4))
    # A reader of eight equal numbers has a symmetry of its own.
    assert found.replace(" × S(8)", "") == expected.replace(" × S(8)", "")


POSITIONS: dict[str, tuple[Forward, tuple[int, ...], dict[str, Any], str]] = {
    "patches as columns": (
        lambda m, x: m.h(F.unfold(m.a(x), 3).mT),
        (2, 3, 8, 8),
        {"a": (8, 8), "h": (27, 4)},
        "1",
    ),
    "sampling at computed places": (
        lambda m, x: F.grid_sample(
            torch.arange(96, dtype=x.dtype).sin().view(2, 3, 4, 4),
            m.a(x).view(2, 4, 4, 2),
            align_corners=False,
        ),
        (2, 6),
        {"a": (6, 32)},
        "1",
    ),
    "a factorisation machine": (
        lambda m, x: ((x @ m.v).square() - x.square() @ m.v.square()).sum(1, keepdim=True),
        (2, 6),
        {"v": [6, 8]},
        "B(8)",
    ),
    "a class token": (
        lambda m, x: m.h(torch.cat([m.c.expand(2, 1, 8), m.a(x)], 1).mean(1)),
        (2, 5, 6),
        {"c": [1, 8], "a": (6, 8), "h": (8, 4)},
        "M(8)",
    ),
    "pooling by attention": (
        lambda m, x: m.h(torch.einsum("bt,btd->bd", (m.a(x) @ m.q).softmax(-1), m.a(x))),
        (2, 5, 6),
        {"a": (6, 8), "q": [8], "h": (8, 4)},
        "M(8)",
    ),
    "the largest chosen": (
        lambda m, x: m.h(m.a(x) * (m.a(x).argmax(-1, keepdim=True) > 3)),
        (2, 6),
        {"a": (6, 8), "h": (8, 4)},
        "1",
    ),
}


@pytest.mark.parametrize("kind", POSITIONS)
def test_operators_on_positions(kind: str, tools: SimpleNamespace) -> None:
    forward, shape, parts, expected = POSITIONS[kind]
    found = tools.groups(forward, tools.noise(*shape), **parts)
    if kind == "pooling by attention" or kind == "a class token":
        assert found in ("M(8)", "GL(8)")
    else:
        assert found == expected


def two(m: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    a: Tensor = m.a(x)
    b: Tensor = m.b(x)
    return a, b


def relu_in_place(m: Any, x: Tensor) -> Tensor:
    y, other = two(m, x)
    F.relu_(y)
    return y + other * 0


def added_to_an_alias(m: Any, x: Tensor) -> Tensor:
    y, other = two(m, x)
    alias = y
    y += torch.tanh(other)
    return alias


def written_into_zeros(m: Any, x: Tensor) -> Tensor:
    y, other = two(m, x)
    place = torch.zeros(2, 8)
    place[:] = y
    return torch.tanh(place) + other


def written_in_part(m: Any, x: Tensor) -> Tensor:
    y, other = two(m, x)
    place = torch.zeros(2, 8)
    place[:, :3] = y[:, :3]
    return place + other


def one_column(m: Any, x: Tensor) -> Tensor:
    y, other = two(m, x)
    y[:, 0] = other[:, 0]
    return y


def through_a_view(m: Any, x: Tensor) -> Tensor:
    y, other = two(m, x)
    y.view(2, 4, 2).tanh_()
    return y + other


def through_a_slice(m: Any, x: Tensor) -> Tensor:
    y, other = two(m, x)
    y[:, 2:5].relu_()
    return y + other


def filled(m: Any, x: Tensor) -> Tensor:
    y, other = two(m, x)
    y[:, 2:4].fill_(1.0)
    return y + other


def copied_over(m: Any, x: Tensor) -> Tensor:
    y, other = two(m, x)
    other.copy_(y)
    return torch.tanh(other)


def copied_into_nothing(m: Any, x: Tensor) -> Tensor:
    y, other = two(m, x)
    place = torch.empty(2, 8)
    place.copy_(y)
    return torch.tanh(place) + other


def masked_in_place(m: Any, x: Tensor) -> Tensor:
    y, other = two(m, x)
    y.masked_fill_(other > 0, 1.0)
    return y


def put_at_indices(m: Any, x: Tensor) -> Tensor:
    y, other = two(m, x)
    y[:, torch.tensor([1, 2])] = other[:, torch.tensor([1, 2])]
    return y


def without_gradient(m: Any, x: Tensor) -> Tensor:
    y, other = two(m, x)
    alias = y
    with torch.no_grad():
        y.tanh_()
    return alias + other


def own_input(m: Any, x: Tensor) -> Tensor:
    x.mul_(2.0)
    y, other = two(m, x)
    return torch.relu(y) + other


WRITES = {
    relu_in_place: None,
    added_to_an_alias: "B(8)",
    written_into_zeros: "B(8)",
    written_in_part: None,
    one_column: None,
    through_a_view: "S(4) × B(2)≀",
    through_a_slice: None,
    filled: None,
    copied_over: "B(8)",
    copied_into_nothing: "B(8)",
    masked_in_place: None,
    put_at_indices: None,
    without_gradient: "B(8)",
    own_input: "M⁺(8)",
}


@pytest.mark.parametrize("forward", WRITES, ids=lambda f: f.__name__)
@pytest.mark.filterwarnings("ignore:no typing rule")
def test_nothing_unsound_comes_out_of_writing_in_place(
    forward: Forward, tools: SimpleNamespace
) -> None:
    example = tools.noise(2, 6)
    model = tools.written(lambda m, x: m.h(forward(m, x)), a=(6, 8), b=(6, 8), h=(8, 4))
    symmetry = discover(model, example.clone())
    certificate = verify(symmetry, model, example)
    assert certificate.evidence["relative_error"] <= 1e-9, f"{certificate}\n{symmetry}"
    assert torch.equal(example, tools.noise(2, 6))
    if WRITES[forward] is not None:
        used = [n for n, s in symmetry.essential.spaces.items() if n.startswith("a")]
        shown = [
            f"{symmetry.spaces[n].group}{'≀' if symmetry.spaces[n].over else ''}" for n in used
        ]
        assert " × ".join(shown) == WRITES[forward]


def test_a_buffer_that_the_model_writes(tools: SimpleNamespace) -> None:
    def forward(m: Any, x: Tensor) -> Any:
        m.average.mul_(0.9).add_(torch.tanh(m.a(x)).mean(0))
        return m.h(m.average + m.b(x))

    model = tools.written(forward, a=(6, 8), b=(6, 8), h=(8, 4))
    model.register_buffer("average", torch.ones(8))
    symmetry = discover(model, tools.noise(2, 6))
    assert torch.equal(model.average, torch.ones(8))
    certificate = verify(symmetry, model, tools.noise(2, 6))
    assert certificate.verdict.name == "TESTED"
    assert torch.equal(model.average, torch.ones(8))
    assert tools.headline(symmetry.essential) == "B(8)"
    asis = discover(model, tools.noise(2, 6), gauge="asis")
    assert asis.reps["average"].text(asis.spaces) == "a"


def test_an_output_of_a_region_without_gradient_is_pinned(tools: SimpleNamespace) -> None:
    def forward(m: Any, x: Tensor) -> Any:
        with torch.no_grad():
            other = m.b(x)
        return m.h(torch.relu(m.a(x))), other

    assert tools.groups(forward, a=(6, 8), b=(6, 8), h=(8, 4)) == "M⁺(8)"


def test_every_output_is_pinned(tools: SimpleNamespace) -> None:
    def forward(m: Any, x: Tensor) -> Any:
        return {"a": m.h(torch.relu(m.a(x))), "b": [torch.relu(m.b(x)), None], "w": m.b.weight}

    assert tools.groups(forward, a=(6, 8), b=(6, 8), h=(8, 4)) == "M⁺(8)"

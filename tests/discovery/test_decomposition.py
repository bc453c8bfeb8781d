"""Operators without a rule: taken apart where torch can, pinned with a warning where it cannot."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from isthmus.discovery import discover, verify
from isthmus.discovery.capture import capture
from isthmus.discovery.decompose import decompose
from isthmus.discovery.interpret import UnknownOperatorWarning
from isthmus.discovery.program import Op, Ref, Shape
from isthmus.discovery.rules import RULES
from isthmus.ground.errors import UnknownOperator

FLOAT = torch.float32

APART: dict[str, tuple[str, Callable[[Tensor], Tensor], str]] = {
    "Huber's loss": (
        "huber_loss",
        lambda y: F.huber_loss(y, torch.relu(y), reduction="none"),
        "S(8)",
    ),
    "the square loss": (
        "mse_loss",
        lambda y: F.mse_loss(y, torch.relu(y), reduction="none"),
        "M⁺(8)",
    ),
    "an angle": (
        "cosine_similarity",
        lambda y: F.cosine_similarity(y, y.relu(), dim=-1)[:, None] * y,
        "S(8)",
    ),
    "a distance": (
        "pairwise_distance",
        lambda y: F.pairwise_distance(y, y.flip(0), eps=0.0)[:, None] * y,
        "O(8)",
    ),
    "a bounded norm": ("renorm", lambda y: torch.renorm(y, 2, 0, 1.0), "O(8)"),
    "differences": ("gradient", lambda y: torch.gradient(y, dim=0)[0], "GL(8)"),
    "extremes": ("aminmax", lambda y: torch.stack(torch.aminmax(y, dim=0)), "M⁺(8)"),
    "inner products": ("inner", torch.inner, "O(8)"),
}


@pytest.mark.parametrize("kind", APART)
def test_operators_that_come_apart(kind: str, tools: SimpleNamespace) -> None:
    target, function, expected = APART[kind]
    if target == "inner":
        assert tools.groups(lambda m, x: torch.inner(m.a(x), m.a(x)), a=(6, 8)) == expected
        return
    parts = {"a": (6, 8), "h": (8, 4)}
    program = capture(tools.written(lambda m, x: m.h(function(m.a(x))), **parts), tools.noise(2, 6))
    assert target in [op.target for op in program.ops]
    assert target not in RULES
    found = tools.groups(lambda m, x: m.h(function(m.a(x))), **parts)
    assert found == expected


def call(overload: Any, sizes: dict[str, tuple[int, ...]], **others: Any) -> Any:
    """The parts of one operator on tensors of these sizes."""
    arguments = {**{name: Ref(name) for name in sizes}, **others}
    schema = {a.name: a.default_value for a in overload._schema.arguments}
    op = Op("it", overload, {**schema, **arguments}, ("out",), (Shape((2,), FLOAT),))
    return decompose(op, {name: Shape(shape, FLOAT) for name, shape in sizes.items()})


def test_the_parts_are_functional_and_read_the_operands_by_name() -> None:
    parts = call(torch.ops.aten.cosine_similarity.default, {"x1": (2, 8), "x2": (2, 8)})
    assert {ref.name for op in parts.ops for ref in op.refs()} >= {"x1", "x2"}
    assert not any(op.overload._schema.is_mutable for op in parts.ops)
    assert parts.outputs == (parts.ops[-1].outputs[0],)


def test_what_has_no_parts() -> None:
    assert call(torch.ops.aten.linalg_inv_ex.default, {"A": (3, 3)}) is None


@torch.library.custom_op("isthmus_tests::tilt", mutates_args=())
def tilt(x: Tensor) -> Tensor:
    """An operator that only its author knows: every unit is weighted by its place."""
    return x * torch.arange(x.shape[-1], dtype=x.dtype)


@tilt.register_fake
def _(x: Tensor) -> Tensor:
    return torch.empty_like(x)


def tilted(m: Any, x: Tensor) -> Tensor:
    return m.h(tilt(torch.relu(m.a(x)))) + m.k(torch.relu(m.b(x)))


PARTS = {"a": (6, 8), "b": (6, 5), "h": (8, 4), "k": (5, 4)}


def test_an_operator_without_parts_is_pinned_with_a_warning(tools: SimpleNamespace) -> None:
    model, example = tools.written(tilted, **PARTS), tools.noise(2, 6)
    with pytest.warns(UnknownOperatorWarning) as caught:
        symmetry = discover(model, example)
    assert tools.headline(symmetry.essential) == "M⁺(5)"
    said = str(caught[0].message)
    assert re.fullmatch(
        r"no typing rule for isthmus_tests\.tilt \(\w+\.py:\d+\): all that it touches is pinned",
        said,
    )
    assert symmetry.warnings == (said,)
    assert verify(symmetry, model, example).evidence["relative_error"] < 1e-9


def test_an_operator_without_parts_is_refused_on_demand(tools: SimpleNamespace) -> None:
    with pytest.raises(UnknownOperator) as caught:
        discover(tools.written(tilted, **PARTS), tools.noise(2, 6), unknown="raise")
    assert caught.value.cause.startswith("no typing rule for isthmus_tests.tilt (")
    assert 'unknown="pin"' in caught.value.remedy


def test_parts_without_a_rule_are_refused_too(tools: SimpleNamespace) -> None:
    """The determinant is made of a factorisation that has no rule."""
    model = tools.written(
        lambda m, x: m.h(torch.linalg.det(m.a(x).view(2, 2, 2, 4)[..., :2])), a=(6, 16), h=(2, 4)
    )
    with pytest.raises(UnknownOperator, match="no typing rule for _linalg_det"):
        discover(model, tools.noise(2, 6), unknown="raise")

"""What the gauge reads as another operator: fixed places as slices, questions as their answers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

HEADS, SIZE, WIDTH = 2, 3, 6


def one_key(m: Any, x: Tensor, key: Any, value: Any) -> Tensor:
    """Attention with all queries, one key and one value side by side."""
    rows = m.fused(x).unflatten(-1, (HEADS + 2, SIZE))
    q, k, v = rows[:, :, :HEADS], rows[:, :, key], rows[:, :, value]
    q, k, v = (t.transpose(1, 2) for t in (q, torch.tanh(k), v))
    mixed = F.scaled_dot_product_attention(q, k.expand_as(q), v.expand_as(q))
    return m.out(mixed.transpose(1, 2).flatten(2))


FUSED: dict[str, Any] = {"fused": (WIDTH, (HEADS + 2) * SIZE), "out": (HEADS * SIZE, 4)}


def found(tools: SimpleNamespace, key: Any, value: Any) -> str:
    example = tools.noise(2, 5, WIDTH)
    symmetry, certificate = tools.typed(
        lambda m, x: one_key(m, x, key, value), example=example, **FUSED
    )
    assert certificate.evidence["relative_error"] < 1e-9
    return " ".join(sorted(str(space.group) for space in symmetry.spaces.values()))


@pytest.mark.parametrize(("key", "value"), [([-2], [-1]), ([2], [3])])
def test_fixed_places_are_a_slice(tools: SimpleNamespace, key: Any, value: Any) -> None:
    sliced = found(tools, slice(2, 3), slice(3, 4))
    assert "GL(3)" in sliced
    assert found(tools, key, value) == sliced


def test_places_in_disorder_are_none(tools: SimpleNamespace) -> None:
    def disordered(m: Any, x: Tensor) -> Tensor:
        return m.out(torch.tanh(m.up(x))[:, [2, 0, 1, 1]])

    symmetry, certificate = tools.typed(disordered, up=(6, 4), out=(4, 2))
    assert certificate.evidence["relative_error"] < 1e-9
    assert symmetry.lie_dim == 0


def asked(m: Any, x: Tensor) -> Tensor:
    """A stream of which the weights of an average ask the type, and masks the shape."""
    stream = m.first(x)
    y = m.norm(stream)
    share = torch.softmax(m.route(y), -1).type_as(y)
    base = torch.zeros_like(y) + y.new_ones(1)
    return m.last((share.unsqueeze(-1) * m.up(y).unflatten(-1, (3, 4))).sum(-2)) + base[..., :4]


def test_questions_do_not_hold_gains(tools: SimpleNamespace) -> None:
    parts = {"first": (6, 8), "route": (8, 3), "up": (8, 12), "last": (4, 4)}
    symmetry, certificate = tools.typed(asked, norm=lambda: nn.RMSNorm(8, eps=1e-6), **parts)
    assert certificate.evidence["relative_error"] < 1e-9
    assert "O(8)" in {str(space.group) for space in symmetry.spaces.values()}
    assert "norm.weight.gain" in symmetry.spaces


def test_what_is_read_as_well_holds_the_gain(tools: SimpleNamespace) -> None:
    def read(m: Any, x: Tensor) -> Tensor:
        y = m.norm(m.first(x))
        return m.up(y).type_as(y) + torch.full_like(y, 2.0) * y

    symmetry, certificate = tools.typed(
        read, norm=lambda: nn.RMSNorm(8, eps=1e-6), first=(6, 8), up=(8, 8)
    )
    assert certificate.evidence["relative_error"] < 1e-9
    assert "norm.weight.gain" not in symmetry.spaces


def test_weights_stored_at_another_size(tools: SimpleNamespace) -> None:
    """A block whose last weights are halved, as deep networks do it: as if they were stored so."""

    def block(m: Any, x: Tensor, size: float) -> Tensor:
        stream = m.first(x)
        told = F.linear(torch.tanh(m.up(m.norm(stream))), m.down.weight / size)
        return m.last(m.norm2(stream + told))

    parts = {
        "first": (6, 8), "up": (8, 5), "down": lambda: nn.Linear(5, 8, bias=False), "last": (8, 4),
        "norm": lambda: nn.LayerNorm(8), "norm2": lambda: nn.LayerNorm(8),
    }  # fmt: skip
    example = tools.noise(2, 5, 6)
    dims = []
    for size in (1, 2, -4.0):
        symmetry, certificate = tools.typed(lambda m, x, s=size: block(m, x, s), example, **parts)
        assert certificate.evidence["relative_error"] < 1e-9
        assert "down.weight.mean" in symmetry.spaces
        dims.append(symmetry.lie_dim)
    assert len(set(dims)) == 1


def test_weights_times_nothing_or_in_steps(tools: SimpleNamespace) -> None:
    """Zero cannot be undone, nor can rounding."""

    def rounded(m: Any, x: Tensor) -> Tensor:
        whole = torch.div(m.down.weight, 0.25, rounding_mode="floor")
        return F.linear(torch.tanh(m.up(x)), whole) + F.linear(x, m.last.weight * 0.0)

    parts = {"up": (6, 5), "down": (5, 4), "last": (6, 4)}
    symmetry, certificate = tools.typed(rounded, **parts)
    assert certificate.evidence["relative_error"] < 1e-9
    assert not symmetry.chart.steps


SUMS: dict[str, tuple[str, bool]] = {
    "a writer of its own": ("bpnd,hnd->bph", True),
    "a factor beside it": ("bpnd,hnd,n->bph", True),
    "a gain in the sum": ("bpnd,hnd,h->bph", False),
    "a diagonal": ("bpnd,ddn->bpd", False),
}


@pytest.mark.parametrize("name", SUMS)
def test_sums_of_products_that_a_norm_reads(tools: SimpleNamespace, name: str) -> None:
    """What is the same for all features that a norm reads is lost there."""
    equation, free = SUMS[name]
    sizes = {"b": 2, "p": 5, "n": 2, "d": 3, "h": 4}
    factors = equation.split("->")[0].split(",")[1:]

    def summed(m: Any, x: Tensor) -> Tensor:
        told = torch.einsum(equation, torch.tanh(m.up(x)).unflatten(-1, (2, 3)),
                            *(getattr(m, f"w{k}") for k in range(len(factors))))  # fmt: skip
        return m.out(torch.tanh(m.then(m.norm(told))))

    width = sizes[equation[-1]]
    weights = {f"w{k}": [sizes[letter] for letter in f] for k, f in enumerate(factors)}
    symmetry, certificate = tools.typed(
        summed, tools.noise(2, 5, 6), up=(6, 6), then=(width, 5), out=(5, 2),
        norm=lambda: nn.LayerNorm(width), **weights,
    )  # fmt: skip
    assert certificate.evidence["relative_error"] < 1e-9
    assert ("w0.mean" in symmetry.spaces) == free

"""neurons: atoms by the reps; planted elements at no distance; invariances (mathematics.md 2.8)."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from isthmus.algebra.symmetry import Params, Symmetry
from isthmus.alignment.data.metric import Metric
from isthmus.alignment.forms.canonical import Balanced, UnitNorm, canonical
from isthmus.discovery import discover
from isthmus.ground.errors import BadInput, NotFinite, ShapeMismatch, UnknownName
from isthmus.ground.params import params_of
from isthmus.testing.zoo import entry, randomise
from isthmus.transport.distances.wasserstein import wasserstein
from isthmus.transport.measures.moments import second_moments
from isthmus.transport.measures.neurons import Parts, neurons, unit_spaces

INPUTS, HIDDEN = 5, 7


def network(function: type[nn.Module] = nn.ReLU) -> nn.Module:
    return nn.Sequential(
        nn.Linear(INPUTS, HIDDEN), function(), nn.Linear(HIDDEN, 6), function(), nn.Linear(6, 3)
    ).double()


@cache
def symmetry_with(function: type[nn.Module]) -> Symmetry:
    return discover(network(function), torch.zeros(1, INPUTS, dtype=torch.float64))


def made(seed: int, function: type[nn.Module] = nn.ReLU) -> tuple[Params, Symmetry, nn.Module]:
    torch.manual_seed(seed)
    model = network(function)
    return params_of(model), symmetry_with(function), model


def inputs(seed: int = 0, count: int = 50) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    mixed = torch.randn(INPUTS, INPUTS, generator=generator, dtype=torch.float64)
    return torch.randn(count, INPUTS, generator=generator, dtype=torch.float64) @ mixed + 1


def test_atoms_are_the_rows_that_were_chosen() -> None:
    a, symmetry, _ = made(0)
    assert unit_spaces(symmetry) == ["0", "2"]
    weight, bias, reader = a["0.weight"], a["0.bias"].unsqueeze(1), a["2.weight"].T
    for parts, expected in (
        (Parts(), [weight, bias]),
        (Parts(bias=False), [weight]),
        (Parts(outgoing=True), [weight, bias, reader]),
        (Parts(incoming=False, outgoing=True, bias=False), [reader]),
    ):
        found = neurons(a, symmetry, "0", parts=parts)
        wanted = torch.cat(expected, 1)
        assert found.atoms.shape == wanted.shape
        assert torch.equal(found.atoms.square().sum(1), wanted.square().sum(1))
        assert wasserstein(found, found.some(torch.arange(HIDDEN).flip(0))).cost == 0
        assert len(found.signs) == 1
        assert found.uniform


@pytest.mark.parametrize(
    "name",
    ["mlp_sigmoid", "gated_fused", "vgg", "depthwise_grouped", "gpt", "llama", "lstm_classifier"],
)
def test_any_architecture_goes_by_its_reps(name: str) -> None:
    one = entry(name)
    model = randomise(one.build(), 3)
    symmetry, params = discover(one.build(), one.example()), params_of(model)
    names = unit_spaces(symmetry)
    assert names
    for space in names:
        found = neurons(params, symmetry, space, parts=Parts(outgoing=True))
        assert len(found) == symmetry.spaces[space].size
        assert wasserstein(found, found).cost == 0


def moved_in(space: str, symmetry: Symmetry, params: Params, seed: int) -> Params:
    """Another model of the orbit, that differs by an element of one space."""
    only = symmetry.restrict(lambda one: one.name == space)
    return only.act(only.sample(seed, scale=0.5), params)


@given(seed=st.integers(0, 99), both=st.booleans())
@settings(max_examples=10)
def test_units_in_another_order_are_the_same_measure(seed: int, both: bool) -> None:
    a, symmetry, _ = made(seed, nn.GELU)
    b = moved_in("0", symmetry, a, seed)
    one, other = (neurons(p, symmetry, "0", parts=Parts(outgoing=both)) for p in (a, b))
    assert wasserstein(one, other).cost == 0
    far, _, _ = made(seed + 1, nn.GELU)
    assert wasserstein(one, neurons(far, symmetry, "0", parts=Parts(outgoing=both))).cost > 0


def test_signs_are_no_part_of_an_atom_where_the_symmetry_has_them() -> None:
    a, symmetry, _ = made(1, nn.Tanh)
    b = moved_in("0", symmetry, a, 5)
    one, other = (neurons(p, symmetry, "0", parts=Parts(outgoing=True)) for p in (a, b))
    assert len(one.signs) == 2
    assert wasserstein(one, other).cost < 1e-30
    rigid = symmetry.restrict(lambda space: False)
    with pytest.raises(BadInput, match="are no units"):
        neurons(a, rigid, "0")


@pytest.mark.parametrize("form", [Balanced(), UnitNorm()])
def test_scales_go_with_a_canonical_form(form: Balanced | UnitNorm) -> None:
    a, symmetry, _ = made(2)
    b = moved_in("0", symmetry, a, 3)
    assert wasserstein(*(neurons(p, symmetry, "0") for p in (a, b))).cost > 0.01
    settled = [canonical(p, symmetry, form, ordered=False) for p in (a, b)]
    found = [neurons(p, symmetry, "0", parts=Parts(outgoing=True)) for p in settled]
    assert wasserstein(*found).cost < 1e-18
    if isinstance(form, UnitNorm):
        lengths = neurons(settled[0], symmetry, "0").atoms.norm(dim=1)
        torch.testing.assert_close(lengths, torch.ones_like(lengths))


@pytest.mark.parametrize("bias", [True, False])
def test_in_the_metric_of_data_distances_are_those_of_what_units_compute(bias: bool) -> None:
    (a, symmetry, model), (b, _, _) = made(3), made(4)
    x = inputs()
    metrics = second_moments(model, [(x, None)], a, symmetry)
    one, other = (
        neurons(p, symmetry, "0", parts=Parts(bias=bias), metrics=metrics) for p in (a, b)
    )
    seen = [x @ p["0.weight"].T + (p["0.bias"] if bias else 0.0) for p in (a, b)]
    gaps = (seen[0].unsqueeze(2) - seen[1].unsqueeze(1)).square().mean(0)
    direct = torch.cdist(one.atoms, other.atoms).square()
    torch.testing.assert_close(direct, gaps, rtol=1e-7, atol=1e-7)


def changed(metrics: list[Metric], by: Tensor) -> list[Metric]:
    """The metrics of the first layer after the inputs are multiplied by a matrix."""
    first = next(m for m in metrics if m.weight == "0.weight")
    spread = by @ first.spread @ by.T
    return [Metric(first.weight, first.bias, first.first, spread, by @ first.mean)]


@given(seed=st.integers(0, 99), orthogonal=st.booleans())
@settings(max_examples=15)
def test_the_metric_of_data_does_not_see_a_change_of_basis(seed: int, orthogonal: bool) -> None:
    """Mathematics.md 2.8 (f): the weights' own metric sees all but orthogonal ones."""
    (a, symmetry, model), (b, _, _) = made(seed), made(seed + 1)
    metrics = second_moments(model, [(inputs(seed), None)], a, symmetry)
    generator = torch.Generator().manual_seed(seed)
    by = torch.randn(INPUTS, INPUTS, generator=generator, dtype=torch.float64)
    by = torch.linalg.qr(by)[0] if orthogonal else by + 3 * torch.eye(INPUTS)
    back = torch.linalg.inv(by)
    turned = [{**p, "0.weight": p["0.weight"] @ back} for p in (a, b)]

    def cost(models: list[Params], seen: list[Metric]) -> float:
        return wasserstein(*(neurons(p, symmetry, "0", metrics=seen) for p in models)).cost

    before = cost([a, b], metrics)
    assert cost(turned, changed(metrics, by)) == pytest.approx(before, rel=1e-7)
    plain, after = cost([a, b], []), cost(turned, [])
    assert (abs(after - plain) < 1e-9 * plain) is orthogonal


def test_what_is_refused() -> None:
    a, symmetry, _ = made(0)
    with pytest.raises(UnknownName, match="there is no space 'zero'; choose of 0, 2"):
        neurons(a, symmetry, "zero")
    with pytest.raises(BadInput, match="an atom of no parts; choose incoming, outgoing or bias"):
        Parts(incoming=False, bias=False)
    with pytest.raises(NotFinite, match="0.weight of the model holds NaN"):
        neurons({**a, "0.weight": a["0.weight"] * torch.nan}, symmetry, "0")
    with pytest.raises(ShapeMismatch, match="expected"):
        neurons({**a, "0.weight": a["0.weight"][:3]}, symmetry, "0")
    one = entry("gpt")
    symmetry = discover(one.build(), one.example())
    params = params_of(one.build())
    inner = next(n for n, s in symmetry.spaces.items() if s.over)
    with pytest.raises(BadInput, match="belong to those of .* whose atoms hold them"):
        neurons(params, symmetry, inner)

"""The distance between orbits: the same for all models of an orbit, symmetric, 0 on one orbit."""

from __future__ import annotations

import json
import math
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.alignment.align import align
from isthmus.alignment.forms.canonical import canonical
from isthmus.alignment.orbit_distance import distance
from isthmus.alignment.starts.start import Identity
from isthmus.alignment.weights import WeightMatching
from isthmus.ground import NotFinite

NAMES = ["mlp", "mlp_tanh", "vgg", "gated_swiglu", "gpt", "llama"]


def pair(name: str, tools: SimpleNamespace):
    return [tools.wide(p) for p in (tools.params(name), tools.independent(name, 5))]


@pytest.mark.parametrize("name", [*NAMES, "attention_separate", "lstm_classifier"])
def test_it_is_zero_on_one_orbit(name: str, tools: SimpleNamespace) -> None:
    symmetry, a = tools.symmetry_of(name), tools.wide(tools.params(name))
    found = distance(a, symmetry.act(symmetry.sample(seed=1), a), symmetry=symmetry)
    assert found.total.relative <= 1e-10
    assert found.total.before > 0.05 * found.total.size
    off = {
        n: t + 1e-3 * t.abs().mean() * torch.ones_like(t) if t.dim() > 1 else t
        for n, t in a.items()
    }
    assert distance(a, off, symmetry=symmetry).total.relative > 1e-5


@pytest.mark.parametrize("name", NAMES)
def test_it_depends_on_the_orbits_alone(name: str, tools: SimpleNamespace) -> None:
    symmetry, (a, b) = tools.symmetry_of(name), pair(name, tools)
    one = distance(a, b, symmetry=symmetry)
    g, h = symmetry.sample(seed=1), symmetry.sample(seed=2)
    two = distance(symmetry.act(h, b), symmetry.act(g, a), symmetry=symmetry)
    assert float(one) > 0.1 * one.total.size
    assert float(two) == pytest.approx(float(one), rel=1e-8)
    for n, gap in one.parameters.items():
        assert two.parameters[n].after == pytest.approx(gap.after, rel=1e-6, abs=1e-9)
        assert two.parameters[n].size == pytest.approx(gap.size, rel=1e-8, abs=1e-9)


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_it_is_no_more_than_any_element_of_the_compact_part_leaves(tools, seed: int) -> None:
    symmetry = tools.symmetry_of("mlp_tanh")
    a, b = (tools.wide(tools.independent("mlp_tanh", seed + k)) for k in (0, 1))
    found = distance(a, b, symmetry=symmetry)
    fit = align(b, to=a, symmetry=symmetry, method=WeightMatching(starts=(Identity(),)))
    # Here the whole group is compact, so an alignment is one of its elements.
    assert float(found) <= fit.before
    assert float(found) <= 1.1 * fit.after


def test_a_method_of_ones_own_finds_the_start(tools: SimpleNamespace) -> None:
    symmetry, (a, b) = tools.symmetry_of("gated_swiglu"), pair("gated_swiglu", tools)
    planted = symmetry.act(symmetry.sample(seed=1), a)
    found = distance(a, planted, symmetry=symmetry, method=WeightMatching())
    assert found.total.relative <= 1e-7
    one, two = (distance(a, b, symmetry=symmetry, method=m) for m in (None, WeightMatching()))
    assert float(two) == pytest.approx(float(one), rel=0.1)


def test_where_nothing_acts_it_is_the_plain_distance(tools: SimpleNamespace) -> None:
    symmetry, (a, b) = tools.symmetry_of("mlp").restrict(lambda _: False), pair("mlp", tools)
    found = distance(a, b, symmetry=symmetry)
    assert float(found) == pytest.approx(tools.gauged_distance(symmetry, a, b))
    assert all(torch.equal(t, a[n]) for n, t in canonical(a, symmetry).items())


def test_parts_add_up(tools: SimpleNamespace) -> None:
    symmetry, (a, b) = tools.symmetry_of("gpt"), pair("gpt", tools)
    found = distance(a, b, symmetry=symmetry)
    assert math.hypot(*(gap.after for gap in found.parameters.values())) == pytest.approx(
        float(found)
    )
    assert math.hypot(*(gap.after for gap in found.layers.values())) == pytest.approx(float(found))
    assert found.total.before == pytest.approx(
        tools.gauged_distance(
            symmetry.essential,
            *(
                {n: t for n, t in symmetry.coordinates(p).items() if n in symmetry.essential.reps}
                for p in (a, b)
            ),
        )
    )
    assert "blocks.0.attention.q" in found.layers
    assert "position" in found.layers


def test_it_reads_well_and_is_data(tools: SimpleNamespace) -> None:
    symmetry, (a, b) = tools.symmetry_of("mlp"), pair("mlp", tools)
    found = distance(a, b, symmetry=symmetry)
    lines = str(found).splitlines()
    assert lines[0].startswith("distance 4.16")
    assert "between the orbits (" in lines[0]
    assert lines[1].split() == ["layer", "as", "they", "are", "orbits", "relative"]
    assert [line.split()[0] for line in lines[2:]] == ["fc1", "fc2", "head"]
    data = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert data["total"]["after"] == float(found)
    gap = found.layers["fc1"]
    assert data["layers"]["fc1"]["relative"] == gap.relative == gap.after / gap.size
    assert data["layers"]["fc1"]["relative_before"] == gap.before / gap.size_before


def test_models_that_are_not_finite(tools: SimpleNamespace) -> None:
    symmetry, (a, b) = tools.symmetry_of("mlp"), pair("mlp", tools)
    b["fc2.bias"] = b["fc2.bias"] * torch.inf
    with pytest.raises(NotFinite, match=r"fc2.bias of b holds NaN or infinity"):
        distance(a, b, symmetry=symmetry)

"""Symmetries: subgroups, counting, and what they refuse."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.algebra import Element, Orbit, Reason, Rep, Space, Symmetry
from isthmus.algebra.groups import (
    AbstractMonomial,
    GeneralLinear,
    Monomial,
    Motion,
    Orthogonal,
    Permutation,
    PositiveScaling,
    SignedPermutation,
    Trivial,
    Wreath,
)
from isthmus.ground import BadInput, ShapeMismatch, UnknownName, distance

WHY = Reason("mul", frozenset({Motion.TURN}), "attention", "model.py:3", "q = q * self.scale")
SPACES = {
    "head": Space("head", 3, Permutation(3)),
    "key": Space("key", 2, GeneralLinear(2), ("head",), (WHY,)),
    "up": Space("up", 4, Monomial(4, scales=2, flips=1)),
    "stream": Space("stream", 5, Orthogonal(5)),
    "block": Space("block", 4, Wreath(Monomial(2, flips=1), 2)),
    "wide": Space("wide", 4, Wreath(GeneralLinear(2), 2)),
}
TEXTS = {
    "q": "(head key) ⊗ stream*",
    "k": "(head key*) ⊗ stream*",
    "up": "up^(a;a) ⊗ stream*",
    "gain": "up^(b;)",
    "down": "stream ⊗ up*",
    "conv": "block ⊗ wide* ⊗ 2",
    "steps": "scalar",
}


@pytest.fixture(scope="module")
def symmetry():
    return Symmetry(SPACES, {name: Rep.parse(text, SPACES) for name, text in TEXTS.items()})


@pytest.fixture(scope="module")
def params(symmetry):
    rng = torch.Generator().manual_seed(0)
    return {
        name: torch.randn(rep.shape, generator=rng, dtype=torch.float64)
        for name, rep in symmetry.reps.items()
    }


def test_dimension_and_components(symmetry):
    assert symmetry.lie_dim == 3 * 4 + 8 + 10 + 4 + 8
    expected = 6 * 2**3 * (24 * 16) * 2 * (2 * 8**2) * (2 * 2**2)
    assert math.exp(symmetry.log_components) == pytest.approx(expected)


RESTRICTIONS = {
    "Trivial": (Trivial, ["1(3)", "1(2)", "1(4)", "1(5)", "1(4)", "1(4)"]),
    "Permutation": (
        Permutation,
        ["S(3)", "S(2)", "S(4)", "S(5)", "S(2)≀S(2)", "S(2)≀S(2)"],
    ),
    "SignedPermutation": (
        SignedPermutation,
        ["S(3)", "B(2)", "B(4)", "B(5)", "B(2)≀S(2)", "B(2)≀S(2)"],
    ),
    "PositiveScaling": (
        PositiveScaling,
        ["1(3)", "R⁺(2)", "R⁺(4;2)", "1(5)", "R⁺(4)", "R⁺(4)"],
    ),
    "Monomial": (
        Monomial,
        ["S(3)", "M(2)", "M(4;2,1)", "B(5)", "M(2)≀S(2)", "M(2)≀S(2)"],
    ),
    "Orthogonal": (
        Orthogonal,
        ["S(3)", "O(2)", "B(4)", "O(5)", "B(2)≀S(2)", "O(2)≀S(2)"],
    ),
    "GeneralLinear": (GeneralLinear, [str(space.group) for space in SPACES.values()]),
    "motions": (
        [Motion.STRETCH, Motion.FLIP],
        ["1(3)", "R*(2)", "R*(4;2,1)", "±1(5)", "R*(4)", "R*(4)"],
    ),
    "predicate": (
        lambda space: space.name in ("key", "block"),
        ["1(3)", "GL(2)", "1(4)", "1(5)", "M(2)≀S(2)", "1(4)"],
    ),
}


@pytest.mark.parametrize("to", RESTRICTIONS)
def test_restrict_and_lift(symmetry, params, to):
    to, names = RESTRICTIONS[to]
    small = symmetry.restrict(to)
    assert [str(space.group) for space in small.spaces.values()] == names
    assert {n: r.shape for n, r in small.reps.items()} == {
        n: r.shape for n, r in symmetry.reps.items()
    }
    for seed in range(4):
        g, h = small.sample(seed), small.sample(seed + 9)
        lifted = symmetry.lift(g)
        assert lifted.symmetry is symmetry
        assert distance(symmetry.act(lifted, params), small.act(g, params)) < 1e-11
        product = symmetry.act(lifted @ symmetry.lift(h), params)
        assert distance(product, small.act(g @ h, params)) < 1e-10
        assert distance(symmetry.act(~lifted, small.act(g, params)), params) < 1e-10


def test_elements_of_another_symmetry_are_refused(symmetry, params):
    small = symmetry.restrict(Permutation)
    g, whole = small.sample(0), symmetry.sample(0)
    with pytest.raises(BadInput, match=r"in space \S+ the element is of .*symmetry.lift"):
        symmetry.act(g, params)
    with pytest.raises(BadInput, match="the element is of"):
        small.act(whole, params)
    with pytest.raises(BadInput, match="the element is of"):
        whole @ g
    symmetry.act(whole @ symmetry.lift(g), params)


def test_restrict_refuses_what_is_no_subgroup_class(symmetry):
    with pytest.raises(BadInput, match="int is not a group; pass a group class or a predicate"):
        symmetry.restrict(int)
    with pytest.raises(BadInput, match="cannot restrict to AbstractMonomial; pass one of Trivial"):
        symmetry.restrict(AbstractMonomial)


def test_act_refuses_other_names_and_shapes(symmetry, params):
    g = symmetry.sample(0)
    cases = [
        (
            {n: t for n, t in params.items() if n != "gain"},
            UnknownName,
            "parameter 'gain' is missing; pass the whole state dict of the model",
        ),
        (
            {**params, "gian": params["gain"]},
            UnknownName,
            "unknown parameter 'gian'; did you mean 'gain'?",
        ),
        (
            {**params, "zzz": params["gain"]},
            UnknownName,
            "unknown parameter 'zzz'; pass the model's own state dict",
        ),
        (
            {**params, "gain": torch.zeros(3)},
            ShapeMismatch,
            (
                "gain has shape (3,), expected (4,); "
                "use a checkpoint of the architecture that was discovered"
            ),
        ),
    ]
    for bad, error, text in cases:
        with pytest.raises(error) as caught:
            symmetry.act(g, bad)
        assert str(caught.value) == text


def test_act_on_leaves_out_spaces_without_a_value(symmetry, params):
    g = symmetry.sample(0)
    moved = symmetry.act_on("q", {"stream": g.values["stream"]}, params["q"])
    assert torch.allclose(moved, params["q"] @ g.values["stream"].T)
    assert torch.equal(symmetry.act_on("q", {}, params["q"]), params["q"])


def test_sampling_depends_on_the_seed_alone(symmetry, params):
    one, same, other = (symmetry.act(symmetry.sample(s), params) for s in (0, 0, 1))
    assert distance(one, same) == 0
    assert distance(one, other) > 1
    small = symmetry.restrict(PositiveScaling)
    gentle, wild = (small.sample(0, scale).values["up"].logs.abs().max() for scale in (0.1, 1.0))
    assert float(wild / gentle) == pytest.approx(10)


def test_it_prints_as_a_table(symmetry):
    lines = str(symmetry).splitlines()
    assert lines[0].startswith("S(3)[head] × GL(2)[key](head) × M(4;2,1)[up] × O(5)[stream]")
    assert lines[1] == "  q     : (head key) ⊗ stream*"
    assert lines[4] == "  gain  : up^(b;)"
    data = symmetry.to_json()
    assert data["lie_dim"] == symmetry.lie_dim
    assert data["reps"] == TEXTS
    assert data["spaces"]["key"] == {
        "size": 2,
        "group": "GL(2)",
        "definition": {"class": "GeneralLinear", "size": 2},
        "over": ["head"],
        "lie_dim": 12,
        "log_components": pytest.approx(3 * math.log(2)),
        "why": [
            {
                "operator": "mul",
                "lost": ["rotation"],
                "module": "attention",
                "source": "model.py:3",
                "line": "q = q * self.scale",
            }
        ],
    }


def test_occurrences_tell_where_a_space_acts(symmetry):
    found = [(name, dim) for name, _, dim in symmetry.occurrences("stream")]
    assert found == [("q", 2), ("k", 2), ("up", 1), ("down", 0)]


@settings(max_examples=5)
@given(seed=st.integers(0, 2**31))
def test_the_tangent_is_the_derivative_of_the_action(symmetry, seed):
    rng = torch.Generator().manual_seed(seed)
    params = {
        n: torch.randn(r.shape, generator=rng, dtype=torch.float64)
        for n, r in symmetry.reps.items()
    }
    tangent = Orbit(symmetry, params).tangent()
    assert tangent.shape == (symmetry.lie_dim, sum(t.numel() for t in params.values()))
    row = 0
    for name, space in symmetry.spaces.items():
        shape = (*symmetry.batch(name), space.group.lie_dim)
        for k in range(math.prod(shape)):
            step = torch.zeros(math.prod(shape), dtype=torch.float64)
            step[k] = 1e-6
            ends = []
            for sign in (1, -1):
                values = {name: space.group.exp((sign * step).reshape(shape))}
                g = Element(symmetry, {**symmetry.identity().values, **values})
                moved = symmetry.act(g, params).values()
                ends.append(torch.cat([t.flatten() for t in moved]))
            assert torch.allclose((ends[0] - ends[1]) / 2e-6, tangent[row], atol=1e-7)
            row += 1
    assert row == symmetry.lie_dim


def test_orbit_and_stabiliser_dimensions():
    spaces = {"h": Space("h", 3, GeneralLinear(3))}
    reps = {"w": Rep.parse("h ⊗ 2", spaces), "v": Rep.parse("2 ⊗ h*", spaces)}
    symmetry = Symmetry(spaces, reps)
    rng = torch.Generator().manual_seed(0)
    params = {n: torch.randn(r.shape, generator=rng, dtype=torch.float64) for n, r in reps.items()}
    # X W = 0 and V X = 0 with W of rank 2 and V of rank 2: X = n mᵀ, one dimension.
    orbit = Orbit(symmetry, params)
    assert (orbit.dim, orbit.stabiliser_dim) == (8, 1)
    zero = Orbit(symmetry, {n: torch.zeros_like(t) for n, t in params.items()})
    assert (zero.dim, zero.stabiliser_dim) == (0, 9)
    assert orbit.log_components_bound == pytest.approx(math.log(2))
    g = symmetry.sample(0)
    assert distance(orbit.moves(g), symmetry.act(g, params)) == 0
    assert distance(orbit.sample(3), symmetry.act(symmetry.sample(3), params)) == 0


def test_an_orbit_without_continuous_part():
    spaces = {"h": Space("h", 3, Permutation(3))}
    orbit = Orbit(Symmetry(spaces, {"w": Rep.parse("h ⊗ 2", spaces)}), {"w": torch.ones(3, 2)})
    assert orbit.tangent().shape == (0, 6)
    assert orbit.dim == 0

"""Elements act as a group: over families, several blocks, offsets and fused axes."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.algebra import Element, Rep, Space, Symmetry
from isthmus.algebra.groups import (
    GeneralLinear,
    Monomial,
    Orthogonal,
    Permutation,
    PositiveScaling,
    SignedPermutation,
    Trivial,
    Wreath,
)
from isthmus.ground import Disconnected, distance

seeds = st.integers(0, 2**31)


def symmetry(spaces: list[Space], texts: dict[str, str]) -> Symmetry:
    """From spaces and reps in the notation."""
    named = {space.name: space for space in spaces}
    return Symmetry(named, {name: Rep.parse(text, named) for name, text in texts.items()})


HEADS = [Space("head", 3, Permutation(3)), Space("key", 2, GeneralLinear(2), ("head",))]
NESTED = [
    Space("layer", 2, Permutation(2)),
    Space("head", 3, SignedPermutation(3), ("layer",)),
    Space("key", 2, GeneralLinear(2), ("layer", "head")),
    Space("unit", 2, Monomial(2, flips=1), ("layer",)),
]
CASES = {
    "chain": symmetry(
        [Space("a", 4, Monomial(4)), Space("b", 3, GeneralLinear(3)), Space("t", 2, Trivial(2))],
        {"w": "a ⊗ 5", "v": "b ⊗ a*", "u": "t ⊗ b*", "c": "a", "n": "scalar", "still": "t ⊗ 3"},
    ),
    "heads": symmetry(
        [*HEADS, Space("stream", 4, Orthogonal(4))],
        {
            "q": "(head key) ⊗ stream*",
            "k": "(head key*) ⊗ stream*",
            "o": "stream ⊗ (key* head)",
            "gate": "head",
            "square": "(head key) ⊗ 2",
        },
    ),
    "nested": symmetry(
        NESTED,
        {
            "q": "(layer head key) ⊗ 3",
            "k": "layer ⊗ (head key*)",
            "up": "layer ⊗ unit ⊗ 2",
            "down": "(unit* layer)",
            "scale": "(2 layer head)",
        },
    ),
    "nested, listed the other way": symmetry(
        [*NESTED[:2], Space("key", 2, GeneralLinear(2), ("head", "layer"))],
        {"q": "(layer head key) ⊗ 3", "k": "layer ⊗ (head key*)"},
    ),
    "monomials over heads": symmetry(
        [HEADS[0], Space("v", 2, Monomial(2, scales=2, flips=2), ("head",))],
        {"a": "(head v^(a;a))", "b": "(head v^(b-1;b)) ⊗ 2", "c": "(v* head)"},
    ),
    "a wreath over heads": symmetry(
        [HEADS[0], Space("v", 4, Wreath(GeneralLinear(2), 2), ("head",))],
        {"a": "(head v) ⊗ 3", "b": "3 ⊗ (v* head)"},
    ),
    "wreath": symmetry(
        [Space("g", 6, Wreath(Orthogonal(2), 3)), Space("m", 4, Wreath(Monomial(2), 2))],
        {"a": "g ⊗ m*", "b": "(2 m) ⊗ g*"},
    ),
    "sums": symmetry(
        [Space("q", 3, GeneralLinear(3)), Space("k", 2, Permutation(2)), HEADS[0]],
        {
            "w": "(q + k + 1) ⊗ (2 + q*)",
            "b": "(q + 2 + q*)",
            "fused": "(2 (q + k)) ⊗ head",
            "chosen": "a:(1 + 1) ⊗ a:{q | 3}",
            "back": "a:{q | (k + 1)} ⊗ 2 ⊗ a:(2 + head)",
        },
    ),
    "offset": symmetry(
        [Space("c", 3, Monomial(3, scales=2)), Space("p", 2, PositiveScaling(2))],
        {
            "variance": "c^(a2;) - 1e-05",
            "mean": "c^(a;)",
            "gain": "c^(b;)",
            "x": "p^(a3;) ⊗ c* - -0.5",
        },
    ),
    "recurrent": symmetry(
        [Space("h", 3, SignedPermutation(3)), Space("d", 2, GeneralLinear(2))],
        {"w": "h ⊗ h*", "a": "d ⊗ d*", "b": "d ⊗ d", "c": "(h d)"},
    ),
}
cases = pytest.mark.parametrize("symmetry", CASES.values(), ids=CASES)
few = settings(max_examples=6)


def params_for(symmetry, seed):
    """Random Params of a symmetry; positive, so that offsets keep them so."""
    rng = torch.Generator().manual_seed(seed)
    reps = symmetry.reps.items()
    return {n: torch.rand(r.shape, generator=rng, dtype=torch.float64) + 0.1 for n, r in reps}


@cases
@few
@given(seed=seeds)
def test_an_element_acts_after_the_one_on_its_right(symmetry, seed):
    params, g, h = params_for(symmetry, seed), symmetry.sample(seed), symmetry.sample(seed + 1)
    at_once = symmetry.act(g @ h, params)
    in_turn = symmetry.act(g, symmetry.act(h, params))
    assert distance(at_once, in_turn) < 1e-10


@cases
@few
@given(seed=seeds)
def test_the_inverse_undoes(symmetry, seed):
    params, g = params_for(symmetry, seed), symmetry.sample(seed)
    assert distance(symmetry.act(~g, symmetry.act(g, params)), params) < 1e-10
    assert distance(symmetry.act(g @ ~g, params), params) < 1e-10


@cases
@few
@given(seed=seeds)
def test_composition_is_associative(symmetry, seed):
    params = params_for(symmetry, seed)
    g, h, k = (symmetry.sample(seed + i) for i in range(3))
    assert distance(symmetry.act((g @ h) @ k, params), symmetry.act(g @ (h @ k), params)) < 1e-9


@cases
def test_the_identity_moves_nothing_and_copies(symmetry):
    params, one = params_for(symmetry, 0), symmetry.identity()
    moved = symmetry.act(one, params)
    assert distance(moved, params) == 0
    assert one.is_identity
    assert one.moved == {}
    assert str(one) == "the identity"
    assert all(moved[n].data_ptr() != t.data_ptr() for n, t in params.items())
    somewhere = symmetry.act(symmetry.sample(0), params)
    assert all(somewhere[n].data_ptr() != t.data_ptr() for n, t in params.items())


@cases
@few
@given(seed=seeds)
def test_split_and_curve(symmetry, seed):
    params, g = params_for(symmetry, seed), symmetry.sample(seed)
    jump, flow = g.split()
    assert distance(symmetry.act(flow @ jump, params), symmetry.act(g, params)) < 1e-10
    curve = flow.curve()
    assert distance(symmetry.act(curve(0.0), params), params) < 1e-12
    assert distance(symmetry.act(curve(1.0), params), symmetry.act(flow, params)) < 1e-9
    middle = symmetry.act(curve(0.4), params)
    assert distance(symmetry.act(flow**0.4, params), middle) < 1e-14
    assert distance(symmetry.act(~curve(0.4), middle), params) < 1e-10


def test_a_jump_has_no_curve_and_its_space_is_named():
    g = CASES["chain"].sample(1)
    with pytest.raises(Disconnected, match=r"^in space a: no path in M⁺\(4\) joins the identity"):
        g.curve()
    with pytest.raises(Disconnected, match="split it first"):
        g**0.5


def test_a_family_has_one_element_per_head():
    symmetry = CASES["heads"]
    g = symmetry.sample(0)
    assert g.values["key"].shape == (3, 2, 2)
    q = torch.randn(6, 4, dtype=torch.float64)
    moved = symmetry.act_on("q", {n: v for n, v in g.values.items() if n != "stream"}, q)
    heads = q.reshape(3, 2, 4)[g.values["head"].perm]
    expected = torch.stack([k @ h for k, h in zip(g.values["key"], heads, strict=True)])
    assert torch.allclose(moved, expected.reshape(6, 4))


def test_parts_of_a_sum_move_by_themselves():
    symmetry = CASES["sums"]
    g = symmetry.sample(0)
    q, k, head = g.values["q"], g.values["k"].perm, g.values["head"].perm
    dual = torch.linalg.inv(q).T
    params = params_for(symmetry, 0)
    moved = symmetry.act(g, params)
    b = params["b"]
    assert torch.allclose(moved["b"], torch.cat([q @ b[:3], b[3:5], dual @ b[5:]]))
    w = params["w"]
    rows = torch.cat([q @ w[:3], w[3:5][k], w[5:]])
    assert torch.allclose(moved["w"], torch.cat([rows[:, :2], rows[:, 2:] @ dual.T], 1))
    fused = params["fused"].reshape(2, 5, 3)
    expected = torch.cat([q @ fused[:, :3], fused[:, 3:][:, k]], 1)[..., head]
    assert torch.allclose(moved["fused"], expected.reshape(10, 3))
    chosen = params["chosen"]
    assert torch.allclose(moved["chosen"], torch.stack([q @ chosen[0], chosen[1]]))
    back = params["back"]
    assert torch.allclose(moved["back"][..., :2], torch.tensordot(q, back[..., :2], 1))
    first = back[:2][k][..., 2:][..., head]
    assert torch.allclose(moved["back"][:2, :, 2:], first)
    assert torch.allclose(moved["back"][2:, :, 2:], back[2:][..., 2:][..., head])


def test_an_offset_is_added_before_and_taken_off_after():
    symmetry = CASES["offset"]
    g = symmetry.sample(0)
    params = params_for(symmetry, 0)
    scale = g.values["c"].logs[0].exp()
    expected = (params["variance"] + 1e-5)[g.values["c"].perm] * scale**2 - 1e-5
    assert torch.allclose(symmetry.act(g, params)["variance"], expected, rtol=0, atol=1e-14)
    without = params["variance"][g.values["c"].perm] * scale**2
    assert not torch.allclose(expected, without, rtol=0, atol=1e-7)


def test_dtypes_are_kept_and_half_precision_is_computed_wide():
    symmetry = CASES["chain"]
    g = symmetry.sample(0)
    wide = params_for(symmetry, 0)
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        params = {name: t.to(dtype) for name, t in wide.items()}
        moved = symmetry.act(g, params)
        exact = symmetry.act(g, {name: t.double() for name, t in params.items()})
        assert {t.dtype for t in moved.values()} == {dtype}
        unit = torch.finfo(dtype).eps
        for name, tensor in moved.items():
            gap = (tensor.double() - exact[name]).abs()
            assert bool((gap <= unit * exact[name].abs() + 1e-5).all()), (name, dtype)


def test_what_is_said_of_an_element():
    g = CASES["chain"].sample(1)
    assert set(g.moved) == {"a", "b"}
    lines = str(g).splitlines()
    assert lines[0].startswith("a: moves ")
    assert "scales by" in lines[0]
    assert lines[1].startswith("b: is ")
    data = g.to_json()
    assert sorted(data["a"]["perm"]) == [0, 1, 2, 3]
    assert len(data["b"]) == 3


def test_an_element_over_a_group_that_cannot_index_is_refused():
    bad = symmetry(
        [Space("g", 2, GeneralLinear(2)), Space("x", 1, GeneralLinear(1), ("g",))], {"w": "(g x)"}
    )
    one = Element(bad, bad.identity().values)
    with pytest.raises(TypeError, match=r"space g with group GL\(2\) cannot index a family"):
        one @ one

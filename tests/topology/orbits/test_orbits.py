"""Components of groups and of orbits, against brute force and by hand."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.topology.linear.conftest import normal
from torch import Tensor, nn

from isthmus.algebra import Element, Rep, Space, Symmetry
from isthmus.algebra.groups import (
    AbstractMonomial,
    GeneralLinear,
    Group,
    Lattice,
    Monomial,
    Orthogonal,
    Permutation,
    PositiveScaling,
    SignedPermutation,
)
from isthmus.discovery import discover
from isthmus.ground import NotFinite, Params, UnknownName, Verdict, params_of
from isthmus.topology.counts import partition_components
from isthmus.topology.orbits.group import group_components
from isthmus.topology.orbits.orbit import orbit_components

few = settings(max_examples=8)
seeds = st.integers(0, 2**31)


def symmetry_of(groups: dict[str, Group], reps: dict[str, str]) -> Symmetry:
    spaces = {name: Space(name, group.size, group) for name, group in groups.items()}
    return Symmetry(spaces, {name: Rep.parse(text, spaces) for name, text in reps.items()})


def network(groups: list[Group], width: int = 2) -> Symmetry:
    """Matrices one after the other, from ``width`` inputs to ``width`` outputs."""
    names = [f"s{k}" for k in range(len(groups))]
    rows, columns = [*names, str(width)], [str(width), *(f"{n}*" for n in names)]
    texts = {f"w{k}": f"{a} ⊗ {b}" for k, (a, b) in enumerate(zip(rows, columns, strict=True))}
    return symmetry_of(dict(zip(names, groups, strict=True)), texts)


def draw(symmetry: Symmetry, rng: torch.Generator) -> Params:
    return {name: normal(rng, *shape) for name, shape in symmetry.shapes.items()}


def elements(symmetry: Symmetry) -> list[Element]:
    """All of a finite group of permutations and signs."""
    choices = []
    for space in symmetry.spaces.values():
        group = space.group
        assert isinstance(group, AbstractMonomial)
        one = group.identity()
        orders = itertools.permutations(range(group.size)) if group.swaps else [range(group.size)]
        signs = list(itertools.product((1.0, -1.0), repeat=group.flips * group.size))
        bits = [torch.tensor(s).double().view_as(one.signs) for s in signs]
        pairs = itertools.product(map(torch.tensor, map(list, orders)), bits)
        choices.append([one._replace(perm=perm, signs=some) for perm, some in pairs])
    names = list(symmetry.spaces)
    every = itertools.product(*choices)
    return [Element(symmetry, dict(zip(names, values, strict=True))) for values in every]


def same(a: Params, b: Params) -> bool:
    return all(torch.allclose(a[n], b[n], rtol=1e-9, atol=0) for n in a)


@few
@given(seed=seeds, data=st.data())
def test_a_finite_orbit_has_as_many_points_as_are_counted(seed, data):
    """Twin units, dead units and automorphisms planted: |G| / |Stab|, by trying all of G."""
    rng = torch.Generator().manual_seed(seed)
    groups: list[Group] = [
        data.draw(st.sampled_from([Permutation(3), SignedPermutation(2), SignedPermutation(3)]))
        for _ in range(2)
    ]
    symmetry = network(groups)
    params = draw(symmetry, rng)
    kind = data.draw(st.sampled_from(["generic", "twins", "dead", "coarse"]))
    if kind == "twins":
        params["w0"][1], params["w1"][:, 1] = params["w0"][0], params["w1"][:, 0]
    if kind == "dead":
        params["w0"][1], params["w1"][:, 1] = 0.0, 0.0
    if kind == "coarse":  # many coincidences, also between layers
        params = {name: x.round().clamp(-1, 1) for name, x in params.items()}
    stable = sum(same(symmetry.act(g, params), params) for g in elements(symmetry))
    count = orbit_components(symmetry, params)
    assert count.exact
    assert count.count == group_components(symmetry).count / stable


@few
@given(seed=seeds, planted=st.booleans())
def test_scales_are_taken_out(seed, planted):
    """A unit that is another one up to a scale that the next layer undoes: they may be swapped."""
    rng = torch.Generator().manual_seed(seed)
    symmetry = network([Monomial(4), Monomial(3, 1, 1)])
    params = draw(symmetry, rng)
    if planted:
        params["w0"][2], params["w1"][:, 2] = 5 * params["w0"][0], params["w1"][:, 0] / 5
        params["w1"][1], params["w2"][:, 1] = -3 * params["w1"][0], params["w2"][:, 0] / -3
    count = orbit_components(symmetry, params)
    assert group_components(symmetry).count == 24 * 48
    assert count.count == 24 * 48 // (4 if planted else 1)
    moved = symmetry.act(symmetry.sample(rng), params)
    assert orbit_components(symmetry, moved).count == count.count


def test_signs_alone_do_not_pass_for_scales(rng):
    symmetry = network([Monomial(3)])  # positive scales only
    params = draw(symmetry, rng)
    params["w0"][1], params["w1"][:, 1] = -params["w0"][0], -params["w1"][:, 0]
    assert orbit_components(symmetry, params).count == 6


def test_many_alike_units_have_bounds(rng):
    symmetry = network([Permutation(6)])
    params = draw(symmetry, rng)
    params["w0"][:5], params["w1"][:, :5] = params["w0"][0], params["w1"][:, :1]
    assert orbit_components(symmetry, params, limit=120).count == 6
    bounded = orbit_components(symmetry, params, limit=119)
    assert bounded.count == 6  # swaps of two generate all that look alike
    params["w0"] = torch.tensor([[1.0, 2.0], [2.0, 1.0]]).double().repeat(3, 1)
    params["w1"] = torch.ones(2, 6).double()
    loose = orbit_components(symmetry, params, limit=100)
    assert not loose.exact
    assert (loose.log_least, loose.log_most) == (0.0, pytest.approx(math.log(720 / 6)))
    assert loose.hypotheses[0].verdict is Verdict.UNKNOWN
    assert "more than 100 would have to be tried" in str(loose)
    assert orbit_components(symmetry, params).count == 20  # 6! / (3! 3!)


@pytest.mark.parametrize(("size", "count"), [(1, 2), (2, 1), (3, 1)])
def test_a_sphere_is_connected_but_in_dimension_one(rng, size, count):
    symmetry = symmetry_of({"a": Orthogonal(size)}, {"w": "a"})
    assert group_components(symmetry).count == 2
    assert orbit_components(symmetry, {"w": normal(rng, size)}).count == count


def test_zero_gains_have_no_sign(rng):
    symmetry = symmetry_of({"a": Monomial(4, 1, 1, False)}, {"gain": "a"})
    gains = normal(rng, 4)
    assert orbit_components(symmetry, {"gain": gains}).count == 16
    gains[2] = 0
    assert orbit_components(symmetry, {"gain": gains}).count == 8


@pytest.mark.parametrize(
    ("widths", "ranks", "count"),
    [
        ((3, 3), (3, 3, 3), 4),  # nothing leaves invertible weights in place
        ((3, 3), (2, 3, 2), 2),  # joint mirrors: both determinants at once
        ((3, 3), (2, 2, 2), 1),  # what the next weight kills is nothing that comes in: both alone
        ((3, 3), (3, 2, 3), 4),  # what the next weight kills comes in
        ((4,), (2, 2), 1),
        ((2,), (2, 0), 2),
        ((2,), (1, 1), 1),
    ],
)
def test_orbits_of_linear_networks(rng, widths, ranks, count):
    symmetry = network([GeneralLinear(w) for w in widths], 3)
    params = {}
    for (name, (out, into)), rank in zip(symmetry.shapes.items(), ranks, strict=True):
        params[name] = normal(rng, out, rank) @ normal(rng, rank, into)
    assert orbit_components(symmetry, params).count == count
    moved = symmetry.act(symmetry.sample(rng, scale=0.5), params)
    assert orbit_components(symmetry, moved).count == count


def test_rotations_leave_room_beside_what_they_turn(rng):
    symmetry = symmetry_of(
        {"a": Orthogonal(4), "b": Orthogonal(3)}, {"w": "a ⊗ b*", "v": "5 ⊗ a*", "u": "b ⊗ 1"}
    )
    params = draw(symmetry, rng)
    assert orbit_components(symmetry, params).count == 4
    params["v"][:, 3] = params["w"][3] = 0.0
    assert orbit_components(symmetry, params).count == 2
    params["u"][1:] = params["w"][:, 2] = 0.0
    assert orbit_components(symmetry, params).count == 1


def test_what_is_not_solved_has_bounds(rng):
    groups = {"a": GeneralLinear(2), "b": Permutation(3)}
    symmetry = symmetry_of(groups, {"w": "a ⊗ 1", "v": "b ⊗ a*"})
    count = orbit_components(symmetry, draw(symmetry, rng))
    assert (count.log_least, count.count) == (0.0, None)
    assert count.log_most == pytest.approx(math.log(12))
    assert "1 to 12 components of the orbit" in str(count)
    assert "UNKNOWN: a, b: no element but 1 leaves the params in place" in str(count)


def test_what_has_full_rank_holds_its_space_still(rng):
    groups = {"a": GeneralLinear(2), "b": Permutation(3), "c": Orthogonal(3)}
    texts = {"w": "a ⊗ 2", "v": "b ⊗ a*", "u": "c ⊗ b*", "t": "c* ⊗ 4"}
    symmetry = symmetry_of(groups, texts)
    params = draw(symmetry, rng)
    count = orbit_components(symmetry, params)
    assert count.count == 2 * 6 * 2
    assert "PROVED: a: no element but 1 leaves in place what it acts on alone" in str(count)
    params["v"][1], params["u"][:, 1] = params["v"][0], params["u"][:, 0]
    assert orbit_components(symmetry, params).count == 2 * 3 * 2
    params["t"][:, 1:] = 0.0  # of rank 1: of c something is left to move
    assert not orbit_components(symmetry, params).exact


def test_apart_spaces_multiply(rng):
    symmetry = symmetry_of(
        {"a": Permutation(3), "b": Orthogonal(2), "c": Lattice(3)},
        {"w": "a ⊗ 2", "v": "b", "u": "3"},
    )
    params = draw(symmetry, rng)
    assert orbit_components(symmetry, params).count == 6  # of c nothing is left: it moves nothing
    assert group_components(symmetry).log_most == math.inf
    assert "infinitely many components of S(3)[a]" in str(group_components(symmetry))


def test_two_rays_of_the_paper(rng):
    """A.8 (1): R₊ on R without 0: each orbit is connected, the whole is not."""
    symmetry = symmetry_of({"a": PositiveScaling(1)}, {"w": "a"})
    rays = [orbit_components(symmetry, {"w": torch.tensor([x])}) for x in (2.0, -3.0)]
    assert [ray.count for ray in rays] == [1, 1]
    bound = partition_components(rays, "R without 0")
    assert (bound.log_least, bound.log_most) == (0.0, math.log(2))  # and 2 there are


def test_the_punctured_plane_of_the_paper(rng):
    """A.8 (2): R* on R² without 0: each orbit has two components, the whole has one."""
    symmetry = symmetry_of({"a": Monomial(1, 1, 1)}, {"w": "a ⊗ 2"})
    lines = [orbit_components(symmetry, {"w": normal(rng, 1, 2)}) for _ in range(5)]
    assert [line.count for line in lines] == [2] * 5
    assert orbit_components(symmetry, {"w": torch.zeros(1, 2)}).count == 1
    assert partition_components(lines, "five lines").log_most == pytest.approx(math.log(10))


@pytest.mark.parametrize(
    ("activation", "count"), [(nn.ReLU, 24), (nn.Tanh, 24 * 16), (nn.GELU, 24)]
)
def test_discovered_groups(activation, count):
    model = nn.Sequential(nn.Linear(3, 4), activation(), nn.Linear(4, 2)).double()
    symmetry = discover(model, torch.zeros(1, 3, dtype=torch.float64))
    found = group_components(symmetry)
    assert found.count == count
    assert found.log_most == pytest.approx(symmetry.log_components)
    assert found.to_json()["count"] == count
    params = params_of(model)
    assert orbit_components(symmetry, params).count == count
    for name in ("0.weight", "0.bias"):
        params[name][1] = params[name][0]
    params["2.weight"][:, 1] = params["2.weight"][:, 0]
    assert orbit_components(symmetry, params).count == count // 2


def test_a_family_counts_once_for_each_value():
    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.q, self.k, self.v = (nn.Linear(4, 6, bias=False) for _ in range(3))
            self.o = nn.Linear(6, 4, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            q, k, v = (f(x).view(1, -1, 2, 3).transpose(1, 2) for f in (self.q, self.k, self.v))
            heads = nn.functional.scaled_dot_product_attention(q, k, v)
            return self.o(heads.transpose(1, 2).reshape(1, -1, 6))

    model = Attention()
    symmetry = discover(model, torch.zeros(1, 5, 4))
    assert group_components(symmetry).count == 2 * 4**2  # 4^h h! (mathematics.md 4.4)
    assert "2 times: 4" in str(group_components(symmetry))
    count = orbit_components(symmetry, params_of(model))
    assert (count.log_least, count.log_most) == (0.0, pytest.approx(math.log(32)))


def test_wide_networks_are_counted_exactly(rng):
    symmetry = network([Monomial(60), SignedPermutation(40)], 20)
    count = orbit_components(symmetry, draw(symmetry, rng))
    assert count.exact
    assert count.log_most == pytest.approx(symmetry.log_components)
    assert str(count).startswith("e^")


def test_params_are_checked(rng):
    symmetry = network([Permutation(2)])
    params = draw(symmetry, rng)
    with pytest.raises(UnknownName):
        orbit_components(symmetry, {"w0": params["w0"]})
    params["w0"][0, 0] = torch.nan
    with pytest.raises(NotFinite, match="w0 holds NaN"):
        orbit_components(symmetry, params)

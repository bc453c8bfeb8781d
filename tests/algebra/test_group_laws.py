"""The laws of a group and of its action, on every group class."""

from __future__ import annotations

import inspect
import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.algebra import groups
from isthmus.algebra.groups import (
    Character,
    GeneralLinear,
    Group,
    Monomial,
    Motion,
    Orthogonal,
    Permutation,
    PositiveScaling,
    SignedPermutation,
    Trivial,
    Wreath,
    monomial,
)

seeds = st.integers(0, 2**31)
few = settings(max_examples=4)


def test_every_exported_group_has_an_instance_in_the_laws(tools):
    exported = {
        one
        for one in vars(groups).values()
        if inspect.isclass(one) and issubclass(one, Group) and not inspect.isabstract(one)
    }
    # AbstractMonomial has no name of its own, so it is abstract and not among these.
    assert exported == {type(group) for group in tools.instances}


@few
@given(seed=seeds)
def test_identity_inverse_associativity(group, tools, seed):
    rng = tools.rng(seed)
    g, h, k = (group.sample(rng, 0.5) for _ in range(3))
    one = group.identity()
    assert group.is_identity(one)
    assert tools.gap(group, group.compose(g, one), g) == 0
    assert tools.gap(group, group.compose(one, g), g) == 0
    for product in (group.compose(g, group.inverse(g)), group.compose(group.inverse(g), g)):
        assert tools.gap(group, product, one) < 1e-11
    left = group.compose(group.compose(g, h), k)
    right = group.compose(g, group.compose(h, k))
    assert tools.gap(group, left, right) < 1e-11


@few
@given(seed=seeds)
def test_every_character_is_a_homomorphism(group, tools, seed):
    rng = tools.rng(seed)
    g, h = group.sample(rng, 0.5), group.sample(rng, 0.5)
    product = tools.matrices(group, group.compose(g, h))
    assert torch.allclose(
        product, tools.matrices(group, g) @ tools.matrices(group, h), atol=1e-11, rtol=1e-9
    )


@few
@given(seed=seeds)
def test_the_dual_is_the_inverse_transpose(group, tools, seed):
    g = group.sample(tools.rng(seed), 0.5)
    for character in tools.characters(group):
        product = group.matrix(g, character) @ group.matrix(g, character.inverse()).mT
        assert torch.allclose(product, torch.eye(group.size).double(), atol=1e-11)


@few
@given(seed=seeds)
def test_a_batch_is_its_elements(group, tools, seed):
    rng = tools.rng(seed)
    g, h = group.sample(rng, 0.5, (2, 3)), group.sample(rng, 0.5, (2, 3))
    made = {
        "compose": group.compose(g, h),
        "inverse": group.inverse(g),
        "jump": group.split(g)[0],
        "flow": group.split(g)[1],
        "curve": group.curve(group.split(g)[1])(0.4),
        "identity": group.identity((2, 3)),
    }
    for i, j in itertools.product(range(2), range(3)):
        one, two = tools.pick(group, g, i, j), tools.pick(group, h, i, j)
        expected = {
            "compose": group.compose(one, two),
            "inverse": group.inverse(one),
            "jump": group.split(one)[0],
            "flow": group.split(one)[1],
            "curve": group.curve(group.split(one)[1])(0.4),
            "identity": group.identity(),
        }
        for name, value in expected.items():
            assert tools.gap(group, tools.pick(group, made[name], i, j), value) < 1e-11, name


@pytest.mark.parametrize("dim", [0, 1, 2, -1])
@few
@given(seed=seeds)
def test_acting_is_multiplying_by_the_matrix(group, tools, dim, seed):
    rng = tools.rng(seed)
    g = group.sample(rng, 0.5)
    shape = [2, 3, 4]
    shape[dim] = group.size
    x = torch.randn(shape, generator=rng, dtype=torch.float64)
    kept = x.clone()
    for character in tools.characters(group):
        moved = group.act(g, x, dim, character)
        matrix = group.matrix(g, character)
        expected = torch.tensordot(matrix, x, dims=([1], [dim])).movedim(0, dim)
        assert torch.allclose(moved, expected, atol=1e-11)
        assert group.act(g, x.float(), dim, character).dtype == torch.float32
    assert torch.equal(x, kept)


@pytest.mark.parametrize(("dims", "dim"), [((0, 1), 2), ((2, 0), 1), ((1, 2), 0)])
@settings(max_examples=6)
@given(seed=seeds)
def test_acting_with_a_family(group, tools, dims, dim, seed):
    rng = tools.rng(seed)
    g = group.sample(rng, 0.5, (2, 3))
    shape = [0, 0, 0, 2]
    shape[dims[0]], shape[dims[1]], shape[dim] = 2, 3, group.size
    x = torch.randn(shape, generator=rng, dtype=torch.float64)
    for character in tools.characters(group):
        moved = group.act(g, x, dim, character, dims).permute(*dims, dim, 3)
        expected = group.matrix(g, character) @ x.permute(*dims, dim, 3)
        assert torch.allclose(moved, expected, atol=1e-11)


@few
@given(seed=seeds)
def test_what_moves_is_said_and_nothing_is_the_identity(group, tools, seed):
    g = group.sample(tools.rng(seed), 0.5)
    moved = tools.gap(group, g, group.identity()) > 1e-12
    assert group.is_identity(g) == (not moved)
    assert (group.moves(g) == "does nothing") == (not moved)
    assert group.moves(group.identity()) == "does nothing"
    assert group.moves(group.identity((2,))) == "does nothing"


@pytest.mark.parametrize(
    "group", [Monomial(2, scales=2, flips=2), Wreath(Monomial(2, scales=2, flips=2), 2)], ids=str
)
def test_families_that_cancel_are_not_the_identity(group):
    # Two scales e and 1/e, or two signs -1 and -1: their product is 1, the element is not.
    for part in ("signs", "logs"):

        def cancel(tensor, part=part):
            value = -torch.ones_like(tensor) if part == "signs" else tensor.clone() + 1
            if part == "logs":
                value[..., 1, :] = -1
            return value

        one = group.identity()
        inner = one if isinstance(group, Monomial) else one.inner
        inner = inner._replace(**{part: cancel(getattr(inner, part))})
        g = inner if isinstance(group, Monomial) else one._replace(inner=inner)
        assert not group.is_identity(g)


@pytest.mark.parametrize(
    ("group", "components"),
    [
        (Trivial(3), 1),
        (Permutation(4), 24),
        (SignedPermutation(3), 48),
        (SignedPermutation(2, flips=2), 32),
        (SignedPermutation(3, swaps=False), 8),
        (PositiveScaling(3), 1),
        (Monomial(3, scales=2), 6),
        (Monomial(3, flips=1), 48),
        (Orthogonal(3), 2),
        (GeneralLinear(2), 2),
        (Wreath(Permutation(2), 3), 48),
        (Wreath(GeneralLinear(2), 2), 8),
    ],
    ids=str,
)
def test_components_are_counted_and_all_sampled(group, components, tools):
    assert math.exp(group.log_components) == pytest.approx(components)
    jumps, _ = group.split(group.sample(tools.rng(0), 0.5, (1000,)))
    found = tools.matrices(group, jumps).transpose(0, 1)
    if isinstance(group, Orthogonal | GeneralLinear):
        found = torch.linalg.det(found[:, 0]).sign()
    elif isinstance(group, Wreath):
        wide = found[:, 0].reshape(1000, group.blocks, group.inner.size, *found.shape[-1:])
        if isinstance(group.inner, GeneralLinear):
            blocks = wide.reshape(1000, 2, 2, 2, 2).permute(0, 1, 3, 2, 4)
            found = torch.linalg.det(blocks).sign()
    assert len(torch.unique(found.reshape(1000, -1).round(), dim=0)) == components


SUBSETS = [
    frozenset(some) for k in range(len(Motion) + 1) for some in itertools.combinations(Motion, k)
]
# Sums of generators that are closed: turns contain swaps and flips, shears contain all.
CLOSED = [
    some
    for some in SUBSETS
    if (Motion.TURN not in some or {Motion.SWAP, Motion.FLIP} <= some)
    and (Motion.SHEAR not in some or set(Motion) - {Motion.SHIFT} <= some)
]


def test_meet_is_a_subgroup(group, tools):
    for motions in SUBSETS:
        sub, restrict = group.meet(motions)
        assert sub.size == group.size
        assert sub.motions <= group.motions
        if motions in CLOSED:
            assert sub.motions <= motions
            assert sub.meet(motions)[0] == sub
        if motions >= group.motions:
            assert sub == group
        natural = restrict(group.natural)
        assert natural == sub.natural
        g = sub.sample(tools.rng(0), 0.5)
        assert group.why_not(sub.matrix(g, natural)) is None
        dual = sub.matrix(g, restrict(group.natural.inverse()))
        assert torch.allclose(dual @ sub.matrix(g, natural).mT, torch.eye(group.size).double())


def test_meet_is_the_largest():
    stretch, flip, swap = Motion.STRETCH, Motion.FLIP, Motion.SWAP
    for group, motions, expected in (
        (Monomial(3, 2, 1), {swap, stretch}, Monomial(3, 2)),
        (Monomial(3, 2, 1), {stretch}, PositiveScaling(3, 2)),
        (Monomial(3, 2, 1), {swap, flip}, SignedPermutation(3)),
        (GeneralLinear(3), {swap, stretch}, Monomial(3)),
        (GeneralLinear(3), {swap, flip, Motion.TURN}, Orthogonal(3)),
        (Orthogonal(3), {stretch}, Trivial(3)),
        (Orthogonal(3), {swap, flip, stretch}, SignedPermutation(3)),
        (Wreath(GeneralLinear(2), 3), {swap}, Wreath(Permutation(2), 3)),
        (Wreath(Monomial(2), 3), {stretch}, PositiveScaling(6)),
        (Wreath(GeneralLinear(2), 3), {flip}, SignedPermutation(6, swaps=False)),
        (Wreath(Permutation(2), 3), {stretch}, Trivial(6)),
    ):
        assert group.meet(frozenset(motions))[0] == expected, str(group)


def test_names_are_the_fields_symbols():
    for group, name in (
        (Trivial(3), "1(3)"),
        (Permutation(8), "S(8)"),
        (SignedPermutation(6), "B(6)"),
        (SignedPermutation(6, swaps=False), "±1(6)"),
        (PositiveScaling(6), "R⁺(6)"),
        (Monomial(6), "M⁺(6)"),
        (Monomial(6, flips=1), "M(6)"),
        (Monomial(6, scales=2, flips=0), "M⁺(6;2,0)"),
        (Monomial(6, flips=1, swaps=False), "R*(6)"),
        (Orthogonal(4), "O(4)"),
        (GeneralLinear(4), "GL(4)"),
        (Wreath(GeneralLinear(4), 2), "GL(4)≀S(2)"),
    ):
        assert str(group) == group.name == name


@pytest.mark.parametrize("swaps", [False, True])
@pytest.mark.parametrize("flips", [0, 1, 2])
@pytest.mark.parametrize("scales", [0, 1, 2])
def test_monomial_makes_the_group_with_these_generators(swaps, flips, scales):
    group = monomial(3, swaps=swaps, flips=flips, scales=scales)
    assert (group.swaps, group.flips, group.scales) == (swaps, flips, scales)
    assert group.natural == Character(False, (1,) * scales, (1,) * flips)

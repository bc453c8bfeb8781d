"""Bounds never exceed what brute force finds; where they are called sharp, they reach it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from isthmus import align
from isthmus.algebra import Element, Rep, Space, Symmetry
from isthmus.algebra.groups import (
    GeneralLinear,
    Group,
    Monomial,
    Moves,
    Orthogonal,
    Permutation,
    SignedPermutation,
)
from isthmus.alignment.optimality import optimality
from isthmus.alignment.optimality.costs import Costs
from isthmus.alignment.optimality.duals import dual_bound, solve
from isthmus.alignment.optimality.floors import floor
from isthmus.ground import Verdict, distance

SIZE = 3
NETS = {
    "chain": {"one": "p ⊗ 2", "bias": "p", "two": "q ⊗ p*", "three": "2 ⊗ q*"},
    "kernel": {"one": "p ⊗ 2", "two": "q ⊗ p* ⊗ 2", "flat": "2 ⊗ (q* 2)"},
    "twice": {"one": "p ⊗ 2", "two": "p ⊗ p*", "three": "q ⊗ p*"},
    "middle": {"two": "q ⊗ p*"},
}


def net(kind: str, group: Group) -> Symmetry:
    spaces = {name: Space(name, group.size, group) for name in "pq"}
    flips = f"^(;{'a' * min(group.flips, 1)})" if isinstance(group, SignedPermutation) else ""
    texts = {n: t.replace("p*", f"p*{flips}") for n, t in NETS[kind].items()}
    return Symmetry(spaces, {n: Rep.parse(t, spaces) for n, t in texts.items()})


def gaussian(symmetry: Symmetry, seed: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = symmetry.shapes.items()
    return {n: torch.randn(s, generator=generator, dtype=torch.float64) for n, s in shapes}


def values(group: Group) -> Iterator[Moves]:
    flips = getattr(group, "flips", 0)
    for perm in itertools.permutations(range(group.size)):
        for signs in itertools.product((1.0, -1.0), repeat=flips * group.size):
            one = group.identity()
            sign = torch.tensor(signs, dtype=torch.float64).reshape(one.signs.shape)
            yield Moves(torch.tensor(perm), sign, one.logs)


def least(symmetry: Symmetry, a, b, names) -> float:
    """The smallest squared distance over all values of some spaces."""
    best = float("inf")
    groups = [symmetry.spaces[name].group for name in names]
    one = symmetry.identity()
    for chosen in itertools.product(*(values(group) for group in groups)):
        g = Element(symmetry, {**one.values, **dict(zip(names, chosen, strict=True))})
        best = min(best, distance(a, symmetry.act(g, b)) ** 2)
    return best


@settings(max_examples=25, deadline=None)
@given(
    kind=st.sampled_from(sorted(NETS)),
    signed=st.booleans(),
    near=st.sampled_from([0.0, 0.3, 1.0]),
    seed=st.integers(0, 10_000),
)
def test_no_bound_exceeds_the_optimum(kind: str, signed: bool, near: float, seed: int) -> None:
    size = 2 if signed else SIZE
    symmetry = net(kind, SignedPermutation(size) if signed else Permutation(size))
    a, noise = gaussian(symmetry, seed), gaussian(symmetry, seed + 1)
    planted = symmetry.act(symmetry.sample(seed=seed), a)
    b = {n: (1 - near) * planted[n] + near * noise[n] for n in a}
    g = symmetry.sample(seed=seed + 2)
    found = optimality(symmetry, a, b, g, exhaustive=0).evidence
    moved = symmetry.act(g, b)
    assert found["distance"] == pytest.approx(distance(a, moved), abs=1e-12)
    optimum = least(symmetry, a, moved, ["p", "q"])
    assert found["lower_bound"] ** 2 <= optimum + 1e-12
    for name, term in found["spaces"].items():
        rest = found["distance"] ** 2 - term["value"]
        alone = least(symmetry, a, moved, [name]) - rest
        assert term["bound"] <= alone + 1e-12
        if term["sharp"]:
            assert term["bound"] == pytest.approx(alone, abs=1e-12)
            assert term["gap"] >= -1e-12
    sharp = {name for name, term in found["spaces"].items() if term["sharp"]}
    assert sharp == ({"q"} if kind == "twice" else {"p", "q"})


def costs(seed: int, powers: list[list[float]], flips: list[list[int]], size: int = 3) -> Costs:
    """Random units, all pairs."""
    generator = torch.Generator().manual_seed(seed)
    shape = (len(powers), 1, size, 4)
    a, b = (torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(2))
    cross = a @ b.mT
    return Costs(
        cross,
        -cross,
        b.square().sum(-1).unsqueeze(-2),
        a.square().sum(-1).sum(0).unsqueeze(-1),
        torch.tensor(powers, dtype=torch.float64),
        torch.tensor(flips, dtype=torch.float64).reshape(len(powers), -1),
    )


def on_a_grid(of: Costs, fine: int = 161) -> torch.Tensor:
    """The smallest cost seen on a grid of log-scales, for all signs."""
    axis = torch.linspace(-8, 8, fine, dtype=torch.float64)
    grid = torch.cartesian_prod(*[axis] * of.powers.shape[1]).reshape(
        fine ** of.powers.shape[1], -1
    )
    y = (grid @ of.powers.mT).exp()
    best = torch.full(of.plus.shape[1:], torch.inf, dtype=torch.float64)
    for pattern in of.patterns:
        cross, source = of.cross(pattern), of.source.expand_as(of.plus)
        at = torch.einsum("ge,ebij->gbij", y.square(), source)
        at = at - 2 * torch.einsum("ge,ebij->gbij", y, cross)
        best = torch.minimum(best, of.target + at.amin(0))
    return best


TWO_SCALES = ([[1.0, 1.0], [-1.0, 0.0], [0.0, -1.0]], [[0], [1], [1]])


@settings(max_examples=10, deadline=None)
@example(seed=97, case=TWO_SCALES)
@given(
    seed=st.integers(0, 10_000),
    case=st.sampled_from(
        [
            ([[1.0], [-1.0]], [[], []]),
            ([[1.0], [-1.0]], [[1], [1]]),
            ([[1.0], [2.0], [0.0]], [[1], [0], [1]]),
            TWO_SCALES,
            ([[1.0, 1.0], [-1.0, -1.0]], [[], []]),
        ]
    ),
)
def test_floors_are_below_every_cost_and_close(seed: int, case: tuple) -> None:
    of = costs(seed, *case)
    seen = on_a_grid(of)
    tight = floor(of, seen + 0.1)
    assert bool((tight <= seen + 1e-12).all())
    assert bool((tight >= seen - 0.05 * of.target).all()), "the grid is not so coarse"
    # Where asked for less, it says no more than was asked for.
    assert torch.equal(floor(of, tight - 0.5), tight - 0.5)
    u, v = solve(of)
    level = u.unsqueeze(-1) + v.unsqueeze(-2)
    assert bool((level <= seen + 1e-12).all())
    brute = min(
        sum(float(tight[0, i, j]) for i, j in enumerate(p))
        for p in itertools.permutations(range(3))
    )
    assert dual_bound(of, u, v)[0] == pytest.approx(brute, abs=1e-7 * float(of.target.sum()))


def test_duals_that_are_not_feasible_prove_less() -> None:
    of = costs(4, [[1.0], [-1.0]], [[], []])
    u, v = solve(of)
    proved, excess = dual_bound(of, u, v)
    assert excess < 1e-8
    bound, excess = dual_bound(of, u + 1.0, v)
    assert bound == pytest.approx(proved, abs=1e-8)
    assert excess == pytest.approx(1, abs=1e-8)
    raised = u.clone()
    raised[0, 1] += 1.0
    assert dual_bound(of, raised, v)[0] <= proved + 1e-8
    assert dual_bound(of, u - 1.0, v)[0] == pytest.approx(proved - 3)


def test_one_hidden_layer_is_solved_for_the_whole_group() -> None:
    """One hidden layer: the joint dual over permutation and scale is the global optimum."""
    space = {"h": Space("h", 4, Monomial(4))}
    reps = {
        n: Rep.parse(t, space) for n, t in {"w": "h ⊗ 3", "b": "h", "v": "2 ⊗ h*^(a-1;)"}.items()
    }
    symmetry = Symmetry(space, reps)
    a, b = gaussian(symmetry, 1), gaussian(symmetry, 2)
    fit = align(b, to=a, symmetry=symmetry)
    found = optimality(symmetry, a, b, fit.element)
    assert found.verdict is Verdict.PROVED
    assert found.claim.startswith("no element of the group")
    assert found.evidence["lower_bound"] == pytest.approx(fit.after, rel=1e-6)


def test_verdicts() -> None:
    symmetry = net("chain", Permutation(5))
    a, b = gaussian(symmetry, 1), gaussian(symmetry, 2)
    left = optimality(symmetry, a, b, symmetry.identity())
    assert left.verdict is Verdict.REFUTED
    assert left.margin < 0
    planted = symmetry.sample(seed=3)
    exact = optimality(symmetry, a, symmetry.act(planted, a), ~planted)
    assert exact.verdict is Verdict.PROVED
    assert exact.claim == "no element of the group lowers the squared distance by 0.01%"


def test_rotations_by_procrustes_and_bases_by_least_squares_and_products() -> None:
    spaces = {"o": Space("o", 4, Orthogonal(4)), "k": Space("k", 2, GeneralLinear(2))}
    texts = {"embed": "6 ⊗ o", "q": "k ⊗ o*", "k": "k* ⊗ o*", "twice": "o ⊗ o*"}
    symmetry = Symmetry(spaces, {n: Rep.parse(t, spaces) for n, t in texts.items()})
    a, b = gaussian(symmetry, 1), gaussian(symmetry, 2)
    found = optimality(symmetry, a, b, symmetry.identity())
    turned, based = found.evidence["spaces"]["o"], found.evidence["spaces"]["k"]
    assert (turned["kind"], based["kind"]) == ("rotation", "products")
    assert not turned["sharp"], "o acts twice on one parameter"
    generator = torch.Generator().manual_seed(5)
    for _ in range(50):
        one = symmetry.identity().values
        for name, term in (("o", turned), ("k", based)):
            value = spaces[name].group.sample(generator, 0.5)
            moved = symmetry.act(Element(symmetry, {**one, name: value}), b)
            names = [n for n, rep in symmetry.reps.items() if name in rep.spaces]
            near = sum(float((a[n] - moved[n]).square().sum()) for n in names)
            assert near >= term["bound"]
    planted = symmetry.sample(seed=7)
    exact = optimality(symmetry, a, symmetry.act(planted, a), ~planted).evidence["spaces"]
    assert exact["k"]["gradient"] < 1e-10
    assert exact["o"]["lowest_eigenvalue"] > 0
    assert exact["o"]["asymmetry"] < 1e-10


@pytest.mark.parametrize("length", [1e-60, 1e-9, 1e40])
def test_the_length_of_units_does_not_matter_where_they_may_be_scaled(length: float) -> None:
    of = costs(2, [[1.0], [2.0], [0.0]], [[1], [0], [1]])
    grown = torch.tensor([length, length**2, 1.0], dtype=torch.float64).reshape(-1, 1, 1, 1)
    other = replace(
        of, plus=of.plus * grown, minus=of.minus * grown, source=of.source * grown.square()
    )
    level = on_a_grid(of) + 0.1
    torch.testing.assert_close(floor(other, level), floor(of, level), rtol=1e-8, atol=1e-8)


def test_costs_that_are_least_at_infinity() -> None:
    """A unit that nothing resembles is best scaled to nothing."""
    of = costs(3, [[1.0]], [[]])
    away = replace(of, plus=-of.plus.abs(), minus=of.plus.abs())
    level = away.target + torch.ones_like(away.plus[0])
    torch.testing.assert_close(floor(away, level), away.target.expand_as(level), rtol=1e-8, atol=0)


def test_assignments_that_do_not_fit_are_left_open() -> None:
    symmetry = net("chain", Permutation(SIZE))
    a, b = gaussian(symmetry, 1), gaussian(symmetry, 2)
    one = symmetry.identity()
    small = optimality(symmetry, a, b, one, memory=1e-9, exhaustive=0).evidence
    assert {term["kind"] for term in small["spaces"].values()} == {"none"}
    assert all(share["kind"] == "spectral" for share in small["orbit"])
    enough = optimality(symmetry, a, b, one, memory=1e-6, exhaustive=0).evidence
    assert {term["kind"] for term in enough["spaces"].values()} == {"assignment"}

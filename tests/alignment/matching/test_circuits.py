"""Circuits: nothing inside a head, an expert or a channel group changes them."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from isthmus.algebra.elements import Element
from isthmus.algebra.groups import Character, GeneralLinear, Permutation, monomial
from isthmus.algebra.reps import Rep
from isthmus.algebra.spaces import Factor, Space
from isthmus.algebra.symmetry import Symmetry
from isthmus.alignment.matching import pairs
from isthmus.alignment.matching.circuits import circuits
from isthmus.alignment.matching.problem import Problem
from isthmus.alignment.matching.steps import best_values, outer_step

NAMES = {
    "attention_chunk": "attention.head",
    "attention_einsum": "attention",
    "gpt": "blocks.0.attention.head",
}


def inside(name: str, space: str, seed: int, tools: SimpleNamespace) -> tuple[Problem, Problem]:
    """A model beside itself, and beside itself with all that the outer space indexes moved."""
    symmetry, a = tools.essential(name)
    still, g = symmetry.identity(), symmetry.sample(seed)
    values = {n: g.values[n] if space in s.over else still.values[n]
              for n, s in symmetry.spaces.items()}  # fmt: skip
    b = symmetry.act_all(Element(symmetry, values), a)
    assert tools.gap(a, b) > 0.01
    return Problem(symmetry, a, a, still), Problem(symmetry, a, b, still)


def costs(problem: Problem, space: str) -> Tensor:
    """What all pairs of an outer space's values cost."""
    of = circuits(problem, space)
    assert of is not None
    return of.cost(*pairs.fit(of, rounds=1, steps=4))


@pytest.mark.parametrize("name", NAMES)
def test_what_moves_inside_does_not_change_the_cost(name: str, tools: SimpleNamespace) -> None:
    space = NAMES[name]
    same, moved = inside(name, space, 1, tools)
    one, two = costs(same, space), costs(moved, space)
    torch.testing.assert_close(one, two, rtol=1e-9, atol=1e-9 * float(one.max()))
    assert float(one.diagonal().abs().max()) < 1e-9 * float(one.max())
    off = one + torch.eye(len(one)) * one.max()
    assert float(off.min()) > 0.01 * float(one.max())


@pytest.mark.parametrize("name", NAMES)
def test_swapped_heads_are_found_by_one_step(name: str, tools: SimpleNamespace) -> None:
    space = NAMES[name]
    symmetry, a = tools.essential(name)
    g = symmetry.sample(2)
    values = dict(symmetry.identity().values)
    for n, s in symmetry.spaces.items():
        values[n] = g.values[n] if space in s.over else values[n]
    group = symmetry.spaces[space].group
    values[space] = group.identity()._replace(perm=torch.arange(group.size).roll(1))
    b = symmetry.act_all(Element(symmetry, values), a)
    problem = Problem(symmetry, a, b, symmetry.identity())
    before = problem.objective
    gain = outer_step(problem, space, 0.0)
    assert gain == pytest.approx(before - problem.objective)
    assert problem.objective < 1e-6 * problem.objective_size
    assert problem.jumps


def channel_groups(flips: tuple[int, ...], scales: tuple[int, ...]) -> Symmetry:
    """Groups of channels with a weight that feels their sign and scale and a bias that does not."""
    outer = Space("group", 3, monomial(3, swaps=True, flips=1, scales=1))
    inner = Space("channel", 4, Permutation(4), over=("group",))
    felt, blind = Character(False, scales, flips), Character(False, (0,), (0,))
    places = {"weight": ((5,), felt), "bias": ((), blind), "reader": ((6,), blind)}
    reps = {
        name: Rep.of([
            (Factor(3, "group", character), Factor(4, "channel")), *((Factor(n),) for n in rest)
        ])
        for name, (rest, character) in places.items()
    }  # fmt: skip
    return Symmetry({"group": outer, "channel": inner}, reps)


@pytest.mark.parametrize("seed", range(5))
def test_signs_and_scales_of_an_outer_space_show_whatever_the_order_inside(
    seed: int, tools: SimpleNamespace
) -> None:
    """The order inside cannot be known before the sign, nor the sign by that order."""
    symmetry = channel_groups((1,), (1,))
    a = {n: tools.gaussian(*rep.shape, seed=10 * seed + k)
         for k, (n, rep) in enumerate(symmetry.reps.items())}  # fmt: skip
    planted = symmetry.sample(seed)
    problem = Problem(symmetry, a, symmetry.act_all(planted, a), symmetry.identity())
    value = best_values(problem, "group")
    assert value is not None
    found = (Element(symmetry, {**symmetry.identity().values, "group": value}) @ planted).values
    assert symmetry.spaces["group"].group.is_identity(found["group"], 1e-9)
    assert not symmetry.spaces["channel"].group.is_identity(found["channel"])
    assert outer_step(problem, "group", 0.0) > 0
    assert problem.objective < 1e-18 * problem.objective_size


def test_an_outer_space_within_another_is_matched_by_circuits(tools: SimpleNamespace) -> None:
    """Three levels: groups, groups in each, rotated axes in each of those."""
    spaces = {
        "one": Space("one", 2, Permutation(2)),
        "two": Space("two", 3, Permutation(3), over=("one",)),
        "three": Space("three", 4, GeneralLinear(4), over=("one", "two")),
    }
    row = (Factor(2, "one"), Factor(3, "two"), Factor(4, "three"))
    back = tuple(replace(f, character=Character(True)) for f in row)
    symmetry = Symmetry(
        spaces, {"in": Rep.of([row, (Factor(7),)]), "out": Rep.of([(Factor(7),), back])}
    )
    a = {"in": tools.gaussian(24, 7, seed=0), "out": tools.gaussian(7, 24, seed=1)}
    still, g = symmetry.identity(), symmetry.sample(3)
    planted = Element(symmetry, {**g.values, "one": still.values["one"]})
    problem = Problem(symmetry, a, symmetry.act_all(planted, a), still)
    assert not spaces["two"].group.is_identity(planted.values["two"])
    value = best_values(problem, "two")
    assert value is not None
    assert torch.equal(value.perm, (~planted).values["two"].perm)
    assert outer_step(problem, "two", 0.0) > 0
    assert problem.objective < 1e-12 * problem.objective_size

"""Circuits: nothing inside a head, an expert or a channel group changes them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from isthmus.algebra.elements import Element
from isthmus.alignment.matching.circuits import pair_costs
from isthmus.alignment.matching.problem import Problem
from isthmus.alignment.matching.steps import outer_step

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


@pytest.mark.parametrize("name", NAMES)
def test_what_moves_inside_does_not_change_the_cost(name: str, tools: SimpleNamespace) -> None:
    space = NAMES[name]
    same, moved = inside(name, space, 1, tools)
    one, two = pair_costs(same, space), pair_costs(moved, space)
    assert one is not None
    assert two is not None
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

"""Glimpses: rows of a space through others that are unknown."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from isthmus.algebra.elements import Element
from isthmus.algebra.groups import Character, GeneralLinear, Orthogonal, Permutation
from isthmus.algebra.reps import Rep
from isthmus.algebra.spaces import Factor, Space
from isthmus.algebra.symmetry import Symmetry
from isthmus.alignment.matching.glimpses import glimpsed, glimpses
from isthmus.alignment.matching.problem import Problem
from isthmus.alignment.starts.outward import Outward

HEADS, WIDTH, FAR, NEAR = 3, 8, 6, 10
DUAL = Character(True)


def attention() -> Symmetry:
    """Keys read a stream that is known; queries one of which two rows say far too little.

    What else the heads hold tells them apart.
    """
    spaces = {
        "head": Space("head", HEADS, Permutation(HEADS)),
        "near": Space("near", NEAR, Orthogonal(NEAR)),
        "key": Space("key", WIDTH, GeneralLinear(WIDTH), over=("head",)),
    }
    plain = (Factor(HEADS, "head"), Factor(WIDTH, "key"))
    back = (Factor(HEADS, "head"), Factor(WIDTH, "key", DUAL))
    reps = {
        "embedding": Rep.of([(Factor(2),), (Factor(NEAR, "near"),)]),
        "query": Rep.of([plain, (Factor(NEAR, "near", DUAL),)]),
        "key": Rep.of([back, (Factor(FAR),)]),
        "sink": Rep.of([(Factor(HEADS, "head"),), (Factor(4),)]),
    }
    return Symmetry(spaces, reps)


def problem(tools: SimpleNamespace, moved: set[str]) -> tuple[Problem, Element]:
    """A model and the same with some spaces moved."""
    symmetry = attention()
    a = {n: tools.gaussian(*rep.shape, seed=k) for k, (n, rep) in enumerate(symmetry.reps.items())}
    still, g = symmetry.identity().values, symmetry.sample(5, 0.5).values
    planted = Element(symmetry, {n: (g if n in moved else still)[n] for n in symmetry.spaces})
    return Problem(symmetry, a, symmetry.act_all(planted, a), symmetry.identity()), planted


def test_what_is_hidden_is_not_felt_and_the_space_is(tools: SimpleNamespace) -> None:
    state, planted = problem(tools, {"key", "near"})
    (found,) = glimpses(state, "near", {"head"})
    character, a, b = found.rows(state)
    assert character == DUAL
    assert a.shape[0] == NEAR
    assert float((a - b).norm()) > 0.1 * float(a.norm())
    group = state.symmetry.spaces["near"].group
    torch.testing.assert_close(group.act(planted.values["near"], a, 0, character), b)


def test_they_show_no_more_than_lies_beyond(tools: SimpleNamespace) -> None:
    state, _ = problem(tools, set())
    assert list(glimpsed(glimpses(state, "near", {"head"})).values()) == [HEADS * NEAR * FAR]
    assert not glimpses(state, "near", {"head", "key"})  # nothing is in between
    assert not glimpses(state, "key", {"head"})[0].near.lies_within({"head"})
    # While heads are unknown too, both are summed over.
    (both,) = glimpses(state, "near", set())
    assert set(both.hidden) == {"head", "key"}
    _, a, _ = both.rows(state)
    assert a.shape == (NEAR, FAR)


@pytest.mark.parametrize("seed", range(4))
def test_a_rotation_and_a_shear_that_wait_for_each_other_are_found(
    seed: int, tools: SimpleNamespace
) -> None:
    symmetry = attention()
    a = {
        n: tools.gaussian(*rep.shape, seed=10 * seed + k)
        for k, (n, rep) in enumerate(symmetry.reps.items())
    }
    b = symmetry.act_all(symmetry.sample(seed, 0.5), a)
    found = Outward()(symmetry, a, b, torch.Generator())
    assert found.objective < 1e-20 * found.objective_size

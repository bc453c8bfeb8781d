"""Lengths in front of a norm: the target's in what is returned, the least where it is proved."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from isthmus import align, discover, params_of
from isthmus.algebra.groups import AbstractMonomial, Character, Moves, PositiveScaling
from isthmus.algebra.reps import Rep
from isthmus.algebra.spaces import Factor, Space
from isthmus.algebra.symmetry import Symmetry
from isthmus.alignment.matching.lengths import made_alike, made_near
from isthmus.alignment.matching.problem import Problem
from isthmus.alignment.optimality import optimality
from isthmus.testing.zoo import entry, randomise


def before_a_norm(*powers: int) -> Symmetry:
    """Tensors ``0``, ``1``, … of the same five units, each with its power of their scale."""
    character = [Character(scales=(power,)) for power in powers]
    reps = {
        str(k): Rep.of([(Factor(5, "units", felt),), (Factor(3 + k),)])
        for k, felt in enumerate(character)
    }
    return Symmetry({"units": Space("units", 5, PositiveScaling(5))}, reps)


def problem_of(symmetry: Symmetry, seed: int) -> Problem:
    generator = torch.Generator().manual_seed(seed)

    def point() -> dict[str, Tensor]:
        return {
            name: torch.randn(5, 3 + int(name), generator=generator, dtype=torch.float64)
            for name in symmetry.reps
        }

    return Problem(symmetry, point(), point(), symmetry.identity())


def lengths(params: dict[str, Tensor]) -> Tensor:
    return torch.stack([t.square().sum(1) for t in params.values()]).sum(0)


@pytest.mark.parametrize("powers", [(1,), (-1,), (1, 2), (1, 2, 0), (-3, -1)])
@pytest.mark.parametrize("seed", range(3))
def test_what_only_grows_is_made_as_long_as_its_partner(powers: tuple[int, ...], seed: int) -> None:
    symmetry = before_a_norm(*powers)
    problem = problem_of(symmetry, seed)
    problem.put(made_alike(problem))
    felt = [str(k) for k, power in enumerate(powers) if power]
    got = lengths({n: problem.moved[n] for n in felt})
    torch.testing.assert_close(got, lengths({n: problem.a[n] for n in felt}), rtol=1e-12, atol=0)


@pytest.mark.parametrize("powers", [(1,), (-2,), (1, 2), (1, 0)])
def test_the_near_length_is_the_one_of_least_distance(powers: tuple[int, ...]) -> None:
    symmetry = before_a_norm(*powers)
    problem = problem_of(symmetry, seed=7)
    # Partners that agree: those that speak against each other would be shortened to nothing.
    problem.b = {n: t + 2 * problem.a[n] for n, t in problem.b.items()}
    problem.put(made_near(problem))
    least = problem.objective
    one = symmetry.spaces["units"].group.identity(())
    assert isinstance(one, Moves)
    for step in (-0.5, -1e-3, 1e-3, 0.5):
        change = {"units": one._replace(logs=one.logs + step)}
        moved = problem.propose(change)
        assert sum(float((problem.a[n] - t).square().sum()) for n, t in moved.items()) >= least


def test_lengths_that_something_undoes_are_left() -> None:
    """A ReLU's scales grow on one side and shrink on the other."""
    symmetry = before_a_norm(1, -1)
    problem = problem_of(symmetry, seed=1)
    assert made_alike(problem) is problem.element
    assert made_near(problem) is problem.element


def test_units_before_a_batch_norm_keep_their_length() -> None:
    """Least squares shorten them by the cosine of their angle: a line hears little of them."""
    model = randomise(entry("vgg").build(), 1)
    symmetry = discover(model, entry("vgg").example())
    a, b = params_of(model), params_of(randomise(entry("vgg").build(), 2))
    fit = align(b, to=a, symmetry=symmetry)
    for name, rep in symmetry.reps.items():
        factor = rep.blocks[0].factors[0]
        group = symmetry.spaces[factor.space].group if factor.space else None
        alone = isinstance(group, AbstractMonomial) and factor.character.scales == (0, 1)
        if alone and name.endswith("weight"):
            got, wanted = (x[name].flatten(1).norm(dim=1) for x in (fit.params, a))
            torch.testing.assert_close(got, wanted, rtol=1e-5, atol=0)
            break
    else:
        pytest.fail("no weight in front of a norm")
    proof = optimality(symmetry, a, b, fit.element)
    assert proof.evidence["lower_bound"] <= proof.evidence["distance"] < fit.after

"""Steps along all continuous parts at once: the derivative, its adjoint, and what they reach."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from isthmus.algebra.elements import Element
from isthmus.alignment.matching.polish import polish
from isthmus.alignment.matching.problem import Problem
from isthmus.alignment.matching.velocities import Derivative, Velocities

NAMES = [
    "mlp", "mlp_square", "gated_reglu", "linear_net", "residual_mlp", "attention_chunk",
    "depthwise_grouped", "gpt", "llama", "squeeze_excite",
]  # fmt: skip


def problem_of(name: str, tools: SimpleNamespace) -> Problem:
    symmetry, a = tools.essential(name)
    return Problem(symmetry, a, a, symmetry.identity())


def velocities(derivative: Derivative, seed: int) -> Velocities:
    return {n: gaussian(derivative.shape(n), seed + k) for k, n in enumerate(derivative.names)}


def gaussian(shape: tuple[int, ...], seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("name", NAMES)
def test_push_is_the_derivative_of_the_action(name: str, tools: SimpleNamespace) -> None:
    problem = problem_of(name, tools)
    symmetry, derivative = problem.symmetry, Derivative(problem)
    velocity = velocities(derivative, seed=0)

    def moved(step: float) -> dict[str, torch.Tensor]:
        values = dict(symmetry.identity().values)
        for n, v in velocity.items():
            values[n] = symmetry.spaces[n].group.exp(step * v)
        return symmetry.act_all(Element(symmetry, values), problem.moved)

    step = 1e-5
    later, earlier, pushed = moved(step), moved(-step), derivative.push(velocity)
    assert pushed
    for n in problem.moved:
        rate = (later[n] - earlier[n]) / (2 * step)
        found = pushed.get(n, torch.zeros_like(rate))
        torch.testing.assert_close(found, rate, rtol=1e-6, atol=1e-6 * float(rate.abs().max() + 1))


@pytest.mark.parametrize("name", NAMES)
def test_pull_is_the_adjoint_of_push(name: str, tools: SimpleNamespace) -> None:
    problem = problem_of(name, tools)
    derivative = Derivative(problem)
    velocity = velocities(derivative, seed=0)
    change = {
        n: gaussian(tuple(t.shape), 100 + k) for k, (n, t) in enumerate(problem.moved.items())
    }
    pushed, pulled = derivative.push(velocity), derivative.pull(change)
    left = sum(float((t * change[n]).sum()) for n, t in pushed.items())
    right = sum(float((v * pulled[n]).sum()) for n, v in velocity.items())
    assert left == pytest.approx(right, rel=1e-11)


@pytest.mark.parametrize("name", NAMES)
def test_a_near_element_is_undone_to_rounding(name: str, tools: SimpleNamespace) -> None:
    symmetry, a = tools.essential(name)
    start = Problem(symmetry, a, a, symmetry.identity())
    near = velocities(Derivative(start), seed=5)
    values = dict(symmetry.identity().values)
    for n, v in near.items():
        values[n] = symmetry.spaces[n].group.exp(0.02 * v)
    b = symmetry.act_all(Element(symmetry, values), a)
    problem = Problem(symmetry, a, b, symmetry.identity())
    before = problem.objective
    gain = polish(problem, steps=30)
    assert before > 1e-6 * problem.objective_size
    assert gain == pytest.approx(before - problem.objective)
    assert problem.objective <= 1e-24 * problem.objective_size
    moved = symmetry.act_all(problem.element, b)
    assert tools.gap(moved, problem.moved) < 1e-12


@pytest.mark.parametrize("name", ["mlp", "gated_reglu", "gpt", "llama", "vgg"])
def test_no_velocity_lowers_the_distance_after_polishing(name: str, tools: SimpleNamespace) -> None:
    """At independent weights: the gradient along the group vanishes."""
    symmetry, a = tools.essential(name)
    b = {n: t + 0.3 * gaussian(tuple(t.shape), k) for k, (n, t) in enumerate(a.items())}
    problem = Problem(symmetry, a, b, symmetry.identity())

    def slope() -> float:
        residual = {n: problem.target[n] - problem.moved[n] for n in problem.moved}
        return max(float(v.abs().max()) for v in Derivative(problem).pull(residual).values())

    before = slope()
    polish(problem, steps=200, tolerance=1e-14)
    assert slope() < 1e-4 * before

"""Polish: Gauss–Newton steps along all continuous parts of the group at once.

Coordinate descent settles one space after the other; where scales and shears of neighbours depend
on each other it creeps. Here ``|a - exp(X)·w|²`` is linearised in the velocities X of all spaces
together and solved by conjugate gradients, preconditioned by each space's own normal equations
(for GL that is the Sylvester equation of mathematics.md 5.6). Permutations and signs stay.
"""

from __future__ import annotations

import torch

from isthmus.alignment.matching.problem import Problem
from isthmus.alignment.matching.velocities import Derivative, Velocities

FAR = 1.0
"""The longest velocity of a coordinate in one step: the linearisation means nothing beyond."""


def polish(problem: Problem, steps: int = 12, tolerance: float = 0.05) -> float:
    """Take steps while each gains more than ``tolerance`` of the squared distance.

    Returns:
        By how much the squared distance fell; never negative.
    """
    total, precision = 0.0, 0.1
    problem.forget_rows()
    for _ in range(steps):
        worth = problem.objective
        gain = _step(problem, precision)
        total += gain
        if gain <= tolerance * worth:
            break
        # Inexact Newton: the faster it converges, the more a precise direction is worth.
        precision = min(0.1, max(1.0 - gain / worth, 1e-8))
    return total


def _step(problem: Problem, precision: float) -> float:
    derivative = Derivative(problem)
    if not derivative.names:
        return 0.0
    direction = _solve(Derivative(problem.condensed()), derivative.gradient(), precision)
    direction = derivative.without_fading(direction)
    largest = max(float(v.abs().max()) for v in direction.values())
    spaces = problem.symmetry.spaces
    for halving in range(8):
        length = min(1.0, FAR / max(largest, 1e-300)) * 0.5 ** (2 * halving)
        change = {n: spaces[n].group.exp(length * v) for n, v in direction.items()}
        gain = problem.try_change(change, 0.0)
        if gain:
            return gain
    return 0.0


def _solve(
    derivative: Derivative, right: Velocities, precision: float, steps: int = 100
) -> Velocities:
    """Conjugate gradients on the normal equations, to a precision that Newton's method needs."""
    found = {n: torch.zeros_like(v) for n, v in right.items()}
    left = right
    shaped = derivative.precondition(left)
    along, size = shaped, _dot(left, shaped)
    goal = precision**2 * size
    for _ in range(steps):
        if size <= goal or size <= 1e-300:
            break
        image = derivative.normal(along)
        bend = _dot(along, image)
        if bend <= 0.0:
            break
        step = size / bend
        found = {n: v + step * along[n] for n, v in found.items()}
        left = {n: v - step * image[n] for n, v in left.items()}
        shaped = derivative.precondition(left)
        before, size = size, _dot(left, shaped)
        along = {n: v + size / before * along[n] for n, v in shaped.items()}
    return found


def _dot(a: Velocities, b: Velocities) -> float:
    return sum(float((a[n] * b[n]).sum()) for n in a)

"""WeightMatching: coordinate descent over all spaces of a symmetry (after Ainsworth et al. 2023).

Where the field's method permutes, this one moves along the whole group: permutations with signs
and scales jointly, rotations by Procrustes, shears by balancing, heads as blocks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from isthmus.algebra.elements import Element
from isthmus.algebra.symmetry import Symmetry
from isthmus.alignment.matcher import Match
from isthmus.alignment.polish import polish
from isthmus.alignment.problem import Problem, widened
from isthmus.alignment.starts import Identity, Outward, Random, Signature, Start
from isthmus.alignment.steps import step
from isthmus.ground.params import distances

SETTLED = 0.02
"""A sweep that gains less than this fraction has settled what is discrete, for now."""

ONE_ORBIT = 1e-9
"""A squared distance, relative to the squared norm, below which no other start is tried."""

EXACT = 1e-26
"""A squared distance, relative to the squared norm, at which two float64 models are equal."""


@dataclass(frozen=True)
class WeightMatching:
    """Minimise ``|a - g·b|`` over the group, space by space.

    Args:
        starts: where to descend from. Each is given two sweeps.
        restarts: further starts, at random permutations.
        finish: how many starts, the best after these, are descended to the end.
        sweeps: the most sweeps over all spaces from one start.
        tolerance: a sweep that gains less than this fraction of the squared distance is the last.
    """

    starts: tuple[Start, ...] = (Signature(), Outward(), Identity())
    restarts: int = 0
    finish: int = 2
    sweeps: int = 200
    tolerance: float = 1e-5

    def __call__(
        self,
        a: Mapping[str, Tensor],
        b: Mapping[str, Tensor],
        symmetry: Symmetry,
        generator: torch.Generator,
    ) -> Match:
        """Search for the element; the objective never rises."""
        whole_a, whole_b = (widened(symmetry, params) for params in (a, b))
        core = symmetry.essential
        names = [n for n in whole_a if n in core.reps and not core.reps[n].fixed]
        one, two = ({n: whole[n] for n in names} for whole in (whole_a, whole_b))
        descents: list[Descent] = []
        for start in (*self.starts, *[Random()] * self.restarts):
            descent = Descent(type(start).__name__, start(core, one, two, generator))
            descent.run(2, self.tolerance)
            descents.append(descent)
            if descent.objective <= 1e-5 * descent.size:
                # Two models of one orbit, most likely: no other start can do better.
                descent.run(self.sweeps, self.tolerance)
            if descent.objective <= ONE_ORBIT * descent.size:
                break
        descents.sort(key=lambda found: found.objective)
        for descent in descents[: max(self.finish, 1)]:
            if descents[0].objective > ONE_ORBIT * descents[0].size:
                descent.run(self.sweeps, self.tolerance)
        best = min(descents, key=lambda found: found.objective)
        # What nothing acts on is as far apart before as after; what is free is brought together.
        idle = [n for n, rep in core.reps.items() if rep.fixed and n in whole_a]
        left = distances({n: whole_a[n] for n in idle}, {n: whole_b[n] for n in idle})
        rest = sum(gap * gap for gap in left.values())
        evidence = {
            "start": best.start,
            "starts": [d.start for d in descents],
            "distances": [math.sqrt(max(d.objective, 0.0) + rest) for d in descents],
            "objective": [value + rest for value in best.history],
            "sweeps": best.swept,
        }
        found = {**best.problem.element.values, **symmetry.settling(whole_a, whole_b)}
        return Match(Element(symmetry, {n: found[n] for n in symmetry.spaces}), evidence)


class Descent:
    """Coordinate descent from one start."""

    def __init__(self, start: str, problem: Problem) -> None:
        self.start, self.problem = start, problem
        self.size = problem.objective_size
        self.history = [problem.objective]
        self.stale = set(problem.symmetry.spaces)
        self.done, self.swept = False, 0

    @property
    def objective(self) -> float:
        """The squared distance now."""
        return self.history[-1]

    def run(self, sweeps: int, tolerance: float) -> None:
        """Sweep until nothing is gained, or ``sweeps`` sweeps in all are made."""
        while self.swept < sweeps and not self.done:
            jumps = self.problem.jumps
            gain = self._sweep()
            if self.problem.jumps == jumps or gain <= SETTLED * self.objective:
                # What is discrete rests, for now: all continuous parts at once.
                polished = polish(self.problem)
                self.stale |= set(self.problem.symmetry.spaces) if polished else set()
                self.history.append(self.problem.objective)
                gain += polished
            small = gain <= tolerance * self.objective
            self.done = small or self.objective <= EXACT * self.size

    def _sweep(self) -> float:
        problem, gain = self.problem, 0.0
        order = list(problem.symmetry.spaces)
        for name in order if self.swept % 2 == 0 else reversed(order):
            if name in self.stale:
                self.stale.discard(name)
                gained = step(problem, name, tolerance=1e-12 * self.objective)
                # What stands beside a space that moved may be improved again.
                self.stale |= problem.neighbours[name] if gained else set()
                gain += gained
        assert gain >= 0, f"the distance rose by {-gain} in sweep {self.swept}"
        self.swept += 1
        self.history.append(problem.objective)
        return gain

"""Descent: sweeps over all spaces, each moved to its best, and steps along all of them together."""

from __future__ import annotations

from isthmus.alignment.matching.polish import polish
from isthmus.alignment.matching.problem import Problem
from isthmus.alignment.matching.steps import step

SETTLED = 0.02
"""A sweep that gains less than this fraction has settled what is discrete, for now."""

ONE_ORBIT = 1e-9
"""A squared distance, relative to the squared norm, below which no other start is tried."""

EXACT = 1e-26
"""A squared distance, relative to the squared norm, at which two float64 models are equal."""


class Descent:
    """Coordinate descent from one start."""

    def __init__(self, start: str, problem: Problem) -> None:
        self.start, self.problem = start, problem
        self.size = problem.objective_size
        self.history = [problem.objective]
        self.stale = set(problem.symmetry.spaces)
        self.done, self.swept = False, 0
        self.flows = any(space.group.lie_dim for space in problem.symmetry.spaces.values())

    @property
    def objective(self) -> float:
        """The squared distance now."""
        return self.history[-1]

    def run(self, sweeps: int, tolerance: float) -> None:
        """Sweep until nothing is gained, or ``sweeps`` sweeps in all are made."""
        while self.swept < sweeps and not self.done:
            jumps = self.problem.jumps
            gain = self._sweep()
            if self.flows and (self.problem.jumps == jumps or gain <= SETTLED * self.objective):
                # What is discrete rests, for now: all continuous parts at once.
                polished = polish(self.problem)
                self.stale |= set(self.problem.symmetry.spaces) if polished else set()
                self.history.append(self.problem.objective)
                gain += polished
            small = gain <= tolerance * self.objective
            self.done = small or self.objective <= EXACT * self.size

    def finish(self) -> None:
        """Follow what is continuous to where it no longer gains."""
        near = self.objective <= EXACT * self.size
        if self.flows and not near and polish(self.problem, 20, tolerance=1e-7):
            self.history.append(self.problem.objective)

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
        # Near 0 a difference of large numbers says nothing; permutations alone do not come near.
        self.history.append(problem.objective if self.flows else self.history[-1] - gain)
        return gain

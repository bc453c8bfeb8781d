"""WeightMatching: coordinate descent over all spaces of a symmetry (after Ainsworth et al. 2023).

Where the field's method permutes, this one moves along the whole group: permutations with signs
and scales jointly, rotations by Procrustes, shears by balancing, heads as blocks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from isthmus.algebra.elements import Element
from isthmus.algebra.symmetry import Symmetry
from isthmus.alignment.matcher import Match
from isthmus.alignment.problem import Problem, widened
from isthmus.alignment.starts import Identity, Outward, Random, Signature, Start
from isthmus.alignment.steps import gauge_step, step


@dataclass(frozen=True)
class WeightMatching:
    """Minimise ``|a - g·b|`` over the group, space by space.

    Args:
        starts: where to descend from; the best result is kept. A start that leads to a match up
            to rounding is the last.
        restarts: further starts, at random permutations.
        sweeps: the most sweeps over all spaces from one start.
        tolerance: a sweep that gains less than this fraction of the squared distance is the last.
    """

    starts: tuple[Start, ...] = (Signature(), Outward(), Identity())
    restarts: int = 0
    sweeps: int = 200
    tolerance: float = 1e-6

    def __call__(
        self,
        a: Mapping[str, Tensor],
        b: Mapping[str, Tensor],
        symmetry: Symmetry,
        generator: torch.Generator,
    ) -> Match:
        """Search for the element; the objective never rises."""
        names = [n for n in a if not symmetry.reps[n].fixed]
        one, two = (widened(symmetry, params, names) for params in (a, b))
        runs: list[_Run] = []
        for start in (*self.starts, *[Random()] * self.restarts):
            problem = start(symmetry, one, two, generator)
            runs.append(self._descend(type(start).__name__, problem))
            if runs[-1].objective <= 1e-9 * runs[-1].size:
                break
        best = min(runs, key=lambda run: run.objective)
        evidence = {
            "starts": [run.start for run in runs],
            "distances": [math.sqrt(max(run.objective, 0.0)) for run in runs],
            "objective": best.history,
            "sweeps": len(best.history) - 1,
        }
        return Match(best.element, evidence)

    def _descend(self, start: str, problem: Problem) -> _Run:
        size = problem.objective_size
        history = [problem.objective]
        order = list(problem.symmetry.spaces)
        stale, refining = set(order), False
        for sweep in range(self.sweeps):
            gain = 0.0
            one_step = gauge_step if refining else step
            for name in order if sweep % 2 == 0 else reversed(order):
                if name in stale:
                    stale.discard(name)
                    gained = one_step(problem, name, tolerance=1e-16 * size)
                    # What stands beside a space that moved may be improved again.
                    stale |= problem.neighbours[name] if gained else set()
                    gain += gained
            assert gain >= 0, f"the distance rose by {-gain} in sweep {sweep}"
            history.append(history[-1] - gain)
            small = gain <= self.tolerance * max(history[-1], 1e-13 * size)
            if small and not refining:
                break
            # Scales need many sweeps where permutations need few: between full sweeps, only they.
            before = refining
            refining = not small and (refining or gain < 0.01 * history[-2])
            if before and not refining:
                stale = set(order)
        return _Run(start, problem.element, problem.objective, size, history)


@dataclass(frozen=True)
class _Run:
    """What one start led to."""

    start: str
    element: Element
    objective: float
    size: float
    history: list[float] = field(default_factory=list)

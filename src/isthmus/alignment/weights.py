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
from isthmus.alignment.descent import ONE_ORBIT, Descent
from isthmus.alignment.matcher import Match
from isthmus.alignment.problem import widened
from isthmus.alignment.starts import Identity, Outward, Random, Signature, Start
from isthmus.ground.params import distances


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

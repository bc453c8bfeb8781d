"""WeightMatching: coordinate descent over all spaces of a symmetry (after Ainsworth et al. 2023).

Where the field's method permutes, this one moves along the whole group: permutations with signs
and scales jointly, rotations by Procrustes, shears by balancing, heads as blocks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from isthmus.algebra.symmetry import Params, Symmetry
from isthmus.alignment.matcher import Match, Matcher
from isthmus.alignment.matching.descent import ONE_ORBIT, Descent
from isthmus.alignment.matching.meeting import Meeting
from isthmus.alignment.matching.problem import Problem
from isthmus.alignment.starts.outward import Outward
from isthmus.alignment.starts.signature import Signature
from isthmus.alignment.starts.start import Identity, Random, Start
from isthmus.ground.errors import BadInput, closest


@dataclass(frozen=True)
class WeightMatching:
    """Minimise ``|a - g·b|`` over the group, space by space.

    Args:
        starts: where to descend from. Each is given two sweeps.
        seeds: other matchers, as `ActivationMatching`: where they end is a start too.
        restarts: further starts, at random permutations.
        finish: how many starts, the best after these, are descended to the end.
        sweeps: the most sweeps over all spaces from one start.
        tolerance: a sweep that gains less than this fraction of the squared distance is the last.
        weights: by name, how much the squares of a parameter's coordinates count; 1 if not given.
            `natural_weights` are those with which they count as the parameters of a model do.
    """

    starts: tuple[Start, ...] = (Signature(), Outward(), Identity())
    seeds: tuple[Matcher, ...] = ()
    restarts: int = 0
    finish: int = 2
    sweeps: int = 200
    tolerance: float = 1e-5
    weights: Mapping[str, float] = field(default_factory=dict)

    def __call__(
        self,
        a: Mapping[str, Tensor],
        b: Mapping[str, Tensor],
        symmetry: Symmetry,
        generator: torch.Generator,
    ) -> Match:
        """Search for the element; the objective never rises.

        Raises:
            BadInput: a weight is negative or not finite, or is that of no parameter.
        """
        meeting = weighted(Meeting.of(a, b, symmetry), self.weights)
        descents: list[Descent] = []
        for word, problem in self._problems(meeting, a, b, generator):
            descent = Descent(word, problem)
            descent.run(min(2, self.sweeps), self.tolerance)
            descents.append(descent)
            if descent.objective <= 1e-5 * descent.size:
                # Two models of one orbit, most likely: no other start can do better.
                descent.run(self.sweeps, self.tolerance)
            if descent.objective <= ONE_ORBIT * descent.size:
                break
            descent.problem.rest()
        descents.sort(key=lambda found: found.objective)
        for descent in descents[: max(self.finish, 1)]:
            if descents[0].objective > ONE_ORBIT * descents[0].size:
                descent.run(self.sweeps, self.tolerance)
                descent.problem.rest()
        best = min(descents, key=lambda found: found.objective)
        best.finish()
        evidence = {
            "start": best.start,
            "starts": [d.start for d in descents],
            "distances": [math.sqrt(max(d.objective, 0.0) + meeting.rest) for d in descents],
            "objective": [value + meeting.rest for value in best.history],
            "sweeps": best.swept,
        }
        return Match(meeting.whole(best.problem.element), evidence)

    def _problems(
        self,
        meeting: Meeting,
        a: Mapping[str, Tensor],
        b: Mapping[str, Tensor],
        generator: torch.Generator,
    ) -> Iterator[tuple[str, Problem]]:
        """Every start's name, and the problem where it begins."""
        for start in (*self.starts, *[Random()] * self.restarts):
            begun = start(meeting.core, meeting.a, meeting.b, generator)
            yield type(start).__name__, begun
        for seed in self.seeds:
            found = seed(a, b, meeting.symmetry, generator)
            yield type(seed).__name__, meeting.problem(found.element)


def natural_weights(symmetry: Symmetry, params: Mapping[str, Tensor]) -> dict[str, float]:
    """Weights with which coordinates count as much as the parameters of this model.

    A gauge may change lengths: where the length of a residual stream is free it is taken out, and
    what writes to the stream may then be far longer than what reads it. Each coordinate tensor is
    weighed by the square of its parameter's norm over its own; those that are no parameter, by 1.
    """
    coordinates = symmetry.coordinates(params)
    found: dict[str, float] = {}
    for name, rep in symmetry.essential.reps.items():
        if name in params and name in coordinates and not rep.fixed:
            length = float(coordinates[name].norm())
            found[name] = (float(params[name].double().norm()) / length) ** 2 if length else 1.0
    return found


def weighted(meeting: Meeting, weights: Mapping[str, float]) -> Meeting:
    """The same with some coordinates counted more or less: weights multiply their squares.

    One weight for a whole coordinate tensor commutes with every group.
    """
    if not weights:
        return meeting
    for name, weight in weights.items():
        if not (math.isfinite(weight) and weight >= 0):
            raise BadInput(f"the weight of {name} is {weight}", "give finite weights, at least 0")
        if name not in meeting.core.reps:
            near = closest(name, meeting.a)
            raise BadInput(
                f"a weight is given for {name!r}, on which nothing acts",
                f"did you mean {near!r}?" if near else "weigh parameters that the symmetry moves",
            )

    def scaled(params: Params) -> Params:
        return {n: t * math.sqrt(weights.get(n, 1.0)) for n, t in params.items()}

    return replace(meeting, a=scaled(meeting.a), b=scaled(meeting.b))

"""What soft methods share: relax, climb, project, descend, and keep what is nearer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeAlias

import torch
from torch import Tensor

from isthmus.algebra.symmetry import Symmetry
from isthmus.alignment.matcher import Match
from isthmus.alignment.matching.descent import Descent
from isthmus.alignment.matching.meeting import Meeting
from isthmus.alignment.matching.problem import Problem
from isthmus.alignment.soft.overlap import Matrices, Overlap
from isthmus.alignment.weights import WeightMatching, weighted

Climb: TypeAlias = "Callable[[Overlap, int], Matrices]"
"""From the overlap at the best element so far, and the number of the round, to matrices."""

Models: TypeAlias = "tuple[Mapping[str, Tensor], Mapping[str, Tensor], Symmetry, torch.Generator]"
"""What a matcher is called with."""


def refined(models: Models, matching: WeightMatching, rounds: int, climb: Climb) -> Match:
    """The best element found from the answer of ``matching``; never one that is farther.

    A round relaxes permutations and signs around the best element so far, climbs, takes the nearest
    permutations, and descends over the whole group from there. All else of the group (scales,
    rotations, shears, heads) moves in these descents alone.
    """
    a, b, symmetry, generator = models
    first = matching(a, b, symmetry, generator)
    meeting = weighted(Meeting.of(a, b, symmetry), matching.weights)
    best = meeting.problem(first.element)
    history = [best.objective]
    distances, swept = [history[0]], 0
    for number in range(rounds):
        overlap = Overlap(best)
        if not overlap.kinds:
            break
        matrices = climb(overlap, number)
        moves = {name: kind.best(matrices[name]) for name, kind in overlap.kinds.items()}
        problem = Problem(best.symmetry, best.a, best.b, best.element)
        problem.accept(moves, problem.propose(moves))
        descent = Descent("soft", problem)
        descent.run(matching.sweeps, matching.tolerance)
        swept += descent.swept
        distances.append(descent.objective)
        if descent.objective < history[-1]:
            history.append(descent.objective)
            best = descent.problem
    evidence = {
        **first.evidence,
        "distances": [math.sqrt(max(d, 0.0) + meeting.rest) for d in distances],
        "objective": [value + meeting.rest for value in history],
        "sweeps": swept,
    }
    return replace(first, element=meeting.whole(best.element), evidence=evidence)

"""Barriers between trained networks: as they are, and after a search for a permutation."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from isthmus.algebra import Symmetry
from isthmus.alignment import Annealing, align
from isthmus.ground import Params
from isthmus.landscape import Line, Loss, barrier
from isthmus.papers.tasks import Task


def exact_loss(task: Task) -> Loss:
    """On the training samples, in float64."""
    return Loss(task.fresh().double(), [(task.x.double(), task.y)], task.criterion)


def searched(
    loss: Loss, symmetry: Symmetry, networks: Sequence[Params], pairs: int, swaps: int
) -> Tensor:
    """``(pairs, 3)``: barriers of the first pairs as they are, annealed, matched by weights."""
    rows = []
    for a, b in itertools.islice(itertools.combinations(networks, 2), pairs):
        annealed = align(b, to=a, symmetry=symmetry, method=Annealing(loss, steps=swaps))
        matched = align(b, to=a, symmetry=symmetry)
        ends = (b, annealed.params, matched.params)
        rows.append([barrier(loss, Line(a, end), 3).height for end in ends])
    return torch.tensor(rows, dtype=torch.float64)


def mean_barrier(loss: Loss, networks: Sequence[Params]) -> float:
    """Over all pairs, in the middle of their lines."""
    pairs = list(itertools.combinations(networks, 2))
    return math.fsum(barrier(loss, Line(a, b), 3).height for a, b in pairs) / len(pairs)

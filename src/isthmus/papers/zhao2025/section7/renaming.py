"""What moving along the orbit changes of a training that follows: nothing, or where it goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from isthmus.algebra import Symmetry
from isthmus.algebra.groups import Permutation
from isthmus.discovery import discover
from isthmus.ground import double
from isthmus.landscape import Loss, Training
from isthmus.merging import Ensemble, OrbitMembers, TrainedMembers
from isthmus.papers.tasks import Task
from isthmus.testing import datasets

STEPS = 10


def renamed(task: Task, params: Mapping[str, Tensor], seed: int) -> Tensor:
    """How far apart 10 steps of gradient descent end as functions, from a model and from copies.

    Returns:
        ``(2,)``: the spread of the probabilities of both on test data, for a permuted copy and for
        one moved by the whole group, in float64.
    """
    model = task.fresh().double()
    # As it is: a gauge would permute weights without the gains that go with them.
    permuting = discover(task.fresh(), task.x[:1], gauge="asis").restrict(Permutation)
    whole = discover(task.fresh(), task.x[:1])
    wide = double(params)
    x = task.x[:320].double() if task.x.is_floating_point() else task.x[:320]
    shown = Loss(model, datasets.batches(x, task.y[:320], 64), task.criterion)
    training = Training(optimiser=_descent)

    def trained(symmetry: Symmetry | None) -> Mapping[str, Tensor]:
        starts = None if symmetry is None else OrbitMembers(symmetry)
        return TrainedMembers(shown, STEPS, starts, training)(wide, 1, seed).params[0]

    plain = trained(None)
    test: Loss = replace(task.loss(200, test=True), dtype=torch.float64)
    spreads = [
        Ensemble(test, [plain, trained(symmetry)]).evaluate().spread
        for symmetry in (permuting, whole)
    ]
    return torch.tensor(spreads, dtype=torch.float64)


def _descent(tensors: Sequence[Tensor]) -> torch.optim.Optimizer:
    return torch.optim.SGD(tensors, lr=0.05, momentum=0.9)

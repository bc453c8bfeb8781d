"""Test scores of members, alone and together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.func import functional_call

from isthmus.merging import Ensemble
from isthmus.papers.tasks import Task


@torch.no_grad()
def outputs(task: Task, params: Mapping[str, Tensor]) -> Tensor:
    """Logits on the test inputs, float64: ``(samples, classes)``."""
    inputs = task.x_test.to(next(iter(params.values())).dtype)
    found: Tensor = functional_call(task.fresh().eval(), dict(params), (inputs,))
    return found.double()


def scores(task: Task, members: Sequence[Mapping[str, Tensor]]) -> Tensor:
    """Test loss and error of the mean of the members' probabilities: ``(2,)``."""
    found = Ensemble(task.loss(test=True), members).evaluate().ensemble
    return torch.tensor([found.loss, 1 - found.metrics["accuracy"]], dtype=torch.float64)

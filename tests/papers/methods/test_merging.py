"""Methods of merging, at the smallest scale: they run, are drawn, and their identities hold."""

from dataclasses import replace

import pytest
import torch

from isthmus.papers.bench import Scale
from isthmus.papers.methods.merging.repair import repair
from isthmus.papers.methods.merging.task_vectors import KINDS, task_vectors

pytestmark = pytest.mark.xdist_group("merging methods")  # what all tests look at is made once


def test_claims_on_accuracies_can_fail(smoke) -> None:
    found, _ = smoke(repair)
    learned = replace(found, settings=repair.settings[Scale.QUICK])
    useless = replace(learned, accuracies=torch.tensor([[0.8, 0.1, 0.5, 0.5, 0.5]]))
    assert {c.name for c in useless.check() if not c.passed} == {"RESCALE", "REPAIR"}
    helpful = replace(learned, accuracies=torch.tensor([[0.8, 0.1, 0.5, 0.6, 0.7]]))
    assert helpful.passed
    wrong = replace(helpful, off=torch.tensor([0.0, 1e-6]))
    assert {c.name for c in wrong.check() if not c.passed} == {"moments, REPAIR"}


def test_scales_are_chosen_where_they_are_not_measured(smoke) -> None:
    found, _ = smoke(task_vectors)
    rows = len(KINDS)
    chosen = torch.tensor([[0.1, 0.9, 0.2]]).repeat(rows, 1)
    measured = torch.tensor([[0.1, 0.3, 0.8]]).repeat(rows, 1)
    best = replace(found, chosen=chosen, accuracies=measured).best
    assert all(found == (0.5, pytest.approx(0.3)) for found in best.values())

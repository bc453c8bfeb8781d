"""Methods of merging, at the smallest scale: they run, are drawn, and their identities hold."""

import functools
import json
from dataclasses import replace

import pytest
import torch

from isthmus.papers.bench import Scale, Standing
from isthmus.papers.methods.merging import METHODS
from isthmus.papers.methods.merging.repair import repair
from isthmus.papers.methods.merging.task_vectors import KINDS, task_vectors

pytestmark = pytest.mark.xdist_group("merging methods")  # what all tests look at is made once

EXPERIMENTS = tuple(dict.fromkeys(method.experiment for method in METHODS))


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """What an experiment finds, and where; each is run once."""

    @functools.cache
    def run(experiment):
        folder = tmp_path_factory.mktemp("methods") / experiment.name
        return experiment.run("smoke", folder=folder), folder

    return run


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda one: one.name)
def test_every_method_is_measured_and_drawn(experiment, smoke) -> None:
    found, folder = smoke(experiment)
    assert found.passed, [str(check) for check in found.check()]
    assert all(check.standing is Standing.PASSED for check in found.check())
    assert all(bool(torch.isfinite(t).all()) for t in found.arrays().values())
    (name,) = found.draw()
    assert (folder / f"{name}.svg").read_text("utf-8").startswith("<svg")
    data = json.loads((folder / "result.json").read_text("utf-8"))
    assert data["found"]["measured"] == found.measured
    assert "\n" not in found.measured
    assert str(found)


@pytest.mark.slow
@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda one: one.name)
def test_claims_hold_at_the_quick_scale(experiment) -> None:
    found = experiment.run("quick")
    assert found.passed, [str(check) for check in found.check()]


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

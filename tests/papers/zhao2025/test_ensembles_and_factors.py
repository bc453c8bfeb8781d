"""Section 7 at the smallest scale: ensembles and factors run, and their exact claims can fail."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from isthmus.papers.bench import Standing
from isthmus.papers.zhao2025.section7 import ensembles, factors
from isthmus.papers.zhao2025.section7.ensembles import FIGURES, WAYS
from isthmus.papers.zhao2025.section7.factors import NAMES
from isthmus.papers.zhao2025.section7.ways import Budget

pytestmark = pytest.mark.xdist_group("ensembles and factors")  # what all tests look at is made once


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("section7")


@pytest.mark.parametrize("experiment", [ensembles, factors], ids=lambda one: one.name)
def test_it_runs_and_is_drawn(experiment, folder) -> None:
    place = folder / experiment.name
    found = experiment.run("smoke", folder=place)
    assert found.passed, [str(check) for check in found.check()]
    (picture,) = found.draw()
    assert (place / f"{picture}.svg").read_text("utf-8").startswith("<svg")
    assert str(found)


def test_members_that_differ_are_not_one_function(folder) -> None:
    found = ensembles.run("smoke", folder=folder / ensembles.name)
    wrong = found.figures.clone()
    wrong[..., WAYS.index("orbit"), FIGURES.index("spread")] = 1e-6
    wrong[..., WAYS.index("curve"), FIGURES.index("loss")] += 1.0
    wrong[..., WAYS.index("curve"), FIGURES.index("steps")] += 1.0
    failed = {one.name for one in replace(found, figures=wrong).check() if not one.passed}
    assert failed == {"one function", "Jensen", "equal cost"}
    apart = replace(found, renamed=found.renamed.flip(-1))
    assert {one.name for one in apart.check() if not one.passed} == {"renaming", "scales"}


def test_a_larger_subgroup_that_ends_further_away_fails(folder) -> None:
    found = factors.run("smoke", folder=folder / factors.name)
    wrong = found.figures.clone()
    wrong[..., NAMES.index("scales"), 0] *= 2
    bad = replace(found, figures=wrong, planted=found.planted.flip(-1))
    standing = {one.name: one.standing for one in bad.check()}
    assert set(standing.values()) == {Standing.FAILED}
    assert torch.isnan(found.figures[..., NAMES.index("shears"), 0]).all()


def test_what_every_ensemble_may_cost() -> None:
    for settings in ensembles.settings.values():
        for budget in settings.budgets:
            assert budget.total % budget.members == 0
    assert Budget(8, 5, 3, 1e-3, 100).total == 20

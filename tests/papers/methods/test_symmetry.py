"""Methods of symmetry, at the smallest scale: they run, and what is exact of them holds."""

from dataclasses import replace

import pytest
import torch

from isthmus.papers.bench import Standing
from isthmus.papers.methods import symmetry
from isthmus.papers.methods.symmetry import asymmetric, directions, mechanisms, toroids, width

pytestmark = pytest.mark.xdist_group("symmetry methods")

EXPERIMENTS = tuple(dict.fromkeys(method.experiment for method in symmetry.METHODS))


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda one: one.name)
def test_headlines_are_left_out_of_short_runs(experiment, smoke) -> None:
    found, _ = smoke(experiment)
    told = type(found)(**{**vars(found), "settings": replace(found.settings, headline=True)})
    assert len(told.check()) > len(found.check())


def failing(found) -> set[str]:
    return {check.name for check in found.check() if check.standing is Standing.FAILED}


def test_a_symmetry_that_is_left_fails() -> None:
    zeros = torch.zeros(1, 4, 3)
    components = 2 * torch.lgamma(torch.tensor(13.0, dtype=torch.float64))
    standard = torch.tensor([24.0, float(components)], dtype=torch.float64)
    groups = torch.stack([standard, *torch.zeros(2, 2, dtype=torch.float64)])
    settings = asymmetric.Settings(width=12, points=3, headline=False)
    right = asymmetric.Asymmetric(settings, groups, zeros, torch.zeros(1, 3, 2, 3))
    assert failing(right) == set()
    left = replace(right, groups=groups + torch.tensor([0.0, 1.0]))
    assert failing(left) == {"no symmetry", "symmetry"}


def test_singular_values_that_change_fail() -> None:
    settings = directions.Settings(points=3, headline=False)
    overlaps, distances = torch.zeros(1, 2, 3, 2), torch.ones(1, 2, 2)
    spread = torch.tensor([[[0.0, 1e-6], [0.0, 0.0]]])
    planted = torch.tensor([1e-3])
    lines = torch.zeros(1, 2, 3)
    found = directions.Directions(settings, overlaps, distances, spread, planted, lines)
    assert failing(found) == {"singular values", "planted"}


def test_headlines_can_fail() -> None:
    """What is measured at the smallest scale is turned round, and the claims notice."""
    heights = torch.tensor([[[0.1, 0.1, 0.0], [0.8, 0.7, 0.0]]])
    crossing = torch.ones(1, 2, 3)
    settings = width.Settings(widths=(8, 16), decays=(0.0,))
    found = width.Widths(settings, heights, torch.ones(1, 2), crossing, crossing, exact=0.0)
    assert failing(found) == {"width"}
    hot = {check.name: check.standing for check in found.check()}["temperature"]
    assert hot is Standing.FINDING
    losses = torch.zeros(4, 4, 3)
    tried = mechanisms.Settings(points=3)
    same = mechanisms.Mechanistic(tried, losses, losses, torch.zeros(3), torch.ones(2))
    assert failing(same) == set()  # nothing relies on anything, and no barrier: 0 against 0
    cued = losses.clone()
    cued[3, 1] = 1.0  # the CBFT end needs the cue's pixel to be right
    assert failing(replace(same, accuracies=cued)) == {"fine-tuning"}
    errors = torch.tensor([[0.0, 0.2, 0.0]]).expand(4, 3)
    ways = toroids.Toroids(toroids.Settings(points=3), errors, torch.zeros(3))
    assert failing(ways) == {"matched", "one bend"}

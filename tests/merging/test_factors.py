"""factors: growing subgroups, what each finds of what was planted, and what they cost in loss."""

from __future__ import annotations

import functools
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from isthmus.algebra import Symmetry
from isthmus.algebra.groups import Motion
from isthmus.discovery import discover
from isthmus.ground import BadInput, params_of
from isthmus.landscape import Line, Loss, barrier
from isthmus.merging import Factors, factors


def build(seed: int) -> nn.Module:
    """A bottleneck, on which all linear maps act, and tanh units, with signs."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = (nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3, bias=False), nn.Linear(3, 6))
        return nn.Sequential(*layers, nn.ReLU(), nn.Linear(6, 2)).double()


@functools.cache
def group() -> Symmetry:
    return discover(build(0), torch.zeros(1, 4, dtype=torch.float64))


def loss() -> Loss:
    x = torch.randn(32, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return Loss(build(0), [(x, (x[:, 0] > 0).long())], F.cross_entropy)


@functools.cache
def strangers() -> Factors:
    """Of two models with nothing in common."""
    a, b = (params_of(build(seed)) for seed in (0, 1))
    return factors(a, b, loss(), group(), points=5)


@pytest.mark.parametrize(
    ("planted", "stage"),
    [
        ((Motion.SWAP,), "permutations"),
        ((Motion.SWAP, Motion.FLIP, Motion.TURN), "rotations"),
        (tuple(Motion), "shears"),
    ],
)
def test_the_stage_that_holds_what_was_planted_undoes_it(planted, stage) -> None:
    a = params_of(build(0))
    part = group().restrict(planted)
    b = part.act(part.sample(seed=5, scale=0.4), a)
    found = factors(a, b, loss(), group(), points=5)
    names = [one.added for one in found.stages]
    assert names == ["nothing", "permutations", "signs", "rotations", "scales", "shears"]
    at = names.index(stage)
    assert found.stages[at].distance < 1e-7 * found.stages[0].distance
    assert found.stages[at].barrier.height < 1e-9
    assert found.stages[at - 1].distance > 1e-2
    # An untrained model's loss may also fall between its copies.
    assert abs(found.stages[at - 1].midpoint - found.stages[at].midpoint) > 1e-6


def test_no_larger_subgroup_ends_further_away() -> None:
    found = strangers()
    distances = [one.distance for one in found.stages]
    assert all(later <= before * (1 + 1e-9) for before, later in pairwise(distances))
    assert distances[-1] < 0.8 * distances[0]
    dimensions = [one.lie_dim for one in found.stages]
    assert dimensions == [0, 0, 0, 3, 9, 15]  # O(3); six scales of ReLU units; GL(3)


def test_nothing_is_the_plain_line_and_figures_are_the_losses() -> None:
    a, b = (params_of(build(seed)) for seed in (0, 1))
    first = strangers().stages[0]
    line = barrier(loss(), Line(a, b), points=5)
    assert first.barrier.losses == line.losses
    assert first.midpoint == line.losses[2]
    assert abs(first.merged.loss - line.losses[2]) < 1e-12
    for one in strangers().stages:
        moved = one.fit.params
        assert abs(loss()(moved) - loss()(b)) < 1e-9


def test_statistics_of_merged_models_are_estimated() -> None:
    model = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 2)).double()
    batches = loss().batches
    scored = Loss(model, batches, F.cross_entropy)
    a = params_of(model)
    b = {n: t + 0.5 * torch.randn_like(t) if "weight" in n else t for n, t in a.items()}
    symmetry = discover(model.eval(), torch.zeros(1, 4, dtype=torch.float64))
    plain = factors(a, b, scored, symmetry, points=3)
    repaired = factors(a, b, scored, symmetry, points=3, statistics=iter(batches))
    assert plain.stages[0].merged.loss != repaired.stages[0].merged.loss
    assert abs(repaired.stages[0].merged.loss - repaired.stages[0].midpoint) < 1e-12


def test_it_reads_well_and_refuses() -> None:
    found = strangers()
    lines = str(found).splitlines()
    assert lines[0].split()[:4] == ["added", "dimension", "distance", "barrier"]
    assert lines[1].startswith("nothing")
    assert lines[-1].startswith("b: loss")
    assert found.to_json()["stages"][0]["added"] == "nothing"
    with pytest.raises(BadInput, match="points is 1, expected at least 2"):
        factors(params_of(build(0)), params_of(build(1)), loss(), group(), points=1)

"""MeanDescent: the loss of the mean falls, and every model stays on its orbit."""

from __future__ import annotations

import itertools
from functools import cache

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from isthmus.algebra.groups import Motion
from isthmus.algebra.symmetry import Params, Symmetry
from isthmus.alignment import LossDescent, MeanDescent, Star, Universe, align_all
from isthmus.discovery import discover
from isthmus.ground.params import distance, params_of
from isthmus.landscape import Loss
from isthmus.testing.training import seeded, train


def classifier() -> nn.Module:
    return nn.Sequential(
        nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 4)
    ).double()


@cache
def setting() -> tuple[Symmetry, Loss, list[Params]]:
    """Three classifiers of classes that no straight line tells apart."""
    x = torch.randn(400, 8, generator=torch.Generator().manual_seed(0)).double()
    y = (2 * (x[:, 0] * x[:, 1] > 0) + (x[:, 2] * x[:, 3] > 0)).long()
    models = [
        params_of(train(seeded(classifier, k), x, y, epochs=20, batch=50, lr=5e-3, seed=k))
        for k in range(3)
    ]
    symmetry = discover(classifier().float(), torch.zeros(1, 8))
    return symmetry, Loss(classifier(), [(x, y)], F.cross_entropy), models


@pytest.mark.parametrize("motions", [list(Motion), [Motion.SWAP]])
def test_the_loss_of_the_mean_falls(motions: list[Motion]) -> None:
    whole, loss, models = setting()
    symmetry = whole.restrict(motions)
    strategy = MeanDescent(LossDescent(loss, steps=40, every=10), first=Star(reference=1))
    fits = align_all(models, symmetry=symmetry, strategy=strategy)
    losses = fits.certificate.evidence["losses"]
    assert len(losses) == 1 + 2 * 2
    assert all(after <= before for before, after in itertools.pairwise(losses))
    start = align_all(models, symmetry=symmetry, strategy=Star(reference=1))
    assert losses[0] == pytest.approx(loss(start.mean), rel=1e-9)
    assert losses[-1] == pytest.approx(loss(fits.mean), rel=1e-9)
    assert losses[-1] < 0.95 * losses[0]
    assert "none gives the mean a lower loss" in fits.certificate.claim


def test_every_model_stays_on_its_orbit_and_the_reference_where_it_is() -> None:
    symmetry, loss, models = setting()
    strategy = MeanDescent(LossDescent(loss, steps=20), first=Universe(reference=2), rounds=1)
    fits = align_all(models, symmetry=symmetry, strategy=strategy)
    assert fits.reference == 2
    assert fits.elements[2].is_identity
    x = torch.randn(50, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    for before, after in zip(models, fits.params, strict=True):
        one, two = (torch.func.functional_call(classifier(), p, (x,)) for p in (before, after))
        assert float((one - two).norm()) <= 1e-9 * float(one.norm())
    around = fits.between(2, 0) @ fits.between(1, 2) @ fits.between(0, 1)
    back = symmetry.act(around, models[0])
    assert distance(back, models[0]) <= 1e-10
    assert distance(fits.params[0], models[0]) > 0.1


def test_without_rounds_it_is_the_first_strategy() -> None:
    symmetry, loss, models = setting()
    strategy = MeanDescent(LossDescent(loss, steps=20), first=Star(), rounds=0)
    one, two = (align_all(models, symmetry=symmetry, strategy=s) for s in (strategy, Star()))
    assert distance(one.mean, two.mean) == 0

"""Slices through models: directions as long as filters, planes that hold what they must."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from isthmus.ground import BadInput, ShapeMismatch, params_of
from isthmus.landscape import Loss
from isthmus.topology.sampling import filter_direction, take_slice
from isthmus.topology.slices import sublevels


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2))


@pytest.fixture
def loss():
    x = torch.randn(20, 3, generator=torch.Generator().manual_seed(1))
    return Loss(network(), [(x, x[:, :2])], nn.functional.mse_loss, {})


def test_filters_keep_their_lengths_and_vectors_stay():
    params = {**params_of(nn.Conv2d(3, 4, 2)), "count": torch.tensor([3])}
    way = filter_direction(params, seed=0)
    lengths = [t["weight"].double().flatten(1).norm(dim=1) for t in (way, params)]
    assert torch.allclose(*lengths)
    assert not way["bias"].any()
    assert not way["count"].any()
    assert (filter_direction(params, seed=0)["weight"] == way["weight"]).all()
    assert (filter_direction(params, seed=1)["weight"] != way["weight"]).any()


def test_a_model_without_matrices_has_no_direction():
    with pytest.raises(BadInput, match="every matrix of the model is zero, or there is none"):
        filter_direction({"bias": torch.ones(3)}, 0)


def test_a_single_model_is_in_the_middle(loss):
    w = params_of(network())
    found = take_slice(loss, [w], steps=5, margin=0.0, reach=0.5, seed=3)
    assert found.corners == ((0.0, 0.0),)
    assert (found.x[2], found.y[2]) == pytest.approx((0, 0), abs=1e-12)
    assert found.losses[2][2] == pytest.approx(loss(w), rel=1e-6)
    # The first axis is the first direction, whose end is on the edge of the map or inside.
    way = filter_direction(w, 3)
    length = 0.5 * sum(float((t**2).sum()) for t in way.values()) ** 0.5
    assert found.x[-1] >= length * (1 - 1e-6)
    again = take_slice(loss, [w], steps=5, margin=0.0, reach=0.5, seed=3)
    assert again == found
    assert take_slice(loss, [w], steps=5, seed=4).losses != found.losses


def test_two_and_three_models_are_inside_the_map(loss):
    models = [params_of(network(seed)) for seed in range(3)]
    calls = []
    for count in (2, 3):
        found = take_slice(
            loss, models[:count], steps=4, progress=lambda done, total: calls.append((done, total))
        )
        assert len(found.corners) == count
        for x, y in found.corners:
            assert found.x[0] < x < found.x[-1]
            assert found.y[0] < y < found.y[-1]
        assert calls[-1] == (16, 16)
        assert np.shape(found.losses) == (4, 4)
        assert sublevels(found).counts(float(np.max(found.losses)))[0] == 1


@pytest.mark.parametrize(
    ("models", "words", "message"),
    [
        ([0] * 4, {}, "4 models for a plane"),
        ([], {}, "0 models for a plane"),
        ([0], {"steps": 1}, "at least 2 steps"),
        ([0], {"reach": 0.0}, "a reach above 0"),
        ([0], {"margin": -1.0}, "margin of at least 0"),
        ([0, 0], {}, "lie on one line"),
    ],
)
def test_what_is_no_plane_is_refused(loss, models, words, message):
    with pytest.raises(BadInput, match=message):
        take_slice(loss, [params_of(network(seed)) for seed in models], **words)


def test_models_of_other_shapes_are_refused(loss):
    other = params_of(nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 2)))
    with pytest.raises(ShapeMismatch):
        take_slice(loss, [params_of(network()), other])

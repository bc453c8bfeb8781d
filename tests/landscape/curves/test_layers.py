"""Layer by layer."""

from __future__ import annotations

import pytest
import torch

from isthmus.ground import BadInput, UnknownName, distance
from isthmus.landscape import barrier
from isthmus.landscape.curves import PolygonalChain, Training, VarianceSpheres, bend_on_spheres
from isthmus.landscape.curves.layers import layerwise


def test_one_layer_moves_at_a_time(trained):
    a, b = trained.minima[:2]
    path = layerwise(a, b)
    assert len(path.points) == 3
    first, second = path(0.25), path(0.75)
    assert torch.allclose(first["0.weight"], (a["0.weight"] + b["0.weight"]) / 2)
    assert torch.equal(first["2.weight"], a["2.weight"])
    assert torch.equal(second["0.bias"], b["0.bias"])
    assert torch.allclose(second["2.bias"], (a["2.bias"] + b["2.bias"]) / 2)
    assert distance(path.start, a) == distance(path.end, b) == 0


def test_an_order_of_choice(trained):
    a, b = trained.minima[:2]
    path = layerwise(a, b, [["2.weight"], ["0.weight"]])
    assert torch.equal(path(0.5)["2.weight"], b["2.weight"])
    assert torch.equal(path(0.5)["2.bias"], a["2.bias"])  # not named: with the last
    assert distance(path.end, b) == 0


def test_statistics_move_with_their_layer(trained_normed):
    a, b = trained_normed.minima
    path = layerwise(a, b)
    assert len(path.points) == 4
    middle = path(2 / 3)
    assert torch.allclose(middle["1.running_var"], b["1.running_var"])
    assert torch.allclose(middle["4.weight"], a["4.weight"])


def test_bent_on_variance_spheres_it_is_a_layerwise_path_of_low_loss(trained):
    a, b = trained.minima[:2]
    path = layerwise(a, b)
    training = Training(lambda tensors: torch.optim.Adam(tensors, lr=0.02))
    bent = bend_on_spheres(
        path, trained.loss, VarianceSpheres(), PolygonalChain(1), steps=400, training=training
    )
    assert barrier(trained.loss, bent).height < 0.4 * barrier(trained.loss, path).height


def test_clear_errors(trained):
    a, b = trained.minima[:2]
    with pytest.raises(UnknownName, match="the order has a tensor 'v'; use the names of the ends"):
        layerwise(a, b, [["v"]])
    with pytest.raises(BadInput, match="there is no layer to move"):
        layerwise(a, b, [])

"""Pleas: layers fitted to what both models compute, with room for units that match badly."""

import pytest
import torch
from tests.merging.features.conftest import apart, dense

from isthmus.discovery import discover
from isthmus.ground import BadInput
from isthmus.merging import Average, Pleas, ZipIt


@pytest.mark.parametrize("method", [Pleas, ZipIt])
def test_with_room_for_all_units_outputs_are_averaged(perceptron, method):
    wider = dense(0, 24)
    into = (wider, discover(wider, perceptron.x[:1]))
    a, b = perceptron.params(0), perceptron.params(1)
    found = method(perceptron.model, perceptron.data, perceptron.symmetry, into=into)([a, b])
    mean = (perceptron.outputs(a) + perceptron.outputs(b)) / 2
    assert torch.allclose(perceptron.outputs(found, dense(0, 24)), mean, atol=1e-9)


def test_the_more_room_the_nearer(perceptron):
    a, b = perceptron.params(0), perceptron.params(1)
    mean, off = (perceptron.outputs(a) + perceptron.outputs(b)) / 2, []
    for width in (12, 18, 24):
        wider = dense(0, width)
        into = (wider, discover(wider, perceptron.x[:1]))
        found = Pleas(perceptron.model, perceptron.data, perceptron.symmetry, into=into)([a, b])
        off.append(float((perceptron.outputs(found, dense(0, width)) - mean).norm()))
    assert off[0] > off[1] > off[2]
    narrow = dense(0, 10)
    into = (narrow, discover(narrow, perceptron.x[:1]))
    with pytest.raises(BadInput, match="10 units in the merged model, of 12 in each model"):
        Pleas(perceptron.model, perceptron.data, perceptron.symmetry, into=into)([a, b])


def test_each_layer_solves_its_least_squares(perceptron):
    a, b = perceptron.params(0), perceptron.params(1)
    method = Pleas(perceptron.model, perceptron.data, perceptron.symmetry, ridge=1e-12)
    one, two = (perceptron.build(0) for _ in range(2))
    for model, params in zip((one, two), method.common([a, b]).alone(), strict=True):
        model.load_state_dict(params)
    merged = perceptron.build(0)
    merged.load_state_dict(method([a, b]))
    for layer in (0, 2, 4):
        with torch.no_grad():
            wanted = (one[: layer + 1](perceptron.x) + two[: layer + 1](perceptron.x)) / 2
            seen = merged[:layer](perceptron.x)
        columns = torch.cat([seen, torch.ones(len(seen), 1).double()], 1)
        best = torch.linalg.lstsq(columns, wanted, driver="gelsd").solution
        found = torch.cat([merged[layer].weight, merged[layer].bias.unsqueeze(1)], 1).mT.detach()
        assert torch.allclose(columns @ found, columns @ best, atol=1e-6)
    plain = Average()([one.state_dict(), two.state_dict()])
    assert apart(method([a, b]), plain) > 0.01


def test_convolutions_are_fitted_too(pictures):
    a, b = pictures.params(0), pictures.params(1)
    method = Pleas(pictures.model, pictures.data, pictures.symmetry)
    mean = method.common([a, b]).merged()
    found = method([a, b])
    wanted = (pictures.outputs(a) + pictures.outputs(b)) / 2
    off = [float((pictures.outputs(one) - wanted).norm()) for one in (mean, found)]
    assert off[1] < 0.7 * off[0]
    assert not torch.equal(found["3.weight"], mean["3.weight"])


def test_units_that_are_not_matched_keep_their_number(perceptron):
    wider = dense(0, 24)
    only = [
        one.restrict(lambda s: s.name == "0")
        for one in (perceptron.symmetry, discover(wider, perceptron.x[:1]))
    ]
    method = Pleas(perceptron.model, perceptron.data, only[0], into=(wider, only[1]))
    with pytest.raises(BadInput, match="space 2 has 24 units in the merged model and 12 in each"):
        method([perceptron.params(0), perceptron.params(1)])

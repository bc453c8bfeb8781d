"""The dropout-stable path: no point above its highest corner, and flat between stable ends."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import nn

from isthmus import discover, params_of
from isthmus.ground import BadInput, distance
from isthmus.landscape import Line, Loss
from isthmus.landscape.constructive import dropout_path, strongest_half
from isthmus.testing.zoo import as_dtype, entry, randomise

DEEP = (4, 5, 6)
"""Widths of narrow networks with two and with three hidden layers; doubled below."""


def _normal(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _model(widths):
    layers: list[nn.Module] = []
    for one, two in zip((3, *widths), widths, strict=False):
        layers += [nn.Linear(one, two), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], 2)).double()


def _symmetry(model, example):
    with warnings.catch_warnings(action="ignore"):
        return discover(model, example)


def _doubled(params, order):
    """Every hidden unit twice, columns halved: half of the units do as well, times two."""
    out = {}
    for name, tensor in params.items():
        layer = int(name.split(".")[0]) // 2
        if layer < len(order):
            tensor = tensor.repeat_interleave(2, 0)[order[layer]]
        if layer > 0 and tensor.dim() == 2:
            tensor = tensor.repeat_interleave(2, 1)[:, order[layer - 1]] / 2
        out[name] = tensor.contiguous()
    return out


def _stable(widths, seed, shuffle):
    """A wide network that is exactly dropout stable, and which units to keep."""
    shapes = {n: t.shape for n, t in params_of(_model(widths)).items()}
    narrow = {n: _normal(seed + k, *shape) for k, (n, shape) in enumerate(shapes.items())}
    rng = torch.Generator().manual_seed(shuffle)
    order = [torch.randperm(2 * width, generator=rng) for width in widths]
    pairs = [(one % 2 == 0).nonzero().flatten().tolist() for one in order]
    return _doubled(narrow, order), pairs


def _path(widths, *ends):
    model = _model([2 * w for w in widths])
    symmetry = _symmetry(model, _normal(1, 20, 3))
    kept = [dict(zip(symmetry.spaces, pairs, strict=True)) for _, pairs in ends]
    return model, dropout_path(symmetry, *(params for params, _ in ends), *kept)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_between_stable_networks_no_loss_is_above_the_ends(depth):
    widths = DEEP[:depth]
    a, b = (_stable(widths, seed, seed) for seed in (10, 20))
    model, path = _path(widths, a, b)
    x, y = _normal(1, 20, 3), _normal(2, 20, 2)
    loss = Loss(model, [(x, y)], nn.functional.mse_loss, metrics={})
    losses = [one.loss for one in loss.along(path, [k / 150 for k in range(151)])]
    assert max(losses) <= max(loss(a[0]), loss(b[0])) * (1 + 1e-9)
    assert distance(path.start, a[0]) == 0
    assert distance(path.end, b[0]) == 0


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_between_stable_minima_there_is_no_loss_at_all(depth):
    widths = DEEP[:depth]
    a, b = (_stable(widths, 10, shuffle) for shuffle in (1, 2))
    model, path = _path(widths, a, b)
    x = _normal(1, 20, 3)
    y = torch.func.functional_call(model, a[0], (x,)).detach()
    size = float(y.square().mean())
    loss = Loss(model, [(x, y)], nn.functional.mse_loss, metrics={})
    losses = [one.loss for one in loss.along(path, [k / 150 for k in range(151)])]
    line = [one.loss for one in loss.along(Line(a[0], b[0]), [k / 20 for k in range(21)])]
    assert max(losses) < 1e-24 * size < 1e-3 * size < max(line)


@pytest.mark.parametrize("name", ["mlp", "mlp_gelu", "vgg"])
def test_no_loss_is_above_the_highest_corner(name):
    one = entry(name)
    models = [randomise(one.build(), seed=seed).double().eval() for seed in (0, 1)]
    (x,) = as_dtype(one.example(), torch.float64)
    symmetry = _symmetry(models[0], (x,))
    a, b = (params_of(model) for model in models)
    path = dropout_path(symmetry, a, b)
    with torch.no_grad():
        target = _normal(3, *models[0](x).shape)
    loss = Loss(models[0], [(x, target)], nn.functional.mse_loss, metrics={})
    corners = [loss(path(t)) for t in (0.0, *path.breaks, 1.0)]
    between = [one.loss for one in loss.along(path, [k / 200 for k in range(201)])]
    assert max(between) <= max(corners) * (1 + 1e-9)
    assert distance(path.start, a) < 1e-11
    assert distance(path.end, b) < 1e-11
    assert path.kind == "constructed"


def test_the_strongest_half_is_kept():
    model = _model([6])
    symmetry, params = _symmetry(model, _normal(0, 4, 3)), params_of(model)
    (space,) = symmetry.spaces
    params["2.weight"][:, [0, 2, 5]] = 0
    assert strongest_half(symmetry, params) == {space: (1, 3, 4)}


def test_what_the_path_lacks_is_named():
    model = _model([6])
    symmetry, params = _symmetry(model, _normal(0, 4, 3)), params_of(model)
    (space,) = symmetry.spaces
    with pytest.raises(BadInput, match="4 of 6 units of .* are kept; keep at least one"):
        dropout_path(symmetry, params, params, {space: (0, 1, 2, 3)})
    with pytest.raises(BadInput, match="units are kept of nowhere, expected"):
        dropout_path(symmetry, params, params, {"nowhere": (0,)})
    recurrent = entry("lstm_classifier")
    net = recurrent.build()
    found = _symmetry(net, recurrent.example())
    with pytest.raises(BadInput, match="read one another in a circle"):
        strongest_half(found, params_of(net))
    llama = entry("gpt")
    net = llama.build()
    with pytest.raises(BadInput, match="has no units that can be swapped freely"):
        strongest_half(_symmetry(net, llama.example()), params_of(net))

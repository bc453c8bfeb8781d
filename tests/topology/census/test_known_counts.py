"""The census returns the number of components where it is known."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from tests.topology.census.networks import (
    WIDE,
    ExactLinear,
    Linear,
    Residual,
    ThroughThePlane,
    residual_label,
    residual_minimum,
)
from torch import nn

from isthmus.discovery import discover
from isthmus.ground import Params, Verdict, params_of
from isthmus.landscape import Loss, Training
from isthmus.topology.census import (
    Bent,
    Chain,
    Clusters,
    PathSampling,
    SameOrbit,
    Straight,
    components,
)

FAST = Training(optimiser=lambda tensors: torch.optim.Adam(tensors, lr=0.02))
SAMPLING = PathSampling(points=9, refine=None, interval=None)
QUICK = [0, 1]
SEEDS = [pytest.param(seed, marks=() if seed in QUICK else pytest.mark.slow) for seed in range(20)]


def by_label(labels: list[object]) -> tuple[tuple[int, ...], ...]:
    """The minima by label, in the order of the first."""
    found: dict[object, list[int]] = {}
    for k, label in enumerate(labels):
        found.setdefault(label, []).append(k)
    return tuple(map(tuple, found.values()))


def linear_minima(net: Linear, each: int, generator: torch.Generator) -> list[Params]:
    """So many of every label."""
    square = sum(width == len(net.x) for width in net.widths)
    labels = list(itertools.product((-1, 1), repeat=square)) * each
    return [net.minimum(label, generator) for label in labels]


def check_linear(net: Linear, minima: list[Params], found: Clusters) -> None:
    square = sum(width == len(net.x) for width in net.widths)
    assert found.count == 2**square
    assert found.members == by_label([net.label(params) for params in minima])
    assert found.fewest == found.most


@pytest.mark.parametrize("seed", SEEDS)
def test_linear_networks_by_an_exact_connector_of_ones_own(seed):
    generator = torch.Generator().manual_seed(seed)
    rank = 1 + seed % 3
    widths = [rank + int(torch.randint(2, (), generator=generator)) for _ in range(1 + seed % 4)]
    net = Linear.draw(rank, widths, generator)
    minima = linear_minima(net, 2, generator)
    connector = Chain((Straight(), ExactLinear(net)))
    found = components(minima, net.loss, level=1e-18, connector=connector, sampling=SAMPLING)
    check_linear(net, minima, found.components())
    lines = [one.crossings[0].height for one in found.meetings if one.crossings]
    assert max(lines) > 1e-6  # the line is not enough


@pytest.mark.parametrize("seed", SEEDS)
def test_linear_networks_by_their_group(seed):
    generator = torch.Generator().manual_seed(seed)
    rank, depth = 2 - seed % 2, 1 + seed // 2 % 2
    net = Linear.draw(rank, [rank] * depth, generator)
    minima = linear_minima(net, 2, generator)
    symmetry = discover(net.model, net.x.T)
    found = components(
        minima, net.loss, level=1e-15, symmetry=symmetry, connector=SameOrbit(), sampling=SAMPLING
    )
    check_linear(net, minima, found.components())
    assert found.solutions().count == 1
    assert len(found.orbits()) == 1
    prediction = found.prediction()
    assert prediction.verdict is Verdict.TESTED
    assert prediction.margin == pytest.approx(0, abs=1e-12)  # all of the group's are there
    assert f"at most {2**depth} components" in str(found)


@pytest.mark.parametrize("seed", SEEDS)
def test_residual_networks_have_three_sheets(seed):
    generator = torch.Generator().manual_seed(seed)
    eps = 1.0 if seed % 2 else -0.7
    minima: list[Params] = []
    while len(minima) < 12:
        w1, w2 = (3 * torch.randn(2, dtype=WIDE, generator=generator)).tolist()
        if abs(w1 * w2 + eps) > 0.05:
            minima.append(residual_minimum(eps, w1, w2))
    minima += [residual_minimum(eps, s * 2.0, -s * math.copysign(2.0, eps)) for s in (-1, 1)]
    one = torch.ones(1, dtype=WIDE)
    loss = Loss(Residual(eps), [(one, one)], nn.functional.mse_loss)
    connector = Chain((ThroughThePlane(eps), ThroughThePlane(eps, origin=True)))
    sampling = PathSampling(points=41, interval=None)
    found = components(minima, loss, level=1e-20, connector=connector, sampling=sampling)
    assert found.components().members == by_label([residual_label(eps, m) for m in minima])
    assert found.components().count == 3


@pytest.mark.parametrize("seed", SEEDS)
def test_planted_permutations_of_a_relu_network(seed):
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)).double()
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(64, 4, dtype=WIDE, generator=generator)
    teacher = {
        name: torch.randn(tensor.shape, dtype=WIDE, generator=generator)
        for name, tensor in params_of(model).items()
    }
    y = torch.func.functional_call(model, teacher, (x,))
    loss = Loss(model, [(x, y)], nn.functional.mse_loss)
    symmetry = discover(model, x)
    elements = [symmetry.sample(generator) for _ in range(7)]
    minima = [symmetry.act(g, teacher) for g in elements]
    orders = [tuple(g.values["0"].perm.flatten().tolist()) for g in elements]
    found = components(minima, loss, level=1e-15, symmetry=symmetry, sampling=SAMPLING)
    assert found.components().members == by_label(orders)
    assert found.components().count == len(set(orders))
    assert found.solutions().count == len(found.orbits()) == 1
    assert found.log_components == pytest.approx(math.log(6))
    assert found.prediction().verdict is Verdict.TESTED


def test_one_more_neuron_joins_all_by_learned_curves():
    generator = torch.Generator().manual_seed(5)
    connector = Chain((Straight(), Bent(steps=300, training=FAST)))
    for widths, expected in (((1,), 2), ((2,), 1)):
        net = Linear.draw(1, widths, generator)
        minima = linear_minima(net, 4 // expected, generator)
        # Between the two signs of a number the loss is at least that of the zero map.
        nothing = net.loss({n: 0 * x for n, x in minima[0].items()})
        level = 0.01 * nothing
        found = components(minima, net.loss, level=level, connector=connector, sampling=SAMPLING)
        assert found.components().count == expected
        assert sum(one.steps for m in found.meetings for one in m.crossings) > 0

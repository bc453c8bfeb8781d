"""Subnetworks: the law of samples without replacement, and what it does not say."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from isthmus import Loss, discover, params_of, subnetworks
from isthmus.ground import Disconnected, IsthmusError, Params
from isthmus.landscape.constructive.layers import layers
from isthmus.testing.training import seeded


def network(*widths: int, bend: type[nn.Module] = nn.Tanh) -> nn.Sequential:
    made: list[nn.Module] = []
    for n, m in itertools.pairwise((3, *widths, 2)):
        made += [nn.Linear(n, m), bend()]
    return nn.Sequential(*made[:-1]).double()


def studied(*widths: int, bend: type[nn.Module] = nn.Tanh):
    model = seeded(lambda: network(*widths, bend=bend), 1)
    x = torch.randn(15, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = torch.zeros(15, 2, dtype=torch.float64)
    loss = Loss(model, [(x[:10], y[:10]), (x[10:], y[10:])], F.mse_loss, metrics={})
    return loss, params_of(model), discover(model, x[:2]), x


def of_all_subsets(kept: int, width: int) -> tuple[float, float]:
    """How far the mean is from the network, and the root mean square, by trying every subset."""
    loss, params, symmetry, x = studied(width, bend=nn.ReLU)
    network, here = layers(symmetry, params), symmetry.coordinates(params)
    (space,) = network.units
    whole = torch.func.functional_call(loss.model, params, (x,))

    def outputs(units: tuple[int, ...]) -> torch.Tensor:
        few: Params = network.without(here, space, units, width / kept)
        return torch.func.functional_call(loss.model, symmetry.parameters(few, params), (x,))

    every = [outputs(units) for units in itertools.combinations(range(width), kept)]
    square = sum(float((one - whole).square().sum(1).mean()) for one in every) / len(every)
    return float((torch.stack(every).mean(0) - whole).abs().max()), math.sqrt(square)


def test_the_law_is_that_of_all_subsets() -> None:
    loss, params, symmetry, _ = studied(6, bend=nn.ReLU)
    found = subnetworks(loss, params, symmetry, (2, 4), tries=2)
    assert found.expected is not None
    for kept, law in zip(found.kept, found.expected, strict=True):
        off, size = of_all_subsets(kept, 6)
        assert off < 1e-12
        assert size == pytest.approx(law, rel=1e-9)


def test_random_subsets_are_as_far_as_the_law_says_and_fall_by_it() -> None:
    loss, params, symmetry, _ = studied(128)
    found = subnetworks(loss, params, symmetry, (4, 16, 64), tries=40)
    assert found.expected is not None
    measured = found.moved.square().mean(1).sqrt().tolist()
    for here, law in zip(measured, found.expected, strict=True):
        assert here == pytest.approx(law, rel=0.15)
    assert found.exponent.low < 0.5 + 0.05
    assert found.exponent.high > 0.5 - 0.05
    assert "units kept" in str(found)
    again = subnetworks(loss, params, symmetry, (4, 16, 64), tries=40)
    assert torch.equal(found.moved, again.moved)
    other = subnetworks(loss, params, symmetry, (4, 16, 64), tries=40, seed=1)
    assert not torch.equal(found.moved, other.moved)


def test_below_later_layers_there_is_no_law_and_no_unbiasedness() -> None:
    loss, params, symmetry, _ = studied(24, 24)
    first, last = layers(symmetry, params).units
    both = subnetworks(loss, params, symmetry, (6, 12), tries=4)
    assert both.spaces == (first, last)
    assert both.expected is None
    assert subnetworks(loss, params, symmetry, (6, 12), 4, [first]).expected is None
    assert subnetworks(loss, params, symmetry, (6, 12), 4, [last]).expected is not None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"kept": (2,)}, "2 of 8 units are kept"),
        ({"kept": (2, 8)}, "expected two numbers or more from 1 to below the width"),
        ({"kept": (0, 2)}, "0, 2 of 8 units are kept"),
        ({"kept": (2, 4), "tries": 1}, "1 times"),
        ({"kept": (2, 4), "spaces": ["nowhere"]}, "no hidden layer 'nowhere'"),
        ({"kept": (2, 4), "spaces": []}, "no hidden layer to drop units from"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(options, said: str) -> None:
    loss, params, symmetry, _ = studied(8)
    with pytest.raises(IsthmusError, match=said):
        subnetworks(loss, params, symmetry, **options)


def test_a_stream_is_refused() -> None:
    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.into, self.up = nn.Linear(3, 4), nn.Linear(4, 6)
            self.down, self.out = nn.Linear(6, 4), nn.Linear(4, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            stream = self.into(x)
            return self.out(stream + self.down(torch.relu(self.up(stream))))

    model = Residual()
    x = torch.randn(4, 3)
    loss = Loss(model, [(x, torch.zeros(4, 2))], F.mse_loss, metrics={})
    with pytest.raises(Disconnected):
        subnetworks(loss, params_of(model), discover(model, x), (1, 2))

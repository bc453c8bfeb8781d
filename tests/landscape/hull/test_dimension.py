"""dimension_probe: volumes of known simplexes, and where they collapse."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from isthmus.ground import BadInput
from isthmus.landscape import Loss, Training, dimension_probe, simplexes
from isthmus.landscape.curves import SimplicialComplex

DATA = [(torch.zeros(2, 1), torch.zeros(2))]


class Place(nn.Module):
    """Five numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.zeros(5, dtype=torch.float64))

    def forward(self, _: Tensor) -> Tensor:
        return self.place


def corner(*numbers: float) -> dict[str, Tensor]:
    return {"place": torch.tensor([*numbers, *[0.0] * (5 - len(numbers))], dtype=torch.float64)}


def wall(place: Tensor, _: Tensor) -> Tensor:
    """Rises where the third number does: low in the other four dimensions."""
    return place[2].square()


def test_heights_and_losses_of_known_corners() -> None:
    """One minimum at 0, connectors 2 and 3 along two axes, a third half as far, a fourth flat."""
    vertices = (corner(), corner(2), corner(0, 3), corner(0, 0, 1), corner(1, 1))
    region = SimplicialComplex(vertices, 1, None)
    found = dimension_probe(region, Loss(Place(), DATA, wall, {}), samples=200)
    assert found.log_volumes[:3] == pytest.approx([math.log(2), math.log(3), 0.0])
    assert found.heights[:3] == pytest.approx([1, 1.5, 0.5])
    assert found.heights[3] < 1e-6
    assert found.highest[:2] == (0, 0)
    assert 0.3 < found.highest[2] <= 1
    assert found.dimension(level=2) == 3
    assert found.dimension(level=0.1) == 2
    assert found.dimension(level=2, least=0.6) == 2
    assert found.dimension(level=-1) == 0
    assert str(found).splitlines()[1].split() == ["1", "0.6931", "1", "0"]


def test_an_exactly_flat_complex_ends_the_probe() -> None:
    region = SimplicialComplex((corner(), corner(2), corner(2), corner(0, 1)), 1, None)
    found = dimension_probe(region, Loss(Place(), DATA, wall, {}), samples=3)
    assert found.heights == (1.0,)
    assert found.dimension(level=9) == len(found.highest) == 1


def test_several_minima_count_together() -> None:
    """Two segments to one connector: lengths add up."""
    region = SimplicialComplex((corner(3), corner(0, 4), corner()), 2, None)
    found = dimension_probe(region, Loss(Place(), DATA, wall, {}), samples=5)
    assert found.log_volumes == (pytest.approx(math.log(7)),)


def test_a_valley_of_two_dimensions() -> None:
    """The loss rises in three dimensions of five: the third connector finds no room."""
    flat = torch.tensor([1.0, 1.0, 0, 0, 0])

    def gorge(place: Tensor, _: Tensor) -> Tensor:
        return 1e3 * (place * (1 - flat)).square().sum() + (place.norm() - 1).relu() ** 4

    loss = Loss(Place(), DATA, gorge, {})
    training = Training(partial(torch.optim.Adam, lr=0.04))
    found = dimension_probe(simplexes([corner(0.1)], loss, 3, steps=120, training=training), loss)
    assert found.heights[2] < 0.15 < 0.5 < found.heights[1]
    assert found.dimension(level=1, least=0.15) == 2


def test_bad_input() -> None:
    region = SimplicialComplex((corner(), corner(1)), 1, None)
    with pytest.raises(BadInput, match="0 samples, expected at least 1"):
        dimension_probe(region, Loss(Place(), DATA, wall, {}), samples=0)

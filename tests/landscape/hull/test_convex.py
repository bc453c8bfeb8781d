"""convex_hull: known landscapes, where edges say nothing of the inside and the other way round."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from isthmus.ground import BadInput, Params, ShapeMismatch
from isthmus.landscape import Bootstrap, Line, Loss, barrier, convex_hull


class Point(nn.Module):
    """Three numbers, once for every sample."""

    def __init__(self) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.zeros(3, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return self.place.expand(len(x), 3)


CORNERS = [{"place": row} for row in torch.eye(3, dtype=torch.float64)]
DATA = [(torch.zeros(5, 1), torch.arange(5.0, dtype=torch.float64))]


def landscape(height) -> Loss:
    """A loss of the place alone."""
    return Loss(Point(), DATA, lambda places, _: height(places).mean(), {})


def test_a_hill_inside_that_no_edge_sees() -> None:
    """The product of the weights is 0 on all edges and 1/27 in the centre."""
    found = convex_hull(CORNERS, landscape(lambda p: 27 * p.prod(1)), samples=400)
    assert found.largest_edge == 0
    assert found.centre == pytest.approx(1)
    assert 0.9 < found.height <= 1
    assert found.highest == pytest.approx([1 / 3] * 3, abs=0.12)
    assert found.ends == (0, 0, 0)
    assert "hull of 3 minima: barrier ≥ 0.9" in str(found)


def test_the_edges_are_the_barriers_of_the_lines() -> None:
    loss = landscape(lambda p: torch.sin(5 * p @ p.new_tensor([1.0, 2.0, 4.0])))
    found = convex_hull(CORNERS, loss, samples=3, points=11)
    for i, j in ((0, 1), (0, 2), (1, 2)):
        height = barrier(loss, Line(CORNERS[i], CORNERS[j]), 11).height
        assert float(found.edges[i, j]) == float(found.edges[j, i]) == pytest.approx(height)


@given(st.integers(0, 99), st.integers(1, 12))
@settings(max_examples=15, deadline=None)
def test_a_convex_loss_has_no_barrier_inside(seed: int, samples: int) -> None:
    loss = landscape(lambda p: p.square().sum(1))
    found = convex_hull(CORNERS, loss, samples, seed, points=5)
    assert found.height == 0
    assert found.centre == pytest.approx(1 / 3)
    assert found.mean < 1
    assert torch.allclose(found.weights.sum(1), torch.ones(samples, dtype=torch.float64))
    for k in range(samples):
        assert loss(found.point(k)) == pytest.approx(found.losses[k])


def test_the_intervals_hold_what_was_measured() -> None:
    """Samples that disagree on the loss make it unsure; where all agree the interval is a point."""

    def height(places: Tensor, y: Tensor) -> Tensor:
        return (27 * places.prod(1) * y).mean()

    found = convex_hull(CORNERS, Loss(Point(), DATA, height, {}), interval=Bootstrap(200))
    assert found.interval.low < found.height < found.interval.high
    assert found.mean_interval.low < found.mean < found.mean_interval.high
    assert str(found.interval) in str(found)
    sure = convex_hull(CORNERS, landscape(lambda p: p.square().sum(1)), 5, interval=Bootstrap(50))
    assert sure.mean_interval.high - sure.mean_interval.low < 1e-12


def test_a_loss_that_is_not_finite_is_an_infinite_barrier() -> None:
    found = convex_hull(CORNERS, landscape(lambda p: 1 / (p[:, 0] - p[:, 0])), samples=4)
    assert found.height == float("inf")
    assert convex_hull(CORNERS, landscape(lambda p: p.sum(1)), samples=4).interval is None


def test_bad_input() -> None:
    loss = landscape(lambda p: p.sum(1))
    with pytest.raises(BadInput, match="1 minima, expected at least 2"):
        convex_hull(CORNERS[:1], loss)
    with pytest.raises(BadInput, match="0 samples, expected at least 1"):
        convex_hull(CORNERS, loss, samples=0)
    with pytest.raises(BadInput, match="2 points, expected at least 3"):
        convex_hull(CORNERS, loss, points=2)
    wrong: Params = {"place": torch.zeros(4, dtype=torch.float64)}
    with pytest.raises(ShapeMismatch):
        convex_hull([CORNERS[0], wrong], loss)

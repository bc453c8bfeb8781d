"""Planes keep distances; the loss on the map is that of the place."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from isthmus.ground import BadInput, UnknownName, distance, params_of
from isthmus.landscape import Line, Loss, Polygon
from isthmus.landscape.maps import Plane, surface


def three(seed, count=3):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.ReLU(), nn.Linear(4, 2)).double()
    draw = lambda t: torch.randn_like(t).abs() if t.is_floating_point() else t  # noqa: E731
    return model, [{n: draw(t) for n, t in params_of(model).items()} for _ in range(count)]


@given(seed=st.integers(0, 10**6), x=st.floats(-3, 3), y=st.floats(-3, 3))
def test_distances_on_the_map_are_those_between_weights(seed, x, y):
    _, (a, b, c) = three(seed)
    plane = Plane(a, b, c)
    corners = plane.corners
    assert corners[0] == (0, 0)
    assert corners[1] == pytest.approx((distance(a, b), 0))
    for k, params in enumerate((a, b, c)):
        assert plane.place(params)[2] < 1e-6
        assert distance(plane.at(*corners[k]), params) < 1e-9
        assert distance(plane.at(x, y), params) == pytest.approx(math.dist(corners[k], (x, y)))
    assert plane.place(plane.at(x, y)) == pytest.approx((x, y, 0), abs=1e-6)


def test_what_is_off_the_plane_is_seen_from_above():
    _, (a, b, c, d) = three(1, 4)
    plane = Plane(a, b, c)
    x, y, away = plane.place(d)
    assert away > 0.1
    assert distance(plane.at(x, y), d) == pytest.approx(away)
    for dx, dy in ((0.01, 0), (0, 0.01)):
        assert distance(plane.at(x + dx, y + dy), d) > away


def test_the_surface_has_the_loss_of_each_place_and_of_the_paths():
    model, (a, b, c, d) = three(2, 4)
    batches = [(torch.randn(6, 3).double(), torch.randn(6, 2).double())]
    loss, seen = Loss(model, batches, nn.MSELoss()), []
    plane = Plane(a, b, c)
    paths = {"line": Line(a, b), "bent": Polygon([a, d, b])}
    found = surface(loss, plane, 4, 0.5, paths, 5, progress=lambda *n: seen.append(n))
    for j, y in enumerate(found.y):
        for i, x in enumerate(found.x):
            assert found.losses[j][i] == pytest.approx(loss(plane.at(x, y)), rel=1e-9)
    width = max(p[0] for p in plane.corners) - min(p[0] for p in plane.corners)
    assert found.x[-1] - found.x[0] == pytest.approx(2 * width)
    line = found.paths["line"]
    assert max(line.away) < 1e-6
    assert line.x == pytest.approx([distance(a, b) * k / 4 for k in range(5)])
    assert line.losses == pytest.approx([loss(Line(a, b)(k / 4)) for k in range(5)], rel=1e-9)
    assert found.paths["bent"].away[2] == pytest.approx(plane.place(d)[2])
    assert seen[-1] == (16 + 10, 16 + 10)
    assert [k for k, _ in seen] == list(range(1, 27))
    assert "on 4 x 4 places; path line at most" in str(found)


def test_three_on_a_line_are_refused():
    model, (a, b, _) = three(3)
    with pytest.raises(BadInput, match="the three models lie on one line"):
        Plane(a, b, Line(a, b)(0.3))
    with pytest.raises(BadInput, match="the three models lie on one line"):
        Plane(a, a, b)
    with pytest.raises(UnknownName):
        Plane(a, b, {})
    loss = Loss(model, [(torch.zeros(2, 3), torch.zeros(2, 2))], nn.MSELoss())
    with pytest.raises(BadInput, match=r"steps is 1, points 25 and margin 0\.25; use at least 2"):
        surface(loss, Plane(*three(3)[1]), steps=1)

"""Curve: points, derivative, speed and length."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from isthmus.ground import BadInput, UnknownName, distance
from isthmus.landscape import Line, Polygon
from isthmus.landscape.curves import Bezier, Curve, NaturalSpline, PolygonalChain


def point(*values, count=3, dtype=torch.float64):
    return {"w": torch.tensor(values, dtype=dtype), "n": torch.tensor(count)}


A, B, C = point(0.0, 0.0), point(1.0, 2.0, count=5), point(3.0, -1.0, count=7)
SHAPES = (Bezier, PolygonalChain, NaturalSpline)
times = st.floats(0, 1)


@pytest.fixture(params=SHAPES)
def curve(request):
    return Curve(request.param(1), [A, B, C])


def test_laws_of_every_curve(curve):
    assert distance(curve.start, A) == distance(curve.end, C) == 0
    assert curve.end["n"] == 3
    assert "1 bend" in curve.kind
    assert distance(curve.reversed()(0.25), curve(0.75)) == 0
    with pytest.raises(BadInput, match="t is 2"):
        curve(2)
    for ask in (curve.jet, curve.speed, curve.length):
        with pytest.raises(BadInput, match="t is -0.5, expected a number in"):
            ask(-0.5)


@given(t=times)
def test_a_polygonal_chain_is_the_polygon(t):
    found, wanted = Curve(PolygonalChain(1), [A, B, C])(t), Polygon([A, B, C])(t)
    assert torch.allclose(found["w"], wanted["w"], atol=1e-14)


def test_points_on_a_line_make_the_line():
    line = Line(A, C)
    for kind in SHAPES:
        curve = Curve(kind(3), [line(k / 4) for k in range(5)])
        for t in (0.1, 0.5, 0.9):
            assert distance(curve(t), line(t)) < 1e-14
        assert curve.length() == pytest.approx(math.sqrt(10), rel=1e-12)


@given(t=st.floats(0.01, 0.99))
def test_derivatives_and_speed(t):
    for kind in SHAPES:
        curve = Curve(kind(1), [A, B, C])
        if abs(t - 0.5) < 1e-3:
            continue
        here, slope, turn = curve.jet(t)
        step = 1e-6
        rise = (curve(t + step)["w"] - curve(t - step)["w"]) / (2 * step)
        assert torch.allclose(slope["w"], rise, atol=1e-8)
        assert set(here) == set(slope) == set(turn) == {"w"}
        bend = (curve.jet(t + step, 1)[1]["w"] - curve.jet(t - step, 1)[1]["w"]) / (2 * step)
        assert torch.allclose(turn["w"], bend, atol=1e-4)
        assert curve.speed(t) == pytest.approx(float(slope["w"].norm()), rel=1e-12)


def test_the_length_of_a_parabola():
    """(t, t²) has the control points (0, 0), (1/2, 0), (1, 1)."""
    curve = Curve(Bezier(), [point(0.0, 0.0), point(0.5, 0.0), point(1.0, 1.0)])
    assert curve.length() == pytest.approx(math.sqrt(5) / 2 + math.asinh(2) / 4, rel=1e-9)
    parts = curve.length(0, 0.3) + curve.length(0.3, 1)
    assert parts == pytest.approx(curve.length(), rel=1e-9)


def test_the_length_of_a_chain_is_that_of_its_segments():
    curve = Curve(PolygonalChain(2), [A, C, B, A])
    wanted = distance(A, C) + distance(C, B) + distance(B, A)
    assert curve.length() == pytest.approx(wanted, rel=1e-12)


def test_the_ends_are_exact_in_single_precision():
    points = [point(x, x, dtype=torch.float32) for x in (1e8, 0.1, 0.3)]
    for kind in SHAPES:
        curve = Curve(kind(1), points)
        assert torch.equal(curve.start["w"], points[0]["w"])
        assert torch.equal(curve.end["w"], points[2]["w"])
        curve.start["w"].zero_()
        assert float(points[0]["w"][0]) == 1e8


def test_statistics_stay_between_their_points_where_a_spline_overshoots():
    def one(value):
        return {"w": torch.tensor([value]), "norm.running_var": torch.tensor([value])}

    curve = Curve(NaturalSpline(2), [one(9.0), one(0.1), one(0.1), one(9.0)])
    found = [curve(k / 50) for k in range(51)]
    assert min(float(p["w"]) for p in found) < 0
    assert min(float(p["norm.running_var"]) for p in found) == pytest.approx(0.1)


def test_what_all_points_share_is_kept_to_the_last_bit():
    mask = torch.tensor([0.1, -math.inf])
    curve = Curve(Bezier(), [{**p, "mask": mask} for p in (A, B, C)])
    assert torch.equal(curve(0.3)["mask"], mask)
    assert torch.equal(curve.jet(0.3)[1]["mask"], torch.zeros(2))


def test_half_precision_keeps_its_dtype():
    points = [point(x, -x, dtype=torch.bfloat16) for x in (1.0, 2.0, 4.0)]
    assert Curve(Bezier(), points)(0.5)["w"].dtype == torch.bfloat16


def test_points_that_do_not_fit_are_refused():
    with pytest.raises(BadInput, match="Bézier with 2 bends has 4 control points, but 3 are given"):
        Curve(Bezier(2), [A, B, C])
    with pytest.raises(UnknownName, match="'n' is missing"):
        Curve(Bezier(), [A, {"w": B["w"]}, C])

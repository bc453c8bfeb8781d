"""Shapes: weights of control points and their derivatives."""

from __future__ import annotations

import inspect

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

import isthmus.landscape.curves as curves
from isthmus.ground import BadInput
from isthmus.landscape.curves import Bezier, NaturalSpline, PolygonalChain, Shape

SHAPES = (Bezier, PolygonalChain, NaturalSpline)
shapes = st.builds(lambda kind, bends: kind(bends), st.sampled_from(SHAPES), st.integers(1, 6))
times = st.floats(0, 1)


def test_every_exported_shape_is_in_the_laws():
    exported = {s for s in vars(curves).values() if inspect.isclass(s) and issubclass(s, Shape)}
    assert exported == {Shape, *SHAPES}


@given(shape=shapes, t=times)
def test_weights_sum_to_one_and_mirror(shape, t):
    weights = shape.weights(t)
    assert weights.shape == (shape.bends + 2,)
    assert weights.dtype == torch.float64
    assert float(weights.sum()) == pytest.approx(1, abs=1e-14)
    assert torch.allclose(shape.weights(1 - t).flip(0), weights, atol=1e-12)
    equal = torch.linspace(0, 1, shape.bends + 2, dtype=torch.float64)
    assert float(weights @ equal) == pytest.approx(t, abs=1e-13)  # equal steps on a line: the line


@given(shape=shapes)
def test_the_ends_are_the_first_and_the_last_point(shape):
    for t, k in ((0.0, 0), (1.0, -1)):
        unit = torch.zeros(shape.bends + 2, dtype=torch.float64)
        unit[k] = 1
        assert torch.allclose(shape.weights(t), unit, atol=1e-15)


@given(shape=shapes, t=st.floats(0.01, 0.99), order=st.integers(1, 3))
def test_derivatives_of_the_weights(shape, t, order):
    knots = [k / (shape.bends + 1) for k in range(shape.bends + 2)]
    if min(abs(t - knot) for knot in knots) < 1e-3:
        return
    step = 1e-5
    rise = (shape.weights(t + step, order - 1) - shape.weights(t - step, order - 1)) / (2 * step)
    scale = 1 + float(rise.abs().max())
    assert torch.allclose(shape.weights(t, order), rise, atol=1e-6 * scale)
    assert torch.equal(shape.weights(t, 8), torch.zeros(shape.bends + 2, dtype=torch.float64))


@pytest.mark.parametrize("kind", [PolygonalChain, NaturalSpline])
@pytest.mark.parametrize("bends", [1, 2, 5])
def test_chains_and_splines_pass_through_their_points(kind, bends):
    shape = kind(bends)
    found = torch.stack([shape.weights(k / (bends + 1)) for k in range(bends + 2)])
    assert torch.allclose(found, torch.eye(bends + 2, dtype=torch.float64), atol=1e-14)


def test_a_natural_spline_bends_least_of_all_curves_through_its_points():
    """Against a Bézier curve that goes through the same three numbers."""
    spline, bezier = NaturalSpline(), Bezier()
    heights = torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64)
    control = torch.tensor([0.0, 2.0, 0.0], dtype=torch.float64)

    def bending(shape, points):
        def square(t):
            return float(shape.weights(t, 2) @ points) ** 2

        return quad(square, 0, 1, points=[0.5])[0]

    assert float(bezier.weights(0.5) @ control) == float(spline.weights(0.5) @ heights) == 1
    assert bending(spline, heights) < bending(bezier, control) - 1


def test_garipovs_formulas():
    t = 0.3
    assert torch.allclose(
        Bezier().weights(t), torch.tensor([0.7**2, 2 * 0.3 * 0.7, 0.3**2], dtype=torch.float64)
    )
    assert torch.allclose(
        PolygonalChain().weights(t),
        torch.tensor([2 * (0.5 - t), 2 * t, 0], dtype=torch.float64),
    )


@pytest.mark.parametrize("kind", SHAPES)
def test_a_shape_needs_a_bend(kind):
    with pytest.raises(BadInput, match="bends is 0, expected at least 1; count the control points"):
        kind(0)

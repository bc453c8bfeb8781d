"""Lines, polygons, joined and reversed paths."""

from __future__ import annotations

import inspect

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import isthmus.landscape as landscape
from isthmus.ground import BadInput, DtypeMismatch, ShapeMismatch, UnknownName, distance
from isthmus.landscape import (
    AbstractPath,
    Bezier,
    Curve,
    GreatCircles,
    Joined,
    Jump,
    Line,
    NeuronSpheres,
    OnSpheres,
    OrbitPath,
    Polygon,
    Refitted,
    Reversed,
)

A = {"w": torch.tensor([0.0, 1.0], dtype=torch.float64), "n": torch.tensor(3)}
B = {"w": torch.tensor([2.0, -1.0], dtype=torch.float64), "n": torch.tensor(8)}
C = {"w": torch.tensor([2.0, 5.0], dtype=torch.float64), "n": torch.tensor(9)}
times = st.floats(0, 1)


class Step(AbstractPath):
    """A path that rests at ``b`` after a jump from ``a``: for tests of jumps."""

    kind = "step"

    def _at(self, t):
        return B

    @property
    def ends(self):
        return A, B

    @property
    def jumps(self):
        return (Jump(0.0, {"fc1": "moves 2 of 2 units"}),)


@pytest.fixture(
    params=[
        "line",
        "polygon",
        "curve",
        "on spheres",
        "great circles",
        "joined",
        "reversed",
        "orbit",
        "refitted",
    ]
)
def path(request, relu):
    """One instance of every kind of path."""
    return {
        "line": lambda: Line(A, B),
        "polygon": lambda: Polygon([A, B, C]),
        "curve": lambda: Curve(Bezier(), [A, B, C]),
        "on spheres": lambda: OnSpheres(Line(A, B), NeuronSpheres()),
        "great circles": lambda: GreatCircles(A, B, NeuronSpheres()),
        "joined": lambda: Line(A, B).then(Line(B, C)),
        "reversed": lambda: Reversed(Polygon([A, B, C])),
        "orbit": lambda: OrbitPath(relu.symmetry, relu.symmetry.sample(0), relu.params),
        "refitted": lambda: Refitted(
            OrbitPath(relu.symmetry, relu.symmetry.sample(0), relu.params), relu.model, relu.x, "4"
        ),
    }[request.param]()


def test_every_exported_path_has_an_instance_in_the_laws():
    exported = {
        one
        for one in vars(landscape).values()
        if inspect.isclass(one) and issubclass(one, AbstractPath) and not inspect.isabstract(one)
    }
    trained = {Curve, OnSpheres, GreatCircles}
    assert exported == {Line, Polygon, Joined, Reversed, OrbitPath, Refitted} | trained


def test_laws_of_every_path(path):
    assert distance(path(0.0), path.start) == distance(path(1.0), path.end) == 0
    there_and_back = path.reversed().reversed()
    for t in (0.0, 0.3, 0.5, 1.0):
        assert distance(path.reversed()(1 - t), path(t)) < 1e-12
        assert distance(there_and_back(t), path(t)) == 0
    assert path.kind
    assert path.length() >= distance(path.start, path.end) * (1 - 1e-9)
    assert path.length(0.2, 0.7) == pytest.approx(path.reversed().length(0.3, 0.8), rel=1e-6)
    assert [j.moved for j in path.reversed().jumps] == [j.moved for j in path.jumps[::-1]]
    again = path.then(path.reversed())
    assert distance(again(0.25), again(0.75)) < 1e-12
    for t, text in ((-0.01, "t is -0.01"), (1.5, "t is 1.5"), (float("nan"), "t is nan")):
        with pytest.raises(BadInput, match=rf"{text}, expected a number in \[0, 1\]"):
            path(t)


@given(t=times)
def test_a_line_is_linear_with_the_integers_of_a(t):
    here = Line(A, B)(t)
    assert torch.allclose(here["w"], (1 - t) * A["w"] + t * B["w"], atol=1e-14)
    assert here["n"] == 3


def test_a_line_is_exact_at_its_ends():
    a, b = ({"w": torch.tensor([x])} for x in (1e8, 0.1))
    assert torch.equal(Line(a, b).start["w"], a["w"])
    assert torch.equal(Line(a, b).end["w"], b["w"])


@pytest.mark.parametrize(
    ("other", "error", "text"),
    [
        ({"w": B["w"]}, UnknownName, "'n' is missing"),
        ({**B, "v": B["w"]}, UnknownName, "unknown name 'v'"),
        ({**B, "w": torch.zeros(3, dtype=torch.float64)}, ShapeMismatch, r"'w' has shape \(3,\)"),
        ({**B, "w": torch.zeros(2)}, DtypeMismatch, "'w' has dtype float32, expected float64"),
    ],
)
def test_points_that_do_not_fit_are_refused_at_once(other, error, text):
    with pytest.raises(error, match=text):
        Line(A, other)
    with pytest.raises(error, match=text):
        Polygon([A, B, other])


@given(t=times)
def test_a_polygon_has_equal_segments(t):
    here = Polygon([A, B, C])(t)
    legs = Line(A, B)(2 * t) if t < 0.5 else Line(B, C)(2 * t - 1)
    assert torch.allclose(here["w"], legs["w"], atol=1e-14)
    assert here["n"] == 3


def test_a_polygon_hits_its_points_and_needs_two():
    path = Polygon([A, B, C, A])
    for k, point in enumerate((A, B, C, A)):
        assert torch.allclose(path(k / 3)["w"], point["w"], atol=1e-14)
    with pytest.raises(BadInput, match="a polygon of 1 points, expected at least 2"):
        Polygon([A])


def test_joined_paths_must_meet():
    joined = Line(A, B).then(Line(B, C))
    assert torch.equal(joined(0.5)["w"], B["w"])
    assert torch.equal(joined(0.75)["w"], Line(B, C)(0.5)["w"])
    assert joined.jumps == ()
    with pytest.raises(BadInput, match=r"starts at distance 6 from the end of the first, expected"):
        Line(A, B).then(Line(C, B))
    Line(A, B).then(Line({**B, "w": B["w"] + 1e-6}, C))  # within the tolerance


def test_a_declared_jump_joins_and_is_reported_where_it_happens():
    there = Line(C, A).then(Step())
    assert [(jump.at, str(jump)) for jump in there.jumps] == [(0.5, "fc1: moves 2 of 2 units")]
    assert there.kind == "linear, jump, step"
    assert there.reversed().kind == "step, jump, linear"
    back = Step().reversed().then(Line(A, C))
    assert [jump.at for jump in back.jumps] == [0.5]
    assert torch.equal(back.ends[0]["w"], B["w"])


def test_a_jump_that_the_joint_does_not_need_is_not_made():
    there = Line(C, B).then(Step())
    assert there.jumps == ()
    assert there.kind == "linear, step"
    both = Step().reversed().then(Step())
    assert both.jumps == ()

"""Spheres: retractions, great circles, and curves that are trained on them."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from isthmus.ground import BadInput, distance
from isthmus.landscape import Line, barrier
from isthmus.landscape.curves import (
    Bezier,
    Curve,
    GreatCircles,
    NeuronSpheres,
    OnSpheres,
    Training,
    VarianceSpheres,
    bend_on_spheres,
)

KINDS = (NeuronSpheres(), VarianceSpheres())
kinds = st.sampled_from(KINDS)
FAST = Training(partial(torch.optim.Adam, lr=0.02))


def point(seed, shape=(3, 4)):
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(shape, generator=generator, dtype=torch.float64) + 0.3
    return {"w": weight, "b": torch.randn(3, generator=generator), "n": torch.tensor(seed)}


@given(kind=kinds, seed=st.integers(0, 99), shape=st.sampled_from([(3, 4), (2, 3, 2)]))
def test_a_retraction_gives_the_radii_and_stays(kind, seed, shape):
    weight = point(seed, shape)["w"]
    radii = kind.radii(weight) * 1.7 + 0.1
    moved = kind.retract(weight, radii)
    assert torch.allclose(kind.radii(moved), radii, rtol=1e-12)
    assert torch.allclose(kind.retract(moved, radii), moved, rtol=1e-12)
    centres = [kind.centre(kind.rows(one)) for one in (weight, moved)]
    assert torch.allclose(*centres, atol=1e-12)
    assert torch.allclose(kind.retract(weight, kind.radii(weight)), weight, rtol=1e-12)


@given(kind=kinds, seed=st.integers(0, 99))
def test_pulling_back_is_the_adjoint_of_the_retraction(kind, seed):
    weight, grad = point(seed)["w"].requires_grad_(), point(seed + 1)["w"]
    radii = kind.radii(weight.detach()) * 1.3
    (wanted,) = torch.autograd.grad(kind.retract(weight, radii), weight, grad)
    assert torch.allclose(kind.pull_back(weight.detach(), radii, grad), wanted, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_at_its_centre_stays_there(kind):
    flat = torch.zeros(2, 3)
    assert torch.equal(kind.retract(flat, kind.radii(flat)), flat)
    grad = torch.ones(2, 3)
    assert kind.pull_back(flat, kind.radii(flat), grad).isfinite().all()


@given(kind=kinds, t=st.floats(0, 1))
def test_radii_go_evenly_from_end_to_end(kind, t):
    a, b = point(1), point(2)
    curve = Curve(Bezier(), [a, point(3), b])
    for path in (OnSpheres(Line(a, b), kind), OnSpheres(curve, kind), GreatCircles(a, b, kind)):
        wanted = torch.lerp(kind.radii(a["w"]), kind.radii(b["w"]), t)
        assert torch.allclose(kind.radii(path(t)["w"]), wanted, rtol=1e-10)
        assert torch.allclose(path(0.0)["b"], a["b"])
        assert path(t)["n"] == 1
        assert distance(path.start, a) == distance(path.end, b) == 0
    assert torch.allclose(GreatCircles(a, b, kind)(t)["b"], torch.lerp(a["b"], b["b"], t))


def test_variance_is_kept_where_a_line_loses_it():
    a, b = point(1, (40, 40)), point(2, (40, 40))
    ends = [float(p["w"].var()) for p in (a, b)]
    assert float(Line(a, b)(0.5)["w"].var()) < 0.6 * min(ends)
    for path in (OnSpheres(Line(a, b), VarianceSpheres()), GreatCircles(a, b, VarianceSpheres())):
        middle = float(path(0.5)["w"].var())
        assert math.sqrt(middle) == pytest.approx(sum(map(math.sqrt, ends)) / 2, rel=1e-9)


@given(seed=st.integers(0, 99), t=st.floats(0, 1))
def test_great_circles_turn_at_constant_speed(seed, t):
    a, b = ({"w": F.normalize(point(s)["w"], dim=1)} for s in (seed, seed + 1))
    path = GreatCircles(a, b, NeuronSpheres())
    whole = (a["w"] * b["w"]).sum(1).clamp(-1, 1).acos()
    part = (a["w"] * path(t)["w"]).sum(1).clamp(-1, 1).acos()
    assert torch.allclose(part, t * whole, atol=1e-7)


def test_great_circles_are_shorter_than_other_ways_on_the_sphere():
    a, b, c = ({"w": F.normalize(point(s)["w"], dim=1)} for s in range(3))

    def length(path):
        places = [path(k / 400) for k in range(401)]
        return sum(map(distance, places[:-1], places[1:]))

    angles = (a["w"] * b["w"]).sum(1).acos()
    shortest = length(GreatCircles(a, b, NeuronSpheres()))
    assert shortest == pytest.approx(float(angles.norm()), rel=1e-4)
    bent = OnSpheres(Curve(Bezier(), [a, c, b]), NeuronSpheres())
    assert length(bent) > 1.02 * shortest
    assert length(OnSpheres(Line(a, b), NeuronSpheres())) >= shortest


def test_rows_that_agree_or_vanish_go_straight():
    a, b = point(1), point(2)
    b["w"][0], a["w"][1] = 2 * a["w"][0], 0
    middle = GreatCircles(a, b, NeuronSpheres())(0.25)["w"]
    assert torch.allclose(middle[:2], torch.lerp(a["w"], b["w"], 0.25)[:2], atol=1e-12)


def test_opposite_rows_are_refused():
    a, b = point(1), point(2)
    b["w"][2] = -3 * a["w"][2]
    with pytest.raises(BadInput, match="'w': row 2 of one end points exactly away from that of"):
        GreatCircles(a, b, NeuronSpheres())


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_on_spheres_is_that_of_autograd(trained, kind):
    loss, (a, b) = trained.loss, trained.minima[:2]
    rate = Training(partial(torch.optim.SGD, lr=0.5), schedule=lambda done: 1.0)
    found = bend_on_spheres(Line(a, b), loss, kind, steps=1, training=rate).path.points[1]
    t = float(torch.rand((), dtype=torch.float64, generator=torch.Generator().manual_seed(0)))
    order = torch.randperm(len(loss.batches), generator=torch.Generator().manual_seed(0))
    x, y = loss.batches[int(order[0])]
    inner = {n: v.clone().requires_grad_() for n, v in Line(a, b)(0.5).items()}
    weights = Bezier().weights(t).tolist()
    here = {}
    for n in a:
        mixed = sum(w * p[n] for w, p in zip(weights, (a, inner, b), strict=True))
        if mixed.dim() > 1:
            mixed = kind.retract(mixed, torch.lerp(kind.radii(a[n]), kind.radii(b[n]), t))
        here[n] = mixed
    F.cross_entropy(torch.func.functional_call(loss.model, here, (x,)), y).backward()
    for name, tensor in inner.items():
        assert torch.allclose(found[name], tensor - 0.5 * tensor.grad, atol=1e-6)


def test_training_on_spheres_takes_the_barrier_down(trained):
    loss, (a, b) = trained.loss, trained.minima[:2]
    path = bend_on_spheres(Line(a, b), loss, VarianceSpheres(), steps=400, training=FAST)
    assert barrier(loss, path).height < 0.3 * barrier(loss, Line(a, b)).height
    assert path.record.steps == 400
    assert path.kind == "Bézier with 1 bend on spheres"
    deviation = float(path(0.5)["0.weight"].std())
    ends = [float(p["0.weight"].std()) for p in (a, b)]
    assert deviation == pytest.approx(sum(ends) / 2, rel=1e-5)

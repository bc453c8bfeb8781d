"""Connectors: what each finds between two points whose answer is known."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import pytest
import torch
from tests.topology.census.conftest import at, hills, ring
from torch import Tensor, nn

from isthmus.algebra import Symmetry
from isthmus.discovery import discover
from isthmus.ground import BadInput, Disconnected, Params, params_of
from isthmus.landscape import AbstractPath, Bootstrap, Loss, OrbitPath, Polygon, Training
from isthmus.topology.census import (
    AbstractConnector,
    Aligned,
    Bent,
    Chain,
    PathSampling,
    SameOrbit,
    Straight,
    Terrain,
)

SAMPLING = PathSampling(points=9, refine=None, interval=None)
FAST = Training(optimiser=lambda tensors: torch.optim.Adam(tensors, lr=0.05))


@dataclass(frozen=True)
class Case:
    """A small network with a symmetry, and two minima of its data."""

    loss: Loss
    symmetry: Symmetry
    a: Params
    other: Params

    def terrain(self, level: float | None = None) -> Terrain:
        return Terrain(self.loss, self.symmetry, level, SAMPLING)

    def moved(self, params: Mapping[str, Tensor], *, jump: bool, seed: int = 0) -> Params:
        """By a random element, with or without its discrete part."""
        parts = (self.symmetry.sample(k).split() for k in range(seed, seed + 99))
        swap, flow = next(p for p in parts if not p[0].is_identity)
        return self.symmetry.act(flow @ swap if jump else flow, params)


@pytest.fixture(scope="module")
def relu() -> Case:
    generator = torch.Generator().manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)).double()
    x, y = (torch.randn(40, n, dtype=torch.float64, generator=generator) for n in (3, 2))
    loss = Loss(model, [(x, y)], nn.functional.mse_loss)
    return Case(loss, discover(model, x), *(trained(model, x, y, generator) for _ in range(2)))


def trained(model: nn.Module, x: Tensor, y: Tensor, generator: torch.Generator) -> Params:
    params = {
        n: torch.randn(t.shape, dtype=t.dtype, generator=generator).requires_grad_()
        for n, t in params_of(model).items()
    }
    optimiser = torch.optim.Adam(params.values(), lr=0.03)
    for _ in range(300):
        optimiser.zero_grad()
        nn.functional.mse_loss(torch.func.functional_call(model, params, (x,)), y).backward()
        optimiser.step()
    return {n: t.detach() for n, t in params.items()}


def test_the_same_solution_in_other_coordinates_is_told_from_a_connected_one(relu):
    for jump in (False, True):
        b = relu.moved(relu.a, jump=jump)
        for connector in (SameOrbit(), Aligned()):
            (crossing,) = connector(relu.a, b, relu.terrain())
            assert crossing.one_orbit
            assert crossing.height == pytest.approx(relu.loss(relu.a), rel=1e-9)
            assert bool(crossing.jumps) is jump
    (crossing,) = SameOrbit()(relu.a, relu.other, relu.terrain())
    assert crossing.height == math.inf
    assert "not seen to be on one orbit: distance" in str(crossing)
    (crossing,) = Aligned()(relu.a, relu.other, relu.terrain())
    assert not crossing.one_orbit
    assert crossing.kind.startswith("linear")


def test_a_minimum_and_its_copy_are_joined(relu):
    for connector in (Straight(), SameOrbit(), Aligned()):
        (crossing,) = connector(relu.a, dict(relu.a), relu.terrain())
        assert crossing.height == pytest.approx(relu.loss(relu.a), rel=1e-12)
        assert crossing.jumps == ()


def test_nearly_the_same_is_not_the_same(relu):
    b = {name: tensor + 1e-6 for name, tensor in relu.a.items()}
    (crossing,) = SameOrbit()(relu.a, b, relu.terrain())
    assert crossing.height == math.inf


def test_aligned_crosses_to_the_orbit_and_comes_home(relu):
    b = relu.moved(relu.other, jump=True)
    (crossing,) = Aligned()(relu.a, b, relu.terrain())
    assert crossing.path is not None
    for end, wanted in zip(crossing.path.ends, (relu.a, b), strict=True):
        assert all(torch.allclose(end[n], wanted[n], atol=1e-12) for n in wanted)
    straight = max(Straight()(relu.a, b, relu.terrain()), key=lambda one: one.height)
    assert crossing.height < straight.height
    home = [relu.loss(crossing.path(t)) for t in (0.5, 0.7, 1.0)]
    assert home == pytest.approx([relu.loss(b)] * 3, rel=1e-9)


def test_a_jump_that_moves_nothing_is_none(relu):
    """Where b has the symmetry itself, its discrete part is no obstacle."""
    twins = dict(relu.a)
    for name, dim in (("0.weight", 0), ("0.bias", 0), ("2.weight", 1)):
        twins[name] = twins[name].index_select(dim, torch.tensor([0, 0, 2, 3]))
    element = relu.symmetry.identity()
    swap = element.values["0"]._replace(perm=torch.tensor([1, 0, 2, 3]))
    element = type(element)(relu.symmetry, {"0": swap})
    path = OrbitPath(relu.symmetry, element, twins)
    assert path.jumps
    terrain = relu.terrain()
    assert terrain.along(path, twins, path.end, "swap").jumps == ()
    moving = OrbitPath(relu.symmetry, element, relu.a)
    assert terrain.along(moving, relu.a, moving.end, "swap").jumps != ()


def test_a_learned_curve_goes_round_where_the_line_goes_over():
    a, b = at(1, 0), at(-0.9, 0.1)
    terrain = Terrain(hills(ring), level=0.2, sampling=SAMPLING)
    chain = Chain((Straight(), Bent(steps=400, training=FAST), Bent(steps=10**6)))
    line, curve = chain(a, b, terrain)  # the third is not tried
    assert line.height > 0.7
    assert curve.height < 0.2
    assert (line.connector, curve.connector) == ("line", "Bezier")
    assert (line.steps, curve.steps) == (0, 400)
    assert line.points == 9


def test_a_training_that_diverges_is_no_path():
    wild = Training(optimiser=lambda tensors: torch.optim.SGD(tensors, lr=1e3))
    terrain = Terrain(hills(ring), level=0.2, sampling=SAMPLING)
    (crossing,) = Bent(steps=100, training=wild)(at(1, 0), at(-0.9, 0.1), terrain)
    assert crossing.height == math.inf
    assert crossing.reason.startswith("the loss at step")


def test_a_chain_ends_where_there_is_nothing_lower(relu):
    near = {name: tensor * (1 + 1e-3) for name, tensor in relu.a.items()}
    terrain = Terrain(hills(ring), level=None, sampling=SAMPLING)
    found = Chain((Straight(), Straight()))(at(1, 0), at(0, 1.5), terrain)
    assert len(found) == 1
    assert found[0].flat
    assert len(Chain((Straight(), Straight()))(relu.a, near, relu.terrain(0.0))) == 2


def test_an_aligned_curve_is_bent_before_it_goes_home(relu):
    b = relu.moved(relu.other, jump=False)
    connector = Aligned(between=Bent(steps=50, training=FAST))
    (crossing,) = connector(relu.a, b, relu.terrain())
    assert connector.name == crossing.connector == "aligned Bezier"
    assert crossing.steps == 50
    (line,) = Aligned()(relu.a, b, relu.terrain())
    assert crossing.height < line.height


def test_a_connector_of_ones_own_is_a_path():
    class Around(AbstractConnector):
        name = "around"

        def path(
            self, a: Mapping[str, Tensor], b: Mapping[str, Tensor], terrain: Terrain
        ) -> AbstractPath:
            if float(a["point"] @ b["point"]) > 0:
                raise Disconnected("they are on one side", "take the line")
            return Polygon([a, at(0, 1), b])

    terrain = Terrain(hills(ring), sampling=PathSampling(points=9, interval=Bootstrap(10)))
    (crossing,) = Around()(at(1, 0), at(-1, 0), terrain)
    assert crossing.height == pytest.approx(0.25)
    assert crossing.interval is not None
    (none,) = Around()(at(1, 0), at(1, 0), terrain)
    assert (none.height, none.reason) == (math.inf, "they are on one side")


def test_bad_input_is_refused(tmp_path):
    terrain = Terrain(hills(ring))
    with pytest.raises(BadInput, match="'aligned' needs a symmetry, and none is given"):
        Aligned()(at(1, 0), at(0, 1), terrain)
    with pytest.raises(BadInput, match="'orbit' needs a symmetry"):
        SameOrbit()(at(1, 0), at(0, 1), terrain)
    with pytest.raises(BadInput, match="a chain of no connectors"):
        Chain(())
    with pytest.raises(BadInput, match="keeps its state in one file"):
        Bent(training=Training(checkpoint=tmp_path / "state.pt"))

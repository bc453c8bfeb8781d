"""Makers of members: what is exact of each, what it costs, and what it refuses."""

from __future__ import annotations

import functools

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from isthmus.algebra import Symmetry
from isthmus.algebra.groups import Motion, Permutation
from isthmus.discovery import discover
from isthmus.ground import BadInput, params_of
from isthmus.landscape import Loss, Training
from isthmus.merging import (
    Cost,
    CurveMembers,
    DataSymmetryMembers,
    Ensemble,
    OrbitMembers,
    SimplexMembers,
    TrainedMembers,
)
from isthmus.merging.ensembles.between import between
from isthmus.testing.zoo.language import Gpt


def build(activation: type[nn.Module] = nn.ReLU, biased: bool = True) -> nn.Sequential:
    layers = [
        nn.Linear(4, 12, biased),
        activation(),
        nn.Linear(12, 10, biased),
        activation(),
        nn.Linear(10, 3, biased),
    ]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for layer in layers[::2]:
            layer.reset_parameters()
    return nn.Sequential(*layers).double()


@functools.cache
def group() -> Symmetry:
    """Of what `build` makes."""
    return discover(build(), torch.zeros(1, 4, dtype=torch.float64))


def data(samples: int, seed: int = 0) -> list:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(samples, 4, generator=generator, dtype=torch.float64)
    y = torch.randint(3, (samples,), generator=generator)
    return list(zip(x.split(8), y.split(8), strict=True))


def apart(model: nn.Module, one, two, x) -> float:
    """The relative distance of two members' outputs."""
    a, b = (torch.func.functional_call(model, w, x) for w in (one, two))
    return float((a - b).norm() / a.norm())


def sgd(tensors) -> torch.optim.Optimizer:
    return torch.optim.SGD(tensors, lr=0.1, momentum=0.9, weight_decay=0.01)


def adam(tensors) -> torch.optim.Optimizer:
    return torch.optim.Adam(tensors, lr=0.01, eps=1e-12)


@settings(max_examples=3)
@given(seed=st.integers(0, 10**6))
def test_orbit_members_are_one_function(seed) -> None:
    model = build()
    symmetry = group()
    start = params_of(model)
    made = OrbitMembers(symmetry, scale=0.5)(start, count=3, seed=seed)
    assert not any(torch.equal(one["2.weight"], start["2.weight"]) for one in made.params)
    scores = Ensemble(Loss(model, data(20), F.cross_entropy), [start, *made.params]).evaluate()
    assert scores.disagreement == 0
    assert scores.spread < 1e-9
    assert abs(scores.gain) < 1e-9
    assert made.cost == Cost()
    assert str(made) == "3 members (orbit) for nothing"


def test_spaces_between_linear_layers() -> None:
    model = build()
    found = between(group(), model)
    assert [(one.writers, one.readers) for one in found] == [
        (("0.weight", "0.bias"), ("2",)),
        (("2.weight", "2.bias"), ("4",)),
    ]


def test_a_residual_stream_is_read_by_more_than_linear_layers() -> None:
    model = Gpt(nn.LayerNorm)
    found = between(discover(model, torch.zeros(1, 5, dtype=torch.long)), model)
    assert [one.readers for one in found] == [("blocks.0.fc2",)]


def data_members(samples: int, **options) -> tuple:
    """The model, the data readers are fitted to, and members."""
    model = build()
    x = torch.cat([x for x, _ in data(samples)])
    symmetry = group()
    return model, x, DataSymmetryMembers(model, x, symmetry, **options)(params_of(model), 2, 1)


def test_data_members_agree_where_readers_can_hold_the_samples() -> None:
    # The narrowest features are 10 units and a bias.
    model, x, made = data_members(8)
    start = params_of(model)
    for one in made.params:
        assert apart(model, start, one, x) < 1e-9
        assert apart(model, start, one, torch.randn(50, 4, dtype=torch.float64)) > 1e-3
        assert float((one["2.weight"] - start["2.weight"]).norm()) > 0.1
    assert made.cost == Cost(passes=8)


def test_with_more_samples_they_agree_approximately() -> None:
    model, x, made = data_members(200)
    off = [apart(model, params_of(model), one, x) for one in made.params]
    assert all(1e-4 < one < 0.5 for one in off)
    _, _, nearer = data_members(200, size=0.05)
    near = [apart(model, params_of(model), one, x) for one in nearer.params]
    assert max(near) < min(off) / 3


def test_nothing_mixed_is_the_model() -> None:
    model, _, made = data_members(200, size=0.0)
    for name, tensor in params_of(model).items():
        torch.testing.assert_close(made.params[0][name], tensor, rtol=1e-9, atol=1e-12)


def test_chosen_spaces_alone_move() -> None:
    model = build()
    symmetry = group()
    _, _, made = data_members(20, spaces=[between(symmetry, model)[1].space])
    moved = {n for n, t in params_of(model).items() if not torch.equal(t, made.params[0][n])}
    assert moved == {"2.weight", "2.bias", "4.weight", "4.bias"}
    with pytest.raises(BadInput, match="'nothing' is no space that linear layers alone read"):
        data_members(20, spaces=["nothing"])


def trained(model: nn.Module, optimiser, starts=None, **options):
    batches = data(64)
    loss = Loss(model, batches, F.cross_entropy)
    return TrainedMembers(loss, 20, starts, Training(optimiser=optimiser, **options))


@pytest.mark.parametrize(
    ("optimiser", "motions", "same"),
    [
        (sgd, (Motion.SWAP,), True),
        (sgd, (Motion.STRETCH,), False),
        (adam, (Motion.SWAP,), True),
        (adam, (Motion.STRETCH,), False),
    ],
)
def test_what_moving_first_changes(optimiser, motions, same) -> None:
    """Permutations only rename what a training does; rescalings change where it goes."""
    model = build()
    symmetry = group().restrict(motions)
    starts = OrbitMembers(symmetry, scale=0.5)
    (plain,) = trained(model, optimiser)(params_of(model), seed=3).params
    (moved,) = trained(model, optimiser, starts)(params_of(model), seed=3).params
    x = torch.randn(30, 4, dtype=torch.float64)
    off = apart(model, plain, moved, x)
    assert off < 1e-9 if same else off > 1e-3


@pytest.mark.parametrize(("optimiser", "same"), [(sgd, True), (adam, False)])
def test_rotations_commute_with_gradient_descent_alone(optimiser, same) -> None:
    model = build(nn.Identity, biased=False)
    symmetry = discover(model, torch.zeros(1, 4, dtype=torch.float64))
    turns = symmetry.restrict([Motion.SWAP, Motion.FLIP, Motion.TURN])
    starts = OrbitMembers(turns, scale=1.0)
    (plain,) = trained(model, optimiser)(params_of(model), seed=3).params
    (moved,) = trained(model, optimiser, starts)(params_of(model), seed=3).params
    off = apart(model, plain, moved, torch.randn(30, 4, dtype=torch.float64))
    assert off < 1e-9 if same else off > 1e-4


def test_seeds_lead_apart_and_costs_add_up() -> None:
    model = build()
    x = torch.cat([x for x, _ in data(30)])
    starts = DataSymmetryMembers(model, x, group(), size=0.1)
    made = trained(model, sgd, starts, samples=4)(params_of(model), count=3)
    assert made.cost == Cost(steps=60, passes=12)
    assert str(made) == "3 members (trained from data symmetry) for 60 steps and 12 passes"
    plain = trained(model, sgd, samples=4)(params_of(model), count=2)
    assert apart(model, *plain.params, x) > 1e-3
    again = trained(model, sgd, samples=4)(params_of(model), count=2)
    for one, two in zip(plain.params, again.params, strict=True):
        assert all(torch.equal(one[n], two[n]) for n in one)


def test_points_of_a_curve_between_copies_of_one_function() -> None:
    model = build()
    symmetry = group().restrict(Permutation)
    loss = Loss(model, data(64), F.cross_entropy)
    start = params_of(model)
    made = CurveMembers(loss, OrbitMembers(symmetry), steps=30)(start, count=3)
    assert made.cost == Cost(steps=30)
    x = torch.randn(30, 4, dtype=torch.float64)
    assert all(apart(model, start, one, x) > 1e-3 for one in made.params)
    (middle,) = CurveMembers(loss, start, steps=1, training=Training(only=lambda n: n == "0.bias"))(
        start
    ).params
    assert apart(model, start, middle, x) < 1e-2
    assert torch.equal(middle["4.weight"], start["4.weight"])


def test_members_of_batchnorm_models_have_statistics_of_their_own() -> None:
    model = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3)).double()
    loss = Loss(model, data(64), F.cross_entropy)
    start = params_of(model)
    for maker in (
        CurveMembers(loss, OrbitMembers(discover(model.eval(), data(8)[0][0])), steps=5),
        SimplexMembers(loss, connectors=1, steps=5),
    ):
        made = maker(start, count=2, seed=1)
        seen = torch.cat([x for x, _ in data(64)])
        for one in made.params:
            mean = F.linear(seen, one["0.weight"], one["0.bias"]).mean(0)
            torch.testing.assert_close(one["1.running_mean"], mean)
        assert made.cost.steps == 5


def test_what_is_refused() -> None:
    model = build()
    symmetry = group()
    with pytest.raises(BadInput, match="0 members, expected at least 1; give a positive number"):
        OrbitMembers(symmetry)(params_of(model), count=0)
    with pytest.raises(BadInput, match="a checkpoint of several trainings"):
        trained(model, sgd, checkpoint="here.pt")
    alone = nn.Linear(4, 3)
    with pytest.raises(BadInput, match="no hidden space is read by linear layers alone"):
        DataSymmetryMembers(alone, torch.zeros(2, 4), discover(alone, torch.zeros(1, 4)))

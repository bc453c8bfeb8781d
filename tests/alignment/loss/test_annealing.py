"""Annealing: the lowest barrier over permutations is found where there are few, and kept."""

from __future__ import annotations

import itertools
import math
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isthmus.algebra.elements import Element
from isthmus.algebra.groups import Moves
from isthmus.algebra.symmetry import Params, Symmetry
from isthmus.alignment import Annealing, WeightMatching, align
from isthmus.discovery import discover
from isthmus.ground import IsthmusError
from isthmus.ground.params import lerp, params_of
from isthmus.landscape import Loss
from isthmus.testing.training import seeded


def network(bend: type[nn.Module] = nn.ReLU, width: int = 4) -> nn.Module:
    return nn.Sequential(nn.Linear(3, width), bend(), nn.Linear(width, 2)).double()


def fresh(seed: int, bend: type[nn.Module] = nn.ReLU, width: int = 4) -> Params:
    return params_of(seeded(lambda: network(bend, width), seed))


def teacher(params: Params, bend: type[nn.Module] = nn.ReLU, width: int = 4) -> Loss:
    """The squared distance from the outputs of a network."""
    x = torch.randn(40, 3, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    model = network(bend, width)
    return Loss(model, [(x, torch.func.functional_call(model, params, (x,)))], F.mse_loss)


def rise(loss: Loss, a: Params, b: Params) -> float:
    return loss(lerp(a, b, 0.5)) - (loss(a) + loss(b)) / 2


def permuted(symmetry: Symmetry, order: tuple[int, ...]) -> Element:
    one = symmetry.identity()
    (space,) = symmetry.spaces
    value = one.values[space]
    return Element(symmetry, {space: Moves(torch.tensor(order), value.signs, value.logs)})


def test_where_there_are_few_permutations_the_best_of_all_is_found() -> None:
    symmetry = discover(network(), torch.zeros(1, 3, dtype=torch.float64))
    a, b = fresh(1), fresh(2)
    loss = teacher(fresh(3))
    every = [
        rise(loss, a, symmetry.act(permuted(symmetry, order), b))
        for order in itertools.permutations(range(4))
    ]
    fit = align(b, to=a, symmetry=symmetry, method=Annealing(loss, steps=300, hot=1.0))
    barriers = fit.certificate.evidence["barriers"]
    assert barriers[0] == pytest.approx(every[0], rel=1e-9)
    assert barriers[-1] == pytest.approx(min(every), rel=1e-9)
    assert rise(loss, a, fit.params) == pytest.approx(min(every), rel=1e-9)
    assert barriers == sorted(barriers, reverse=True)


def test_planted_swaps_and_signs_are_undone() -> None:
    symmetry = discover(network(nn.Tanh), torch.zeros(1, 3, dtype=torch.float64))
    a = fresh(1, nn.Tanh)
    b = symmetry.act(symmetry.sample(seed=3), a)
    loss = teacher(a, nn.Tanh)
    fit = align(b, to=a, symmetry=symmetry, method=Annealing(loss, steps=600, hot=0.3))
    assert fit.before > 0.1
    assert fit.after < 1e-9
    assert rise(loss, a, fit.params) < 1e-12 < rise(loss, a, b)


@pytest.mark.parametrize("seed", range(3))
def test_it_is_never_worse_than_its_start(seed: int) -> None:
    symmetry = discover(network(width=12), torch.zeros(1, 3, dtype=torch.float64))
    a, b = fresh(1, width=12), fresh(2, width=12)
    loss = teacher(fresh(3, width=12), width=12)
    start = WeightMatching()
    matched = align(b, to=a, symmetry=symmetry, method=start)
    # So hot that nearly everything is taken: the last element is as good as random.
    method = Annealing(loss, start=start, steps=30, hot=1e3, cold=1e3)
    fit = align(b, to=a, symmetry=symmetry, method=method, seed=seed)
    assert fit.certificate.evidence["accepted"] > 20
    assert rise(loss, a, fit.params) <= rise(loss, a, matched.params) + 1e-12


def test_heat_leads_out_of_places_where_cold_stays() -> None:
    symmetry = discover(network(width=8), torch.zeros(1, 3, dtype=torch.float64))
    a, b = fresh(4, width=8), fresh(5, width=8)
    loss = teacher(fresh(6, width=8), width=8)
    accepted = {}
    for hot in (1e-9, 10.0):
        method = Annealing(loss, steps=60, hot=hot, cold=min(hot, 1e-9))
        fit = align(b, to=a, symmetry=symmetry, method=method, seed=1)
        accepted[hot] = fit.certificate.evidence
    cold = accepted[1e-9]
    assert cold["accepted"] == len(cold["barriers"]) - 1  # only what is lower
    assert accepted[10.0]["accepted"] > len(accepted[10.0]["barriers"]) - 1


def test_seeds_decide() -> None:
    symmetry = discover(network(width=8), torch.zeros(1, 3, dtype=torch.float64))
    a, b = fresh(1, width=8), fresh(2, width=8)
    method = Annealing(teacher(fresh(3, width=8), width=8), steps=40)
    one, two, other = (
        align(b, to=a, symmetry=symmetry, method=method, seed=k).certificate.evidence["barriers"]
        for k in (1, 1, 2)
    )
    assert one == two
    assert one != other


@pytest.mark.parametrize("name", ["mlp_tanh", "vgg", "gpt", "linear_net"])
def test_the_function_is_kept_and_units_are_moved(name: str, tools: SimpleNamespace) -> None:
    symmetry, model = tools.symmetry_of(name), tools.model_of(name).double()
    a, b = (tools.wide(tools.independent(name, seed)) for seed in (1, 2))
    inputs: tuple[Tensor, ...] = tools.example_of(name)
    with torch.no_grad():
        before = torch.func.functional_call(model.eval(), b, inputs)
    loss = Loss(model, [(inputs, before)], F.mse_loss, metrics={})
    method = Annealing(loss, steps=12, hot=10.0, cold=10.0, statistics=name == "vgg")
    fit = align(b, to=a, symmetry=symmetry, method=method)
    with torch.no_grad():
        after = torch.func.functional_call(model, fit.params, inputs)
    assert float((before - after).norm() / before.norm()) < 1e-9
    assert fit.certificate.evidence["accepted"] > 0


def test_without_symmetry_the_start_is_returned() -> None:
    model = nn.Linear(3, 2)
    a = params_of(model)
    b = {n: t + 1 for n, t in a.items()}
    loss = Loss(model, [(torch.randn(4, 3), torch.randn(4, 2))], F.mse_loss)
    symmetry = discover(model, torch.zeros(1, 3))
    fit = align(b, to=a, symmetry=symmetry, method=Annealing(loss))
    assert fit.element.is_identity
    assert len(fit.certificate.evidence["barriers"]) == 1


def test_where_nothing_is_finite_the_start_is_returned() -> None:
    symmetry = discover(network(), torch.zeros(1, 3, dtype=torch.float64))

    def infinite(outputs: Tensor, targets: Tensor) -> Tensor:
        return F.mse_loss(outputs, targets) * math.inf

    loss = Loss(network(), teacher(fresh(3)).batches, infinite, metrics={})
    method = Annealing(loss, steps=20)
    fit = align(fresh(2), to=fresh(1), symmetry=symmetry, method=method)
    assert fit.element.is_identity
    assert fit.certificate.evidence["barriers"] == [math.inf]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"steps": -1}, "steps is -1"),
        ({"hot": 0.1, "cold": 0.2}, "temperatures from 0.1 to 0.2"),
        ({"cold": 0.0}, "expected positive ones"),
        ({"points": ()}, "expected at least one between 0 and 1"),
        ({"points": (0.0, 0.5)}, "expected at least one between 0 and 1"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, object], said: str) -> None:
    symmetry = discover(network(), torch.zeros(1, 3, dtype=torch.float64))
    a = fresh(1)
    with pytest.raises(IsthmusError, match=said):
        align(a, to=a, symmetry=symmetry, method=Annealing(teacher(a), **options))

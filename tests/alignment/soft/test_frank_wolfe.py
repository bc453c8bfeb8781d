"""FrankWolfe: never worse than weight matching, better where that is stuck."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from isthmus.algebra.groups import Orthogonal, Permutation
from isthmus.alignment import Identity, WeightMatching, align
from isthmus.alignment.matching.meeting import Meeting
from isthmus.alignment.soft.frank_wolfe import FrankWolfe, ascend
from isthmus.alignment.soft.overlap import Overlap
from isthmus.discovery import discover


@pytest.mark.parametrize("name", ["mlp", "mlp_tanh", "vgg", "gated_swiglu"])
def test_it_is_never_worse_than_weight_matching(name: str, tools: SimpleNamespace) -> None:
    symmetry = tools.symmetry_of(name)
    a, b = tools.independent(name, 1), tools.independent(name, 2)
    matching = WeightMatching(starts=(Identity(),), sweeps=20)
    plain = align(b, to=a, symmetry=symmetry, method=matching)
    fit = align(b, to=a, symmetry=symmetry, method=FrankWolfe(matching))
    history = fit.certificate.evidence["objective"]
    assert history[-1] <= plain.certificate.evidence["objective"][-1] * (1 + 1e-9)
    assert all(late <= early for early, late in itertools.pairwise(history))
    # Least squares, but for lengths in front of a norm: those are the target's in the end.
    longer = fit.after / history[-1] ** 0.5
    assert 1.05 < longer < 1.5 if name == "vgg" else longer == pytest.approx(1, rel=1e-5)


def wide(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Linear(20, 64), nn.GELU(), nn.Linear(64, 64), nn.GELU(), nn.Linear(64, 5)
    )


def test_it_finds_what_coordinate_descent_does_not() -> None:
    symmetry = discover(wide(0), torch.zeros(1, 20))
    gains = []
    for seed in range(3):
        a, b = (dict(wide(2 * seed + k).named_parameters()) for k in range(2))
        a, b = ({n: t.detach() for n, t in p.items()} for p in (a, b))
        plain = align(b, to=a, symmetry=symmetry)
        gains.append(plain.after - align(b, to=a, symmetry=symmetry, method=FrankWolfe()).after)
    assert min(gains) >= -1e-6
    assert max(gains) > 1e-3


def test_a_step_is_the_best_on_its_segment_and_the_overlap_never_falls() -> None:
    symmetry = discover(wide(0), torch.zeros(1, 20)).restrict(Permutation)
    a, b = ({n: t.detach() for n, t in wide(k).named_parameters()} for k in range(2))
    overlap = Overlap(Meeting.of(a, b, symmetry).problem(symmetry.identity()))
    start = overlap.between(0.2)
    values = [overlap.at(start)[0]]
    for steps in range(1, 6):
        values.append(overlap.at(ascend(overlap, start, steps, 0.0))[0])
    assert all(late >= early - 1e-4 for early, late in itertools.pairwise(values))
    assert values[-1] > values[0]


@pytest.mark.parametrize("name", ["mlp_tanh", "mlp"])
def test_a_planted_element_is_undone(name: str, tools: SimpleNamespace) -> None:
    symmetry, a = tools.symmetry_of(name), tools.params(name)
    a = {n: t.double() for n, t in a.items()}
    b = symmetry.act(symmetry.sample(seed=1), a)
    fit = align(b, to=a, symmetry=symmetry, method=FrankWolfe())
    assert tools.gap(a, fit.params) < 1e-7


def test_the_function_is_kept(tools: SimpleNamespace) -> None:
    symmetry, model = tools.symmetry_of("mlp_tanh"), tools.model_of("mlp_tanh").double()
    a = {n: t.double() for n, t in tools.independent("mlp_tanh", 1).items()}
    b = {n: t.double() for n, t in tools.independent("mlp_tanh", 2).items()}
    x = tools.gaussian(5, a["fc1.weight"].shape[1], seed=1)
    fit = align(b, to=a, symmetry=symmetry, method=FrankWolfe())
    before = torch.func.functional_call(model, b, (x,))
    after = torch.func.functional_call(model, fit.params, (x,))
    assert float((before - after).norm() / before.norm()) < 1e-9
    assert fit.after < fit.before


def test_what_has_no_permutations_is_matched_by_weight_matching(tools: SimpleNamespace) -> None:
    symmetry = tools.symmetry_of("linear_net").restrict(Orthogonal)
    a, b = (
        {n: t.double() for n, t in tools.independent("linear_net", seed).items()} for seed in (1, 2)
    )
    matching = WeightMatching(starts=(Identity(),), sweeps=5)
    plain = align(b, to=a, symmetry=symmetry, method=matching)
    fit = align(b, to=a, symmetry=symmetry, method=FrankWolfe(matching))
    assert fit.after == plain.after


def test_weights_of_parameters_count() -> None:
    symmetry = discover(wide(0), torch.zeros(1, 20))
    a, b = ({n: t.detach() for n, t in wide(k).named_parameters()} for k in range(2))
    weights = {"0.weight": 0.0, "2.weight": 4.0}
    found = []
    for method in (WeightMatching(weights=weights), FrankWolfe(WeightMatching(weights=weights))):
        fit = align(b, to=a, symmetry=symmetry, method=method)
        gaps = {n: float((a[n] - t).square().sum()) for n, t in fit.params.items()}
        found.append(sum(weights.get(n, 1.0) * gap for n, gap in gaps.items()))
        assert fit.certificate.evidence["objective"][-1] == pytest.approx(found[-1], rel=1e-4)
    assert found[1] < found[0]

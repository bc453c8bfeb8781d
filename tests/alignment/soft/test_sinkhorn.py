"""Sinkhorn: doubly stochastic on the way, never worse than weight matching at the end."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from isthmus.algebra.groups import monomial
from isthmus.alignment import Identity, WeightMatching, align
from isthmus.alignment.matching.meeting import Meeting
from isthmus.alignment.soft.overlap import Overlap
from isthmus.alignment.soft.relaxed import SignedPermutations
from isthmus.alignment.soft.sinkhorn import Sinkhorn, mixed, normalised, spread_logs
from isthmus.discovery import discover


def kind_of(size: int, flips: int, swaps: bool) -> SignedPermutations:
    group = monomial(size, swaps=swaps, flips=flips, scales=0)
    kinds = tuple(itertools.product((0, 1), repeat=flips))
    return SignedPermutations(group, kinds)  # type: ignore[arg-type]


CASES = {"size": st.integers(1, 5), "flips": st.integers(0, 2), "swaps": st.booleans()}


@settings(max_examples=30, deadline=None)
@given(**CASES, seed=st.integers(0, 99))
def test_rows_and_columns_sum_to_one(size: int, flips: int, swaps: bool, seed: int) -> None:
    kind = kind_of(size, flips, swaps)
    logs = spread_logs(kind, 0.3)
    logs = logs + torch.randn(logs.shape, generator=torch.Generator().manual_seed(seed))
    weights = normalised(logs, 300).exp().sum(0)
    assert torch.allclose(weights.sum(-1), torch.ones(size), atol=1e-4)
    assert torch.allclose(weights.sum(-2), torch.ones(size), atol=1e-4)
    if not swaps:
        assert torch.equal(weights, torch.diag_embed(weights.diagonal()))


@settings(max_examples=30, deadline=None)
@given(**CASES, share=st.floats(0, 0.9))
def test_it_starts_between_the_mean_and_the_identity(
    size: int, flips: int, swaps: bool, share: float
) -> None:
    kind = kind_of(size, flips, swaps)
    one = kind.matrices(kind.group.identity(), torch.float32)
    expected = kind.centre(torch.float32).lerp(one, share)
    assert torch.allclose(mixed(kind, spread_logs(kind, share)), expected, atol=1e-5)


def wide(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Linear(20, 64), nn.GELU(), nn.Linear(64, 64), nn.GELU(), nn.Linear(64, 5)
    )


def test_it_finds_what_coordinate_descent_does_not() -> None:
    symmetry = discover(wide(0), torch.zeros(1, 20))
    gains = []
    for seed in range(3):
        a, b = ({n: t.detach() for n, t in wide(2 * seed + k).named_parameters()} for k in range(2))
        plain = align(b, to=a, symmetry=symmetry)
        gains.append(plain.after - align(b, to=a, symmetry=symmetry, method=Sinkhorn()).after)
    assert min(gains) >= -1e-6
    assert max(gains) > 1e-3


@pytest.mark.parametrize("name", ["mlp", "mlp_tanh", "vgg", "gated_swiglu"])
def test_it_is_never_worse_than_weight_matching(name: str, tools: SimpleNamespace) -> None:
    symmetry = tools.symmetry_of(name)
    a, b = tools.independent(name, 1), tools.independent(name, 2)
    matching = WeightMatching(starts=(Identity(),), sweeps=10)
    plain = align(b, to=a, symmetry=symmetry, method=matching)
    fit = align(b, to=a, symmetry=symmetry, method=Sinkhorn(matching))
    assert fit.after <= plain.after * (1 + 1e-9)
    again = align(b, to=a, symmetry=symmetry, method=Sinkhorn(matching))
    assert again.element.to_json() == fit.element.to_json()


def test_a_climb_from_the_mean_alone_undoes_a_planted_element(tools: SimpleNamespace) -> None:
    symmetry, a = tools.symmetry_of("mlp_tanh"), tools.params("mlp_tanh")
    b = symmetry.act(symmetry.sample(seed=1), a)
    problem = Meeting.of(a, b, symmetry).problem(symmetry.identity())
    assert problem.objective > 1
    overlap = Overlap(problem)
    matrices = Sinkhorn(shares=(0.0,))._climb(overlap, 0)
    assert all(float(m.abs().max()) <= 1 + 1e-3 for m in matrices.values())
    moves = {name: kind.best(matrices[name]) for name, kind in overlap.kinds.items()}
    problem.accept(moves, problem.propose(moves))
    assert problem.objective < 1e-9

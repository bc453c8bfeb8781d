"""Umeyama's start: exact for planted order and signs, near for models that resemble each other."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from isthmus.algebra.groups import Motion
from isthmus.algebra.symmetry import Params, Symmetry
from isthmus.alignment import Identity, Spectral, WeightMatching, align
from isthmus.alignment.matching.problem import Problem

NAMES = ["mlp", "mlp_tanh", "vgg", "gated_swiglu", "gpt", "lstm_classifier", "residual_mlp"]


def begun(start: Spectral | Identity, symmetry: Symmetry, a: Params, b: Params) -> Problem:
    return start(symmetry, a, b, torch.Generator())


@pytest.mark.parametrize("name", NAMES)
def test_planted_order_and_signs_are_undone_at_once(name: str, tools: SimpleNamespace) -> None:
    symmetry, a = tools.symmetry_of(name).essential, tools.wide(tools.params(name))
    a = {n: t for n, t in tools.symmetry_of(name).coordinates(a).items() if n in symmetry.reps}
    outer = {o for space in symmetry.spaces.values() for o in space.over}
    moves = symmetry.restrict([Motion.SWAP, Motion.FLIP])
    moves = moves.restrict(lambda space: not space.over and space.name not in outer)
    b = moves.act_all(moves.sample(seed=1), a)
    assert begun(Identity(), moves, a, b).objective > 0.05 * tools.norm(a)
    assert begun(Spectral(), moves, a, b).objective <= 1e-20 * tools.norm(a) ** 2


def test_noise_is_borne(tools: SimpleNamespace) -> None:
    symmetry, a = tools.symmetry_of("mlp_tanh"), tools.wide(tools.params("mlp_tanh"))
    generator = torch.Generator().manual_seed(0)
    noise = {n: torch.randn(t.shape, generator=generator).to(t) for n, t in a.items()}
    noisy = {n: t + 1e-3 * t.std() * noise[n] for n, t in a.items()}
    b = symmetry.act(symmetry.sample(seed=2), noisy)
    found = begun(Spectral(), symmetry, a, b).objective
    assert 0 < found < 0.01 * begun(Identity(), symmetry, a, b).objective


def test_any_matcher_seeds_the_descent(tools: SimpleNamespace) -> None:
    symmetry = tools.symmetry_of("mlp_gelu")
    a, b = tools.independent("mlp_gelu", 1), tools.independent("mlp_gelu", 2)
    best = WeightMatching(restarts=8)
    weak = WeightMatching(starts=(Identity(),), seeds=(best,))
    fit = align(b, to=a, symmetry=symmetry, method=weak, seed=3)
    assert fit.after <= align(b, to=a, symmetry=symmetry, method=best, seed=3).after * (1 + 1e-9)
    assert sorted(fit.certificate.evidence["starts"]) == ["Identity", "WeightMatching"]

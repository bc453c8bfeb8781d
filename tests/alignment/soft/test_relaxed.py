"""Matrices in place of group elements: at a vertex they act as the element does."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.algebra.groups import Moves, monomial
from isthmus.algebra.symmetry import Symmetry
from isthmus.alignment.soft.relaxed import SignedPermutations, act, relaxable

NAMES = ["mlp", "mlp_tanh", "vgg", "gated_swiglu", "depthwise_grouped", "residual_mlp"]


def vertex(symmetry: Symmetry, kinds: dict[str, SignedPermutations], seed: int) -> dict[str, Moves]:
    g = symmetry.sample(seed)
    return {n: g.values[n]._replace(logs=torch.zeros_like(g.values[n].logs)) for n in kinds}


@pytest.mark.parametrize("name", NAMES)
def test_the_matrices_of_an_element_act_as_it_does(name: str, tools: SimpleNamespace) -> None:
    symmetry, params = tools.essential(name)
    kinds = {n: SignedPermutations.of(symmetry, n) for n in relaxable(symmetry)}
    assert kinds
    moves = vertex(symmetry, kinds, seed=4)
    felt = {n: kind.felt(kind.matrices(moves[n], torch.float64)) for n, kind in kinds.items()}
    for name, tensor in params.items():
        expected = symmetry.act_on(name, moves, tensor)
        assert torch.allclose(act(symmetry, name, felt, tensor), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["attention_separate", "linear_net", "mlp"])
def test_matrices_of_any_group_act_as_its_elements_do(name: str, tools: SimpleNamespace) -> None:
    symmetry, params = tools.essential(name)
    g = symmetry.sample(2)
    felt = {
        n: lambda c, n=n: symmetry.spaces[n].group.matrix(g.values[n], c) for n in symmetry.spaces
    }
    for name, tensor in params.items():
        expected = symmetry.act_on(name, g.values, tensor)
        assert torch.allclose(act(symmetry, name, felt, tensor), expected, rtol=1e-9, atol=1e-9)


def test_another_matrix_is_felt_as_another(tools: SimpleNamespace) -> None:
    symmetry, params = tools.essential("mlp_tanh")
    kind = SignedPermutations.of(symmetry, "fc1")
    soft = kind.centre(torch.float64) + 0.1
    out = act(symmetry, "fc2.weight", {"fc1": kind.felt(soft)}, params["fc2.weight"])
    assert torch.allclose(out, params["fc2.weight"] @ soft[0].mT)
    assert act(symmetry, "fc2.weight", {}, params["fc2.weight"]) is params["fc2.weight"]


@settings(max_examples=30, deadline=None)
@given(
    size=st.integers(1, 4), flips=st.integers(0, 2), swaps=st.booleans(), seed=st.integers(0, 999)
)
def test_the_best_element_is_the_best_of_all(size: int, flips: int, swaps: bool, seed: int) -> None:
    group = monomial(size, swaps=swaps, flips=flips, scales=0)
    kinds = tuple(itertools.product((0, 1), repeat=flips))
    kind = SignedPermutations(group, kinds)  # type: ignore[arg-type]
    score = torch.randn(kind.shape, generator=torch.Generator().manual_seed(seed)).double()
    found = (kind.matrices(kind.best(score), torch.float64) * score).sum()
    perms = itertools.permutations(range(size)) if swaps else [tuple(range(size))]
    signs = list(itertools.product((1.0, -1.0), repeat=flips * size))
    everything = [
        Moves(
            torch.tensor(p),
            torch.tensor(s).double().reshape(flips, size),
            torch.zeros(0, size).double(),
        )
        for p in perms
        for s in signs
    ]
    matrices = torch.stack([kind.matrices(m, torch.float64) for m in everything])
    assert float(found) == pytest.approx(float((matrices * score).flatten(1).sum(1).max()))
    assert torch.allclose(kind.centre(torch.float64), matrices.mean(0), atol=1e-12)


def test_heads_are_not_relaxed(tools: SimpleNamespace) -> None:
    symmetry, _ = tools.essential("attention_separate")
    outer = {name for space in symmetry.spaces.values() for name in space.over}
    assert outer
    assert not outer & set(relaxable(symmetry))

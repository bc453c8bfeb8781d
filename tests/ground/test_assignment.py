"""Assignments are the best, whoever solves them."""

from __future__ import annotations

import itertools
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from isthmus.ground import assignment as place
from isthmus.ground.assignment import accelerator, assignment
from isthmus.ground.errors import NotFinite


@pytest.fixture(params=["scipy", "lapx"])
def solver(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """All solving by one of the two, at every size."""
    if request.param == "lapx":
        pytest.importorskip("lap")
    else:
        monkeypatch.setitem(sys.modules, "lap", None)
    monkeypatch.setattr(place, "WIDE", 1)
    assert (accelerator() is None) == (request.param == "scipy")
    return str(request.param)


def total(cost: Tensor, perm: Tensor) -> float:
    return float(torch.take_along_dim(cost.double(), perm.unsqueeze(-1), -1).sum())


def hard(kind: str, n: int, generator: torch.Generator) -> Tensor:
    """Matrices on which a solver of little precision, or one that is greedy, goes wrong."""
    one, two = torch.randn(2, n, n, generator=generator).double().unbind()
    ranges = {
        "independent": one @ two,
        "offset": 1e6 + one,
        "rank 1": one[:, :1] @ two[:1],
        "distances": torch.cdist(one[:, :3], two[:, :3]).square(),
        "ties": one.round(),
        "units": 10.0 ** (20 * one.clamp(-1, 1)),
        "equal": torch.ones(n, n).double(),
        "huge": 3e38 * one.clamp(-1, 1),
    }
    return ranges[kind]


KINDS = ("independent", "offset", "rank 1", "distances", "ties", "units", "equal", "huge")


@pytest.mark.usefixtures("solver")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("maximise", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_none_is_better(kind: str, maximise: bool, dtype: torch.dtype) -> None:
    """The optimum of the matrix as given, to the rounding of float64, not of its own precision."""
    generator = torch.Generator().manual_seed(0)
    for n in (2, 3, 5):
        cost = hard(kind, n, generator).to(dtype)
        found = total(cost, assignment(cost, maximise=maximise))
        every = [total(cost, torch.tensor(p)) for p in itertools.permutations(range(n))]
        size = float(cost.double().abs().max())
        assert found == pytest.approx(max(every) if maximise else min(every), abs=1e-14 * size)
    for n in (70, 150):
        cost = hard(kind, n, generator).to(dtype)
        exact = torch.as_tensor(linear_sum_assignment(cost.double().numpy(), maximise)[1])
        found = assignment(cost, maximise=maximise)
        size = float(cost.double().abs().max())
        assert total(cost, found) == pytest.approx(total(cost, exact), abs=1e-13 * size)


@given(n=st.integers(1, 5), seed=st.integers(0, 999), levels=st.integers(1, 4))
def test_none_is_better_where_many_are_equal(n: int, seed: int, levels: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    cost = torch.randint(levels, (n, n), generator=generator).double()
    every = [total(cost, torch.tensor(p)) for p in itertools.permutations(range(n))]
    assert total(cost, assignment(cost)) == min(every)
    assert total(cost, assignment(cost, maximise=True)) == max(every)


@pytest.mark.usefixtures("solver")
def test_a_batch_is_solved_one_by_one() -> None:
    cost = torch.randn(2, 3, 9, 9, generator=torch.Generator().manual_seed(3)).mT
    found = assignment(cost)
    assert found.shape == (2, 3, 9)
    assert found.dtype == torch.int64
    for i, j in itertools.product(range(2), range(3)):
        assert total(cost[i, j], found[i, j]) == total(cost[i, j], assignment(cost[i, j]))
    assert assignment(cost.requires_grad_()).equal(found)


def test_models_that_match_need_no_solver(monkeypatch: pytest.MonkeyPatch) -> None:
    """The best of each row is proof enough, and where two rows want one column it is not."""

    def never(*_: object, **__: object) -> None:
        raise AssertionError("a solver was asked")

    monkeypatch.setattr(place, "linear_sum_assignment", never)
    monkeypatch.setattr(place, "accelerator", lambda: never)
    generator = torch.Generator().manual_seed(1)
    rows, perm = torch.randn(90, 30, generator=generator), torch.randperm(90, generator=generator)
    noisy = rows[perm] + 0.1 * torch.randn(90, 30, generator=generator)
    assert assignment(noisy @ rows.T, maximise=True).equal(perm)
    assert assignment(torch.cdist(noisy, rows)).equal(perm)
    with pytest.raises(AssertionError, match="was asked"):
        assignment(torch.tensor([[2.0, 1.0], [3.0, 1.0]]), maximise=True)


@pytest.mark.usefixtures("solver")
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_numbers_that_are_none_are_refused(bad: float) -> None:
    for n in (2, 80):
        cost = torch.zeros(n, n)
        cost[1, 1] = bad
        with pytest.raises(NotFinite, match="so large that their products overflow"):
            assignment(cost, maximise=True)
        with pytest.raises(NotFinite, match="is NaN or infinite"):
            assignment(-cost)


@pytest.mark.usefixtures("solver")
def test_a_pair_may_be_forbidden() -> None:
    for n in (3, 80):
        cost = torch.randn(n, n, generator=torch.Generator().manual_seed(n))
        order = torch.arange(n).roll(1)
        allowed = torch.zeros(n, n, dtype=torch.bool)
        allowed[torch.arange(n), order] = allowed[0] = True
        assert assignment(torch.where(allowed, cost, torch.inf)).equal(order)
        assert assignment(torch.where(allowed, cost, -torch.inf), maximise=True).equal(order)


@pytest.mark.usefixtures("solver")
def test_nothing_is_changed_or_kept() -> None:
    """The matrix is only read, in whatever order it lies in memory."""
    cost = torch.randn(80, 80, generator=torch.Generator().manual_seed(2))
    before = cost.clone()
    plain = [assignment(cost, maximise=m) for m in (False, True)]
    turned = [assignment(cost.T.contiguous().T, maximise=m) for m in (False, True)]
    assert cost.equal(before)
    assert all(map(torch.equal, plain, turned))
    assert np.array_equal(np.sort(plain[0]), np.arange(80))

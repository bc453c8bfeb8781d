"""wasserstein: exact against brute force, one-dimensional formulas and POT; bounds that hold."""

from __future__ import annotations

import itertools
import json
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance
from torch import Tensor

from isthmus.ground.errors import BadInput, MissingExtra, NotFinite, ShapeMismatch
from isthmus.transport.distances.sliced import sliced_bound
from isthmus.transport.distances.solvers import Entropic, rounded
from isthmus.transport.distances.wasserstein import sinkhorn_divergence, transport, wasserstein
from isthmus.transport.measures.measure import Measure, squared_distances

sizes = st.integers(1, 6)
seeds = st.integers(0, 9999)
orders = st.sampled_from([1.0, 1.5, 2.0, 3.0])


def cloud(n: int, d: int, seed: int, *, weighted: bool = False) -> Measure:
    generator = torch.Generator().manual_seed(seed)
    atoms = torch.randn(n, d, generator=generator, dtype=torch.float64)
    masses = torch.rand(n, generator=generator, dtype=torch.float64) + 0.1
    return Measure(atoms, masses if weighted else torch.empty(0))


@given(n=sizes, d=st.integers(1, 4), seed=seeds, order=orders)
def test_birkhoff_the_best_plan_between_equal_masses_is_a_permutation(
    n: int, d: int, seed: int, order: float
) -> None:
    ot = pytest.importorskip("ot")
    one, other = cloud(n, d, seed), cloud(n, d, seed + 1)
    cost = torch.cdist(one.atoms, other.atoms) ** order
    plan = ot.emd(np.full(n, 1 / n), np.full(n, 1 / n), cost.numpy())
    every = [float(cost[torch.arange(n), list(p)].mean()) for p in itertools.permutations(range(n))]
    found = wasserstein(one, other, order)
    assert found.cost == pytest.approx(min(every), rel=1e-9)
    assert float((torch.as_tensor(plan) * cost).sum()) == pytest.approx(min(every), rel=1e-9)
    assert ((found.plan > 0).sum(0) == 1).all()
    assert found.bound == pytest.approx(found.cost, rel=1e-9)
    assert found.certificate
    assert found.certificate.evidence["optimal"]


@given(n=sizes, m=sizes, seed=seeds, weighted=st.booleans(), order=orders)
def test_plans_of_any_sizes_are_proved_best(
    n: int, m: int, seed: int, weighted: bool, order: float
) -> None:
    pytest.importorskip("ot")
    one, other = cloud(n, 3, seed, weighted=weighted), cloud(m, 3, seed + 1)
    found = wasserstein(one, other, order)
    torch.testing.assert_close(found.plan.sum(1), one.masses)
    torch.testing.assert_close(found.plan.sum(0), other.masses)
    assert found.bound == pytest.approx(found.cost, rel=1e-9)
    back = wasserstein(other, one, order)
    assert back.cost == pytest.approx(found.cost, rel=1e-9)


@given(n=sizes, m=sizes, seed=seeds)
def test_on_a_line_it_is_the_known_distance(n: int, m: int, seed: int) -> None:
    pytest.importorskip("ot")
    one, other = cloud(n, 1, seed, weighted=True), cloud(m, 1, seed + 1, weighted=True)
    known = wasserstein_distance(
        one.atoms[:, 0], other.atoms[:, 0], one.masses.numpy(), other.masses.numpy()
    )
    assert wasserstein(one, other, 1).distance == pytest.approx(known, rel=1e-9)
    assert sliced_bound(one, other, 1) == pytest.approx(known, rel=1e-9)


@given(n=st.integers(2, 30), seed=seeds, order=orders)
def test_it_is_a_distance(n: int, seed: int, order: float) -> None:
    x, y, z = (cloud(n, 3, seed + k) for k in range(3))
    shuffled = x.some(torch.randperm(n, generator=torch.Generator().manual_seed(seed)))
    assert wasserstein(x, shuffled, order).cost == 0
    xy, yz, xz = (wasserstein(*pair, order).distance for pair in ((x, y), (y, z), (x, z)))
    assert 0 < xz <= (xy + yz) * (1 + 1e-12)
    moved = Measure(x.atoms + torch.tensor([1.0, 2.0, 2.0]))
    assert wasserstein(x, moved, order).distance == pytest.approx(3, rel=1e-9)


@given(n=sizes, m=sizes, d=st.integers(1, 6), seed=seeds, order=orders)
def test_slices_are_a_lower_bound(n: int, m: int, d: int, seed: int, order: float) -> None:
    pytest.importorskip("ot")
    one, other = cloud(n, d, seed, weighted=True), cloud(m, d, seed + 1)
    low = sliced_bound(one, other, order, frames=2, seed=seed)
    assert low <= wasserstein(one, other, order).distance * (1 + 1e-12)
    moved = Measure(one.atoms + 1.0, one.masses)
    assert sliced_bound(one, moved, 2) == pytest.approx(d**0.5, rel=1e-9)


@settings(max_examples=25)
@given(n=sizes, m=sizes, seed=seeds, weighted=st.booleans())
def test_entropic_plans_bound_the_exact_cost_from_both_sides(
    n: int, m: int, seed: int, weighted: bool
) -> None:
    pytest.importorskip("ot")
    one, other = cloud(n, 3, seed, weighted=weighted), cloud(m, 3, seed + 1)
    exact = wasserstein(one, other)
    for epsilon in (1.0, 0.02):
        soft = wasserstein(one, other, solver=Entropic(epsilon))
        torch.testing.assert_close(soft.plan.sum(1), one.masses)
        torch.testing.assert_close(soft.plan.sum(0), other.masses)
        assert soft.bound * (1 - 1e-12) <= exact.cost <= soft.cost * (1 + 1e-12)
    assert soft.cost - soft.bound < 0.2 * exact.mean


def test_the_divergence_has_no_bias_of_its_own() -> None:
    one, other = cloud(40, 3, 0), cloud(40, 3, 1)
    shifted = Measure(one.atoms + 0.5)
    solver = Entropic(0.1)
    assert sinkhorn_divergence(one, one, solver=solver) == pytest.approx(0, abs=1e-9)
    assert sinkhorn_divergence(one, shifted, solver=solver) == pytest.approx(0.75, rel=1e-3)
    fine = [sinkhorn_divergence(one, other, solver=Entropic(e)) for e in (0.3, 0.005)]
    exact = wasserstein(one, other).cost
    assert 0 < fine[0] < fine[1] < exact
    assert fine[1] == pytest.approx(exact, rel=0.1)


def test_rounding_keeps_a_plan_that_fits() -> None:
    one, other = cloud(4, 2, 0, weighted=True), cloud(5, 2, 1, weighted=True)
    whole = torch.outer(one.masses, other.masses)
    torch.testing.assert_close(rounded(whole, one.masses, other.masses), whole)
    other_way = rounded(torch.rand(4, 5).double(), one.masses, other.masses)
    torch.testing.assert_close(other_way.sum(0), other.masses)


@given(n=st.integers(1, 4), seed=seeds)
def test_signs_are_chosen_pair_by_pair(n: int, seed: int) -> None:
    signs = torch.tensor([[1.0, 1, 1], [-1, -1, 1]], dtype=torch.float64)
    one, other = (Measure(cloud(n, 3, seed + k).atoms, signs=signs) for k in (0, 1))
    best = min(
        float((one.atoms - signs[list(s)] * other.atoms[list(p)]).square().sum() / n)
        for p in itertools.permutations(range(n))
        for s in itertools.product((0, 1), repeat=n)
    )
    assert wasserstein(one, other).cost == pytest.approx(best, rel=1e-9)
    flipped = Measure(one.atoms * signs[1], signs=signs)
    assert wasserstein(one, flipped).cost == 0
    assert wasserstein(Measure(one.atoms), Measure(flipped.atoms)).cost > 0
    with pytest.raises(BadInput, match="no order along a line; use wasserstein"):
        sliced_bound(one, other)


def test_a_bad_plan_is_found_out() -> None:
    """A dual bound that any plan met would be worth nothing."""
    one, other = cloud(6, 2, 0), cloud(6, 2, 1)
    cost = squared_distances(one, other)

    def lazy(cost: Tensor, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
        return torch.eye(6).double() / 6, torch.zeros(6).double()

    found = transport(cost, one.masses, other.masses, 2.0, lazy)
    assert not found.certificate.evidence["optimal"]
    assert found.bound <= wasserstein(one, other).cost < found.cost


def test_it_reads_well() -> None:
    pytest.importorskip("ot")
    found = wasserstein(cloud(3, 2, 0), cloud(5, 2, 1))
    text = str(found)
    assert text.startswith(f"W_2 = {found.distance:.6g} between 3 and 5 atoms, at least ")
    data = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert data["distance"] == found.distance
    assert "plan" not in data
    assert data["solver"] == "Exact()"
    assert data["certificate"]["verdict"] == "PROVED"


def test_what_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = cloud(3, 2, 0), cloud(4, 3, 1)
    with pytest.raises(ShapeMismatch, match="one measure has 3 atoms in 2 dimensions, the other 4"):
        wasserstein(one, other)
    with pytest.raises(BadInput, match="the order is 0.5; give a finite number of at least 1"):
        wasserstein(one, one, 0.5)
    with pytest.raises(BadInput, match="epsilon is 0; give a number above 0"):
        Entropic(0)
    with pytest.raises(NotFinite, match="an atom or a mass is NaN"):
        Measure(torch.tensor([[float("nan")]]))
    with pytest.raises(BadInput, match="a measure without atoms"):
        Measure(torch.empty(0, 3))
    with pytest.raises(BadInput, match="a mass is negative"):
        Measure(torch.ones(2, 1), torch.tensor([2.0, -1.0]))
    with pytest.raises(ShapeMismatch, match=r"masses of shape \(3,\) for atoms of shape \(2, 1\)"):
        Measure(torch.ones(2, 1), torch.ones(3))
    monkeypatch.setitem(sys.modules, "ot", None)
    with pytest.raises(MissingExtra, match="needs POT"):
        wasserstein(one, cloud(4, 2, 1))

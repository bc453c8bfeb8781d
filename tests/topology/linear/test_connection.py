"""Paths between minima of linear networks, and what joins those that have none."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.topology.linear.conftest import minimum_of, normal, planted
from torch import nn

from isthmus.ground import BadInput, DtypeMismatch
from isthmus.landscape import Loss
from isthmus.topology.connection import connect_minima
from isthmus.topology.linear.minimum import LinearMinimum
from isthmus.topology.linear.permutations import permuted, signed_match
from isthmus.topology.parity import sign_of

few = settings(max_examples=25)
seeds = st.integers(0, 2**31)
TS = [k / 7 for k in range(8)]  # others than those at which `connect_minima` looks


def check(minimum: LinearMinimum, rng: torch.Generator) -> bool:
    """Two random minima: whatever route there is keeps the loss, and begins at the first."""
    a, b = minimum_of(minimum, rng), minimum_of(minimum, rng)
    found = connect_minima(a, b, minimum)
    assert found.same == (minimum.label(a) == minimum.label(b)) == (found.path is not None)
    for route in found.routes:
        assert all(c.verdict.name != "REFUTED" for c in route.certificates), str(route)
        if route.how != "units added":
            assert all(torch.equal(route.path.start[n], a[n]) for n in a)
            assert max(minimum.excess(route.path(t)) for t in TS) <= 1e-20
            signs = {minimum.label(route.path(t)) for t in TS}
            assert signs == {found.labels[0]}  # a label is constant on a component
    if found.same:
        assert all(torch.equal(found.routes[0].path.end[n], b[n]) for n in b)
    return found.same


@few
@given(
    seed=seeds,
    rank=st.integers(1, 3),
    more=st.lists(st.integers(0, 1), min_size=2, max_size=5),
)
def test_minima_are_joined_or_told_apart(seed, rank, more):
    rng = torch.Generator().manual_seed(seed)
    check(planted(rng, [rank + extra for extra in more], rank), rng)


@pytest.mark.slow
@pytest.mark.parametrize("width", [1, 2, 3, 4])
@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5])
def test_all_depths_and_widths(width, depth):
    """200 draws each: all labels of the formula, and a path of loss ≤ 1e-20 wherever one exists."""
    rng = torch.Generator().manual_seed(100 * depth + width)
    minimum = planted(rng, [width] * (depth + 1))
    labels = {minimum.label(minimum_of(minimum, rng)) for _ in range(200)}
    assert len(labels) == minimum.components.count == 2 ** (depth - 1)
    joined = sum(check(minimum, rng) for _ in range(200))
    assert 0 < joined <= 200


def test_wrongly_ordered_permutations_leave_the_minimum(rng):
    """Proposition 5.2 as printed is for row vectors (mathematics.md 1.1, E4)."""
    left = 0
    for _ in range(60):
        minimum = planted(rng, [3] * 4)
        weights = minimum.weights(minimum_of(minimum, rng))
        one, two = (torch.randperm(3, generator=rng) for _ in range(2))
        p, q = torch.eye(3, dtype=torch.float64)[one], torch.eye(3, dtype=torch.float64)[two]
        printed = [weights[0] @ p, p.mT @ weights[1] @ q, q.mT @ weights[2]]
        right = [p @ weights[0], q @ weights[1] @ p.mT, weights[2] @ q.mT]
        ours = permuted(weights, [one, two])
        assert all(torch.equal(x, y) for x, y in zip(ours, right, strict=True))
        names = list(minimum.layers)
        assert minimum.excess(dict(zip(names, right, strict=True))) <= 1e-20
        left += minimum.excess(dict(zip(names, printed, strict=True))) > 1e-3
    assert left > 40


@few
@given(seed=seeds, widths=st.lists(st.integers(1, 4), min_size=1, max_size=3), free=st.booleans())
def test_permutations_are_the_nearest_of_their_signs(seed, widths, free):
    rng = torch.Generator().manual_seed(seed)
    shapes = [*zip([*widths, 2], [2, *widths], strict=True)]
    a, b = ([normal(rng, *shape) for shape in shapes] for _ in range(2))
    signs = [None if free or w < 2 else -1 for w in widths]
    found = signed_match(a, b, signs)

    def away(permutations):
        pairs = zip(a, permuted(b, permutations), strict=True)
        return sum(float((x - y).square().sum()) for x, y in pairs)

    every = itertools.product(
        *(
            [torch.tensor(p) for p in itertools.permutations(range(w)) if s in (None, sign_of(p))]
            for w, s in zip(widths, signs, strict=True)
        )
    )
    assert found.proved
    assert found.squared == pytest.approx(away(found.permutations))
    assert found.squared == pytest.approx(min(map(away, every)))


def test_wide_layers_are_permuted_in_turns(rng):
    shapes = [(9, 4), (8, 9), (3, 8)]
    a = [normal(rng, *shape) for shape in shapes]
    hidden = [torch.randperm(9, generator=rng), torch.randperm(8, generator=rng)]
    b = permuted(a, hidden)
    signs = [sign_of(p) for p in hidden]
    found = signed_match(a, b, signs)
    assert not found.proved
    assert found.squared == 0  # planted, and found
    other = signed_match(a, b, [-signs[0], signs[1]])
    assert sign_of(other.permutations[0]) == -signs[0]
    assert other.squared > 0


def test_one_unit_has_a_sign_and_no_permutation(rng):
    minimum = planted(rng, [1, 1, 1])
    a = minimum_of(minimum, rng)
    b = {name: -weight for name, weight in a.items()}
    found = connect_minima(a, b, minimum)
    assert [route.how for route in found.routes] == ["signs flipped", "units added"]
    assert found.routes[0].distance == 0
    assert "two components (signs of determinants: " in str(found)


def test_a_unit_more_connects_a_layer_that_is_too_narrow_for_the_targets(rng):
    minimum = planted(rng, [3, 2, 3], 3)
    points = [minimum_of(minimum, rng) for _ in range(8)]
    b = next(p for p in points if minimum.label(p) != minimum.label(points[0]))
    wide = connect_minima(points[0], b, minimum).routes[-1].path
    assert wide(0.5)["0.weight"].shape == (3, 3)
    outputs = minimum.inputs @ wide(0.5)["0.weight"].mT @ wide(0.5)["1.weight"].mT
    loss = float((outputs - minimum.targets).square().sum())
    assert loss == pytest.approx(minimum.least_loss, rel=1e-9)


def test_a_path_is_one_of_the_library(rng):
    """The model's own loss along it, by the engine that knows nothing of this."""
    minimum = planted(rng, [3, 4, 3, 2], 2, samples=5)
    model = nn.Sequential(*(nn.Linear(i, o, bias=False) for o, i in minimum.layers.values()))
    a, b = minimum_of(minimum, rng), minimum_of(minimum, rng)
    path = connect_minima(a, b, minimum).path
    assert path is not None
    loss = Loss(model.double(), [(minimum.inputs, minimum.targets)], nn.functional.mse_loss)
    assert max(point.loss for point in loss.along(path, TS)) < 1e-20
    assert path.kind == "linear, exact-flat, linear"
    assert path.length() > 0


def test_inexact_ends_are_refused(rng):
    minimum = planted(rng, [2, 2, 2])
    a, b = minimum_of(minimum, rng), minimum_of(minimum, rng)
    with pytest.raises(DtypeMismatch, match=r"0.weight is torch.float32, expected torch.float64"):
        connect_minima({n: w.float() for n, w in a.items()}, b, minimum)
    with pytest.raises(BadInput, match="expected at most 1e-20"):
        connect_minima(a, {n: w + 1e-6 for n, w in b.items()}, minimum)


def test_biases_follow_from_centred_data(rng):
    """As the error for networks with biases says: free, but for the last."""
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3)).double()
    inputs, targets = normal(rng, 8, 3), normal(rng, 8, 3)
    shapes = {f"{k}.weight": (3, 3) for k in range(2)}
    centred = LinearMinimum(shapes, inputs - inputs.mean(0), targets - targets.mean(0))
    a = minimum_of(centred, rng)
    many = [minimum_of(centred, rng) for _ in range(12)]
    b = next(p for p in many if centred.label(p) == centred.label(a))
    path, first = connect_minima(a, b, centred).path, normal(rng, 2, 3)
    losses = []
    for t in TS:
        bias = torch.lerp(*first, t)
        params = {**path(t), "0.bias": bias, "1.bias": torch.zeros(3).double()}
        outputs = torch.func.functional_call(model, params, (inputs,))
        params["1.bias"] = (targets - outputs).mean(0)
        outputs = torch.func.functional_call(model, params, (inputs,))
        losses.append(float((outputs - targets).square().sum()))
    assert losses == pytest.approx([centred.least_loss] * len(TS), rel=1e-12)

"""Residual networks: counts on grids, labels, paths at random."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.ndimage
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.topology.linear.conftest import normal
from torch import Tensor, nn

from isthmus.ground import BadInput, Params, ShapeMismatch, UnknownName
from isthmus.landscape import AbstractPath, Loss
from isthmus.topology.connection import connect_minima
from isthmus.topology.residual.block import Block
from isthmus.topology.residual.minimum import ResidualMinimum

few = settings(max_examples=8)
seeds = st.integers(0, 2**31)


def planted(rng: torch.Generator, n: int, factors: list[int], skip: object = 1.0):
    names = [[f"{b}.{k}" for k in range(count)] for b, count in enumerate(factors)]
    return ResidualMinimum(names, "head", normal(rng, n + 1, n), normal(rng, n + 1, n), skip)


def minimum_of(minimum: ResidualMinimum, rng: torch.Generator, scale: float = 1.5) -> Params:
    params = {n: scale * normal(rng, *shape) for n, shape in minimum.shapes.items()}
    product = minimum.product(minimum.weights(params))
    params["head"] = torch.linalg.solve(product, minimum.solution, left=False)
    return params


@pytest.mark.parametrize(
    ("factors", "skip", "count"),
    [(2, 0.0, 4), (2, 1.0, 3), (2, -1.0, 3), (2, 0.4, 3), (3, 1.0, 5), (3, -1.0, 5), (3, 0.0, 8)],
)
def test_a_grid_of_one_dimensional_weights_has_as_many_parts(factors, skip, count):
    """The parts of a grid where the block is not nearly zero: each has one label of its own."""
    line = np.linspace(-3, 3, 41 if factors == 2 else 14)
    grid = np.stack(np.meshgrid(*[line] * factors, indexing="ij"))
    value = grid.prod(0) + skip
    parts = sum(
        scipy.ndimage.label(side)[0] + offset * (side > 0)
        for side, offset in ((value > 0.05, 0), (value < -0.05, 100))
    )
    block = Block(1, factors, skip)
    labels: dict[int, set[tuple[int, ...]]] = {}
    for place in zip(*np.nonzero(parts), strict=True):
        weights = [torch.full((1, 1), float(w), dtype=torch.float64) for w in grid[:, *place]]
        labels.setdefault(int(parts[place]), set()).add(block.label(weights))
    assert len(labels) == count == round(np.exp(block.log_components))
    assert all(len(found) == 1 for found in labels.values())
    assert len(set.union(*labels.values())) == count


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize(("factors", "skip"), [([2], 1.0), ([3], -0.7), ([1, 2], 1.0), ([2], 0.0)])
def test_all_labels_are_reached_and_equal_ones_joined(rng, n, factors, skip):
    minimum = planted(rng, n, factors, skip)
    labels, joined = set(), 0
    for _ in range(100):
        labels.add(minimum.label(minimum_of(minimum, rng)))
    for _ in range(15):
        a, b = minimum_of(minimum, rng), minimum_of(minimum, rng)
        labels |= {minimum.label(a), minimum.label(b)}
        found = connect_minima(a, b, minimum)
        assert found.same == (minimum.label(a) == minimum.label(b))
        alike = all(x[0] == y[0] for x, y in zip(*found.labels, strict=True))
        assert len(found.routes) == alike  # units inside the blocks change all but det M
        for route in found.routes:
            assert max(minimum.excess(route.path(k / 16)) for k in range(17)) <= 1e-20
            assert minimum.label(route.path.end) == minimum.label(a)
        if found.path is None:
            continue
        joined += 1
        assert found.routes[0].certificates[0].margin >= 0, str(found)
        along = {minimum.label(found.path(k / 16)) for k in range(17)}
        assert along == {minimum.label(a)}
    assert len(labels) == minimum.components.count
    assert joined > 0


@few
@given(seed=seeds, n=st.integers(1, 3), skip=st.sampled_from([-1.0, 0.5, 1.0]))
def test_singular_weights_are_joined_too(seed, n, skip):
    """Weights of zero, of low rank: on the way all but the last are made invertible."""
    rng = torch.Generator().manual_seed(seed)
    minimum = planted(rng, n, [3], skip)
    a, b = minimum_of(minimum, rng), minimum_of(minimum, rng)
    a["0.0"], a["0.1"][0] = torch.zeros_like(a["0.0"]), 0.0
    product = minimum.product(minimum.weights(a))
    a["head"] = torch.linalg.solve(product, minimum.solution, left=False)
    found = connect_minima(a, b, minimum)
    assert found.same == (minimum.label(b) == minimum.label(a))
    if found.path is not None:
        assert max(minimum.excess(found.path(k / 32)) for k in range(33)) <= 1e-20
        assert largest_gap(found.path, 320) < 0.5 * largest_gap(found.path, 40)  # no jump


def largest_gap(path: AbstractPath, pieces: int) -> float:
    """Of the blocks; the head follows from them, and is large where they are nearly singular."""
    points = (path(k / pieces) for k in range(pieces + 1))
    vectors = [torch.cat([p[n].flatten() for n in ("0.0", "0.1", "0.2")]) for p in points]
    return max(float((q - p).norm()) for p, q in itertools.pairwise(vectors))


def test_without_a_skip_it_is_a_linear_network_with_other_labels(rng):
    """2^k by both: the block's weights and the head are k + 1 layers."""
    minimum = planted(rng, 2, [2], 0.0)
    assert minimum.components.count == 4
    labels = {minimum.label(minimum_of(minimum, rng)) for _ in range(60)}
    assert len(labels) == 4


def test_the_counts_of_blocks_multiply(rng):
    assert planted(rng, 1, [2, 2, 2]).components.count == 27
    assert planted(rng, 2, [2, 1, 5]).components.count == 8
    assert planted(rng, 1, [2, 3], [1.0, 0.0]).components.count == 24
    text = str(planted(rng, 1, [3]).components)
    assert text.startswith("5 components of the minimum\n  theorem: the last weight follows")
    assert "block of 0.0, 0.1, 0.2 (n = 1, skip 1): 5" in text
    assert "PROVED: the inputs have rank n = 1" in text


def test_where_the_targets_have_too_low_a_rank_there_are_bounds(rng):
    inputs, targets = normal(rng, 4, 2), normal(rng, 4, 1)
    minimum = ResidualMinimum([["a", "b"]], "head", inputs, targets)
    count = minimum.components
    assert count.count is None
    assert count.log_least == 0
    assert count.log_most == pytest.approx(np.log(3) + 9 * np.log(5))  # degree 3, 10 variables
    assert "REFUTED: the fit of the targets by the inputs has rank n = 2" in str(count)
    assert "Milnor 1964" in str(count)
    params = {"a": torch.eye(2), "b": torch.eye(2), "head": (minimum.solution / 2).float()}
    with pytest.raises(BadInput, match="labels and paths need that the fit .* has rank n = 2"):
        minimum.label(params)
    few = ResidualMinimum([["a", "b"]], "head", inputs[:1], targets[:1])
    assert "REFUTED: the inputs have rank n = 2" in str(few.components)


def test_the_model_itself_has_no_loss_along_the_path(rng):
    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.up, self.down, self.head = (nn.Linear(2, 2, bias=False) for _ in range(3))

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.down(self.up(x)) + x)

    inputs, targets = normal(rng, 2, 2), normal(rng, 2, 2)
    minimum = ResidualMinimum([["up.weight", "down.weight"]], "head.weight", inputs, targets)

    def draw() -> Params:
        params = {n: normal(rng, 2, 2) for n in minimum.shapes}
        product = minimum.product(minimum.weights(params))
        params["head.weight"] = torch.linalg.solve(product, minimum.solution, left=False)
        return params

    a = draw()
    b = next(p for p in iter(draw, None) if minimum.label(p) == minimum.label(a))
    path = connect_minima(a, b, minimum).path
    loss = Loss(Residual().double(), [(inputs, targets)], nn.functional.mse_loss)
    assert max(point.loss for point in loss.along(path, [k / 20 for k in range(21)])) < 1e-20
    assert all(torch.equal(path.start[n], a[n]) and torch.equal(path.end[n], b[n]) for n in a)


def test_bad_descriptions_are_refused(rng):
    x = normal(rng, 3, 2)
    with pytest.raises(BadInput, match="no block"):
        ResidualMinimum([], "head", x, x)
    with pytest.raises(BadInput, match="named twice"):
        ResidualMinimum([["a", "a"]], "head", x, x)
    with pytest.raises(BadInput, match="2 skips for 1 blocks"):
        ResidualMinimum([["a"]], "head", x, x, [1.0, 0.0])
    with pytest.raises(ShapeMismatch, match=r"the targets have shape \(2, 2\)"):
        ResidualMinimum([["a"]], "head", x, x[:2])
    minimum = ResidualMinimum([["a"]], "head", x, x)
    with pytest.raises(UnknownName, match="the layers are a, head"):
        minimum.label({"a": x[:2]})
    eye = torch.eye(2, dtype=torch.float64)
    with pytest.raises(BadInput, match="above its least"):
        minimum.label({"a": eye, "head": eye})
    with pytest.raises(BadInput, match="no finite"):
        ResidualMinimum([["a"]], "head", x, x, float("nan"))

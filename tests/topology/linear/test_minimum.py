"""The minimum of a linear network: its count, its labels, its errors."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.topology.linear.conftest import minimum_of, normal, planted, shapes

from isthmus.ground import BadInput, NotFinite, ShapeMismatch, UnknownName, Verdict
from isthmus.topology.linear.minimum import LinearMinimum

few = settings(max_examples=30)
seeds = st.integers(0, 2**31)
deep = st.lists(st.integers(1, 4), min_size=2, max_size=6)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_all_labels_of_the_formula_are_reached_and_no_other(rng, depth, width):
    minimum = planted(rng, [width] * (depth + 1))
    labels = {minimum.label(minimum_of(minimum, rng)) for _ in range(80)}
    assert minimum.components.count == len(labels) == 2 ** (depth - 1)


@pytest.mark.parametrize(
    ("widths", "rank", "count"),
    [
        ((3, 3, 4, 3, 3), 3, 4),  # one layer is wider: it is connected
        ((5, 3, 3, 4), 3, 4),  # inputs and outputs wider than the rank
        ((3, 3, 3), 2, 1),  # a target of lower rank than every width
        ((3, 2, 3, 3), 2, 2),
        ((4, 2, 3, 4), 4, 2),  # a layer narrower than the targets: the best approximation
        ((3, 3), 3, 1),  # no hidden layer: an affine space
        ((2, 3, 2), 0, 1),  # the product is zero
    ],
)
def test_rectangular_networks(rng, widths, rank, count):
    minimum = planted(rng, widths, rank)
    assert minimum.components.count == count
    labels = {minimum.label(minimum_of(minimum, rng)) for _ in range(40)}
    assert len(labels) == count


def test_one_matrix_is_labelled_as_the_paper_does(rng):
    """Proposition 4.1: the signs of det W_1 X, det W_2, …; ours are their products."""
    minimum = planted(rng, [3] * 5)
    for _ in range(20):
        params = minimum_of(minimum, rng)
        (ours,) = minimum.label(params)
        signs = [int(torch.linalg.slogdet(w)[0]) for w in params.values()][:-1]
        first = ours[0] * signs[0]  # of X in the basis of ours: the same for all
        assert ours == tuple(first * math.prod(signs[: k + 1]) for k in range(3))


def test_a_mirror_leads_to_the_other_component(rng):
    """Lemma 5.1: g of negative determinant between two layers."""
    minimum = planted(rng, [3, 3, 3])
    params = minimum_of(minimum, rng)
    for _ in range(10):
        g = normal(rng, 3, 3)
        moved = {"0.weight": g @ params["0.weight"], "1.weight": params["1.weight"] @ g.inverse()}
        flips = int(torch.linalg.slogdet(g)[0])
        assert minimum.label(moved)[0][0] == flips * minimum.label(params)[0][0]


@few
@given(seed=seeds, widths=deep)
def test_the_loss_at_a_minimum_is_the_least(seed, widths):
    rng = generator(seed)
    inputs, targets = normal(rng, 6, widths[0]), normal(rng, 6, widths[-1])
    minimum = LinearMinimum(shapes(widths), inputs, targets)
    params = minimum_of(minimum, rng)
    outputs = inputs
    for weight in params.values():
        outputs = outputs @ weight.mT
    assert float((outputs - targets).square().sum()) == pytest.approx(minimum.least_loss)
    for _ in range(3):  # no other point is below
        other = inputs
        for name, weight in params.items():
            other = other @ (weight + 0.1 * normal(rng, *minimum.layers[name])).mT
        assert float((other - targets).square().sum()) >= minimum.least_loss - 1e-12


def test_a_best_approximation_that_is_not_unique_has_bounds(rng):
    eye = torch.eye(3, dtype=torch.float64)
    minimum = LinearMinimum(shapes((3, 2, 3)), eye, eye)
    count = minimum.components
    assert (count.log_least, count.log_most, count.count) == (0.0, math.log(2), None)
    assert "1 to 2 components of the minimum" in str(count)
    assert [h.verdict for h in count.hypotheses].count(Verdict.REFUTED) == 2
    with pytest.raises(BadInput, match="singular values 2 and 3 of the fit are equal"):
        minimum.label({"0.weight": normal(rng, 2, 3), "1.weight": normal(rng, 3, 2)})


def test_the_count_prints_its_theorem_and_hypotheses(rng):
    text = str(planted(rng, (3, 3, 4, 3)).components)
    assert text.startswith("2 components of the minimum\n  theorem: the weights of a given product")
    assert "Trager, Kohn and Bruna 2020" in text
    assert "sign of the determinant behind 0.weight (3 × 3): 2" in text
    assert "PROVED: no hidden layer is narrower than the rank" in text
    assert "REFUTED" not in text
    narrow = str(planted(rng, (3, 2, 3)).components)
    assert "REFUTED: no hidden layer is narrower than the rank of the fit" in narrow


def test_targets_out_of_reach_are_said_to_be(rng):
    inputs = normal(rng, 5, 2)
    count = LinearMinimum(shapes((2, 2, 2)), inputs, normal(rng, 5, 2)).components
    assert count.count == 2
    assert count.hypotheses[0].verdict is Verdict.REFUTED
    assert count.to_json()["count"] == 2


def test_what_is_no_minimum_has_no_label(rng):
    minimum = planted(rng, (2, 2, 2))
    params = minimum_of(minimum, rng)
    params["0.weight"] = params["0.weight"] + 0.1
    with pytest.raises(BadInput, match="above its least, expected at most 1e-12"):
        minimum.label(params)
    params["0.weight"] = params["0.weight"] * torch.nan
    with pytest.raises(BadInput, match="the loss is nan"):
        minimum.label(params)


def test_shapes_names_and_numbers_are_checked(rng):
    x, y = normal(rng, 4, 3), normal(rng, 4, 2)
    with pytest.raises(ShapeMismatch, match=r"1.weight has shape \(2, 3\), expected 4 columns"):
        LinearMinimum({"0.weight": (4, 3), "1.weight": (2, 3)}, x, y)
    with pytest.raises(ShapeMismatch, match=r"the targets have shape \(4, 2\)"):
        LinearMinimum({"0.weight": (4, 3)}, x, y)
    with pytest.raises(NotFinite, match="the targets hold NaN"):
        LinearMinimum({"0.weight": (2, 3)}, x, y / 0 * 0)
    with pytest.raises(BadInput, match="without layers"):
        LinearMinimum({}, x, y)
    minimum = LinearMinimum({"0.weight": (2, 3)}, x, y)
    with pytest.raises(UnknownName, match=r"did you mean '0.wieght' for '0.weight'"):
        minimum.label({"0.wieght": normal(rng, 2, 3)})
    with pytest.raises(ShapeMismatch, match=r"0.weight has shape \(3, 2\)"):
        minimum.label({"0.weight": normal(rng, 3, 2)})

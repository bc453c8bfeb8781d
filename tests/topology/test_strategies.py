"""Clusters by lines: planted wells, the gap of parts, agreement."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from isthmus.ground import BadInput, NotFinite
from isthmus.landscape import Loss
from isthmus.topology import LinearClusters, convexity_gap, linear_clusters


class Wells(nn.Module):
    """A point of the plane; the loss has a well at (±1, anything)."""

    def __init__(self):
        super().__init__()
        self.at = nn.Parameter(torch.zeros(2, dtype=torch.float64))

    def forward(self, x):
        return (self.at[0] ** 2 - 1) ** 2 + 0 * x


LOSS = Loss(Wells(), [(torch.zeros(1).double(), torch.zeros(1))], lambda out, _: out.mean())
SIDES = (1, -1, -1, 1, 1, -1, 1)
MODELS = [
    {"at": torch.tensor([side * (1 + 0.02 * k), 0.3 * k], dtype=torch.float64)}
    for k, side in enumerate(SIDES)
]


@pytest.mark.parametrize("options", [{"count": 2}, {"count": None, "level": 0.5}])
def test_planted_wells_are_found(options) -> None:
    found = linear_clusters(MODELS, LOSS, **options)
    assert found.labels == (0, 1, 1, 0, 0, 1, 0)
    assert found.agreement(SIDES) == 1
    assert found.between == pytest.approx(1, abs=0.05)
    assert found.within < 0.01
    assert "7 models in 2 clusters" in str(found)
    assert torch.equal(found.gaps, found.gaps.T)


def test_one_well_has_no_clusters_by_level() -> None:
    same = [m for m, side in zip(MODELS, SIDES, strict=True) if side == 1]
    assert set(linear_clusters(same, LOSS, count=None, level=0.5).labels) == {0}
    every = linear_clusters(MODELS, LOSS, count=None, level=-1.0)
    assert len(set(every.labels)) == len(MODELS)
    assert every.within == 0


def test_as_many_clusters_as_models_and_one() -> None:
    assert linear_clusters(MODELS, LOSS, count=7).labels == tuple(range(7))
    assert set(linear_clusters(MODELS, LOSS, count=1).labels) == {0}


def test_agreement_by_chance_is_none() -> None:
    found = linear_clusters(MODELS[:4], LOSS)
    assert found.agreement(["a", "b", "b", "a"]) == 1
    assert found.agreement([0, 0, 1, 1]) == pytest.approx(-0.5)
    with pytest.raises(BadInput, match="3 labels for 4 models"):
        found.agreement([0, 1, 0])


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=7), st.floats(-3, 3))
def test_the_gap_of_parts_is_the_largest_barrier(values, tilt) -> None:
    losses = torch.tensor(values, dtype=torch.float64)
    wanted = 0.0
    for i in range(len(values)):
        for k in range(i + 1, len(values)):
            for j in range(i, k + 1):
                chord = ((k - j) * values[i] + (j - i) * values[k]) / (k - i)
                wanted = max(wanted, values[j] - chord)
    assert convexity_gap(losses) == pytest.approx(wanted, abs=1e-12)
    tilted = losses + tilt * torch.arange(len(values)).double()
    assert convexity_gap(tilted) == pytest.approx(wanted, abs=1e-11)  # lines do not count


def test_a_part_shows_what_the_whole_hides() -> None:
    assert convexity_gap(torch.tensor([4.0, 0.0, 1.0, 0.0, 4.0])) == 1
    assert convexity_gap(torch.tensor([4.0, 1.0, 0.0, 1.0, 4.0])) == 0
    assert math.isnan(convexity_gap(torch.tensor([0.0, math.nan, 0.0])))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"count": 2, "level": 1.0}, "both or none"),
        ({"count": None}, "both or none"),
        ({"count": 8}, "8 clusters"),
        ({"points": 2}, "2 points"),
    ],
)
def test_what_makes_no_sense_is_refused(options, text) -> None:
    with pytest.raises(BadInput, match=text):
        linear_clusters(MODELS, LOSS, **options)
    with pytest.raises(BadInput, match="shape"):
        convexity_gap(torch.zeros(2, 2))


def test_clusters_of_known_gaps() -> None:
    gaps = linear_clusters(MODELS, LOSS).gaps
    assert LinearClusters.of(gaps[1:, 1:]).labels == (0, 0, 1, 1, 0, 1)
    for wrong in (gaps[0], gaps[1:], gaps + torch.arange(7.0)):
        with pytest.raises(BadInput, match="not a symmetric matrix"):
            LinearClusters.of(wrong)
    for wrong in (gaps + torch.inf, gaps + torch.nan):
        with pytest.raises(NotFinite, match="a gap is not finite"):
            LinearClusters.of(wrong)

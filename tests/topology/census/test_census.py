"""The census of points in a landscape drawn by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.topology.census.conftest import FOUR, at, hills, ring, wells
from torch import Tensor

from isthmus.ground import BadInput, NotFinite, Params, UnknownName
from isthmus.landscape import AbstractPath, Bootstrap, Interval, Line
from isthmus.topology.census import Crossing, PathSampling, Straight, Terrain, components

EXACT = PathSampling(points=5, interval=None)


@dataclass(frozen=True)
class Told:
    """Crossings as a table says: (low, height, high) by pair of first numbers, else infinity."""

    heights: Mapping[tuple[int, int], tuple[float, float, float]]
    asked: list[tuple[int, int]] = field(default_factory=list, compare=False, repr=False)

    def __call__(
        self, a: Mapping[str, Tensor], b: Mapping[str, Tensor], terrain: Terrain
    ) -> list[Crossing]:
        pair = (int(a["point"][0]), int(b["point"][0]))
        self.asked.append(pair)
        low, height, high = self.heights.get(pair, (math.inf,) * 3)
        return [Crossing("told", height, 0.5, Interval(low, high, 0.95, 100), (0.0, 0.0))]


def flat(point: Tensor) -> Tensor:
    return 0 * point.sum()


def numbered(count: int) -> list[dict[str, Tensor]]:
    return [at(k, 0) for k in range(count)]


def test_the_wells_are_joined_at_their_saddles():
    found = components(FOUR, hills(wells), sampling=EXACT)
    assert len(found.meetings) == 6
    assert [level for *_, level in found.tree.merges] == pytest.approx([1, 1, 2])
    assert found.components(0.5).members == ((0,), (1,), (2,), (3,))
    assert found.components(1.5).members == ((0, 1), (2, 3))
    assert found.components(2.5).members == ((0, 1, 2, 3),)
    # The diagonal is as high as both; over another well it is lower.
    assert found.meetings[2].best().height == pytest.approx(3)
    assert found.tree.height(0, 3) == pytest.approx(2)
    assert found.skipped == 0
    assert found.prediction(0.5) is None


def test_at_a_level_what_is_known_is_not_tried():
    found = components(FOUR, hills(wells), level=1.5, sampling=EXACT)
    assert found.components().members == ((0, 1), (2, 3))
    assert found.skipped == 0  # all four pairs between the two are needed
    found = components(FOUR, hills(wells), level=2.5, sampling=EXACT)
    assert found.components().count == 1
    assert found.skipped == 3  # a spanning tree is enough
    every = components(FOUR, hills(wells), level=2.5, sampling=EXACT, all_pairs=True)
    assert every.skipped == 0
    assert every.components().members == found.components().members
    assert every.components(3.5).count == found.components(3.5).count == 1
    with pytest.raises(BadInput, match="level 2.1 is below the census's own, 2.5, at which it st"):
        every.components(2.1)


@given(st.integers(2, 7), st.sets(st.tuples(st.integers(0, 6), st.integers(0, 6))), st.booleans())
def test_components_are_those_of_the_graph_whatever_is_left_out(count, joined, every):
    heights = {(min(p), max(p)): (0.5, 0.5, 0.5) for p in joined}
    connector = Told(heights)
    found = components(
        numbered(count), hills(flat), level=1.0, connector=connector, all_pairs=every
    )
    labels = list(range(count))
    for _ in range(count):
        for a, b in heights:
            if a < count and b < count:
                labels[a] = labels[b] = min(labels[a], labels[b])
    assert found.components().members == tuple(
        tuple(k for k in range(count) if labels[k] == label) for label in sorted(set(labels))
    )
    assert len(set(connector.asked)) == len(connector.asked) == len(found.meetings)
    if every:
        assert found.skipped == 0


def test_uncertain_edges_are_counted_open_and_closed():
    heights = {
        (0, 1): (0.5, 0.6, 0.7),  # joined
        (0, 2): (0.8, 0.9, 1.1),  # more likely joined
        (1, 3): (0.9, 1.1, 1.2),  # less likely
        (2, 3): (1.1, 1.2, 1.3),  # apart
        (3, 4): (0.9, 1.0, 1.5),
    }
    found = components(numbered(5), hills(flat), level=1.0, connector=Told(heights))
    clusters = found.components()
    assert clusters.members == ((0, 1, 2), (3, 4))
    assert clusters.uncertain == ((0, 2), (1, 3), (3, 4))
    assert (clusters.fewest, clusters.count, clusters.most) == (1, 2, 4)
    assert str(clusters) == "2 (1 to 4)"
    assert "uncertain: 1, 3" in str(found)


def test_an_uncertain_edge_between_what_is_joined_anyway_does_not_count():
    heights = {(0, 1): (0, 0, 0), (1, 2): (0, 0, 0), (0, 2): (0.9, 1.1, 1.2)}
    found = components(numbered(3), hills(flat), level=1.0, connector=Told(heights), all_pairs=True)
    assert found.components().uncertain == ()
    assert found.components().fewest == found.components().most == 1


def test_the_interval_of_an_edge_is_that_of_the_loss_at_its_top():
    torch.manual_seed(0)
    added = torch.randn(400, 1, dtype=torch.float64)
    loss = hills(wells, added)
    sampling = PathSampling(points=5, interval=Bootstrap(resamples=2000))
    (crossing,) = Straight()(FOUR[0], FOUR[1], Terrain(loss, sampling=sampling))
    middle = 1 + float(added.mean())
    assert crossing.height == pytest.approx(middle)
    error = float(added.std()) / 20
    assert crossing.interval.low == pytest.approx(middle - 1.96 * error, abs=0.2 * error)
    assert crossing.interval.high == pytest.approx(middle + 1.96 * error, abs=0.2 * error)


def test_the_top_is_found_between_the_points():
    a, b = at(-1.2, 1), at(1, 1)
    terrain = Terrain(hills(wells), sampling=PathSampling(points=4, interval=None))
    (crossing,) = Straight()(a, b, terrain)
    assert crossing.height == pytest.approx(1, abs=1e-5)
    assert crossing.at == pytest.approx(1.2 / 2.2, abs=1e-3)
    assert crossing.points > 4


def test_a_path_of_infinite_loss_joins_nothing():
    def pole(point: Tensor) -> Tensor:
        return 1e-3 / point[0].abs()

    found = components([at(-1, 0), at(1, 0)], hills(pole), level=1e300, sampling=EXACT)
    assert found.components().count == 2
    assert found.edges() == []
    assert found.tree.merges == ()
    assert found.meetings[0].crossings[0].height == math.inf
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["components"]["fewest"] == 2


def test_loops_of_the_ring():
    """Eight points on a circle: the lines of neighbours are low, those of others higher."""
    pytest.importorskip("gudhi")
    angles = [math.pi * k / 4 for k in range(8)]
    minima = [at(math.cos(x), math.sin(x)) for x in angles]
    found = components(minima, hills(ring), sampling=EXACT)

    def middle(apart: int) -> float:
        return math.sin(math.pi * apart / 8) ** 4

    ((birth, death),) = found.persistence()[1]
    assert birth == pytest.approx(middle(1))
    assert death == pytest.approx(middle(3))
    left_out = components(minima, hills(ring), level=0.9, sampling=EXACT)
    assert left_out.persistence(0)[0].count((0.0, math.inf)) <= 1
    with pytest.raises(BadInput, match="pairs were left out, and loops depend on all"):
        left_out.persistence()


def test_a_path_that_leaps_joins_nothing():
    @dataclass(frozen=True, eq=False)
    class Leap(AbstractPath):
        """Over to the other side at some t, without saying so; or a pole."""

        pole: bool
        kind = "leap"

        def _at(self, t: float) -> Params:
            if self.pole:
                return at(1 / (0.47 - t), 0)
            return at(-1, 0) if t < 0.47 else at(1, 0)

    terrain = Terrain(hills(flat), sampling=EXACT)
    for path in (Leap(pole=False), Leap(pole=True)):
        crossing = terrain.along(path, path.start, path.end, "mine")
        assert crossing.height == math.inf
        assert crossing.reason == "the path leaps near t = 0.47"


def test_it_reads_well():
    found = components(FOUR, hills(wells), level=1.5, sampling=EXACT, names="abcd")
    assert "\n2 seen in 4 draws, 0 of them once, 2 twice: 2 or more expected" in str(found)
    assert str(found).splitlines()[:4] == [
        "4 minima of loss 0 to 0; 6 pairs tried",
        "level 1.5: 2 components",
        "  component: a, b",
        "  component: c, d",
    ]
    assert str(found).endswith("merge tree:\n2\n├─ a, b (0)\n└─ c, d (0)")


def test_bad_input_is_refused():
    loss = hills(wells)
    with pytest.raises(BadInput, match="1 minima to compare; give at least two"):
        components(FOUR[:1], loss)
    for level in (math.nan, math.inf):
        with pytest.raises(BadInput, match=f"level is {level}, expected a finite number"):
            components(FOUR, loss, level=level)
    with pytest.raises(BadInput, match="minimum high has loss 27, above the level 1.5"):
        components([FOUR[0], at(2, 2)], loss, level=1.5, names=["low", "high"])
    with pytest.raises(UnknownName, match="minimum 1: 'point' is missing"):
        components([FOUR[0], {"pint": FOUR[0]["point"]}], loss)
    with pytest.raises(NotFinite, match="minimum 1: 'point' holds 1 NaN"):
        components([FOUR[0], at(1, math.nan)], loss)
    with pytest.raises(NotFinite, match="the loss at minimum 1 is nan"):
        components([at(1, 1), at(-1, 1)], hills(lambda point: point[0].sqrt()))
    with pytest.raises(BadInput, match="3 names, 2 of them different, for 2 minima"):
        components(FOUR[:2], loss, names="abb")
    found = components(FOUR, loss, sampling=EXACT)
    with pytest.raises(BadInput, match="taken at all levels, and none is given"):
        found.components()
    with pytest.raises(BadInput, match="level -1 is below the loss 0 of a minimum"):
        found.components(-1)
    with pytest.raises(BadInput, match="points is 1, expected at least 2"):
        PathSampling(points=1)


def test_a_path_must_join_the_two():
    with pytest.raises(BadInput, match="'line' ends at distance 2 from the second minimum"):
        Terrain(hills(wells)).along(Line(FOUR[0], FOUR[1]), FOUR[0], FOUR[0], "line")

"""star: the centre, its arms, and matching on the way."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from isthmus.ground import BadInput, ShapeMismatch, distance
from isthmus.landscape import Line, Loss, barrier
from isthmus.landscape.curves import Training
from isthmus.landscape.curves.many import star

FAST = Training(partial(torch.optim.Adam, lr=0.02))


def at(x, y):
    return {"place": torch.tensor([x, y], dtype=torch.float64)}


@pytest.fixture
def cross(ring_loss):
    """Valleys along both axes: four minima whose lines meet in the origin only."""
    return Loss(ring_loss.model, ring_loss.batches, lambda place, _: place.square().prod())


TIPS = [at(1.0, 0.0), at(0.0, 1.0), at(-1.0, 0.0), at(0.0, -1.0)]


@pytest.mark.parametrize("concentration", [1, 3])
def test_the_centre_of_a_cross(cross, concentration):
    found = star(TIPS, cross, at(0.5, 0.3), steps=800, concentration=concentration, training=FAST)
    assert float(found.centre["place"].norm()) < 0.05
    for k in range(4):
        assert barrier(cross, found.arm(k)).height < 1e-4
        assert distance(found.arm(k).end, TIPS[k]) == 0
    assert found.path(0, 1).length() == pytest.approx(2, rel=0.05)
    assert barrier(cross, Line(TIPS[0], TIPS[1])).height > 0.05
    assert str(found).startswith("star of 4 models: 800 steps in")


def test_a_centre_of_three_networks(trained):
    models = trained.minima[:3]
    found = star(models, trained.loss, steps=500, training=FAST)
    direct = max(
        barrier(trained.loss, Line(models[i], models[j])).height_mean_ends
        for i, j in ((0, 1), (0, 2), (1, 2))
    )
    arms = max(barrier(trained.loss, found.arm(k)).height_mean_ends for k in range(3))
    assert arms < 0.5 * direct


def test_models_are_matched_to_the_centre(cross, tmp_path):
    """Here a model may be turned half way round without a change of its loss."""

    def match(model, centre):
        turned = {"place": -model["place"]}
        return min(model, turned, key=lambda one: distance(one, centre))

    def run(training, progress=None):
        return star(
            [at(1.0, 0.0), at(-0.9, 0.0)], cross, steps=60, match=match, match_every=20,
            training=training, progress=progress,
        )  # fmt: skip

    found = run(FAST)
    assert [float(m["place"][0]) for m in found.models] == [1, 0.9]
    assert float(found.centre["place"][0]) > 0.5
    kept = Training(FAST.optimiser, checkpoint=tmp_path / "state", every=25)

    def stop(done, steps):
        if done == 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(kept, stop)
    again = run(kept)
    assert distance(again.centre, found.centre) == 0
    assert [float(m["place"][0]) for m in again.models] == [1, 0.9]


def test_clear_errors(cross):
    with pytest.raises(BadInput, match="a star of 1 models, expected at least 2"):
        star(TIPS[:1], cross)
    with pytest.raises(BadInput, match="match_every is 0, expected at least 1"):
        star(TIPS, cross, match_every=0)
    with pytest.raises(ShapeMismatch, match="'place' has shape"):
        star([TIPS[0], {"place": torch.zeros(3, dtype=torch.float64)}], cross)


def test_a_centre_of_networks_with_batchnorm(trained_normed):
    loss, models = trained_normed
    found = star(models, loss, steps=300, training=FAST)
    assert float(found.centre["1.running_var"].min()) > 0
    again = loss.batches
    heights = [
        barrier(loss, path, recompute_statistics=again).height_mean_ends
        for path in (Line(*models), found.path(0, 1))
    ]
    assert heights[1] < 0.7 * heights[0]

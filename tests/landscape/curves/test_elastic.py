"""The elastic band: tangents, spacing, insertion, and the valley it finds."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from isthmus.ground import BadInput, distance
from isthmus.landscape import Line, Polygon, barrier
from isthmus.landscape.curves import ElasticBand, PolygonalChain, Training, bend
from isthmus.landscape.curves.elastic import highest, respacing, tangent_weights

FAST = Training(partial(torch.optim.Adam, lr=0.02))


def at(x, y):
    return {"place": torch.tensor([x, y], dtype=torch.float64)}


def test_a_band_finds_the_valley_around_a_hill(ring_loss):
    start = Polygon([at(-1.0, 0.0), at(0.0, 0.2), at(1.0, 0.0)])
    assert barrier(ring_loss, start).height > 0.9
    band = ElasticBand(bends=3, cycles=3)
    sgd = Training(partial(torch.optim.SGD, lr=0.1), schedule=lambda done: 1.0)
    curve = bend(start, ring_loss, band, steps=600, training=sgd)
    assert curve.shape.bends > 3  # images were inserted
    assert isinstance(curve.shape, PolygonalChain)
    assert barrier(ring_loss, curve, 101).height < 0.02
    for image in curve.points[1:-1]:
        assert float(image["place"].norm()) == pytest.approx(1, abs=0.02)
        assert float(image["place"][1]) > 0
    assert torch.equal(curve.points[0]["place"], at(-1.0, 0.0)["place"])


def test_images_do_not_slide_into_the_minima(ring_loss):
    """Without the projection and the spacing, all images of this band would end at one place."""

    def tilted(place, _):
        return (place[0] - 1) ** 2 + place[1] ** 2

    loss = type(ring_loss)(ring_loss.model, ring_loss.batches, tilted)
    band = ElasticBand(bends=4, cycles=1)
    curve = bend(Line(at(-1.0, 0.0), at(1.0, 0.0)), loss, band, steps=200, training=FAST)
    found = [float(p["place"][0]) for p in curve.points]
    assert found == pytest.approx([-1, -0.6, -0.2, 0.2, 0.6, 1], abs=1e-3)


def test_a_band_of_a_network_and_its_resumption(trained, tmp_path):
    loss, (a, b) = trained.loss, trained.minima[:2]
    band = ElasticBand(bends=2, cycles=3, rise=0.01)
    whole = bend(Line(a, b), loss, band, steps=300, training=FAST)
    assert barrier(loss, whole).height < 0.4 * barrier(loss, Line(a, b)).height
    assert whole.shape.bends > 2
    kept = Training(FAST.optimiser, checkpoint=tmp_path / "state", every=130)

    def stop(done, steps):
        if done == 140:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bend(Line(a, b), loss, band, steps=300, training=kept, progress=stop)
    again = bend(Line(a, b), loss, band, steps=300, training=kept)
    assert [distance(p, q) for p, q in zip(again.points, whole.points, strict=True)] == [0] * len(
        whole.points
    )


def test_never_more_images_than_allowed(trained):
    band = ElasticBand(bends=2, cycles=4, rise=1e-9, most=4)
    curve = bend(Line(*trained.minima[:2]), trained.loss, band, steps=40, training=FAST)
    assert curve.shape.bends == 4


@given(
    lengths=st.lists(st.floats(0.01, 10), min_size=2, max_size=6),
    data=st.data(),
)
def test_respacing_puts_points_at_their_shares_of_the_length(lengths, data):
    shares = data.draw(st.lists(st.floats(0.05, 1), min_size=len(lengths), max_size=len(lengths)))
    lengths, shares = (torch.tensor(v, dtype=torch.float64) for v in (lengths, shares))
    weights = respacing(lengths, shares)
    along = torch.cat([torch.zeros(1, dtype=torch.float64), lengths.cumsum(0)])
    wanted = torch.cat([torch.zeros(1, dtype=torch.float64), shares.cumsum(0)]) / shares.sum()
    assert torch.allclose(weights @ along, wanted * along[-1], atol=1e-12)
    assert torch.allclose(weights.sum(1), torch.ones(len(along), dtype=torch.float64))
    assert float(weights.min()) >= 0
    assert int((weights > 0).sum(1).max()) <= 2
    assert torch.equal(weights[0], torch.eye(len(along), dtype=torch.float64)[0])


def test_tangents_point_up():
    assert tangent_weights(0, 1, 2) == (1, 0)
    assert tangent_weights(2, 1, 0) == (0, 1)
    assert tangent_weights(0, 3, 1) == (3, 2)  # a maximum; the next image is the higher one
    assert tangent_weights(2, 0, 1) == (1, 2)  # a minimum; the last image is the higher one


def test_the_highest_point_of_a_segment():
    assert highest(torch.tensor([0.0, 2.0, 1.5, 3.0], dtype=torch.float64)) == (1, 1.0)


def test_options_are_checked():
    for name in ("cycles", "probes", "rise", "batches"):
        with pytest.raises(BadInput, match=f"{name} is 0, expected more than 0"):
            ElasticBand(**{name: 0})
    with pytest.raises(BadInput, match="bends is 0, expected at least 1"):
        ElasticBand(bends=0)
    with pytest.raises(BadInput, match="most is 2, expected at least the 3 bends"):
        ElasticBand(most=2)


def test_a_band_of_networks_with_batchnorm(trained_normed):
    loss, models = trained_normed
    line = Line(*models)
    band = bend(line, loss, ElasticBand(bends=2, cycles=2), steps=300, training=FAST)
    heights = [
        barrier(loss, path, recompute_statistics=loss.batches).height for path in (line, band)
    ]
    assert heights[1] < 0.8 * heights[0]

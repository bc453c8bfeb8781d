"""simplexes: regions of low loss, their volume, points and paths."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch

from isthmus.ground import BadInput, distance
from isthmus.landscape import Line, Loss, SimplicialComplex, TrainingRecord, barrier
from isthmus.landscape.curves import Training
from isthmus.landscape.curves.many import simplexes
from isthmus.landscape.curves.many.volumes import log_volume, squared_distances

FAST = Training(partial(torch.optim.Adam, lr=0.02))


def test_two_networks_in_one_region(trained):
    loss, (a, b) = trained.loss, trained.minima[:2]
    found = simplexes([a, b], loss, connectors=2, steps=800, training=FAST)
    assert found.simplexes == ((0, 2, 3), (1, 2, 3))
    assert found.dimension == 2
    line = barrier(loss, Line(a, b))
    assert barrier(loss, found.path(0, 1)).height < 0.5 * line.height
    assert max(map(loss, found.sample(20))) < sum(line.ends) / 2 + 0.6 * line.height
    assert "2 simplexes of dimension 2, the largest of volume exp(" in str(found)


def test_one_network_grows_a_region(trained):
    """ESPRO: a simplex around one minimum, larger with more growth."""
    loss, one = trained.loss, trained.minima[0]
    small, large = (
        simplexes([one], loss, 2, steps=200, growth=growth, training=FAST) for growth in (0, 0.1)
    )
    assert small.simplexes == large.simplexes == ((0, 1, 2),)
    assert large.log_volumes[0] > small.log_volumes[0] + 1
    assert max(map(loss, large.sample(20))) < loss(one) + 0.2


def test_the_pull_is_the_gradient_of_the_volume(ring_loss):
    """One step of gradient descent on a loss of zero, against autograd through the distances."""
    flat = Loss(ring_loss.model, ring_loss.batches, lambda place, _: 0 * place.sum())
    corners = [{"place": torch.tensor(p, dtype=torch.float64)} for p in ([0.0, 1.0], [2.0, 0.5])]
    rate = Training(partial(torch.optim.SGD, lr=1.0), schedule=lambda done: 1.0)
    still = Training(partial(torch.optim.SGD, lr=0.0))
    start, end = (
        simplexes(corners, flat, steps=1, growth=0.01, training=one).vertices[2]["place"]
        for one in (still, rate)
    )
    place = start.clone().requires_grad_()
    volumes = [(corner["place"] - place).square().sum().log() / 2 for corner in corners]
    torch.logsumexp(torch.stack(volumes), 0).backward()
    assert torch.allclose(end - start, 0.01 * place.grad, atol=1e-12)


def test_points_are_uniform_in_the_complex(trained):
    found = simplexes(trained.minima[:2], trained.loss, 1, steps=2)
    chosen = [log_volume(squared_distances([found.vertices[k], found.vertices[2]])) for k in (0, 1)]
    assert [float(v) for v in chosen] == pytest.approx(found.log_volumes)
    points = found.sample(300, seed=1)
    a, connector = found.vertices[0], found.vertices[2]
    length = distance(a, connector)
    on_first = [p for p in points if distance(a, p) + distance(p, connector) < length * 1.0001]
    assert 0.4 < len(on_first) / 300 < 0.6
    mean = sum(distance(a, p) for p in on_first) / len(on_first)
    assert mean == pytest.approx(length / 2, rel=0.15)
    assert [distance(p, q) for p, q in zip(points[:5], found.sample(5, seed=1), strict=True)] == [
        0
    ] * 5


def test_weights_are_checked(trained):
    found = simplexes(trained.minima[:2], trained.loss, 1, steps=2)
    assert distance(found.point(1, [1, 0]), found.vertices[1]) == 0
    for weights in ([1], [0.5, 0.6], [1.5, -0.5]):
        with pytest.raises(BadInput, match="of a simplex of 2 vertices; give one for each vertex"):
            found.point(0, weights)


def test_resumption_between_connectors(trained, tmp_path):
    def run(training, progress=None):
        return simplexes(
            trained.minima[:2], trained.loss, 3, steps=30, training=training, progress=progress
        )

    def stop(done, steps):
        if done == 24:
            raise KeyboardInterrupt

    whole = run(FAST)
    kept = Training(FAST.optimiser, checkpoint=tmp_path / "state", every=8)
    with pytest.raises(KeyboardInterrupt):
        run(kept, stop)
    again = run(kept)
    assert max(map(distance, again.vertices, whole.vertices)) == 0


def test_clear_errors(trained):
    loss, minima = trained.loss, trained.minima[:2]
    with pytest.raises(BadInput, match="0 minima, expected at least 1"):
        simplexes([], loss)
    with pytest.raises(BadInput, match="0 connectors, expected at least 1"):
        simplexes(minima, loss, 0)
    with pytest.raises(BadInput, match="2 steps for 3 connectors"):
        simplexes(minima, loss, 3, steps=2)
    with pytest.raises(BadInput, match="spread is 0 and growth 0.01"):
        simplexes(minima, loss, spread=0)


def test_points_of_a_complex_without_volume():
    ends = [{"w": torch.full((2,), float(k))} for k in range(2)]
    whole = SimplicialComplex((*ends, ends[0], ends[1]), 2, TrainingRecord(1, 0.0, (1.0,), 0))
    assert all(volume == -math.inf for volume in whole.log_volumes)
    points = whole.sample(20, seed=1)
    assert all(0 <= float(p["w"][0]) <= 1 and float(p["w"].diff().abs()) == 0 for p in points)

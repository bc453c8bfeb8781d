"""Fisher-Rao geodesics, against the closed form for distributions over classes."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from torch import nn

from isthmus.ground import BadInput, distance
from isthmus.landscape import Line, Loss
from isthmus.landscape.curves import FisherRao, Training, bend, function_length
from isthmus.landscape.curves.fisher import jeffreys


class Logits(nn.Module):
    """One distribution over three classes, whatever goes in."""

    def __init__(self):
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(3, dtype=torch.float64))

    def forward(self, x):
        return self.logits + 0 * x


def at(*shares):
    return {"logits": torch.tensor(shares, dtype=torch.float64).log()}


A, B = at(0.9, 0.09, 0.01), at(0.01, 0.09, 0.9)
LOSS = Loss(Logits(), [(torch.zeros(2, 1), torch.zeros(2))], lambda outputs, _: outputs.sum())
TRUE = 2 * math.acos(
    sum(math.sqrt(p * q) for p, q in zip((0.9, 0.09, 0.01), (0.01, 0.09, 0.9), strict=True))
)


def test_the_square_of_a_short_distance():
    one, other = (at(*shares)["logits"] for shares in ((0.3, 0.7), (0.301, 0.699)))
    angle = 2 * math.acos(math.sqrt(0.3 * 0.301) + math.sqrt(0.7 * 0.699))
    assert float(jeffreys(one, other)) == pytest.approx(angle**2, rel=1e-5)
    assert float(jeffreys(one, one)) == 0


def test_a_geodesic_has_the_length_of_the_closed_form():
    line = Line(A, B)
    assert function_length(line, LOSS, 400) > 1.02 * TRUE
    sgd = Training(partial(torch.optim.Adam, lr=0.03))
    curve = bend(line, LOSS, FisherRao(bends=9), steps=1800, training=sgd)
    assert function_length(curve, LOSS, 400) == pytest.approx(TRUE, rel=0.005)
    divergences = [
        float(jeffreys(p["logits"], q["logits"]))
        for p, q in zip(curve.points, curve.points[1:], strict=False)
    ]
    assert max(divergences) < 1.2 * min(divergences)  # constant speed


def test_a_geodesic_between_networks_is_shorter_than_the_line(trained):
    line = Line(*trained.minima[:2])
    training = Training(partial(torch.optim.Adam, lr=0.01))
    curve = bend(line, trained.loss, FisherRao(bends=4), steps=400, training=training)
    assert function_length(curve, trained.loss) < 0.9 * function_length(line, trained.loss)
    assert curve.record.last < curve.record.first


def test_resumption(trained, tmp_path):
    def run(training, progress=None):
        line = Line(*trained.minima[:2])
        return bend(
            line, trained.loss, FisherRao(3), steps=20, training=training, progress=progress
        )

    def stop(done, steps):
        if done == 13:
            raise KeyboardInterrupt

    whole = run(Training())
    kept = Training(checkpoint=tmp_path / "state", every=5)
    with pytest.raises(KeyboardInterrupt):
        run(kept, stop)
    assert max(map(distance, run(kept).points, whole.points)) == 0


def test_a_geodesic_needs_an_image():
    with pytest.raises(BadInput, match="bends is 0, expected at least 1"):
        FisherRao(bends=0)
    with pytest.raises(BadInput, match="points is 1, expected at least 2; count both ends"):
        function_length(Line(A, B), LOSS, 1)

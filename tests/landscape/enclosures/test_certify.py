"""Certified barriers: never below what is found by looking, near to it, and plain errors."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from isthmus.ground import params_of
from isthmus.landscape import Line, Loss
from isthmus.landscape.enclosures import certify
from isthmus.landscape.enclosures.enclosure import Enclosure
from isthmus.landscape.enclosures.rules import contraction
from isthmus.landscape.enclosures.table import encloses

ACTIVATIONS = (
    nn.ReLU, nn.LeakyReLU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid, nn.Softplus, nn.ELU, nn.Identity,
)  # fmt: skip


def case(seed: int) -> tuple[Loss, Line]:
    """A small net drawn at random, two sets of weights, and data, in float64."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*choices):
        return choices[int(torch.randint(len(choices), (1,), generator=generator))]

    width, layers = draw(1, 2, 3, 5, 8), []
    inputs = first = draw(1, 2, 4)
    for _ in range(draw(0, 1, 2, 3)):
        layers += [
            nn.Linear(inputs, width),
            *draw([], [], [nn.LayerNorm(width)]),
            draw(*ACTIVATIONS)(),
        ]
        inputs = width
    model = nn.Sequential(*layers, nn.Linear(inputs, 3)).double()
    a, b = params_of(model), params_of(model)
    scale = draw(0.1, 1.0, 3.0)
    for params in (a, b):
        for name, tensor in params.items():
            params[name] = scale * torch.randn(tensor.shape, generator=generator).double()
    x = draw(0.1, 1.0, 5.0) * torch.randn(6, first, generator=generator).double()
    if draw(True, False):
        y = torch.randint(3, (6,), generator=generator)
        return Loss(model, [(x[:4], y[:4]), (x[4:], y[4:])], F.cross_entropy, {}), Line(a, b)
    return Loss(model, [(x, torch.randn(6, 3, generator=generator).double())], F.mse_loss), Line(
        a, b
    )


def exceeds(seed: int) -> float:
    """By how much samples in any interval of a random case are above its bound."""
    loss, line = case(seed)
    found = certify(loss, line, intervals=4, work=12, points=5).evidence
    assert found["lower"] <= found["upper"]
    start, end = loss(line.a), loss(line.b)
    worst = -math.inf
    for low, high, upper in found["intervals"]:
        ts = [low + (high - low) * k / 12 for k in range(13)]
        for t, value in zip(ts, loss.along(line, ts), strict=True):
            above = value.loss - (1 - t) * start - t * end
            worst = max(worst, above - upper - 1e-12 * (1 + abs(above)))
    return worst


@given(st.integers(0, 2**32))
@settings(max_examples=12)
def test_no_sample_is_above_the_bound(seed):
    assert exceeds(seed) <= 0


@pytest.mark.slow
def test_no_sample_is_above_the_bound_in_a_thousand_nets():
    assert max(exceeds(seed) for seed in range(1000)) <= 0


def test_a_rule_that_lies_is_found_out(monkeypatch):
    def rash(*arguments):
        found = contraction.linear(*arguments)
        return Enclosure(found.centre, found.slope, 0.2 * found.error)

    monkeypatch.setitem(encloses.__globals__["_RULES"], "linear", rash)
    assert max(exceeds(seed) for seed in range(16)) > 0

"""Certified barriers: never below what is found by looking, near to it, and plain errors."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from isthmus.ground import BadInput, NotFinite, UnknownName, UnknownOperator, Verdict, params_of
from isthmus.landscape import Line, Loss, Polygon
from isthmus.landscape.enclosures import certify, table
from isthmus.landscape.enclosures.enclosure import Enclosure
from isthmus.landscape.enclosures.rules import contraction

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
    return highest_above(*case(seed))


def highest_above(loss: Loss, line: Line) -> float:
    """By how much samples in any interval are above its bound; relative to their size."""
    found = certify(loss, line, intervals=4, work=12, points=5).evidence
    assert found["lower"] <= found["upper"]
    start, end = loss(line.a), loss(line.b)
    worst = -math.inf
    for low, high, upper in found["intervals"]:
        ts = [low + (high - low) * k / 12 for k in range(13)]
        for t, value in zip(ts, loss.along(line, ts), strict=True):
            above = value.loss - (1 - t) * start - t * end
            worst = max(worst, above - upper - 1e-12 * (1 + abs(value.loss)))
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

    monkeypatch.setitem(table._RULES, "linear", rash)
    assert max(exceeds(seed) for seed in range(16)) > 0


class Weight(nn.Module):
    """One number: the output is ``w`` for every input."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros((), dtype=torch.float64))

    def forward(self, x):
        return self.w.expand(len(x))


def parabola(change=lambda out: out) -> tuple[Loss, Line]:
    """The loss 1 - w² for w from -1 to 2: 9t(1 - t) above its chord."""
    data = [(torch.zeros(4, 1), torch.zeros(4)), (torch.zeros(3, 1), torch.zeros(3))]
    loss = Loss(Weight(), data, lambda out, _: (1 - change(out) ** 2).mean(), {})
    ends = [{"w": torch.tensor(end, dtype=torch.float64)} for end in (-1.0, 2.0)]
    return loss, Line(*ends)


def test_a_barrier_in_closed_form():
    loss, line = parabola()
    found = certify(loss, line, tolerance=1e-3)
    assert found.verdict is Verdict.PROVED
    evidence = found.evidence
    assert 9 / 4 <= evidence["upper"] <= 9 / 4 + 1e-3
    assert 9 / 4 - 1e-3 <= evidence["lower"] <= 9 / 4
    assert evidence["at"] == pytest.approx(0.5, abs=0.02)
    assert evidence["reached"]
    assert evidence["samples"] == 7
    assert [end[0] <= value <= end[1] for end, value in zip(evidence["ends"], (0, -3), strict=True)]
    starts, stops, uppers = zip(*evidence["intervals"], strict=True)
    assert starts[0] == 0
    assert stops[-1] == 1
    assert starts[1:] == stops[:-1]
    assert max(uppers) == evidence["upper"]
    assert "for every t in [0, 1], on the given data" in str(found)


def test_the_claim_is_rounded_up():
    loss, line = parabola()
    claim = certify(loss, line, tolerance=0.1).claim
    assert float(claim.split("at most ")[1].split()[0]) >= 9 / 4


def test_a_bound_holds_where_rounding_is_all_that_is_left():
    # Work to the narrowest intervals there are: the bound may not fall below the barrier.
    loss, line = parabola()
    evidence = certify(loss, line, tolerance=0, work=200).evidence
    assert 9 / 4 <= evidence["upper"] <= 9 / 4 + 1e-4
    assert not evidence["reached"]


def test_work_ends_with_a_bound():
    loss, line = case(3)
    seen = []
    few = certify(loss, line, 0.0, work=20, progress=lambda *step: seen.append(step))
    more = certify(loss, line, 0.0, work=60)
    assert 19 <= few.evidence["bounded"] <= 20  # one part alone is no split
    assert seen == [(k + 1, 20) for k in range(few.evidence["bounded"])]
    assert more.evidence["upper"] < few.evidence["upper"]


def test_little_memory_gives_the_same_bound():
    loss, line = case(5)
    one, other = (certify(loss, line, work=16, memory=m).evidence["upper"] for m in (1e9, 1.0))
    assert other == pytest.approx(one, rel=1e-12)


def test_a_line_that_goes_nowhere_has_no_barrier():
    loss, line = case(7)
    assert certify(loss, Line(line.a, line.a)).evidence["upper"] < 1e-6


def test_a_model_is_left_as_it_was():
    model = nn.Sequential(nn.Linear(2, 3), nn.Dropout(0.5), nn.Linear(3, 1)).train()
    before = params_of(model)
    loss = Loss(model, [(torch.ones(2, 2), torch.ones(2, 1))], F.mse_loss)
    certify(loss, Line(before, {name: -tensor for name, tensor in before.items()}), 0.1)
    assert model.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in params_of(model).items())


def test_only_lines():
    loss, line = parabola()
    with pytest.raises(BadInput, match="a Polygon cannot be certified.*each segment"):
        certify(loss, Polygon([line.a, line.b]))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"tolerance": -1.0}, "tolerance is -1.0 and relative 0.0, expected .* at least 0"),
        ({"relative": math.nan}, "relative nan"),
        ({"intervals": 9, "work": 8}, "intervals is 9 and work 8.*work counts all intervals"),
        ({"intervals": 0}, "intervals is 0"),
    ],
)
def test_numbers_out_of_range(options, text):
    with pytest.raises(BadInput, match=text):
        certify(*parabola(), **options)


def test_what_is_not_finite():
    loss, line = parabola()
    with pytest.raises(NotFinite, match="the line: 'w' holds 1 NaN"):
        certify(loss, Line(line.a, {"w": torch.tensor(math.nan, dtype=torch.float64)}))
    with pytest.raises(NotFinite, match="no finite bound at t = 1, where a line ends"):
        certify(loss, Line(line.a, {"w": torch.tensor(1e200, dtype=torch.float64)}))


def test_a_pole_on_the_way_is_not_proved():
    found = certify(*parabola(torch.reciprocal), work=40)
    assert found.verdict is Verdict.UNKNOWN
    assert not found
    assert found.evidence["upper"] == math.inf


def test_other_names_and_other_criteria():
    loss, line = parabola()
    with pytest.raises(UnknownName, match="'w' is missing"):
        certify(loss, Line({}, {}))
    whole = Loss(loss.model, loss.batches, lambda out, _: out)
    with pytest.raises(BadInput, match="expected one number"):
        certify(whole, line)
    with pytest.raises(UnknownOperator, match="'median'"):
        certify(Loss(loss.model, loss.batches, lambda out, _: out.median(), {}), line)

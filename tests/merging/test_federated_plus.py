"""Calibrated logits and sharpness-aware steps, against formulas and steps made by hand."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import cross_entropy

from isthmus.ground import BadInput, distance, params_of
from isthmus.merging import LocalTraining, LogitCalibration, SharpnessAware, federated


def network(dropout: float = 0.0) -> nn.Module:
    torch.manual_seed(0)
    layers = (nn.Linear(4, 6), nn.Tanh(), nn.Dropout(dropout), nn.Linear(6, 3))
    return nn.Sequential(*layers).double()


def batch(seed: int = 0, samples: int = 12):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(samples, 4, generator=generator, dtype=torch.float64)
    return x, torch.arange(samples) % 3


def stepped(model: nn.Module, rho: float, lr: float = 0.1) -> nn.Module:
    steps = SharpnessAware(torch.optim.SGD(model.parameters(), lr=lr), rho)

    def closure():
        steps.optimiser.zero_grad()
        loss = cross_entropy(model(batch()[0]), batch()[1])
        loss.backward()
        return loss

    steps.step(closure)
    return model


@settings(max_examples=10)
@given(rho=st.floats(1e-3, 2.0))
def test_a_step_is_that_of_the_worst_point_near_by(rho) -> None:
    model, twin = stepped(network(), rho), network()
    cross_entropy(twin(batch()[0]), batch()[1]).backward()
    slopes = [p.grad for p in twin.parameters()]
    norm = math.sqrt(sum(float(g.square().sum()) for g in slopes))
    worst = network()
    with torch.no_grad():
        for tensor, slope in zip(worst.parameters(), slopes, strict=True):
            tensor += rho * slope / norm
    cross_entropy(worst(batch()[0]), batch()[1]).backward()
    for found, start, there in zip(
        model.parameters(), twin.parameters(), worst.parameters(), strict=True
    ):
        assert torch.allclose(found, start - 0.1 * there.grad, atol=1e-14)
    assert distance(params_of(model), params_of(stepped(network(), 0.0))) > 0


def test_without_a_radius_it_is_the_optimiser_alone_and_a_flat_place_stays() -> None:
    model, plain = stepped(network(), 0.0), network()
    cross_entropy(plain(batch()[0]), batch()[1]).backward()
    torch.optim.SGD(plain.parameters(), lr=0.1).step()
    assert distance(params_of(model), params_of(plain)) == 0
    still = nn.Linear(2, 2)
    before = params_of(still)
    steps = SharpnessAware(torch.optim.SGD(still.parameters(), lr=1.0), 0.5)

    def closure():
        loss = 0 * still(torch.ones(1, 2)).sum()
        loss.backward()
        return loss

    steps.step(closure)
    assert distance(params_of(still), before) == 0


def test_both_passes_drop_the_same_units() -> None:
    model, seen = network(dropout=0.5), []
    model[2].register_forward_hook(lambda *call: seen.append(call[-1] == 0))
    stepped(model, 0.1)
    assert len(seen) == 2
    assert torch.equal(*seen)
    stepped(model, 0.1)
    assert not torch.equal(seen[0], seen[2])


@given(tau=st.floats(0, 3), seed=st.integers(0, 99))
def test_calibration_is_its_formula(tau, seed) -> None:
    counts, logits = torch.tensor([1, 5, 30]), torch.randn(12, 3).double()
    targets = batch(seed)[1]
    terms = logits.exp() * torch.exp(-tau * counts.double() ** -0.25)
    wanted = -(terms[torch.arange(12), targets] / terms.sum(1)).log().mean()
    found = LogitCalibration(cross_entropy, counts, tau)(logits, targets)
    assert float(found) == pytest.approx(float(wanted), rel=1e-12)


def test_rare_classes_are_made_harder_and_absent_ones_rest() -> None:
    margins = LogitCalibration(cross_entropy, torch.tensor([0, 1, 16]), 2.0).margins
    assert margins.tolist() == pytest.approx([200, 2, 1])
    logits = torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)
    criterion = LogitCalibration(cross_entropy, torch.tensor([0, 1, 16]))
    criterion(logits, torch.tensor([1])).backward()
    assert abs(float(logits.grad[0, 0])) < 1e-12
    assert float(logits.grad[0, 2]) > 0.5


def test_options_are_off_by_default_seeded_and_do_something() -> None:
    clients = [[batch(k)] for k in range(2)]

    def trained(**options):
        return federated(network(), clients, cross_entropy, 2, LocalTraining(**options)).params

    plain = trained()
    assert distance(plain, trained(calibration=0.0, rho=0.0)) == 0
    uneven = [[(x[:7], y[:7].clamp_max(1))] for ((x, y),) in clients]
    for options in ({"rho": 0.1}, {"rho": 0.1, "beta": 0.5}):
        assert distance(trained(**options), trained(**options)) == 0
        assert distance(trained(**options), plain) > 1e-4
    pair = [
        federated(network(), uneven, cross_entropy, 2, LocalTraining(calibration=tau)).params
        for tau in (0.0, 1.0)
    ]
    assert distance(*pair) > 1e-3


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: LocalTraining(rho=-1.0), "rho is -1.0"),
        (lambda: LocalTraining(calibration=math.inf), "calibration is inf"),
        (lambda: SharpnessAware(torch.optim.SGD(network().parameters()), math.nan), "rho is nan"),
        (lambda: LogitCalibration(cross_entropy, torch.tensor([-1])), "counts has shape"),
        (lambda: LogitCalibration(cross_entropy, torch.ones(2), -1.0), "tau is -1.0"),
        (
            lambda: LogitCalibration(cross_entropy, torch.ones(2))(
                torch.zeros(1, 3), torch.zeros(1, dtype=torch.long)
            ),
            "for 2 classes",
        ),
        (
            lambda: federated(
                network(),
                [[(batch()[0], torch.zeros(12, 3))]],
                lambda outputs, targets: (outputs - targets).square().mean(),
                1,
                LocalTraining(calibration=1.0),
            ),
            "are no classes",
        ),
        (
            lambda: federated(
                network(), [[(batch()[0], batch()[1] + 5)]], cross_entropy, 1,
                LocalTraining(calibration=1.0),
            ),
            "a target is class 7 of 3",
        ),
        (
            lambda: federated(
                network(), [[(batch()[0], (batch()[1],))]], lambda o, y: cross_entropy(o, y[0]), 1,
                LocalTraining(calibration=1.0),
            ),
            "no logits to calibrate",
        ),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(make, text) -> None:
    with pytest.raises(BadInput, match=text):
        make()

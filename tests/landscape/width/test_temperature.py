"""Inverse temperatures: the minimum of a convex function of one number."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from torch import nn

from isthmus.ground import BadInput, params_of
from isthmus.landscape import Line, Loss
from isthmus.landscape.width import calibrate_temperature, calibrated_barrier


def case(seed: int, samples: int = 40, noise: float = 2.0) -> tuple[Loss, dict[str, torch.Tensor]]:
    """A linear classifier that is wrong here and there, in float64."""
    draw = torch.Generator().manual_seed(seed)
    model = nn.Linear(4, 3).double()
    params = {
        n: torch.randn(t.shape, generator=draw, dtype=t.dtype) for n, t in params_of(model).items()
    }
    x = torch.randn(samples, 4, generator=draw, dtype=torch.float64)
    scores = F.linear(x, params["weight"], params["bias"])
    y = (scores + noise * torch.randn(scores.shape, generator=draw)).argmax(1)
    return Loss(model, [(x, y)], F.cross_entropy, {}), params


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000))
def test_no_other_factor_gives_less(seed: int) -> None:
    loss, params = case(seed)
    found = calibrate_temperature(loss, params)
    x, y = loss.batches[0]
    scores = F.linear(x, params["weight"], params["bias"])

    def at(factor: float) -> float:
        return float(F.cross_entropy(factor * scores, y))

    assert found.before == pytest.approx(loss(params), rel=1e-12)
    assert found.after == pytest.approx(at(found.inverse), rel=1e-12)
    best = minimize_scalar(at, bounds=(0, 50), method="bounded", options={"xatol": 1e-10})
    assert found.after <= best.fun + 1e-12
    assert abs(found.slope) < 1e-12 or found.inverse == 0.0
    scaled = Loss(loss.model, loss.batches, found.scaled(F.cross_entropy), {})
    assert scaled(params) == pytest.approx(found.after, rel=1e-12)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000), st.floats(0.05, 20.0))
def test_it_undoes_a_scale(seed: int, scale: float) -> None:
    """Scores of c times the size have 1/c times the inverse temperature, and the same loss."""
    loss, params = case(seed)
    plain = calibrate_temperature(loss, params)
    louder = calibrate_temperature(loss, {n: scale * t for n, t in params.items()})
    assert louder.inverse * scale == pytest.approx(plain.inverse, rel=1e-7, abs=1e-9)
    assert louder.after == pytest.approx(plain.after, rel=1e-10)


def test_the_bounds_are_kept() -> None:
    loss, params = case(0, noise=0.0)  # right on every sample: the louder the better
    found = calibrate_temperature(loss, params, at_most=64.0)
    assert found.inverse == 64.0
    assert found.slope < 0
    wrong = {n: -t for n, t in params.items()}  # wrong on nearly all: silence is best
    assert calibrate_temperature(loss, wrong).inverse == 0.0


def test_tokens_are_samples() -> None:
    model = nn.Linear(4, 5).double()
    x = torch.randn(3, 6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    y = torch.randint(0, 5, (3, 6), generator=torch.Generator().manual_seed(1))
    assert (
        calibrate_temperature(Loss(model, [(x, y)], F.cross_entropy, {}), params_of(model)).samples
        == 18
    )


def test_a_quiet_middle_is_no_barrier_once_it_is_calibrated() -> None:
    """The middle of ``(u, v)`` and ``(-u, -v)``, with a little of a third: small, and right."""
    model = nn.Sequential(nn.Linear(3, 4, bias=False), nn.Linear(4, 3, bias=False)).double()
    a = {"0.weight": torch.eye(4, 3).double() * 2, "1.weight": torch.eye(3, 4).double() * 2}
    b = {n: -0.8 * t for n, t in a.items()}
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(60, 3, generator=draw, dtype=torch.float64)
    y = (x + 0.7 * torch.randn(60, 3, generator=draw, dtype=torch.float64)).argmax(1)
    loss = Loss(model, [(x, y)], F.cross_entropy, {})
    found = calibrated_barrier(loss, Line(a, b), loss, points=11)
    quiet = found.ts.index(0.5)
    assert found.inverses[quiet] > 50 * found.inverses[0]
    assert found.calibrated_height < 1e-9 < found.height
    assert "inverse temperature" in str(found)


def test_errors_say_what_to_do() -> None:
    loss, params = case(0)
    x, _ = loss.batches[0]
    with pytest.raises(BadInput, match="at_most is 0, expected a positive"):
        calibrate_temperature(loss, params, at_most=0)
    with pytest.raises(BadInput, match="no temperature without classes"):
        calibrate_temperature(Loss(loss.model, [(x, x)], F.mse_loss, {}), params)
    with pytest.raises(BadInput, match="points is 1"):
        calibrated_barrier(loss, Line(params, params), loss, points=1)

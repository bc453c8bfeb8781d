"""Decay: what weight decay alone leaves of a charge."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from isthmus.ground import BadInput
from isthmus.landscape import Decay

small = st.floats(0, 0.2)


@given(small, small, st.floats(0, 0.95), st.integers(0, 40))
def test_it_is_the_square_of_what_sgd_does_without_a_gradient(rate, decay, momentum, steps) -> None:
    weight = nn.Parameter(torch.tensor(3.0, dtype=torch.float64))
    weight.grad = torch.zeros_like(weight)
    optimiser = torch.optim.SGD([weight], lr=rate, weight_decay=decay, momentum=momentum)
    for _ in range(steps):
        optimiser.step()
    found = Decay(rate, decay, momentum).after(steps)
    assert found == pytest.approx(float(weight.detach() / 3) ** 2, rel=1e-9, abs=1e-12)


@given(small, small, st.integers(0, 40))
def test_without_momentum_it_is_a_power(rate, decay, steps) -> None:
    assert Decay(rate, decay).after(steps) == pytest.approx((1 - rate * decay) ** (2 * steps))


def test_small_steps_are_a_flow() -> None:
    decay = Decay(1e-4, 0.5, 0.9)
    assert decay.after(3000) == pytest.approx(decay.flow(3000), rel=0.01)
    assert decay.flow(round(decay.half_life)) == pytest.approx(0.5, rel=1e-3)
    assert "charges halve every 693.1 steps" in str(decay)
    assert Decay(0.1, 0.0).half_life == math.inf
    assert "conserves" in str(Decay(0.1, 0.0))


@pytest.mark.parametrize("values", [(-1, 0, 0), (0.1, math.inf, 0), (0.1, 0.1, 1)])
def test_nonsense_is_refused(values) -> None:
    with pytest.raises(BadInput, match="give a number"):
        Decay(*values)

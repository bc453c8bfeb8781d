"""Closed forms of rescaled pairs against losses that are measured."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from torch import nn

from isthmus.ground import BadInput, params_of
from isthmus.landscape import Line, Loss
from isthmus.landscape.bounds import (
    Rescaling,
    distance_to_fibre,
    largest_rescaled_barrier,
    least_permuted_midpoint,
)

few = settings(max_examples=25)
seeds = st.integers(0, 2**31)
factors = st.floats(-3, 3).map(lambda power: 10.0**power)
degrees = st.sampled_from([1, 2, 3])


class _Power(nn.Module):
    """ReLU to a power: positively homogeneous of that degree."""

    def __init__(self, degree: int) -> None:
        super().__init__()
        self.degree = degree

    def forward(self, x):
        return torch.relu(x) ** self.degree


def _case(seed, degree):
    """A network of two layers after a fixed one, in float64; inputs; targets."""
    rng = torch.Generator().manual_seed(seed)
    first = nn.LeakyReLU(0.01) if degree == 1 else _Power(degree)
    model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 5), first, nn.Linear(5, 3))
    model[4].register_parameter("bias", None)
    model = model.double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=rng, dtype=torch.float64))
    x = torch.randn(9, 4, generator=rng, dtype=torch.float64)
    y = torch.randn(9, 3, generator=rng, dtype=torch.float64)
    return model, params_of(model), x, y


def _rescaled(params, m, k):
    by = {"2.weight": m, "2.bias": m, "4.weight": m**-k}
    return {name: by.get(name, 1.0) * t for name, t in params.items()}


def _squares(outputs, targets):
    return (outputs - targets).square().sum()


@few
@given(seed=seeds, m=factors, degree=degrees, t=st.floats(0, 1))
def test_the_loss_on_the_line_is_the_closed_form(seed, m, degree, t):
    model, params, x, y = _case(seed, degree)
    loss = Loss(model, [(x, y)], _squares, metrics={})
    line = Line(params, _rescaled(params, m, degree))
    outputs = model(x).detach()
    rescaling = Rescaling(m, degree)
    assert rescaling.loss(outputs, y, t) == pytest.approx(loss(line(t)), rel=1e-9)
    assert rescaling.growth(t) >= 1 - 1e-12


@few
@given(seed=seeds, m=factors, degree=degrees)
def test_the_barrier_is_the_largest_of_all_measured(seed, m, degree):
    model, params, x, y = _case(seed, degree)
    loss = Loss(model, [(x, y)], _squares, metrics={})
    line = Line(params, _rescaled(params, m, degree))
    rescaling = Rescaling(m, degree)
    height = rescaling.barrier(model(x).detach(), y)
    ends = loss(params)
    room = 1e-9 * (ends + height)
    measured = [loss(line(k / 40)) - ends for k in range(41)]
    assert max(measured) <= height + room
    top = loss(line(rescaling.worst)) - ends
    assert height == pytest.approx(max(top, 0), rel=1e-9, abs=room)


def test_degree_one_is_worst_in_the_middle_and_grows_with_the_factor():
    y = torch.tensor([[3.0, 4.0]], dtype=torch.float64)
    for m in (1e-3, 0.5, 7.0, 12000.0):
        one = Rescaling(m)
        assert one.worst == pytest.approx(0.5)
        assert one.barrier(y, y) == pytest.approx(((m + 1 / m - 2) / 4 * 5) ** 2, rel=1e-9)
    assert Rescaling(1.0).barrier(y, y) == 0
    with pytest.raises(BadInput, match="factor is -2, expected a positive number"):
        Rescaling(-2)


@few
@given(seed=seeds, degree=degrees, share=st.floats(0, 1))
def test_no_rescaling_of_bounded_norm_is_above_the_largest_barrier(seed, degree, share):
    rng = torch.Generator().manual_seed(seed)
    first, second, y = (torch.randn(4, 4, generator=rng, dtype=torch.float64) for _ in range(3))
    most = 3 * max(float(first.norm()), float(second.norm()))
    height = largest_rescaled_barrier(first, second, y, most, degree)
    low, high = (float(second.norm()) / most) ** (1 / degree), most / float(first.norm())
    m = low**share * high ** (1 - share)
    assert m * float(first.norm()) <= most * (1 + 1e-9)
    assert m**-degree * float(second.norm()) <= most * (1 + 1e-9)
    assert Rescaling(m, degree).barrier(y, y) <= height * (1 + 1e-9)
    with pytest.raises(BadInput, match="give a larger bound"):
        largest_rescaled_barrier(first, second, y, most / 10, degree)


def test_permuting_the_copy_does_not_bound_the_barrier():
    rng = torch.Generator().manual_seed(0)
    second = torch.randn(2, 5, generator=rng, dtype=torch.float64)
    before = torch.randn(5, 8, generator=rng, dtype=torch.float64)
    y = second @ before.relu()
    found = [least_permuted_midpoint(second, before, y, Rescaling(10.0**p)) for p in (2, 3, 4)]
    assert found[1] / found[0] == pytest.approx(100, rel=0.2)  # like m²
    assert found[2] / found[1] == pytest.approx(100, rel=0.02)
    plain = Rescaling(100.0).loss(y, y, 0.5)
    assert found[0] <= plain * (1 + 1e-12)
    with pytest.raises(BadInput, match="9 units, expected at most 8"):
        least_permuted_midpoint(torch.ones(2, 9), torch.ones(9, 8), y, Rescaling(2.0))


@pytest.mark.parametrize("stretch", [1.5, 40.0])
def test_the_middle_of_a_line_is_far_from_the_fibre(stretch):
    rng = torch.Generator().manual_seed(3)
    first = torch.randn(2, 2, generator=rng, dtype=torch.float64)
    second = torch.randn(2, 2, generator=rng, dtype=torch.float64)
    floor = distance_to_fibre(first, second, stretch)
    assert floor > 0
    c = (stretch + 1 / stretch) / 2

    def gap(flat):
        g = torch.from_numpy(flat.copy()).reshape(2, 2)
        parts = (g @ first - c * first, second @ torch.linalg.inv(g) - c * second)
        return max(float(part.norm()) for part in parts)

    starts = [torch.eye(2, dtype=torch.float64) * s for s in (1.0, c, 1 / c)]
    starts += [torch.randn(2, 2, generator=rng, dtype=torch.float64) for _ in range(2)]
    nearest = min(minimize(gap, s.flatten().numpy(), method="Nelder-Mead").fun for s in starts)
    assert floor <= nearest
    assert nearest < 40 * floor  # not vacuous
    assert distance_to_fibre(first, second, 1.0) == 0
    assert math.isclose(distance_to_fibre(first, second, 1 / stretch), floor)

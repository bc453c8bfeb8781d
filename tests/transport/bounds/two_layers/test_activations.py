"""What is said of activations on intervals holds, is reached, and unknown ones are refused."""

from __future__ import annotations

import math

import pytest
import torch

from isthmus.ground import UnknownOperator
from isthmus.transport.bounds.two_layers.activations import IDENTITY, activation

EVERY = [
    *((name, {}) for name in ("relu", "relu6", "abs", "exp", "square", "tanh", "sigmoid", "silu")),
    *((name, {}) for name in ("erf", "atan", "sin", "cos")),
    ("leaky_relu", {"negative_slope": 0.1}),
    ("gelu", {"approximate": "none"}),
    ("gelu", {"approximate": "tanh"}),
    ("softplus", {"beta": 1.0, "threshold": 20.0}),
    ("elu", {"alpha": 1.0, "scale": 1.0, "input_scale": 1.0}),
    ("hardtanh", {"min_val": -1.0, "max_val": 2.0}),
    ("pow", {"exponent": 2}),
]


def derivatives(one, z):
    z = z.clone().requires_grad_()
    value = one(z)
    (first,) = torch.autograd.grad(value.sum(), z, create_graph=True)
    second = torch.zeros_like(z)
    if first.requires_grad:
        (second,) = torch.autograd.grad(first.sum(), z)
    return value.detach(), first.detach(), second


@pytest.mark.parametrize(("name", "options"), EVERY)
def test_nothing_inside_an_interval_exceeds_its_extremes(name, options):
    one = activation(name, options)
    generator = torch.Generator().manual_seed(0)
    low = 3 * torch.randn(200, generator=generator, dtype=torch.float64)
    width = 6 * torch.rand(200, generator=generator, dtype=torch.float64) ** 3
    share = torch.linspace(0, 1, 801, dtype=torch.float64)
    value, first, second = derivatives(one, low[:, None] + share * width[:, None])
    found = one.over(low, low + width)
    assert (value.abs().amax(1) <= found.size).all()
    assert (first.abs().amax(1) <= found.steepest).all()
    assert (first.amax(1) - first.amin(1) <= found.turning).all()
    assert (second.abs().amax(1) <= found.bend).all()


@pytest.mark.parametrize(("name", "options"), [e for e in EVERY if e[0] not in ("sin", "cos")])
def test_sizes_slopes_and_bends_are_reached(name, options):
    # As far as samples tell; where a corner lies inside, bends are infinite.
    one = activation(name, options)
    low, high = torch.tensor([-3.0, 0.25, -0.75]).double(), torch.tensor([2.5, 1.5, -0.25]).double()
    share = torch.linspace(0, 1, 20001, dtype=torch.float64)
    value, first, second = derivatives(one, low[:, None] + share * (high - low)[:, None])
    found = one.over(low, high)
    assert torch.allclose(found.size, value.abs().amax(1), rtol=1e-3, atol=1e-12)
    assert torch.allclose(found.steepest, first.abs().amax(1), rtol=1e-3, atol=1e-12)
    smooth = found.bend.isfinite()
    assert torch.allclose(found.bend[smooth], second.abs().amax(1)[smooth], rtol=1e-3, atol=1e-12)
    assert one.corner(-3.0, 2.5) is None or not smooth[0]


def test_a_line_has_no_corner():
    ends = torch.tensor([-2.0]).double(), torch.tensor([3.0]).double()
    found = IDENTITY.over(*ends)
    assert float(found.size) == pytest.approx(3)
    assert float(found.steepest) == pytest.approx(1)
    assert float(found.bend) < 1e-12
    assert IDENTITY.corner(-math.inf, math.inf) is None


def test_unknown_activations_are_refused_by_name():
    words = r"activation softplus\(beta=2, threshold=20\) are not known; use one of relu"
    with pytest.raises(UnknownOperator, match=words):
        activation("softplus", {"beta": 2, "threshold": 20})

"""BatchNorm with gradients into its statistics."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from isthmus.landscape.differentiable import DifferentiableStatistics


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("shape", [(5, 3), (5, 3, 4), (5, 3, 4, 2)])
def test_it_is_batch_norm_and_has_gradients(shape: tuple[int, ...], affine: bool) -> None:
    torch.manual_seed(0)
    mean, variance = torch.randn(3).double(), torch.rand(3).double() + 0.5
    gain, bias = (torch.randn(3).double() if affine else None for _ in range(2))
    x = torch.randn(shape).double()
    expected = F.batch_norm(x, mean, variance, gain, bias, eps=1e-3)
    mean.requires_grad_()
    variance.requires_grad_()
    with pytest.raises(RuntimeError, match="not differentiable"):
        F.batch_norm(x, mean, variance, gain, bias, eps=1e-3)
    with DifferentiableStatistics():
        found = F.batch_norm(x, mean, variance, gain, bias, eps=1e-3)
    assert torch.allclose(found, expected, rtol=1e-12, atol=1e-12)
    slopes = torch.autograd.grad(found.square().sum(), (mean, variance))
    assert all(bool((slope != 0).all()) for slope in slopes)


def test_training_and_other_operators_are_left_alone() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.ReLU()).train()
    x = torch.randn(8, 2)
    expected = model(x)
    counted = int(model[1].num_batches_tracked)
    with DifferentiableStatistics():
        assert torch.equal(model(x), expected)
    assert int(model[1].num_batches_tracked) == counted + 1

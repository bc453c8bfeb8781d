"""Taylor's formula on a line: exact for quadratics, to rounding for smooth networks."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.functional import batch_norm, cross_entropy, mse_loss

from isthmus.ground import BadInput, NotFinite, Params, params_of
from isthmus.landscape import Line, Loss, recompute_statistics, taylor_barrier
from isthmus.landscape.differentiable import DifferentiableStatistics
from isthmus.testing.training import seeded


def pair(build, x: Tensor) -> tuple[nn.Module, Params, Params]:
    """A network in float64, and two of its Params with statistics of their own."""
    one, two = (seeded(build, seed).double().eval() for seed in (0, 1))
    a, b = (recompute_statistics(m, params_of(m), [(x, None)]) for m in (one, two))
    return one, a, b


def inputs(*shape: int) -> tuple[Tensor, Tensor]:
    """Random inputs and classes."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(shape, generator=generator, dtype=torch.float64)
    return x, torch.arange(len(x)) % 3


class Attention(nn.Module):
    """Fused attention, which has no second derivatives as it is."""

    def __init__(self) -> None:
        super().__init__()
        self.into, self.out = nn.Linear(4, 12), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.into(x).view(len(x), 1, -1, 12).chunk(3, -1)
        return self.out(nn.functional.scaled_dot_product_attention(q, k, v)[:, 0, -1])


def smooth() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 5), nn.GELU(), nn.Linear(5, 3))


def normed() -> nn.Module:
    return nn.Sequential(
        nn.Conv1d(2, 4, 3), nn.BatchNorm1d(4), nn.SiLU(), nn.Flatten(), nn.Linear(8, 3)
    )


@given(st.floats(0.05, 0.95), st.integers(0, 10))
@settings(max_examples=8, deadline=None)
def test_exact_for_quadratics(at: float, seed: int) -> None:
    """One Hessian says all, wherever it is taken."""
    x, _ = inputs(9, 4)
    a, b = (params_of(seeded(lambda: nn.Linear(4, 2).double(), seed + k)) for k in (0, 50))
    loss = Loss(nn.Linear(4, 2), [(x, torch.zeros(9, 2, dtype=torch.float64))], mse_loss, {})
    found = taylor_barrier(loss, Line(a, b), at, nodes=2)
    for predicted in (found.estimate, found.integral):
        assert predicted == pytest.approx(found.measured, rel=1e-9)
    assert found.measured < 0  # below the chord: the loss is convex


@pytest.mark.parametrize(
    ("build", "shape"), [(smooth, (12, 4)), (normed, (12, 2, 4)), (Attention, (12, 5, 4))]
)
@pytest.mark.parametrize("at", [0.5, 0.3])
def test_the_integral_is_the_height_of_smooth_networks(build, shape, at) -> None:
    """Also where BatchNorm statistics move along, and through fused attention."""
    x, y = inputs(*shape)
    model, a, b = pair(build, x)
    found = taylor_barrier(Loss(model, [(x, y)], cross_entropy), Line(a, b), at, nodes=12)
    assert abs(found.jumps) < 1e-9 * max(abs(c) for c in found.curvatures)
    assert abs(found.jumps) <= max(found.error, 1e-12)
    assert abs(found.estimate - found.measured) > 1e-3 * abs(found.measured)
    assert "above the chord" in str(found)


def test_relu_jumps_are_not_in_second_derivatives() -> None:
    x, y = inputs(12, 4)
    model, a, b = pair(lambda: nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3)), x)
    found = taylor_barrier(Loss(model, [(x, y)], cross_entropy), Line(a, b))
    assert abs(found.jumps) > 1e-2 * abs(found.measured)


def test_single_precision_params_are_widened() -> None:
    x, y = inputs(12, 4)
    model, a, b = pair(smooth, x)
    narrow = [{n: t.float() for n, t in p.items()} for p in (a, b)]
    loss = Loss(model, [(x, y)], cross_entropy, dtype=torch.float64)
    found = taylor_barrier(loss, Line(*narrow))
    assert abs(found.jumps) < 1e-9 * max(abs(c) for c in found.curvatures)


@pytest.mark.parametrize("shape", [(5, 3), (5, 3, 4), (5, 3, 2, 2)])
@pytest.mark.parametrize("affine", [True, False])
def test_batch_norm_written_out_is_batch_norm(shape, affine) -> None:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(shape, generator=generator, dtype=torch.float64)
    mean, *rest = (torch.rand(3, generator=generator, dtype=torch.float64) for _ in range(4))
    given_ = (x, mean, *(rest if affine else rest[:1]))
    with DifferentiableStatistics():
        written_out = batch_norm(*given_)
    assert torch.allclose(written_out, batch_norm(*given_), rtol=1e-12, atol=1e-12)


def test_bad_input() -> None:
    x, y = inputs(6, 4)
    model, a, b = pair(smooth, x)
    loss = Loss(model, [(x, y)], cross_entropy)
    with pytest.raises(BadInput, match="at is 1.0, expected a number inside"):
        taylor_barrier(loss, Line(a, b), at=1.0)
    with pytest.raises(BadInput, match="nodes is 1, expected at least 2"):
        taylor_barrier(loss, Line(a, b), nodes=1)
    wild = {**b, "0.weight": b["0.weight"] * torch.inf}
    with pytest.raises(NotFinite):
        taylor_barrier(loss, Line(a, wild))

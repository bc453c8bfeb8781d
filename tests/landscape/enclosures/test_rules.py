"""Every rule encloses: values of an operator at tensors inside do not leave its enclosure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from isthmus.ground import UnknownOperator
from isthmus.landscape.enclosures.calculus import enclose
from isthmus.landscape.enclosures.enclosure import Enclosure
from isthmus.landscape.enclosures.rules import functions


def enclosure(
    generator: torch.Generator, shape: Sequence[int], width: float, shift: float = 0.0
) -> Enclosure:
    """Normal numbers about ``shift`` that move by about ``width``."""

    def draw() -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    return Enclosure(draw() + shift, width * draw(), width * draw().abs() / 4)


def excess(
    function: Callable[..., Any], arguments: Sequence[Enclosure], generator: torch.Generator
) -> float:
    """How far values of ``function`` leave its enclosure, relative to their size."""
    bound = function(*arguments)
    assert isinstance(bound, Enclosure)
    worst = -math.inf
    for k in range(20):
        s = (-1.0, 1.0, 0.0)[k] if k < 3 else 2 * torch.rand(1, generator=generator).item() - 1
        value = function(*[inside(x, s, k, generator) for x in arguments])
        assert value.shape == bound.shape
        off = (value - bound.centre - s * bound.tilt).abs() - bound.error
        assert not off.isnan().any()
        worst = max(worst, float((off / (1 + value.abs())).max()))
    return worst


def inside(x: Enclosure, s: float, k: int, generator: torch.Generator) -> Tensor:
    """A tensor that ``x`` holds at ``s``; half of them at the edge of the remainder."""
    share = 2 * torch.rand(x.shape, generator=generator, dtype=torch.float64) - 1
    return x.centre + s * x.tilt + (share.sign() if k % 2 else share) * x.error


TARGET = torch.tensor([0, 2, 1])
MASK = torch.tensor([True, False, True, True])
FAR = torch.zeros(4, dtype=torch.float64).masked_fill(~MASK, torch.finfo(torch.float64).min)
BUFFER = torch.linspace(-1, 1, 4, dtype=torch.float64)

# The operator, the shapes of its arguments, and about what number the first lies.
OPERATORS: dict[str, tuple[Callable[..., Any], list[tuple[int, ...]], float]] = {
    "relu": (torch.relu, [(3, 4)], 0),
    "relu6": (F.relu6, [(3, 4)], 4),
    "leaky_relu": (F.leaky_relu, [(3, 4)], 0),
    "prelu": (F.prelu, [(3, 4, 2), (4,)], 0),
    "elu": (F.elu, [(3, 4)], 0),
    "elu, other alpha": (lambda x: F.elu(x, 0.4), [(3, 4)], 0),
    "celu": (lambda x: F.celu(x, 2.0), [(3, 4)], 0),
    "selu": (F.selu, [(3, 4)], 0),
    "gelu": (F.gelu, [(3, 4)], 0),
    "gelu, tanh": (lambda x: F.gelu(x, approximate="tanh"), [(3, 4)], 0),
    "silu": (F.silu, [(3, 4)], 0),
    "mish": (F.mish, [(3, 4)], 0),
    "tanh": (torch.tanh, [(3, 4)], 0),
    "sigmoid": (torch.sigmoid, [(3, 4)], 0),
    "softplus": (F.softplus, [(3, 4)], 0),
    "softplus, beyond": (lambda x: F.softplus(x, 2.0, 5.0), [(3, 4)], 2),
    "logsigmoid": (F.logsigmoid, [(3, 4)], 0),
    "hardtanh": (F.hardtanh, [(3, 4)], 0),
    "hardsigmoid": (F.hardsigmoid, [(3, 4)], 2),
    "hardswish": (F.hardswish, [(3, 4)], 2),
    "clamp": (lambda x: x.clamp(-0.5, 0.3), [(3, 4)], 0),
    "clamp_min": (lambda x: x.clamp_min(0.1), [(3, 4)], 0),
    "abs": (torch.abs, [(3, 4)], 0),
    "exp": (torch.exp, [(3, 4)], 0),
    "erf": (torch.erf, [(3, 4)], 0),
    "atan": (torch.atan, [(3, 4)], 0),
    "glu": (F.glu, [(3, 4)], 0),
    "sin": (torch.sin, [(3, 4)], 0),
    "cos": (torch.cos, [(3, 4)], 0),
    "log": (torch.log, [(3, 4)], 30),
    "sqrt": (torch.sqrt, [(3, 4)], 30),
    "rsqrt": (torch.rsqrt, [(3, 4)], 30),
    "reciprocal": (lambda x: 2 / x, [(3, 4)], -30),
    "division": (lambda x, y: y / x, [(3, 4), (4,)], 30),
    "square": (torch.square, [(3, 4)], 0),
    "cube": (lambda x: x**3, [(3, 4)], 0),
    "inverse square": (lambda x: x**-2, [(3, 4)], 30),
    "add": (lambda x, y: 1 + torch.add(x, y, alpha=3), [(3, 4), (4,)], 0),
    "subtract": (lambda x, y: 1 - (x - y), [(3, 4), (1, 4)], 0),
    "multiply": (lambda x, y: 2 * x * y / 4, [(3, 4), (3, 1)], 0),
    "negative": (torch.neg, [(3, 4)], 0),
    "constant": (lambda x: (x + BUFFER) * BUFFER, [(3, 4)], 0),
    "sum": (lambda x: x.sum(1, keepdim=True) + x.sum(), [(3, 4)], 0),
    "mean": (lambda x: x.mean((0, 2)), [(3, 4, 2)], 0),
    "linear": (F.linear, [(3, 4), (5, 4), (5,)], 0),
    "linear of a buffer": (lambda x: F.linear(BUFFER, x), [(5, 4)], 0),
    "matmul": (torch.matmul, [(2, 3, 4), (2, 4, 5)], 0),
    "einsum": (lambda x, y: torch.einsum("bij,bkj->bik", x, y), [(2, 3, 4), (2, 5, 4)], 0),
    "addmm": (torch.addmm, [(3, 5), (3, 4), (4, 5)], 0),
    "conv1d": (lambda x, w, b: F.conv1d(x, w, b, 2, 1), [(2, 4, 6), (5, 4, 3), (5,)], 0),
    "conv2d": (
        lambda x, w: F.conv2d(x, w, None, 1, 1, 1, groups=2),
        [(2, 4, 5, 5), (6, 2, 3, 3)],
        0,
    ),
    "conv_transpose2d": (
        lambda x, w, b: F.conv_transpose2d(x, w, b, 2),
        [(2, 4, 3, 3), (4, 3, 2, 2), (3,)],
        0,
    ),
    "batch_norm": (
        lambda v, m, x, w, b: F.batch_norm(x, m, v, w, b),
        [(4,), (4,), (2, 4, 3), (4,), (4,)],
        30,
    ),
    "layer_norm": (lambda x, w, b: F.layer_norm(x, (4,), w, b), [(3, 4), (4,), (4,)], 0),
    "group_norm": (lambda x, w, b: F.group_norm(x, 2, w, b), [(3, 4, 2), (4,), (4,)], 0),
    "instance_norm": (F.instance_norm, [(3, 4, 5)], 0),
    "rms_norm": (lambda x, w: F.rms_norm(x, (4,), w, 1e-5), [(3, 4), (4,)], 0),
    "max_pool1d": (lambda x: F.max_pool1d(x, 2), [(2, 3, 6)], 0),
    "max_pool2d": (lambda x: F.max_pool2d(x, 3, 2, 1), [(2, 3, 6, 6)], 0),
    "adaptive_max_pool2d": (lambda x: F.adaptive_max_pool2d(x, 2), [(2, 3, 6, 6)], 0),
    "avg_pool2d": (lambda x: F.avg_pool2d(x, 2, padding=1), [(2, 3, 6, 6)], 0),
    "adaptive_avg_pool2d": (lambda x: F.adaptive_avg_pool2d(x, 1), [(2, 3, 6, 6)], 0),
    "upsampling": (lambda x: F.interpolate(x, scale_factor=2), [(2, 3, 2, 2)], 0),
    "amax": (lambda x: x.amax(1), [(3, 4)], 0),
    "softmax": (lambda x: torch.softmax(x, 1), [(3, 4)], 0),
    "softmax, hidden": (
        lambda x: torch.softmax(x.masked_fill(~MASK, -math.inf), -1),
        [(3, 4)],
        0,
    ),
    "softmax, far below": (
        lambda x: torch.softmax(x + FAR, -1),
        [(3, 4)],
        0,
    ),
    "log_softmax": (lambda x: torch.log_softmax(x, -1), [(3, 4)], 0),
    "logsumexp": (lambda x: torch.logsumexp(x, 1), [(3, 4)], 0),
    "attention": (
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
        [(2, 3, 4), (2, 3, 4), (2, 3, 5)],
        0,
    ),
    "grouped attention": (
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, MASK[None], enable_gqa=True),
        [(2, 4, 3, 2), (2, 2, 4, 2), (2, 2, 4, 2)],
        0,
    ),
    "cross_entropy": (lambda x: F.cross_entropy(x, TARGET), [(3, 4)], 0),
    "cross_entropy, smoothed": (
        lambda x: F.cross_entropy(x, TARGET, label_smoothing=0.2, ignore_index=1),
        [(3, 4)],
        0,
    ),
    "cross_entropy of images": (
        lambda x: F.cross_entropy(x, TARGET.expand(2, 3), reduction="none"),
        [(2, 4, 3)],
        0,
    ),
    "cross_entropy of shares": (
        lambda x: F.cross_entropy(x, BUFFER.abs().expand(3, 4)),
        [(3, 4)],
        0,
    ),
    "nll_loss": (lambda x: F.nll_loss(torch.log_softmax(x, 1), TARGET), [(3, 4)], 0),
    "mse_loss": (lambda x: F.mse_loss(x, BUFFER.expand(3, 4)), [(3, 4)], 0),
    "l1_loss": (lambda x: F.l1_loss(x, BUFFER.expand(3, 4), reduction="sum"), [(3, 4)], 0),
    "binary_cross_entropy": (
        lambda x: F.binary_cross_entropy_with_logits(x, BUFFER.abs().expand(3, 4)),
        [(3, 4)],
        0,
    ),
    "embedding": (lambda w: F.embedding(TARGET, w), [(4, 5)], 0),
    "views": (
        lambda x: x.view(3, 4, 1).permute(1, 2, 0).flatten(1)[1:].unsqueeze(0).expand(2, -1, -1),
        [(3, 4)],
        0,
    ),
    "pieces": (
        lambda x: torch.stack([*x.chunk(2, 1)[0].unbind(1), x.split([1, 3], 1)[1][:, 0]]),
        [(3, 4)],
        0,
    ),
    "set together": (lambda x, y: torch.cat([x, y, BUFFER[None]]), [(3, 4), (2, 4)], 0),
    "pad": (lambda x: F.pad(x, (1, 2), value=0.5) + F.pad(x, (1, 2)), [(3, 4)], 0),
    "where": (lambda x, y: torch.where(MASK, x, y), [(3, 4), (3, 4)], 0),
    "in place": (lambda x: (x + 0).relu_().mul_(2).add_(x), [(3, 4)], 0),
}


@pytest.fixture(autouse=True)
def _whole_operators():
    with torch.inference_mode():
        yield


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("width", [1e-3, 0.3, 3.0])
def test_values_do_not_leave_their_enclosure(name, width):
    function, shapes, shift = OPERATORS[name]
    for seed in range(3):
        generator = torch.Generator().manual_seed(seed)
        arguments = [
            enclosure(generator, shape, width, shift if k == 0 else 0.0)
            for k, shape in enumerate(shapes)
        ]
        assert excess(function, arguments, generator) <= 1e-13


@pytest.mark.parametrize("name", ["relu", "gelu", "matmul", "softmax", "max_pool2d", "layer_norm"])
def test_the_check_catches_a_remainder_that_is_too_small(name):
    function, shapes, shift = OPERATORS[name]

    def rash(*arguments: Any) -> Any:
        found = function(*arguments)
        if not isinstance(found, Enclosure):
            return found
        return Enclosure(found.centre, found.slope, 0.3 * found.error)

    generator = torch.Generator().manual_seed(0)
    arguments = [enclosure(generator, shape, 0.3, shift) for shape in shapes]
    assert excess(rash, arguments, generator) > 1e-4


def test_the_check_catches_a_wrong_derivative():
    wrong = replace(functions.TANH, second=lambda y: 0.1 * functions.TANH.second(y))
    generator = torch.Generator().manual_seed(0)
    x = Enclosure(torch.full((3, 4), 0.7), torch.full((3, 4), 0.3), torch.full((3, 4), 1e-9))

    def bounded(y: Any) -> Any:
        return enclose(wrong, y) if isinstance(y, Enclosure) else torch.tanh(y)

    assert excess(bounded, [x], generator) > 1e-4


def test_an_operator_without_a_rule_is_refused_by_name():
    x = Enclosure(torch.zeros(3))
    with pytest.raises(UnknownOperator, match=r"operator 'sort'.*no enclosure.*sampled barrier"):
        torch.sort(x)
    with pytest.raises(UnknownOperator, match="'gt'"):
        x.mul(2) > 0  # noqa: B015
    with pytest.raises(UnknownOperator, match="'_local_scalar_dense'"):
        x.sum().item()


def test_options_without_a_rule_are_refused():
    x = Enclosure(torch.ones(3))
    with pytest.raises(UnknownOperator, match="'div'.*does not know these options"):
        torch.div(x, 2.5, rounding_mode="floor")
    with pytest.raises(UnknownOperator, match="made whole"):
        x.long()
    with pytest.raises(UnknownOperator, match="dropout that is on"):
        F.dropout(x, 0.5)
    with pytest.raises(UnknownOperator, match="'clamp' with tensors"):
        x.clamp(max=torch.ones(3))


def test_writing_into_a_view_is_refused():
    x = Enclosure(torch.zeros(3, 2))
    with pytest.raises(UnknownOperator, match="'relu_'.*writes into a view"):
        x[0].relu_()
    with pytest.raises(UnknownOperator, match="'copy_'"):
        torch.zeros(3).copy_(x[:, 0])


def test_nothing_is_known_of_a_root_near_zero():
    x = Enclosure(torch.tensor([0.1, 4.0]), torch.tensor([0.5, 0.5]))
    assert torch.rsqrt(x).error.isinf().tolist() == [True, False]


def test_a_range_is_rounded_outwards():
    # 1 - (1 - 2^-53) is 2^-53, which the sum of centre, slope and radius has lost.
    x = Enclosure(torch.ones(1), torch.full((1,), 1 - 2.0**-53), torch.full((1,), 2.0**-60))
    assert x.range()[0] < 2.0**-53 - 2.0**-60


def test_hidden_numbers_cost_no_tightness():
    x = Enclosure(torch.randn(5, 4), 1e-3 * torch.randn(5, 4), torch.full((5, 4), 1e-9))
    far = torch.where(MASK, x, torch.finfo(torch.float64).min)
    assert torch.softmax(far, -1).error.max() < 1e-5

"""The bounds hold on 500 random networks of every kind, and are reached: matched units alone."""

from __future__ import annotations

import pytest
import torch

from isthmus.transport.bounds.two_layers.activations import IDENTITY, activation
from isthmus.transport.bounds.two_layers.gaps import Pairs
from isthmus.transport.bounds.two_layers.network import Seen, Units

ACTIVATIONS = [
    *(activation(name, {}) for name in ("relu", "relu6", "abs", "exp", "square", "tanh", "erf")),
    *(activation(name, {}) for name in ("sigmoid", "silu", "atan", "sin", "cos")),
    activation("leaky_relu", {"negative_slope": -0.3}),
    activation("gelu", {"approximate": "none"}),
    activation("gelu", {"approximate": "tanh"}),
    activation("elu", {"alpha": 1.0, "scale": 1.0, "input_scale": 1.0}),
    activation("hardtanh", {"min_val": -1.0, "max_val": 2.0}),
    activation("softplus", {"beta": 1, "threshold": 1e9}),
    IDENTITY,
]
NETWORKS = 27  # of each activation: 513 in all
INPUTS = 8


def drawn(generator, bend):
    """Two networks of a few units, from nearly equal to unrelated, small to large; and inputs."""

    def normal(*sizes):
        return torch.randn(*sizes, generator=generator, dtype=torch.float64)

    width, inputs, outputs = (
        int(torch.randint(1, most, (), generator=generator)) for most in (6, 4, 3)
    )
    share = torch.rand(2, generator=generator, dtype=torch.float64)
    size = 10 ** float(3 * share[0] - 2) if bend.name != "exp" else 1.0
    near = 10 ** float(1 - 6 * share[1] ** 2)
    a = Units(size * normal(width, inputs + 1), normal(width, outputs) * normal(width, 1).exp())
    b = Units(
        a.writers + near * size * normal(width, inputs + 1),
        a.readers + near * normal(width, outputs),
    )
    x = torch.cat([normal(INPUTS, inputs) * normal(INPUTS, 1).exp(), torch.ones(INPUTS, 1)], 1)
    return Pairs(a, b, float(normal(1).exp()), bend), x


def seen(units, x):
    pre = x @ units.writers.mT
    return Seen(pre, 1e-14 * (1 + pre.abs()), x.norm(dim=1, keepdim=True))


def bounds(pairs, x):
    a, b = seen(pairs.a, x), seen(pairs.b, x)
    d, hull, segments = pairs.distances, pairs.hull(a, b), pairs.segments(a, b)
    return {
        "Lipschitz, on the hull": hull[0] * d.mean() / 2,
        "smooth, on the hull": hull[1] * d.square().mean() / 8,
        **dict(zip(("Lipschitz, by pairs", "smooth, by pairs", "products"), segments, strict=True)),
    }


def gap(pairs, x, t):
    """Of every input at t, and what rounding may be in it."""
    ends = [pairs.activation(x @ u.writers.mT) @ u.readers for u in (pairs.a, pairs.b)]
    line = Units(
        *(torch.lerp(getattr(pairs.a, n), getattr(pairs.b, n), t) for n in ("writers", "readers"))
    )
    middle = pairs.activation(x @ line.writers.mT) @ line.readers
    sizes = sum(
        pairs.activation(x @ u.writers.mT).abs() @ u.readers.abs() for u in (pairs.a, pairs.b)
    ) + (x.norm(dim=1, keepdim=True) * line.writers.norm() * line.readers.abs().sum(0))
    count = len(line.readers)
    return (middle - torch.lerp(*ends, t)).norm(dim=1) / count, 1e-14 * sizes.norm(dim=1) / count


@pytest.mark.parametrize("bend", ACTIVATIONS, ids=lambda bend: bend.name)
def test_no_bound_is_exceeded_and_the_sharpest_is_reached(bend):
    generator = torch.Generator().manual_seed(0)
    reached = {}
    for _ in range(NETWORKS):
        pairs, x = drawn(generator, bend)
        found = bounds(pairs, x)
        for t in (0.03, 0.25, 0.5, 0.9):
            measured, rounding = gap(pairs, x, t)
            for name, bound in found.items():
                limit = 4 * t * (1 - t) * bound
                assert (measured <= limit + rounding).all(), (name, t)
                share = ((measured - rounding) / limit).nan_to_num().max()
                reached[name] = max(reached.get(name, 0.0), float(share))
    assert reached["products"] > 0.97
    assert reached["Lipschitz, by pairs"] > 0.1
    assert reached["smooth, by pairs"] > 0.4 or bend.name in ("sin", "cos")

"""Bounds of networks that are all but equal hold in arithmetic of sixty digits."""

from __future__ import annotations

from decimal import Decimal, localcontext

import pytest
import torch
from tests.transport.bounds.conftest import case
from torch import nn

from isthmus.transport.bounds import SquaredLoss, mean_field_bound


def exact_gap(units, x, name):
    """At t = 1/2, to 60 digits: where relu and squares are exact and the others by series."""
    half = Decimal(1) / 2
    point = [Decimal(float(v)) for v in (*x, 1)]
    sigma = {
        "relu": lambda z: max(z, Decimal(0)),
        "square": lambda z: z * z,
        "tanh": lambda z: 1 - 2 / ((2 * z).exp() + 1),
        "gelu": lambda z: z * normal(z),
    }[name]
    total = [Decimal(0)] * units[0].readers.shape[1]
    for i in range(len(units[0].readers)):
        sides = []
        for side in units:
            writer = [Decimal(float(v)) for v in side.writers[i]]
            sides.append((writer, [Decimal(float(v)) for v in side.readers[i]]))
        middle = tuple([(u + v) * half for u, v in zip(*parts, strict=True)]
                       for parts in zip(*sides, strict=True))  # fmt: skip
        for (writer, reader), sign in ((middle, 1), (sides[0], -half), (sides[1], -half)):
            z = sum(w * v for w, v in zip(writer, point, strict=True))
            total = [s + sign * r * sigma(z) for s, r in zip(total, reader, strict=True)]
    return sum(s * s for s in total).sqrt() / len(units[0].readers)


def normal(z):
    """The distribution function by its series, to 60 digits for |z| < 30."""
    if abs(z) > 30:
        return Decimal(int(z > 0))
    with localcontext() as context:
        context.prec = 500
        term, total, k = z, z, 1
        while abs(term) > Decimal(10) ** -300:
            term *= -z * z / (2 * k)
            total += term / (2 * k + 1)
            k += 1
        pi = Decimal("3.14159265358979323846264338327950288419716939937510582097494459230781640628")
        return Decimal("0.5") + total / (2 * pi).sqrt()


@pytest.mark.parametrize("distance", [0.0, 1e-15, 1e-10])
@pytest.mark.parametrize("size", [1e-3, 1e3])
@pytest.mark.parametrize("name", ["relu", "tanh", "square", "gelu"])
def test_rounding_is_counted_where_networks_are_all_but_equal(distance, size, name):
    # The gap in exact arithmetic is below the bound; what floats make of it is apart from that.
    one = case(4, name, spread=size, criterion=nn.MSELoss())
    generator = torch.Generator().manual_seed(1)
    b = {
        n: t * (1 + distance * torch.randn(t.shape, generator=generator, dtype=torch.float64))
        for n, t in one.a.items()
    }
    found = mean_field_bound(one.loss, one.a, b, one.symmetry, convex=SquaredLoss(1 / 2))
    units = [found.pairs.a, found.pairs.b]
    with localcontext() as context:
        context.prec = 60
        for x, most in zip(
            torch.cat([x for x, _ in one.loss.batches])[:2], found.each, strict=False
        ):
            assert exact_gap(units, x, name) <= Decimal(float(most)) + Decimal("1e-45")

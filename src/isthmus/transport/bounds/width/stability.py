"""Dropout stability beside connectivity: half of the units is to all as one run is to another.

A mean of N units from which half is dropped, the rest counted twice, changes by half of what the
means of both halves differ: at most ``Lip/2 · W₁(dropped, kept)``. The gap on the line between two
matched networks is at most ``Lip/2 · W₁(a, b)``. For units drawn from one law both distances fall
at the same rate with the width: Appendix B.14 of Ferbach et al. (2024), after Shevchenko and
Mondelli (2020). The bounds have one rate; what is measured may fall faster in either.
`isthmus.dropout_stable_path` builds the path that a small change allows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, final

import torch
from torch import Tensor

from isthmus.algebra import Symmetry
from isthmus.ground import BadInput, Certificate, Params, Result, Verdict
from isthmus.landscape import Loss
from isthmus.transport.bounds.two_layers.losses import ConvexLoss
from isthmus.transport.bounds.two_layers.mean_field import matched, mean_field_bound
from isthmus.transport.bounds.two_layers.study import Study, wide
from isthmus.transport.estimate import Estimate
from isthmus.transport.powers import falling

Drawn: TypeAlias = "tuple[Loss, Params, Params, Symmetry]"
"""A loss, two networks of one width, and their symmetry."""


@final
@dataclass(frozen=True)
class DropoutStability(Result):
    """How far the outputs move when half of the units is dropped.

    Attributes:
        mean: Over the inputs and the halves.
        worst: Of both.
        bound: Of the mean, by the Lipschitz constant of every pair.
        first: The mean distance of dropped and kept units, matched; W₁ of the halves.
        certificate: That no half moves the outputs by more than its bound.
    """

    mean: float
    worst: float
    bound: float
    first: float
    certificate: Certificate


def dropout_stability(
    loss: Loss,
    params: Mapping[str, Tensor],
    symmetry: Symmetry,
    tries: int = 8,
    outgoing: float | None = None,
    seed: int = 0,
) -> DropoutStability:
    """Drop random halves of the units of a two-layer network, count the others twice, and compare.

    Args:
        loss: Its model has one hidden space of units; its data are the inputs.
        params: Of the model.
        symmetry: Of the model.
        tries: How many halves.
        outgoing: As for `mean_field_bound`.
        seed: Of the halves.

    Raises:
        BadInput: The width is odd, or there is nothing to look at; else as `mean_field_bound`.
    """
    if tries < 1:
        raise BadInput(f"tries is {tries}, expected at least 1", "give a positive number")
    params = wide(params)
    study = Study.of(loss, params, params, symmetry)
    network = study.network
    if network.width % 2:
        raise BadInput(f"there are {network.width} units: no half of them", "use an even width")
    units, half = network.units(params), network.width // 2
    generator = torch.Generator().manual_seed(seed)
    moved, bounds, distances = [], [], []
    for _ in range(tries):
        drawn = torch.randperm(network.width, generator=generator)
        pairs, _ = matched(units[drawn[:half]], units[drawn[half:]], network, 1.0, outgoing)
        distances.append(float(pairs.distances.mean()))
        for batch in study.batches:
            sides = [network.seen(side, batch.x) for side in (pairs.a, pairs.b)]
            means = [network.activation(seen.pre) @ side.readers / half
                     for seen, side in zip(sides, (pairs.a, pairs.b), strict=True)]  # fmt: skip
            moved.append(torch.linalg.vector_norm(means[0] - means[1], dim=1) / 2)
            bounds.append(pairs.segments(*sides)[0])
    found, most = torch.cat(moved), torch.cat(bounds)
    room = float((most - found).min())
    certificate = Certificate(
        f"dropping any of {tries} random halves moves no output by more than Lip/2 W₁ of its pairs",
        Verdict.TESTED if room >= 0 else Verdict.REFUTED,
        room,
        {"halves": tries, "width": network.width},
    )
    first = math.fsum(distances) / tries
    return DropoutStability(
        float(found.mean()), float(found.max()), float(most.mean()), first, certificate
    )


@final
@dataclass(frozen=True)
class WidthRates(Result):
    """Dropout stability and the gap on the line, by width.

    Attributes:
        widths: Where both were measured.
        rows: By what, a mean for each width.
        exponents: By what, the exponent e of ``N^-e`` that it falls with, and its interval.
    """

    widths: tuple[int, ...]
    rows: Mapping[str, tuple[float, ...]]
    exponents: Mapping[str, Estimate]

    def __str__(self) -> str:
        pad = max(map(len, self.rows))
        head = " " * (pad + 2) + "".join(f"{n:>10}" for n in self.widths) + "  exponent"
        lines = [
            f"  {name:<{pad}}" + "".join(f"{v:10.3g}" for v in row) + f"  {self.exponents[name]}"
            for name, row in self.rows.items()
        ]
        return "\n".join([head, *lines])


def width_rates(
    draw: Callable[[int, int], Drawn],
    widths: Sequence[int],
    repetitions: int = 4,
    convex: ConvexLoss | None = None,
    seed: int = 0,
) -> WidthRates:
    """Measure how dropout stability and the gap on the matched line fall with the width.

    Args:
        draw: Width and seed to a loss, two networks and their symmetry; the units of all widths are
            of one law.
        widths: Even numbers, at least two.
        repetitions: Pairs of networks at each width.
        convex: As for `mean_field_bound`.
        seed: The first of ``draw``'s.

    Raises:
        BadInput: There are fewer than two widths or repetitions; else as `mean_field_bound`.
    """
    if len(set(widths)) < 2 or repetitions < 2:
        raise BadInput(
            f"{len(set(widths))} widths and {repetitions} repetitions, expected at least 2 of both",
            "give more",
        )
    found: dict[str, list[list[float]]] = {}
    for width in widths:
        here: dict[str, list[float]] = {}
        for k in range(repetitions):
            loss, a, b, symmetry = draw(width, seed + k)
            line = mean_field_bound(loss, a, b, symmetry, 1.0, 1.0, convex, points=3)
            stable = dropout_stability(loss, a, symmetry, outgoing=1.0, seed=seed + k)
            for name, value in {
                "dropout, measured": stable.mean,
                "dropout, Lipschitz bound": stable.bound,
                "dropout, W₁ of halves": stable.first,
                "line, measured": line.measured.mean,
                "line, Lipschitz bound": line.bounds["Lipschitz, by pairs"].mean,
                "line, W₁ of networks": line.first,
            }.items():
                here.setdefault(name, []).append(value)
        for name, values in here.items():
            found.setdefault(name, []).append(values)
    arrays = {n: torch.tensor(values, dtype=torch.float64) for n, values in found.items()}
    return WidthRates(
        tuple(widths),
        {name: tuple(values.mean(1).tolist()) for name, values in arrays.items()},
        {name: falling(widths, values) for name, values in arrays.items()},
    )

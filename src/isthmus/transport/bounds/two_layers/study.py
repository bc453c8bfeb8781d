"""Two networks on data: the bounds of their gap, and the gap itself."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, final

import torch
from torch import Tensor

from isthmus.algebra import Symmetry
from isthmus.discovery.program import Program
from isthmus.ground import BadInput, Result, check
from isthmus.landscape import Line, Loss, barrier
from isthmus.landscape.running import (
    evaluation_mode,
    pair,
    place,
    run,
    shape_text,
    weights_for,
)
from isthmus.transport.bounds.two_layers.gaps import Pairs
from isthmus.transport.bounds.two_layers.losses import ConvexLoss
from isthmus.transport.bounds.two_layers.network import UnitNetwork
from isthmus.transport.bounds.two_layers.recognition import unit_network

NAMES = (
    "Lipschitz, on the hull",
    "Lipschitz, by pairs",
    "smooth, on the hull",
    "smooth, by pairs",
    "products, by pairs",
)
"""The bounds, as `isthmus.transport.bounds.two_layers.gaps` derives them."""

ROUNDING = 1e-8
"""Relative room for what is not counted: the scale of the sum, outputs of the ends."""

_ENTRIES = 2**20
"""Units times inputs that are looked at together."""


@final
@dataclass(frozen=True)
class Gap(Result):
    """How far outputs on a line are from the mix of those of its ends: largest over t.

    Attributes:
        mean: Over the inputs.
        worst: Of the inputs.
        barrier: How far the loss rises above its chord.
    """

    mean: float
    worst: float
    barrier: float

    def __str__(self) -> str:
        return f"{self.mean:10.4g} {self.worst:10.4g} {self.barrier:10.4g}"


@final
@dataclass(frozen=True, eq=False)
class Bounds:
    """Bounds of the gap.

    Attributes:
        gaps: The finite ones, by name.
        each: (inputs,), the smallest of every input.
        lipschitz: Lip of the hull, the largest of all inputs.
        curvature: H, so.
    """

    gaps: dict[str, Gap]
    each: Tensor
    lipschitz: float
    curvature: float


@final
@dataclass(frozen=True, eq=False)
class Batch:
    """A batch in float64: as the model takes it, its targets, as units read it; both outputs."""

    inputs: Any
    targets: Any
    x: Tensor
    ends: tuple[Tensor, Tensor]


@final
@dataclass(frozen=True, eq=False)
class Study:
    """Two networks of one hidden layer on data."""

    loss: Loss
    network: UnitNetwork
    batches: tuple[Batch, ...]

    @classmethod
    def of(
        cls, loss: Loss, a: Mapping[str, Tensor], b: Mapping[str, Tensor], symmetry: Symmetry
    ) -> Study:
        """Read the data. Raises as `mean_field_bound`."""
        for params in (a, b):
            symmetry.check(params)
            check(params, params, source="the params")
        known: dict[str, tuple[UnitNetwork, Program]] = {}
        batches = []
        with evaluation_mode(loss.model):
            for index, batch in enumerate(loss.batches):
                inputs, targets = pair(batch, index)
                given, goals = wide(inputs), wide(targets)
                shape = shape_text(inputs)
                if not len(targets):
                    continue
                if shape not in known:
                    known[shape] = unit_network(symmetry, loss.model, a, inputs)
                network, program = known[shape]
                network.require_alike(a, b)
                ends = outputs(loss, a, given), outputs(loss, b, given)
                batches.append(Batch(given, goals, network.inputs(program, a, given), ends))
        if not batches:
            raise BadInput("no samples to bound the gap on", "give at least one batch")
        return cls(loss, next(iter(known.values()))[0], tuple(batches))

    def bounds(self, pairs: Pairs, convex: ConvexLoss) -> Bounds:
        """All bounds, of all inputs."""
        gaps, rises, constants = [], [], []
        for batch in self.batches:
            convex.require(self.loss.criterion, *batch.ends, batch.targets)
            rows = list(self._rows(pairs, batch.x))
            gaps.append(torch.cat([found for found, _ in rows], 1) * (1 + ROUNDING))
            constants += [found for _, found in rows]
            rises.append([convex.rise(gap, *batch.ends, batch.targets) for gap in gaps[-1]])
        lipschitz, curvature = torch.cat(constants, 1).amax(1).tolist()
        every = torch.cat(gaps, 1).nan_to_num(nan=math.inf, posinf=math.inf)
        found = {
            name: Gap(float(gap.mean()), float(gap.max()), float(torch.cat(rise).mean()))
            for name, gap, rise in zip(NAMES, every, zip(*rises, strict=True), strict=True)
        }
        known = {name: gap for name, gap in found.items() if math.isfinite(gap.worst)}
        return Bounds(known, every.amin(0), lipschitz, curvature)

    def _rows(self, pairs: Pairs, x: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """For some inputs at a time: bounds (5, n) and constants of the hull (2, n)."""
        d = pairs.distances
        for part in torch.split(x, max(1, _ENTRIES // len(d))):
            a, b = (self.network.seen(side, part) for side in (pairs.a, pairs.b))
            hull = pairs.hull(a, b)
            lipschitz, smooth, products = pairs.segments(a, b)
            square = d.square().mean() / 8
            whole = hull[0] * d.mean() / 2, hull[1] * square if square > 0 else 0 * lipschitz
            yield (
                torch.stack([whole[0], lipschitz, whole[1], smooth, products]),
                torch.stack(hull),
            )

    def measured(self, a: Mapping[str, Tensor], b: Mapping[str, Tensor], points: int) -> Gap:
        """The gap on the line from ``a`` to ``b``, from the model itself, in float64.

        ``b`` computes what the second of the study's networks does.
        """
        line = Line(wide(a), wide(b))
        worst = []
        for batch in self.batches:
            gaps = [
                outputs(self.loss, line(t), batch.inputs) - torch.lerp(*batch.ends, t)
                for t in (k / (points - 1) for k in range(points))
            ]
            worst.append(torch.stack([torch.linalg.vector_norm(g, dim=1) for g in gaps]).amax(0))
        found = torch.cat(worst)
        height = barrier(replace(self.loss, dtype=torch.float64), line, points).height
        return Gap(float(found.mean()), float(found.max()), height)


def outputs(loss: Loss, params: Mapping[str, Tensor], inputs: Any) -> Tensor:
    """What the model gives, in float64."""
    weights = weights_for(loss.model, params, torch.float64)
    with torch.no_grad(), evaluation_mode(loss.model):
        found: Tensor = run(loss.model, weights, inputs)
    return found


def wide(tree: Any) -> Any:
    """Tensors on the processor, the floating-point ones in float64."""
    return place(tree, torch.device("cpu"), torch.float64)

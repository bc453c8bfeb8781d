"""The width that a wanted error needs: distances at smaller widths, extrapolated by a law.

In the form of a mean, units of two runs are draws from laws (Ferbach et al. 2024, Theorem 3.1). If
they are independent draws from one law on a compact set of dimension D, transport distances of N of
them fall like ``N^{-1/D}`` (W₁, D > 2) and ``N^{-2/D}`` (W₂², D > 4; mathematics.md 2.3), and an
error needs ``N ~ error^-D`` units by the Lipschitz bound, ``error^{-D/2}`` by the smooth one. Here
the distances are measured between random parts of two networks, and only the exponent is taken from
a law, or fitted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from isthmus.ground import BadInput, Result
from isthmus.ground.assignment import assignment
from isthmus.transport.bounds.two_layers.mean_field import MeanFieldBound
from isthmus.transport.estimate import Estimate
from isthmus.transport.powers import Law, fitted, interval, resampled

_ALIKE = 1.25
"""Distances across may be so much larger than inside before two laws count as different."""


@final
@dataclass(frozen=True)
class WidthNeeded(Result):
    """How many units an error needs.

    Attributes:
        error: What is wanted: the mean distance of outputs on the line from the mix of the ends.
        order: p: the error is bounded by W_p to the power p.
        exponent: That by which it is extrapolated: of the law, else fitted.
        fitted: The exponent that the measured distances have.
        logarithms: The power of log N in the law.
        width: The width of the networks that were measured.
        needed: Units, by the bound, and by what is measured.
        sizes: Widths at which distances were measured.
        distances: W_p^p there, in the mean.
        ratio: Distances between the networks over those inside one: 1 where both are draws from
            one law.
    """

    error: float
    order: int
    exponent: float
    fitted: Estimate
    logarithms: int
    width: int
    needed: Mapping[str, Estimate]
    sizes: tuple[int, ...]
    distances: tuple[float, ...]
    ratio: float

    def __str__(self) -> str:
        distance = "W₁" if self.order == 1 else "W₂²"
        law = f"N^-{self.exponent:.3g}" + " log N" * bool(self.logarithms)
        pad = max(map(len, self.needed))
        fall = f"{distance} falls like {law}, fitted {self.fitted}"
        known = f"{self.sizes[0]} to {self.sizes[-1]} units of {self.width}"
        lines = [
            f"units for outputs within {self.error:.4g} of the mix: {fall}",
            *(f"  by {name:<{pad}}  {needed}" for name, needed in self.needed.items()),
            "  (measured gaps often fall faster than distances: fewer units then do)",
            f"  extrapolated from {known}; proved is the bound at {self.width} units alone",
        ]
        if self.ratio > _ALIKE:
            lines.append(
                f"  the networks do not look like draws from one law: {distance} between them is "
                f"{self.ratio:.3g} times that inside; it need not fall to zero"
            )
        return "\n".join(lines)


def width_for(
    error: float,
    found: MeanFieldBound,
    law: Law | None = None,
    order: int | None = None,
    sizes: Sequence[int] | None = None,
    repetitions: int = 16,
    seed: int = 0,
) -> WidthNeeded:
    """The width at which a bound of the outputs' gap, and the gap itself, would be an error.

    Nothing about other widths is proved: the constants of the bound, the law of the units and the
    exponent are taken to be the same there, and the sharpest bound and the measured gap to fall as
    the distance does, where the measured one often falls faster. The interval is that of the random
    parts, which are of the same two networks.

    Args:
        error: Of the outputs, in the mean over the inputs; for a barrier, over the constant of the
            loss (√2 for cross-entropy).
        found: The bounds of two networks.
        law: Of the exponent of W_p^p, as ``RateLaw(dimension, order)``; None takes the fitted one.
        order: p: 1 for the Lipschitz bound, 2 for the smooth one; None takes that of the law, or 2
            where the smooth bound holds.
        sizes: Numbers of units at which distances are measured, at most half the width; None takes
            halves of halves.
        repetitions: Random parts of each size.
        seed: Of the parts.

    Raises:
        BadInput: The error is not positive, there are too few units, the bound does not hold, or
            the networks are equal.
    """
    if not 0 < error < math.inf:
        raise BadInput(f"error is {error}, expected a positive number", "give one")
    if not found.first > 0:
        raise BadInput("the networks are equal but for a permutation: no gap", "use two runs")
    power, names = _family(found, law, order)
    steps = _sizes(found.width, sizes, repetitions)
    rows = tuple(side.rows(found.outgoing) for side in (found.pairs.a, found.pairs.b))
    generator = torch.Generator().manual_seed(seed)
    across, ratio = _distances(rows, steps, repetitions, power, generator)
    draws = resampled(across, seed)
    slopes, heights = fitted(steps, draws, law)
    free = slopes if law is None else fitted(steps, draws)[0]
    here = float(found.pairs.distances.pow(power).mean())
    gaps = {name: found.bounds[name].mean for name in names} | {"measured": found.measured.mean}
    logarithms = law.logarithms if law else 0
    lines = list(zip(slopes.tolist(), heights.tolist(), strict=True))
    needed = {}
    for name, gap in gaps.items():
        wanted = math.log(error / gap * here) if gap else math.inf
        needed[name] = interval([_solve(e, h, logarithms, wanted) for e, h in lines])
    return WidthNeeded(
        error=error,
        order=power,
        exponent=float(slopes[0]),
        fitted=interval(free.tolist()),
        logarithms=logarithms,
        width=found.width,
        needed=needed,
        sizes=tuple(steps),
        distances=tuple(across.mean(1).tolist()),
        ratio=ratio,
    )


def _family(
    found: MeanFieldBound, law: Law | None, order: int | None
) -> tuple[int, tuple[str, ...]]:
    """p, and the bounds by W_p^p that hold."""
    names = {1: "Lipschitz, on the hull", 2: "smooth, on the hull"}
    usual = 2 if names[2] in found.bounds else 1
    wanted = law.order if law else (order or usual)
    if wanted not in names or order not in (None, wanted):
        of = f" and the law is of W_{law.order:g}" if law else ""
        raise BadInput(f"order is {order}{of}, expected 1 or 2", "give 1 for W₁, 2 for W₂")
    chosen = int(wanted)
    if names[chosen] not in found.bounds:
        wrong = [text for text in found.hypotheses if text.startswith("fails: ")]
        raise BadInput("; ".join(wrong), "give order 1, the Lipschitz bound")
    pairs = names[chosen].replace("on the hull", "by pairs")
    return chosen, (names[chosen], pairs, "products, by pairs")


def _sizes(width: int, sizes: Sequence[int] | None, repetitions: int) -> list[int]:
    steps = sorted(set(sizes or (width >> k for k in range(1, 6) if width >> k >= 4)))
    if len(steps) < 2 or steps[0] < 2 or 2 * steps[-1] > width:
        raise BadInput(
            f"distances at {', '.join(map(str, steps)) or 'no'} of {width} units, expected two "
            "sizes or more from 2 to half the width",
            "give sizes, or wider networks",
        )
    if repetitions < 2:
        raise BadInput(f"repetitions is {repetitions}, expected at least 2", "give more")
    return steps


def _distances(
    rows: tuple[Tensor, ...],
    sizes: Sequence[int],
    repetitions: int,
    power: int,
    generator: torch.Generator,
) -> tuple[Tensor, float]:
    """W_p^p between random parts of both, (sizes, repetitions), and over that inside one."""
    across = torch.empty(len(sizes), repetitions, dtype=torch.float64)
    inside = 0.0
    for i, size in enumerate(sizes):
        for j in range(repetitions):
            parts = [
                side[torch.randperm(len(side), generator=generator)[: 2 * size]] for side in rows
            ]
            across[i, j] = _cost(parts[0][:size], parts[1][:size], power)
            if size == sizes[-1]:
                inside += sum(_cost(part[:size], part[size:], power) for part in parts) / 2
    return across, float(across[-1].sum()) / inside if inside else math.inf


def _cost(a: Tensor, b: Tensor, power: int) -> float:
    far = torch.cdist(a, b) ** power
    return float(far[torch.arange(len(a)), assignment(far)].mean())


def _solve(exponent: float, height: float, logarithms: int, wanted: float) -> float:
    """N with ``height - exponent log N + k log log N = wanted``, beyond the turning point."""
    if exponent <= 0:
        return math.inf
    size = max((height - wanted) / exponent, logarithms / exponent, math.log(2))
    for _ in range(60 if logarithms else 0):
        step = (height - wanted + logarithms * math.log(size)) / exponent
        size = max(step, logarithms / exponent, math.log(2))
    return math.exp(size) if size < 700 else math.inf

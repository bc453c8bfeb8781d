"""fit_rate: W_p against width, measured, with the exponent that fits and its interval."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from isthmus.ground.errors import BadInput
from isthmus.ground.results import Result
from isthmus.transport.distances.solvers import Exact, Solver
from isthmus.transport.distances.wasserstein import wasserstein
from isthmus.transport.estimate import Estimate, check_level
from isthmus.transport.measures.measure import Measure
from isthmus.transport.powers import falling
from isthmus.transport.rates import RateLaw

Draw: TypeAlias = "Callable[[int, torch.Generator], tuple[Measure, Measure]]"
"""Two measures of as many atoms as are asked for."""

EXACT = Exact()


@dataclass(frozen=True)
class RateFit(Result):
    """How the distance of two samples falls with their number of atoms.

    Attributes:
        order: p.
        widths: numbers of atoms.
        costs: mean ``W_p^p`` at each.
        repetitions: how many pairs each mean is of.
        exponent: of ``W_p^p ~ N^-exponent``.
        dimension: ``p / exponent``: that of the law, if it is above 2p (`RateLaw`).
    """

    order: float
    widths: tuple[int, ...]
    costs: tuple[float, ...]
    repetitions: int
    exponent: Estimate
    dimension: Estimate

    def beside(self, law: RateLaw) -> str:
        """One line: what is measured, and what a law predicts.

        Raises:
            BadInput: the law is of another order.
        """
        if law.order != self.order:
            raise BadInput(f"a law of W_{law.order:g} for a fit of W_{self.order:g}", "take one p")
        return f"exponent {self.exponent}, predicted {law.range} in dimension {law.dimension:.4g}"

    def __str__(self) -> str:
        power = f"W_{self.order:g}^{self.order:g}"
        rows = [f"  N = {n:<6} {c:.6g}" for n, c in zip(self.widths, self.costs, strict=True)]
        head = f"{power} ~ N^-x with x = {self.exponent}: dimension {self.dimension}"
        return "\n".join([head, *rows])


def fit_rate(
    draw: Draw,
    widths: Sequence[int],
    *,
    repetitions: int = 10,
    order: float = 2.0,
    solver: Solver = EXACT,
    seed: int = 0,
    level: float = 0.95,
) -> RateFit:
    """Measure ``W_p^p`` between two samples at several widths, and fit a power of the width.

    The line goes through the logarithms of the means by least squares. Its interval is Student's,
    from the spread of the repetitions: it counts chance, and not that the power is only reached as
    the width grows. Repetitions that draw from the same atoms (`halves`) say less than independent
    ones: the interval is then for these atoms.

    Args:
        draw: two samples: `halves` of a layer, or `samples` of a law.
        widths: at least 2, different.
        repetitions: pairs at each width, at least 2.
        order: p, at least 1.
        solver: of the distances.
        seed: of the draws.
        level: of the interval.

    Raises:
        BadInput: there are too few widths or repetitions, or two samples are at no distance.
    """
    check_level(level)
    if len(set(widths)) < 2 or min(widths) < 1 or repetitions < 2:
        raise BadInput(
            f"widths {tuple(widths)}, {repetitions} repetitions",
            "give at least two widths above 0, and two repetitions",
        )
    generator = torch.Generator().manual_seed(seed)
    costs = torch.tensor(
        [
            [wasserstein(*draw(n, generator), order, solver).cost for _ in range(repetitions)]
            for n in widths
        ],
        dtype=torch.float64,
    )
    if not bool((costs.mean(1) > 0).all()):
        raise BadInput("all samples of one width are equal", "draw from more different atoms")
    exponent = falling(widths, costs, level)
    means = tuple(costs.mean(1).tolist())
    dimension = exponent.mapped(lambda x: order / x if x > 0 else math.inf)
    return RateFit(order, tuple(widths), means, repetitions, exponent, dimension)


def halves(measure: Measure) -> Draw:
    """Two disjoint random samples of a measure's atoms, without replacement."""

    def draw(count: int, generator: torch.Generator) -> tuple[Measure, Measure]:
        if 2 * count > len(measure):
            raise BadInput(
                f"two samples of {count} from {len(measure)} atoms",
                f"draw at most {len(measure) // 2}",
            )
        order = torch.randperm(len(measure), generator=generator)
        return measure.some(order[:count]), measure.some(order[count : 2 * count])

    return draw


def samples(law: Callable[[int, torch.Generator], Tensor]) -> Draw:
    """Two independent samples of a law, which draws ``(count, d)`` points."""

    def draw(count: int, generator: torch.Generator) -> tuple[Measure, Measure]:
        return Measure(law(count, generator)), Measure(law(count, generator))

    return draw


def dyadic(count: int, least: int = 8) -> tuple[int, ...]:
    """Widths for the halves of ``count`` atoms: a half, a quarter, ... at least ``least``."""
    found = []
    while (count := count // 2) >= least:
        found.append(count)
    return tuple(reversed(found))

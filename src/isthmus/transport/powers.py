"""Power laws of a width: exponents through means at several widths, with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from scipy.stats import t as student
from torch import Tensor

from isthmus.transport.estimate import Estimate

_RESAMPLES = 400
_LEVEL = 0.95
_SMALLEST = 1e-300


class Law(Protocol):
    """How W_p^p falls: like ``N^-exponent (log N)^logarithms``; `RateLaw` is one."""

    @property
    def order(self) -> float:
        """p."""
        ...

    @property
    def exponent(self) -> float:
        """The power of 1 / N."""
        ...

    @property
    def logarithms(self) -> int:
        """The power of log N."""
        ...


def falling(widths: Sequence[int], values: Tensor, level: float = _LEVEL) -> Estimate:
    """The exponent e of ``N^-e`` with which means fall: a line through their logarithms.

    Its interval is Student's, from the spread of the repetitions: it counts chance, and not that
    a power is only reached as the width grows.

    Args:
        widths: N, at least two different ones.
        values: ``(widths, repetitions)``, at least two repetitions.
        level: Of the interval.
    """
    x = torch.tensor(widths, dtype=torch.float64).log()
    weights = (x - x.mean()) / (x - x.mean()).square().sum()
    means, repetitions = values.mean(1).clamp_min(_SMALLEST), values.shape[1]
    error = (weights.square() @ (values.var(1) / (repetitions * means.square()))).sqrt()
    degrees = len(x) * (repetitions - 1)
    reach = float(student.ppf((1 + level) / 2, degrees) * error)
    found = float(fitted(widths, means.log())[0])
    basis = f"Student's law of {degrees} degrees, {repetitions} repetitions at each width"
    return Estimate(found, found - reach, found + reach, level, basis)


def fitted(widths: Sequence[int], logs: Tensor, law: Law | None = None) -> tuple[Tensor, Tensor]:
    """Exponents e and heights h of ``log W = h - e log N + k log log N``, by least squares.

    Args:
        widths: N.
        logs: ``(..., widths)``, logarithms of what falls.
        law: Where given, e and k are its own; else k is 0.
    """
    x = torch.tensor(widths, dtype=torch.float64).log()
    if law is None:
        centred = x - x.mean()
        exponents = -(logs @ centred) / (centred @ centred)
    else:
        logs = logs - law.logarithms * x.log()
        exponents = torch.full(logs.shape[:-1], law.exponent, dtype=torch.float64)
    return exponents, logs.mean(-1) + exponents * x.mean()


def resampled(values: Tensor, seed: int) -> Tensor:
    """Logarithms of means ``(1 + resamples, widths)``: of all repetitions, then of these redrawn.

    For what does not depend on the fit in a straight way, as the width at which it meets a value.
    """
    generator = torch.Generator().manual_seed(seed)
    count = values.shape[1]
    drawn = torch.randint(count, (_RESAMPLES, *values.shape), generator=generator)
    means = values.expand(_RESAMPLES, -1, -1).gather(2, drawn).mean(2)
    return torch.cat([values.mean(1, keepdim=True).mT, means]).clamp_min(_SMALLEST).log()


def interval(values: Sequence[float]) -> Estimate:
    """The first, and the middle 95 % of the others: what follows from `resampled`."""
    tails = torch.tensor([(1 - _LEVEL) / 2, (1 + _LEVEL) / 2], dtype=torch.float64)
    others = torch.tensor(values[1:], dtype=torch.float64)
    low, high = others.quantile(tails, interpolation="nearest").tolist()
    return Estimate(float(values[0]), low, high, _LEVEL, f"{len(others)} resamples")

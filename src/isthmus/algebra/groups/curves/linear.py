"""Curves of matrices: products of exponentials, and the shorter of two candidates."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch
from torch import Tensor

from isthmus.algebra.groups.curves.curve import Curve
from isthmus.algebra.groups.curves.logarithms import polar
from isthmus.algebra.groups.curves.stages import (
    Stage,
    frameless,
    principal,
    resting,
    stretching,
    turning,
)
from isthmus.algebra.groups.curves.steps import Exponential, Fixed, Spectrum, Step

if TYPE_CHECKING:
    from isthmus.algebra.groups.base import Character

Felt: TypeAlias = "Callable[[], tuple[Tensor, Tensor]]"
"""The Gram matrices, ``(*batch, n, n)``, of all that moves as g and of all that moves as g⁻ᵀ."""

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(7)


def linear_stages(matrix: Tensor, felt: tuple[Tensor, Tensor] | None) -> tuple[Stage, ...]:
    """The stages whose product leads from 1 to one matrix of GL⁺(n).

    The principal logarithm where it is real, else the two exponentials of the polar factors; where
    ``felt`` says what moves and both exist, the one on which that moves less far.
    """
    one = principal(matrix)
    if felt is None and (found := one or frameless(matrix)):
        return (found,)
    turn, stretch = polar(matrix)
    two = (turning(turn), stretching(stretch))
    if one is None or felt is None:
        return two
    return min((one,), two, key=lambda stages: _length(stages, felt))


def _length(stages: tuple[Stage, ...], felt: tuple[Tensor, Tensor]) -> float:
    """How far all moves for which ``felt`` holds the Gram matrices."""
    there = [(gram, dual) for dual, gram in enumerate(felt) if bool(gram.any())]
    squares = [_squared_speed(stages, gram, dual) for gram, dual in there]
    speeds = (sum(square((1 + node) / 2) for square in squares) for node in _NODES)
    return math.fsum(w / 2 * max(s, 0.0) ** 0.5 for w, s in zip(_WEIGHTS, speeds, strict=True))


def _squared_speed(stages: tuple[Stage, ...], gram: Tensor, dual: int) -> Callable[[float], float]:
    """``t ↦ ‖x'(t)‖²`` of ``x = g(t) x₀`` with ``x₀ x₀ᵀ = gram``: elementwise for each t.

    One stage: ``x' = F e^{tD} D F⁻¹ x₀``. Two, A skew and B symmetric: ``x' = e^{tA} (A + B) e^{tB}
    x₀``, of which the first factor changes no length; its inverse transpose has -B.
    """
    last = stages[-1]
    assert last.frame is not None
    frame, back = (last.back.mT, last.frame.mT) if dual else (last.frame, last.back)
    spectrum = last.spectrum.dual if dual else last.spectrum
    inside = back @ gram @ back.mT
    if len(stages) == 1:
        outside = frame.mT @ frame
        inside = spectrum.rate(spectrum.rate(inside, 0, ()), 1, ())
    else:
        sign = -1 if dual else 1
        moved = (stages[0].generator + sign * last.generator) @ frame
        outside = moved.mT @ moved

    def squared(t: float) -> float:
        return float((outside * spectrum.at(t, spectrum.at(t, inside, 0, ()), 1, ())).sum())

    return squared


def staged(each: Sequence[tuple[Stage, ...]], batch: Sequence[int], size: int) -> Curve:
    """One curve for a batch of matrices, each the product of its stages, the last acting first."""
    most = max(map(len, each), default=0)
    padded = [(resting(size),) * (most - len(stages)) + stages for stages in each]
    columns = [_stack(column, batch) for column in list(zip(*padded, strict=True))[::-1]]

    @cache
    def steps(dual: bool) -> tuple[Step, ...]:
        return _merged([step for column in columns for step in _steps(column, dual)])

    @cache
    def rate() -> float:
        norms = [torch.linalg.matrix_norm(c.generator, 2) for c in columns]
        return sum(float(norm.max()) for norm in norms if norm.numel())

    def at(t: float) -> Tensor:
        x = torch.eye(size, dtype=torch.float64).expand(*batch, size, size)
        for step in steps(False):
            x = step.at(t, x, len(batch), range(len(batch)))
        return x.contiguous()

    def steps_of(character: Character) -> tuple[Step, ...]:
        return steps(character.dual)

    return Curve(at, steps_of, lambda character: rate())


def _stack(stages: Sequence[Stage], batch: Sequence[int]) -> Stage:
    """A batch of stages as one; without frames where one of them has none."""

    def stacked(parts: Sequence[Tensor]) -> Tensor:
        return torch.stack(list(parts)).reshape(*batch, *parts[0].shape)

    spectra = [stage.spectrum for stage in stages]
    growth = stacked([s.growth for s in spectra])
    angle = stacked([_there(s.angle) for s in spectra])
    turns = bool((angle != 0).any())
    partner = stacked([_there(s.partner) for s in spectra])
    frames = [stage.frame for stage in stages if stage.frame is not None]
    return Stage(
        stacked([stage.generator for stage in stages]),
        stacked(frames) if len(frames) == len(stages) else None,
        stacked([stage.back for stage in stages]),
        Spectrum(growth, angle, partner) if turns else Spectrum(growth),
    )


def _there(part: Tensor | None) -> Tensor:
    assert part is not None
    return part


def _steps(stage: Stage, dual: bool) -> list[Step]:
    """Into the frame, along, and back out."""
    if stage.frame is None:
        return [Exponential(-stage.generator.mT if dual else stage.generator)]
    if dual:
        return [Fixed(stage.frame.mT), stage.spectrum.dual, Fixed(stage.back.mT)]
    return [Fixed(stage.back), stage.spectrum, Fixed(stage.frame)]


def _merged(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The same, with constant matrices that follow one another multiplied."""
    out: list[Step] = []
    for step in steps:
        last = out[-1] if out else None
        if isinstance(step, Fixed) and isinstance(last, Fixed):
            out[-1] = Fixed(step.matrix @ last.matrix)
        else:
            out.append(step)
    return tuple(out)

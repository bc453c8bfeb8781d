"""Stages: the logarithm X of a matrix with the frame in which ``exp(tX)`` is elementwise."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import final

import numpy as np
import scipy.linalg
import torch
from torch import Tensor

from isthmus.algebra.groups.curves.logarithms import half_turns, principal_log
from isthmus.algebra.groups.curves.steps import Spectrum
from isthmus.ground import matrices

WORST = 1e3
"""A frame of a larger condition number (Frobenius, per √n) loses 1e-12 in double precision."""


@final
@dataclass(frozen=True)
class Stage:
    """``X = frame spectrum back``, with ``back`` the inverse of ``frame``; all of one matrix.

    Attributes:
        generator: X, ``(n, n)``.
        frame: ``(n, n)``; None where no frame is well conditioned.
        back: Its inverse.
        spectrum: What X is there, ``(n,)`` each.
    """

    generator: Tensor
    frame: Tensor | None
    back: Tensor
    spectrum: Spectrum


def framed(frame: Tensor, back: Tensor, spectrum: Spectrum) -> Stage:
    """A stage from its frame."""
    return Stage(frame @ spectrum.rate(back, 0, ()), frame, back, spectrum)


def resting(size: int) -> Stage:
    """X = 0."""
    eye, zero = torch.eye(size, dtype=torch.float64), torch.zeros(size, dtype=torch.float64)
    return Stage(torch.zeros_like(eye), eye, eye, Spectrum(zero, zero, torch.arange(size)))


def turning(rotation: Tensor) -> Stage:
    """The skew logarithm of one matrix of SO(n), angles at most π, from one real Schur form."""
    upper, basis = scipy.linalg.schur(rotation.numpy(), output="real")
    angle, partner = half_turns(upper)
    frame = torch.from_numpy(basis)
    turn = torch.from_numpy(angle)
    return framed(frame, frame.mT, Spectrum(torch.zeros_like(turn), turn, torch.tensor(partner)))


def stretching(positive: Tensor) -> Stage:
    """The logarithm of a symmetric positive matrix."""
    values, vectors = matrices.symmetric(positive)
    zero = torch.zeros_like(values)
    spectrum = Spectrum(values.log(), zero, torch.arange(len(values)))
    return framed(vectors, vectors.mT, spectrum)


def principal(matrix: Tensor) -> Stage | None:
    """The real principal logarithm of one matrix.

    None where there is none, or no frame that is well conditioned.
    """
    values, vectors = np.linalg.eig(matrix.numpy())
    size = np.abs(values).max()
    near = np.abs(values.imag) < 1e-9 * size
    if (np.abs(values) < 1e-12 * size).any() or ((values.real < 0) & near).any():
        return None
    # Of each pair of conjugates, of which LAPACK gives the one above first: real, imaginary part.
    first = np.flatnonzero(values.imag > 0)
    frame = np.ascontiguousarray(vectors.real)
    frame[:, first + 1] = vectors.imag[:, first]
    partner = np.arange(len(values))
    partner[first], partner[first + 1] = first + 1, first
    spectrum = Spectrum(
        torch.from_numpy(np.log(np.abs(values))),
        torch.from_numpy(-np.angle(values)),
        torch.from_numpy(partner),
    )
    back, failed = torch.linalg.inv_ex(torch.from_numpy(frame))
    condition = float(back.square().sum().sqrt()) * float(np.linalg.norm(frame))
    if int(failed) or not condition <= WORST * math.sqrt(len(frame)):
        return None
    return framed(torch.from_numpy(frame), back, spectrum)


def frameless(matrix: Tensor) -> Stage | None:
    """The real principal logarithm of one matrix, as for one with a Jordan block."""
    log = principal_log(matrix)
    return None if log is None else replace(resting(len(log)), generator=log, frame=None)


def rotation_log(rotation: Tensor) -> Tensor:
    """The skew logarithm of one matrix of SO(n), angles at most π."""
    return turning(rotation).generator

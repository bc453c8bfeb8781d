"""Real logarithms of matrices and curves in GL⁺(n) and SO(n) (mathematics.md 1.15).

A real principal logarithm exists where no eigenvalue is on the negative axis; else the curve is
``exp(tA) exp(tB)`` of the polar factors, which always exists for positive determinant.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import scipy.linalg
import torch
from torch import Tensor

from isthmus.ground import matrices


def principal_log(matrix: Tensor) -> Tensor | None:
    """The real principal logarithm of one matrix, or None where there is none."""
    eigenvalues = np.linalg.eigvals(matrix.numpy())
    size = np.abs(eigenvalues).max()
    if (np.abs(eigenvalues) < 1e-12 * size).any():
        return None
    if ((eigenvalues.real < 0) & (np.abs(eigenvalues.imag) < 1e-9 * size)).any():
        return None
    with warnings.catch_warnings():  # it warns of its own error, which is checked below
        warnings.simplefilter("ignore", RuntimeWarning)
        log = np.asarray(scipy.linalg.logm(matrix.numpy()))
    if np.abs(log.imag).max() > 1e-9 * max(1.0, np.abs(log).max()):
        return None
    log = np.ascontiguousarray(log.real)
    back = scipy.linalg.expm(log)
    good = np.abs(back - matrix.numpy()).max() <= 1e-9 * np.abs(matrix.numpy()).max()
    return torch.from_numpy(log) if good else None


def rotation_log(rotation: Tensor) -> Tensor:
    """The skew logarithm of one matrix of SO(n), angles at most π.

    Real Schur form; eigenvalues -1 come in even number and are paired into half turns.
    """
    upper, basis = scipy.linalg.schur(rotation.numpy(), output="real")
    n = len(upper)
    skew = np.zeros_like(upper)
    halves: list[int] = []
    i = 0
    while i < n:
        if i + 1 < n and abs(upper[i + 1, i]) > 1e-12:
            angle = np.arctan2(upper[i + 1, i] - upper[i, i + 1], upper[i, i] + upper[i + 1, i + 1])
            skew[i + 1, i], skew[i, i + 1] = angle, -angle
            i += 2
            continue
        if upper[i, i] < 0:
            halves.append(i)
        i += 1
    for one, two in zip(halves[::2], halves[1::2], strict=True):
        skew[two, one], skew[one, two] = np.pi, -np.pi
    return torch.from_numpy(basis @ skew @ basis.T)


def polar(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """``matrix = Q P`` with ``Q`` orthogonal and ``P`` symmetric positive."""
    left, values, right = matrices.singular(matrix)
    return left @ right, right.mT @ (values.unsqueeze(-1) * right)


def symmetric_log(positive: Tensor) -> Tensor:
    """The logarithm of a symmetric positive matrix."""
    values, vectors = matrices.symmetric(positive)
    return vectors @ (values.log().unsqueeze(-1) * vectors.mT)


def reflection(matrix: Tensor) -> Tensor:
    """For negative determinant: a reflection ``r`` such that ``matrix r`` has positive determinant.

    The mirror is the eigenvector of eigenvalue -1 of the polar factor, so that the rest is as
    near the identity as can be.
    """
    turn, _ = polar(matrix)
    values, vectors = matrices.symmetric((turn + turn.mT) / 2)
    mirror = vectors[:, int(torch.argmin(values))]
    return torch.eye(len(matrix), dtype=matrix.dtype) - 2 * torch.outer(mirror, mirror)


def linear_curve(flow: Tensor) -> Callable[[float], Tensor]:
    """A curve from 1 to ``flow`` in GL⁺(n): one exponential if a real log exists, else two."""
    log = principal_log(flow)
    if log is not None:
        found = log
        return lambda t: matrices.exponential(t * found)
    turn, stretch = polar(flow)
    angle, growth = rotation_log(turn), symmetric_log(stretch)
    return lambda t: matrices.exponential(t * angle) @ matrices.exponential(t * growth)


def rotation_curve(flow: Tensor) -> Callable[[float], Tensor]:
    """The one-parameter group through ``flow`` in SO(n)."""
    angle = rotation_log(flow)
    return lambda t: matrices.exponential(t * angle)

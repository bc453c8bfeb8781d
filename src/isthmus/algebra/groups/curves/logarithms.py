"""Real logarithms of matrices of GL⁺(n) and SO(n) (mathematics.md 1.15).

A real principal logarithm exists where no eigenvalue is on the negative axis; else the curve is
``exp(tA) exp(tB)`` of the polar factors, which always exists for positive determinant.
"""

from __future__ import annotations

import warnings

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


def half_turns(upper: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Angle and partner of each coordinate, from the real Schur form of one matrix of SO(n).

    Eigenvalues -1 come in even number and are paired into half turns.
    """
    n = len(upper)
    angle, partner = np.zeros(n), np.arange(n)
    halves: list[int] = []
    i = 0
    while i < n:
        if i + 1 < n and abs(upper[i + 1, i]) > 1e-12:
            turn = np.arctan2(upper[i + 1, i] - upper[i, i + 1], upper[i, i] + upper[i + 1, i + 1])
            angle[i : i + 2], partner[i : i + 2] = (turn, -turn), (i + 1, i)
            i += 2
            continue
        if upper[i, i] < 0:
            halves.append(i)
        i += 1
    for one, two in zip(halves[::2], halves[1::2], strict=True):
        angle[[one, two]], partner[[one, two]] = (np.pi, -np.pi), (two, one)
    return angle, partner


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

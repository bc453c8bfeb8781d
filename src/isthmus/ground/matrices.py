"""Matrix functions that several floors use, with types (torch.linalg has none)."""

from __future__ import annotations

import torch
from torch import Tensor


def inverse(matrix: Tensor) -> Tensor:
    """``(*batch, n, n)`` inverses."""
    out: Tensor = torch.linalg.inv(matrix)
    return out


def exponential(matrix: Tensor) -> Tensor:
    """``(*batch, n, n)`` matrix exponentials."""
    out: Tensor = torch.linalg.matrix_exp(matrix)
    return out


def singular(matrix: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """``U, s, Vᵀ`` with ``matrix = U diag(s) Vᵀ``, thin."""
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    return left, values, right


def singular_values(matrix: Tensor) -> Tensor:
    """``(*batch, n)``, falling."""
    out: Tensor = torch.linalg.svdvals(matrix)
    return out


def symmetric(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues, rising, and eigenvectors of a symmetric matrix."""
    values, vectors = torch.linalg.eigh(matrix)
    return values, vectors


def factor(square: Tensor) -> Tensor:
    """R with ``R Rᵀ = square`` to 1e-12 of each diagonal entry, square positive semidefinite.

    By Cholesky, in the units of the diagonal; rows of which the diagonal is zero are zero.
    """
    size = square.diagonal().clamp_min(0).sqrt()
    back = torch.where(size > 0, 1 / size.clamp_min(1e-300), 0.0)
    unit = back.unsqueeze(1) * square * back
    lower, failed = torch.linalg.cholesky_ex(unit + 1e-12 * torch.eye(len(unit), dtype=unit.dtype))
    if int(failed):
        values, vectors = symmetric(unit)
        lower = vectors * values.clamp_min(0).sqrt()
    out: Tensor = size.unsqueeze(1) * lower
    return out


def triangular(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """``Q, R`` of the QR decomposition."""
    turn, upper = torch.linalg.qr(matrix)
    return turn, upper


def rotation(matrix: Tensor) -> Tensor:
    """The nearest orthogonal matrix: the polar factor (orthogonal Procrustes)."""
    left, _, right = singular(matrix)
    return left @ right


def orientation(matrix: Tensor) -> Tensor:
    """The signs of the determinants, ``(*batch,)``."""
    out: Tensor = torch.linalg.slogdet(matrix)[0]
    return out


def helmert(size: int) -> Tensor:
    """An orthonormal basis of the vectors that sum to zero, ``(size - 1, size)``, float64."""
    rows = torch.tril(torch.ones(size - 1, size, dtype=torch.float64))
    k = torch.arange(1, size, dtype=torch.float64)
    rows[torch.arange(size - 1), torch.arange(1, size)] = -k
    return rows / (k * (k + 1)).sqrt().unsqueeze(1)

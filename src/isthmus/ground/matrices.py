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


def symmetric(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues, rising, and eigenvectors of a symmetric matrix."""
    values, vectors = torch.linalg.eigh(matrix)
    return values, vectors


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

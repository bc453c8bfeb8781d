"""GL(n): minimise ``Σ |A - uB|² + Σ |A' - u⁻ᵀB'|²`` (mathematics.md 5.6)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from isthmus.algebra.groups import Character
from isthmus.ground import matrices

Rows = list[tuple[Character, Tensor, Tensor]]


def best_linear(rows: Rows, steps: int = 30) -> Tensor:
    """The best invertible matrix per batch entry.

    Candidates: the identity, Procrustes, and Procrustes between balanced forms (exact for planted
    elements); the best of them is polished by Gauss–Newton steps.
    """
    shape = rows[0][1].shape
    batch, n = shape[:-2], shape[-2]
    moments = [m.reshape(-1, n, n) for m in moments_of(rows)]
    found = [_one([m[k] for m in moments], steps) for k in range(len(moments[0]))]
    return torch.stack(found).reshape(*batch, n, n)


def moments_of(rows: Rows) -> list[Tensor]:
    """AAᵀ, ABᵀ, BBᵀ of the plain places and of the dual ones."""
    shape = (*rows[0][1].shape[:-2], rows[0][1].shape[-2], rows[0][1].shape[-2])
    out = [torch.zeros(shape, dtype=torch.float64) for _ in range(6)]
    for character, a, b in rows:
        a, b, k = a.double(), b.double(), 3 * int(character.dual)
        out[k] = out[k] + a @ a.mT
        out[k + 1] = out[k + 1] + a @ b.mT
        out[k + 2] = out[k + 2] + b @ b.mT
    return out


def _value(u: Tensor, moments: list[Tensor]) -> Tensor:
    _, cross, square, _, dual_cross, dual_square = moments
    back = matrices.inverse(u).mT
    plain = (u @ square * u).sum() - 2 * (u * cross).sum()
    return plain + (back @ dual_square * back).sum() - 2 * (back * dual_cross).sum()


def _one(moments: list[Tensor], steps: int) -> Tensor:
    n = len(moments[0])
    candidates = [torch.eye(n, dtype=torch.float64), matrices.rotation(moments[1] + moments[4])]
    balanced = _balanced_start(moments)
    if balanced is not None:
        candidates.append(balanced)
    if not bool(moments[5].any()) and _regular(moments[2]):
        candidates.append(moments[1] @ matrices.inverse(moments[2]))
    if not bool(moments[2].any()) and _regular(moments[5]):
        candidates.append(matrices.inverse(moments[4] @ matrices.inverse(moments[5])).mT)
    values = [float(_value(u, moments)) for u in candidates]
    pick = min(range(len(values)), key=values.__getitem__)
    size = float(moments[0].trace() + moments[3].trace())
    if values[pick] + size <= 1e-13 * size:
        return candidates[pick]
    polished = _polish(candidates[pick], moments, steps)
    value = float(_value(polished, moments))
    if value < values[pick] and torch.linalg.cond(polished) < 1e8:
        return polished
    return candidates[pick]


def _regular(square: Tensor) -> bool:
    values = torch.linalg.eigvalsh(square)
    return bool(values[0] > 1e-10 * values[-1])


def balance(plain: Tensor, dual: Tensor) -> Tensor | None:
    """``h`` with ``h P hᵀ = h⁻ᵀ D h⁻¹``: the gauge of least norm."""
    if not (_regular(plain) and _regular(dual)):
        return None
    root = _root(plain)
    back = matrices.inverse(root)
    return _root(back @ _root(root @ dual @ root) @ back)


def _root(square: Tensor) -> Tensor:
    values, vectors = matrices.symmetric((square + square.mT) / 2)
    return vectors @ (values.clamp_min(0).sqrt().unsqueeze(-1) * vectors.mT)


def _balanced_start(moments: list[Tensor]) -> Tensor | None:
    """Balance both sides, rotate one to the other."""
    target, source = balance(moments[0], moments[3]), balance(moments[2], moments[5])
    if target is None or source is None:
        return None
    plain = target @ moments[1] @ source.mT
    dual = matrices.inverse(target).mT @ moments[4] @ matrices.inverse(source)
    return matrices.inverse(target) @ matrices.rotation(plain + dual) @ source


def _polish(start: Tensor, moments: list[Tensor], steps: int) -> Tensor:
    """Gauss–Newton steps on ``u ← (1 + X) u``, halved where they do not lower the cost.

    To first order the residuals are linear in X, and the normal equations are the Sylvester
    equation ``M'M'ᵀ X + X M Mᵀ = (A - M) Mᵀ - M' (A' - M')ᵀ`` with ``M = uB``, ``M' = u⁻ᵀB'``.
    """
    _, cross, square, _, dual_cross, dual_square = moments
    u, worth = start, float(_value(start, moments))
    eye = torch.eye(len(start), dtype=torch.float64)
    for _ in range(steps):
        back = matrices.inverse(u).mT
        plain, dual = u @ square @ u.mT, back @ dual_square @ back.mT
        right = cross @ u.mT - plain - (back @ dual_cross.mT - dual)
        change = _sylvester(dual, plain, right)
        if change is None:
            return u
        better = None
        for halving in range(12):
            tried = (eye + change * 0.5**halving) @ u
            value = float(_value(tried, moments)) if _regular(tried @ tried.mT) else math.inf
            if value < worth:
                better = tried
                break
        if better is None:
            return u
        u, worth = better, value
    return u


def _sylvester(left: Tensor, right: Tensor, target: Tensor) -> Tensor | None:
    """Solve ``left X + X right = target`` for symmetric sides; None where that is singular."""
    one, basis = matrices.symmetric((left + left.mT) / 2)
    two, other = matrices.symmetric((right + right.mT) / 2)
    sums = one.unsqueeze(1) + two
    if not bool((sums > 1e-12 * sums.max()).all()):
        return None
    return basis @ ((basis.mT @ target @ other) / sums) @ other.mT

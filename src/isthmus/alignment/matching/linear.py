"""GL(n): minimise ``Σ |A - uB|² + Σ |A' - u⁻ᵀB'|²`` (mathematics.md 5.6)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from isthmus.algebra.groups import Character
from isthmus.ground import matrices

Rows = list[tuple[Character, Tensor, Tensor]]


def best_linear(rows: Rows, steps: int = 1) -> Tensor:
    """The best invertible matrix per batch entry.

    Candidates: the identity, Procrustes, Procrustes between balanced forms (exact for planted
    elements where both sides have full rank), least squares with one side solved for (exact for
    all planted elements); the best is polished by Gauss–Newton.
    """
    shape = rows[0][1].shape
    batch, n = shape[:-2], shape[-2]
    moments = [m.reshape(-1, n, n) for m in moments_of(rows)]
    best = torch.eye(n, dtype=torch.float64).expand_as(moments[0])
    worth = _value(best, moments)
    for tried in _candidates(moments):
        best, worth = _better(best, worth, tried, moments)
    return _polish(best, worth, moments, steps).reshape(*batch, n, n)


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
    """The cost up to a constant, ``(batch,)``."""
    _, cross, square, _, dual_cross, dual_square = moments
    back = matrices.inverse(u).mT
    plain = (u @ square * u).sum((-1, -2)) - 2 * (u * cross).sum((-1, -2))
    dual = (back @ dual_square * back).sum((-1, -2)) - 2 * (back * dual_cross).sum((-1, -2))
    return plain + dual


def _better(
    best: Tensor, worth: Tensor, tried: Tensor, moments: list[Tensor]
) -> tuple[Tensor, Tensor]:
    """Entry by entry the better of two; what is close to singular is no candidate."""
    regular = _regular(tried @ tried.mT)
    eye = torch.eye(tried.shape[-1], dtype=torch.float64)
    tried = torch.where(regular[:, None, None], tried, eye)
    value = _value(tried, moments)
    lower = regular & (value < worth)
    return torch.where(lower[:, None, None], tried, best), torch.where(lower, value, worth)


def _candidates(moments: list[Tensor]) -> Iterator[Tensor]:
    plain, cross, square, dual, dual_cross, dual_square = moments
    turn = matrices.rotation(cross + dual_cross)
    yield turn
    target, source = balance(plain, dual), balance(square, dual_square)
    back = matrices.inverse(target).mT
    both = target @ cross @ source.mT + back @ dual_cross @ matrices.inverse(source)
    yield matrices.inverse(target) @ matrices.rotation(both) @ source
    # |A - uB|² + |uᵀA' - B'|² is a square in u, and 0 where a planted u is: of full rank or not.
    yield turn + _sylvester(dual, square, cross + dual_cross - dual @ turn - turn @ square)
    v = turn + _sylvester(
        plain, dual_square, cross + dual_cross - plain @ turn - turn @ dual_square
    )
    sound = _regular(v @ v.mT)[:, None, None]
    yield torch.where(sound, matrices.inverse(torch.where(sound, v, turn)).mT, turn)


def _regular(square: Tensor) -> Tensor:
    """Whether Gram matrices have full rank, ``(batch,)``."""
    values: Tensor = torch.linalg.eigvalsh(square)
    return values[..., 0] > 1e-10 * values[..., -1]


def balanceable(rows: Rows) -> bool:
    """Whether plain and dual places have full rank, of the target and of the moved."""
    moments = moments_of(rows)
    return all(bool(_regular(moments[k]).all()) for k in (0, 2, 3, 5))


def balance(plain: Tensor, dual: Tensor) -> Tensor:
    """``h`` with ``h P hᵀ = h⁻ᵀ D h⁻¹``: the gauge of least norm; 1 where a side is singular.

    Both ``(*batch, n, n)``.
    """
    sound = (_regular(plain) & _regular(dual))[..., None, None]
    eye = torch.eye(plain.shape[-1], dtype=torch.float64)
    plain, dual = torch.where(sound, plain, eye), torch.where(sound, dual, eye)
    root = _root(plain)
    back = matrices.inverse(root)
    return _root(back @ _root(root @ dual @ root) @ back)


def _root(square: Tensor) -> Tensor:
    values, vectors = matrices.symmetric((square + square.mT) / 2)
    return vectors @ (values.clamp_min(0).sqrt().unsqueeze(-1) * vectors.mT)


def _polish(best: Tensor, worth: Tensor, moments: list[Tensor], steps: int) -> Tensor:
    """Gauss–Newton steps on ``u ← (1 + X) u``, shortened where they do not lower the cost.

    To first order the residuals are linear in X, and the normal equations are the Sylvester
    equation ``M'M'ᵀ X + X M Mᵀ = (A - M) Mᵀ - M' (A' - M')ᵀ`` with ``M = uB``, ``M' = u⁻ᵀB'``.
    """
    _, cross, square, _, dual_cross, dual_square = moments
    eye = torch.eye(best.shape[-1], dtype=torch.float64)
    for _ in range(steps):
        back = matrices.inverse(best).mT
        plain, dual = best @ square @ best.mT, back @ dual_square @ back.mT
        right = cross @ best.mT - plain - (back @ dual_cross.mT - dual)
        change, before = _sylvester(dual, plain, right), worth
        for length in (1.0, 0.25, 0.05):
            tried, value = _better(best, worth, (eye + length * change) @ best, moments)
            # An entry that a longer step has improved is left alone.
            fresh = (worth == before)[:, None, None]
            best, worth = torch.where(fresh, tried, best), torch.where(fresh[:, 0, 0], value, worth)
        if not bool((worth < before).any()):
            break
    return best


def _sylvester(left: Tensor, right: Tensor, target: Tensor) -> Tensor:
    """Solve ``left X + X right = target`` for symmetric sides, by least squares."""
    one, basis = matrices.symmetric((left + left.mT) / 2)
    two, other = matrices.symmetric((right + right.mT) / 2)
    sums = one.unsqueeze(-1) + two.unsqueeze(-2)
    inside = basis.mT @ target @ other
    floor = 1e-12 * sums.amax((-1, -2), keepdim=True)
    return basis @ torch.where(sums > floor, inside / sums, 0.0) @ other.mT

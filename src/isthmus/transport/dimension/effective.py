"""effective_dimension: ``tr(S)² / tr(S²)``, how many directions carry a cloud's size."""

from __future__ import annotations

import torch
from torch import Tensor

from isthmus.ground.errors import BadInput, NotFinite, ShapeMismatch
from isthmus.transport.estimate import Estimate, check_level


def effective_dimension(
    rows: Tensor, *, centred: bool = False, unbiased: bool = False, level: float = 0.95
) -> Estimate:
    """The effective dimension of a cloud of points (mathematics.md 2.7), with its interval.

    S is the second moment of the rows: of the atoms of `neurons` without biases it is ``WᵀW``, the
    paper's naive one, or in the metric of data that with the eigenvalues of ``W Σ Wᵀ``; of
    `activations` it is ``Σ``. It is 1 for points on a line through the origin and d for a round
    cloud in d dimensions; n points of such a cloud give about ``n d / (n + d)``.

    The interval is the jackknife's (Tukey 1958), each row left out once: rows are taken as
    independent draws.

    Args:
        rows: points, ``(n, d)``, n at least 3.
        centred: take the mean of the rows away first.
        unbiased: estimate the dimension of the law that the rows were drawn from: a row is not
            compared with itself. The plain one describes the rows at hand, as in the paper.
        level: of the interval.

    Raises:
        BadInput: there are fewer than 3 rows, or all are 0.
        NotFinite: an entry is NaN or infinite.
        ShapeMismatch: the rows are no matrix.
    """
    check_level(level)
    if rows.dim() != 2:
        raise ShapeMismatch(f"rows of shape {tuple(rows.shape)}", "give one row for each point")
    if len(rows) < 3:
        raise BadInput(f"{len(rows)} points have no interval", "give at least 3")
    if not bool(torch.isfinite(rows).all()):
        raise NotFinite("a point is NaN or infinite", "give finite points")
    x = rows.detach().double()
    x = x - x.mean(0) if centred else x
    own = x.square().sum(1)
    if not float(own.sum()):
        raise BadInput("all points are 0", "a dimension needs points that differ")
    with_all = _with_all(x)
    whole, left_out = _ratios(own, with_all, unbiased)
    n = len(rows)
    error = ((n - 1) / n * (left_out - left_out.mean()).square().sum()).sqrt()
    basis = f"jackknife over {n} independent rows"
    return Estimate.normal(float(whole), float(error), level, basis)


def trace_ratio(moment: Tensor) -> float:
    """``tr(S)² / tr(S²)`` of a symmetric matrix: between 1 and its rank (mathematics.md 2.7).

    The value of `effective_dimension` for rows X is that of ``Xᵀ X``, and of ``X Xᵀ``.

    Args:
        moment: S, ``(d, d)``.
    """
    wide = moment.detach().double()
    return float(wide.trace() ** 2 / wide.square().sum())


def _with_all(x: Tensor) -> Tensor:
    """``Σ_j (x_i·x_j)²`` for each i, by the smaller of the two Gram matrices."""
    n, d = x.shape
    if n <= d:
        return (x @ x.mT).square().sum(1)
    return (x @ (x.mT @ x) * x).sum(1)


def _ratios(own: Tensor, with_all: Tensor, unbiased: bool) -> tuple[Tensor, Tensor]:
    """The ratio of all rows, and that without each of them, ``(n,)``."""
    trace, square = own.sum(), with_all.sum()
    traces = torch.cat([trace[None], trace - own])
    squares = torch.cat([square[None], square - 2 * with_all + own.square()])
    selves = torch.cat([own.square().sum()[None], own.square().sum() - own.square()])
    above = traces.square() - selves if unbiased else traces.square()
    ratios = above / (squares - selves if unbiased else squares)
    return ratios[0], ratios[1:]

"""Taylor's formula on a line: what second derivatives of the loss say of a barrier."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

import numpy as np
import torch
from torch import Tensor

from isthmus.ground import BadInput, Params, Result, is_real_valued
from isthmus.landscape.dynamics.slopes import hessian_times
from isthmus.landscape.geometry import dot
from isthmus.landscape.loss import Loss
from isthmus.landscape.straight import Line


@final
@dataclass(frozen=True)
class TaylorBarrier(Result):
    """How far the loss at a point of a line is above the chord, and what predicts it.

    Attributes:
        at: The t of the point.
        measured: The loss there minus the chord of the end losses: negative where it is below.
        estimate: What the second derivative there predicts: ``-t (1 - t) / 2 dᵀ H d``, which at
            the middle is ``-1/8 dᵀ H d``.
        integral: What all second derivatives on the line predict. For a smooth network that is
            what is measured, by Taylor's formula; where ReLU bends, slopes jump, and no second
            derivative sees it.
        error: How far the integral is from that with half the nodes.
        ts: The nodes of the integral.
        curvatures: ``dᵀ H(t) d`` at the nodes.
    """

    at: float
    measured: float
    estimate: float
    integral: float
    error: float
    ts: tuple[float, ...] = field(repr=False)
    curvatures: tuple[float, ...] = field(repr=False)

    @property
    def jumps(self) -> float:
        """What of the measured height comes from jumps of the slope: 0 for smooth networks."""
        return self.measured - self.integral

    def __str__(self) -> str:
        return (
            f"at t = {self.at:.3g} the loss is {self.measured:.4g} above the chord; the second "
            f"derivative there predicts {self.estimate:.4g}, all on the line "
            f"{self.integral:.4g} (± {self.error:.1g})"
        )


def taylor_barrier(loss: Loss, line: Line, at: float = 0.5, nodes: int = 16) -> TaylorBarrier:
    """What second derivatives of the loss predict of its height on a line.

    With d = b - a and H(t) the Hessian at (1 - t) a + t b,

        ``L(s) - (1 - s) L(0) - s L(1) = -∫ min(t (1 - s), s (1 - t)) dᵀ H(t) d dt``,

    and with H constant the right side is ``-s (1 - s) / 2 dᵀ H d``. That H at the middle alone
    estimates a barrier is the picture of Singh et al. 2024. Everything that moves on the line
    counts, also what a BatchNorm measured.

    Args:
        loss: Model, batches and a criterion with second derivatives; with ``dtype=torch.float64``
            formula and measurement agree to rounding.
        line: Between two models.
        at: s, where the height is predicted; 0.5 is the middle.
        nodes: Of the Gauss-Legendre rule on each side of ``at``; each takes a product with H.

    Raises:
        BadInput: ``at`` is not inside (0, 1), there are fewer than two nodes, or the data do not
            fit the model.
        NotFinite: A loss is not finite.
        UnknownName: The line is not of the loss's model; so ShapeMismatch.
    """
    if not 0 < at < 1:
        raise BadInput(f"at is {at}, expected a number inside (0, 1)", "0.5 is the middle")
    if nodes < 2:
        raise BadInput(f"nodes is {nodes}, expected at least 2", "16 are good for smooth networks")
    line = Line(_wide(line.a, loss.dtype), _wide(line.b, loss.dtype))
    velocity = line.jet(0.5, 1)[1]

    def curvature(t: float) -> float:
        return dot(velocity, hessian_times(loss, line(t), velocity))

    found = [one.loss for one in loss.along(line, [0.0, at, 1.0])]
    integral, ts, curvatures = _height(curvature, at, nodes)
    return TaylorBarrier(
        at=at,
        measured=found[1] - (1 - at) * found[0] - at * found[2],
        estimate=-at * (1 - at) / 2 * curvature(at),
        integral=integral,
        error=abs(integral - _height(curvature, at, nodes // 2)[0]),
        ts=ts,
        curvatures=curvatures,
    )


def _height(
    curvature: Callable[[float], float], at: float, nodes: int
) -> tuple[float, tuple[float, ...], tuple[float, ...]]:
    """The integral with the kernel, its nodes, and the curvatures there; each side by itself."""
    places, shares = (0.5 * x for x in np.polynomial.legendre.leggauss(nodes))
    sides = [(0.0, at), (at, 1.0)]
    ts = [float(a + (b - a) * (0.5 + x)) for a, b in sides for x in places]
    weights = [float((b - a) * w) for a, b in sides for w in shares]
    found = [curvature(t) for t in ts]
    kernel = [min(t * (1 - at), at * (1 - t)) for t in ts]
    return -_product(weights, kernel, found), tuple(ts), tuple(found)


def _product(*factors: Sequence[float]) -> float:
    return math.fsum(math.prod(parts) for parts in zip(*factors, strict=True))


def _wide(params: Mapping[str, Tensor], dtype: torch.dtype | None) -> Params:
    """In the dtype of the loss, so that points of the line are not rounded to that of a file."""
    return {n: x.to(dtype) if dtype and is_real_valued(x) else x for n, x in params.items()}

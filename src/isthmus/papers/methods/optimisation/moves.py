"""What a move along the orbit does to a network: outputs, gradient, curvature, descent."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from isthmus.algebra import Symmetry
from isthmus.algebra.elements import Element
from isthmus.ground import Params
from isthmus.landscape import Flattest, Loss, Steepest
from isthmus.landscape.dynamics.charges import Pairing
from isthmus.landscape.dynamics.slopes import gradient


def changed(model: nn.Module, x: Tensor, start: Params, moved: Params) -> float:
    """The largest change of an output on ``x``, relative to the largest output."""
    first, last = (
        torch.func.functional_call(model, point, (x,)).detach() for point in (start, moved)
    )
    return float((last - first).abs().max() / first.abs().max())


def length(vector: Mapping[str, Tensor]) -> float:
    """The norm of all tensors together."""
    return float(torch.cat([part.flatten() for part in vector.values()]).norm())


def trace(loss: Loss, point: Params, symmetry: Symmetry) -> float:
    """The Hessian's trace at a point, by the same probes wherever it is asked."""
    figure, _ = Flattest(probes=64, seed=7)(loss, point, Pairing(symmetry, point), 0)
    return figure


def slope(loss: Loss, start: Params, pairing: Pairing, step: float = 1e-5) -> float:
    """The slope of ``½‖∇L‖²`` along a random direction of the group, against differences of it."""
    draw = torch.Generator().manual_seed(0)
    symmetry = pairing.symmetry
    _, slopes = Steepest()(loss, start, pairing, 0)
    square = length(gradient(loss, start, start)) ** 2
    along = {n: torch.randn(s.shape, generator=draw).double() for n, s in slopes.items()}
    wanted = -square * sum(float((slopes[n] * along[n]).sum()) for n in slopes)
    squares = []
    for sign in (1, -1):
        values = {n: symmetry.spaces[n].group.exp(sign * step * part) for n, part in along.items()}
        element = Element(symmetry, {**symmetry.identity().values, **values})
        squares.append(length(gradient(loss, symmetry.act(element, start), start)) ** 2)
    found = (squares[0] - squares[1]) / (4 * step)
    return abs(found / wanted - 1)


def descent(loss: Loss, start: Params, steps: int, rate: float) -> Tensor:
    """The losses along gradient descent."""
    point, found = start, [loss(start)]
    for _ in range(steps):
        slopes = gradient(loss, point, point)
        point = {name: tensor - rate * slopes[name] for name, tensor in point.items()}
        found.append(loss(point))
    return torch.tensor(found, dtype=torch.float64)

"""Speed, curvature and length of a path, from its derivatives by t."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import numpy as np
import scipy.integrate
import torch
from torch import Tensor

from isthmus.ground import Params, norm
from isthmus.ground.params import is_real_valued

_NODES = 5


def differences(path: Callable[[float], Params], t: float, order: int) -> list[Params]:
    """The point at ``t`` and its derivatives, of the polynomial through five points nearby.

    To about 1e-11 for the first and 1e-8 for the second derivative in double precision, where the
    path is smooth and of unit scale; to 1e-5 and 1e-3 in single precision.
    """
    here = path(t)
    double = all(x.dtype == torch.float64 for x in here.values() if is_real_valued(x))
    step = 2e-3 if double else 3e-2
    first = min(max(t - 2 * step, 0.0), 1 - 4 * step)
    places = [first + k * step for k in range(_NODES)]
    powers = np.vander([(s - t) / step for s in places], increasing=True)
    weights = np.linalg.inv(powers)  # row k: the k-th coefficient in units of the step
    points = [path(s) for s in places]
    out = [{name: x for name, x in here.items() if is_real_valued(x)}]
    for k in range(1, order + 1):
        scale = math.factorial(k) / step**k
        row = [scale * float(w) for w in weights[k]]
        out.append({name: _mixed(row, [p[name] for p in points]) for name in out[0]})
    return out


def derivatives(point: Callable[[Tensor], Params], order: int) -> list[Params]:
    """The value at 0 of a differentiable function of one number, and its derivatives (jvp)."""
    zero, one = torch.zeros((), dtype=torch.float64), torch.ones((), dtype=torch.float64)
    out, current = [point(zero)], point
    with warnings.catch_warnings():  # torch's own, when it first loads forward mode
        warnings.filterwarnings("ignore", ".*torch.jit.script", DeprecationWarning)
        for _ in range(order):
            current = _derivative(current, one)
            out.append(current(zero))
    return out


def _derivative(point: Callable[[Tensor], Params], one: Tensor) -> Callable[[Tensor], Params]:
    def slope(s: Tensor) -> Params:
        found: Params = torch.func.jvp(point, (s,), (one,))[1]
        return found

    return slope


def _mixed(weights: Sequence[float], points: Sequence[Tensor]) -> Tensor:
    wide = [x.to(torch.promote_types(x.dtype, torch.float64)) for x in points]
    return torch.stack([w * x for w, x in zip(weights, wide, strict=True)]).sum(0)


def curvature(velocity: Mapping[str, Tensor], acceleration: Mapping[str, Tensor]) -> float:
    """``‖γ'' - <γ'', T> T‖ / ‖γ'‖²`` with ``T = γ' / ‖γ'‖``; 0 where nothing moves."""
    square = norm(velocity) ** 2
    return across(velocity, acceleration) / square if square else 0.0


def across(velocity: Mapping[str, Tensor], acceleration: Mapping[str, Tensor]) -> float:
    """How long the part of the acceleration is that is orthogonal to the velocity."""
    square = norm(velocity) ** 2
    along = dot(velocity, acceleration) / square if square else 0.0
    return norm({n: x - along * velocity[n] for n, x in acceleration.items()})


def dot(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> float:
    """The inner product of two changes of Params, in float64."""
    return math.fsum(
        float((x.double() * b[name].double()).sum()) for name, x in a.items() if is_real_valued(x)
    )


def length(speed: Callable[[float], float], places: Sequence[float]) -> float:
    """The integral of the speed from the first to the last place, each piece by itself."""
    found = [
        scipy.integrate.quad(speed, a, b, epsabs=0, epsrel=1e-9, limit=20, full_output=True)[0]
        for a, b in pairwise(places)
    ]
    return math.fsum(found)

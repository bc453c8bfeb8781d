"""Merging on spheres: directions by great circles, lengths by their mean.

The mean of models that point apart is shorter than they are; here each tensor keeps its length.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from isthmus.ground import BadInput, Params, is_real_valued
from isthmus.merging.average import Average
from isthmus.merging.mergers import AbstractMerger

_PARALLEL = 1e-6
"""Radians: where an angle is smaller, the circle is a straight line to float64's precision."""


@final
@dataclass(frozen=True)
class KarcherMean(AbstractMerger):
    """The mean of directions on the sphere, tensor by tensor, times the mean length.

    The point whose logarithms to all models, weighted, sum to zero, found by the fixed-point
    iteration of Karcher means. Of two models it lies on the great circle between them: `Slerp`.
    Tensors that are zero in a model are averaged; integer tensors are the first's.

    Args:
        weights: As of `Average`.
        steps: The most iterations for a tensor.

    Raises:
        BadInput: On a call: directions of a tensor are opposite to their mean, which is then not
            defined; or as of `Average`.
    """

    weights: Sequence[float] | None = None
    steps: int = 100

    def __post_init__(self) -> None:
        Average(self.weights)

    def __call__(self, models: Sequence[Mapping[str, Tensor]]) -> Params:
        """The merged Params."""
        out = Average(self.weights)(models)
        given = self.weights or [1.0] * len(models)
        shares = torch.tensor(given, dtype=torch.float64) / math.fsum(given)
        for name, mean in out.items():
            if is_real_valued(mean):
                held = [model[name] for model in models]
                rows = torch.stack([_flat(one) for one in held])
                found = self._mean(rows, shares.to(rows), name)
                if found is not None:
                    out[name] = _shaped(found, mean)
        return out

    def _mean(self, rows: Tensor, shares: Tensor, name: str) -> Tensor | None:
        """The spherical mean of rows; None where it is the plain mean."""
        rows, shares = rows[shares > 0], shares[shares > 0]
        lengths = torch.linalg.vector_norm(rows, dim=1)
        if not bool((lengths > 0).all()):
            return None
        units = rows / lengths.unsqueeze(1)
        middle = shares @ units
        if float(middle.norm()) < _PARALLEL:
            raise BadInput(
                f"the directions of {name!r} cancel: they have no mean on the sphere",
                "align the models first, or use Average",
            )
        middle = middle / middle.norm()
        for _ in range(self.steps):
            angles = _angles(units, middle)
            if float(angles.max()) < _PARALLEL:
                return None
            towards = units - torch.cos(angles).unsqueeze(1) * middle
            tangent = (shares / torch.sinc(angles / math.pi)) @ towards
            turn = float(tangent.norm())
            if turn < 1e-15:
                break
            middle = math.cos(turn) * middle + math.sin(turn) * tangent / turn
            middle = middle / middle.norm()
        found: Tensor = (shares @ lengths) * middle
        return found


@final
@dataclass(frozen=True)
class Slerp(AbstractMerger):
    """Two models, tensor by tensor along the great circle of their directions (Shoemake 1985).

    ``[sin((1-t)Ω) a + sin(tΩ) b] / sin Ω`` of unit directions, times ``(1-t)|a| + t|b|``.

    Args:
        t: 0 is the first model, 1 the second.

    Raises:
        BadInput: ``t`` is not in [0, 1]; on a call, there are not two models, or as `KarcherMean`.
    """

    t: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.t <= 1:
            raise BadInput(f"t is {self.t}, expected a number in [0, 1]", "give 0.5, say")

    def __call__(self, models: Sequence[Mapping[str, Tensor]]) -> Params:
        """The merged Params."""
        if len(models) != 2:
            raise BadInput(f"{len(models)} models, expected two", "use KarcherMean for more")
        return KarcherMean((1 - self.t, self.t))(models)


def _angles(units: Tensor, middle: Tensor) -> Tensor:
    """Between each row and a unit vector; as exact for small angles as for large ones."""
    apart, along = (units - middle).norm(dim=1), (units + middle).norm(dim=1)
    return 2 * torch.atan2(apart, along)


def _flat(tensor: Tensor) -> Tensor:
    if tensor.is_complex():
        return torch.view_as_real(tensor.to(torch.complex128)).flatten()
    return tensor.double().flatten()


def _shaped(flat: Tensor, like: Tensor) -> Tensor:
    if like.is_complex():
        return torch.view_as_complex(flat.reshape(*like.shape, 2)).to(like.dtype)
    return flat.reshape(like.shape).to(like.dtype)

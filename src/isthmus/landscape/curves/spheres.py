"""Spheres: paths and curves on which neurons keep their norms, or tensors their variances."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

import torch
from torch import Tensor

from isthmus.ground import BadInput, Params
from isthmus.ground.params import is_statistic, lerp
from isthmus.landscape.curves.training import TrainingRecord
from isthmus.landscape.paths import AbstractPath, Jump, require_alike


@dataclass(frozen=True)
class Spheres(ABC):
    """Which numbers of a weight lie on one sphere, and around what.

    Weights are tensors with at least two axes; all others, as biases, are on no sphere.
    """

    def lie_on(self, name: str, tensor: Tensor) -> bool:
        """Whether the numbers of a tensor lie on spheres."""
        return tensor.dim() > 1 and tensor.is_floating_point() and not is_statistic(name)

    @abstractmethod
    def rows(self, tensor: Tensor) -> Tensor:
        """The tensor as ``(spheres, numbers)``."""

    @abstractmethod
    def centre(self, rows: Tensor) -> Tensor:
        """The middle of every sphere, ``(spheres, 1)``."""

    def radii(self, tensor: Tensor) -> Tensor:
        """The distance of every row from its centre, ``(spheres,)``."""
        rows = self.rows(tensor)
        found: Tensor = torch.linalg.vector_norm(rows - self.centre(rows), dim=1)
        return found

    def retract(self, tensor: Tensor, radii: Tensor) -> Tensor:
        """Every row moved along its ray to the sphere of this radius; one at the centre stays."""
        rows = self.rows(tensor)
        centre = self.centre(rows)
        moved = rows - centre
        found = torch.linalg.vector_norm(moved, dim=1)
        scale = torch.where(found > 0, radii / found, 1.0)
        return (centre + moved * scale[:, None]).view(tensor.shape)

    def pull_back(self, tensor: Tensor, radii: Tensor, grad: Tensor) -> Tensor:
        """The gradient by ``tensor`` of what has the gradient ``grad`` by its retraction."""
        rows, slopes = self.rows(tensor), self.rows(grad)
        moved = rows - self.centre(rows)
        found = torch.linalg.vector_norm(moved, dim=1, keepdim=True)
        ray = moved / found.clamp_min(torch.finfo(found.dtype).tiny)
        still = self.centre(slopes)
        across = slopes - still - ray * (ray * slopes).sum(1, keepdim=True)
        scale = torch.where(found > 0, radii[:, None] / found, 1.0)
        back: Tensor = still + scale * across
        return back.view(tensor.shape)


@final
@dataclass(frozen=True)
class NeuronSpheres(Spheres):
    """A sphere around 0 for each neuron: for all that it reads, a row of its weight."""

    def rows(self, tensor: Tensor) -> Tensor:
        """One for each index of the first axis."""
        return tensor.reshape(len(tensor), -1)

    def centre(self, rows: Tensor) -> Tensor:
        """The origin."""
        return rows.new_zeros(len(rows), 1)


@final
@dataclass(frozen=True)
class VarianceSpheres(Spheres):
    """A sphere for each weight, around its mean: on it the variance is constant (Tian et al. 2026).

    Between independent models a straight line takes the variance of a layer down, and with it all
    that the layer says.
    """

    def rows(self, tensor: Tensor) -> Tensor:
        """One."""
        return tensor.reshape(1, -1)

    def centre(self, rows: Tensor) -> Tensor:
        """The mean."""
        return rows.mean(1, keepdim=True)


@final
@dataclass(frozen=True, eq=False)
class OnSpheres(AbstractPath):
    """``path`` with every weight moved to the spheres whose radii go evenly from end to end.

    Args:
        path: Any path; its ends stay as they are, to the last bit.
        spheres: Which.
    """

    path: AbstractPath
    spheres: Spheres

    @property
    def record(self) -> TrainingRecord | None:
        """How the path was trained, if it was."""
        return getattr(self.path, "record", None)

    @property
    def kind(self) -> str:
        """That of the path, and on what."""
        return f"{self.path.kind} on spheres"

    @property
    def ends(self) -> tuple[Mapping[str, Tensor], Mapping[str, Tensor]]:
        """Those of the path."""
        return self.path.ends

    @property
    def jumps(self) -> tuple[Jump, ...]:
        """Those of the path."""
        return self.path.jumps

    @property
    def breaks(self) -> tuple[float, ...]:
        """Those of the path."""
        return self.path.breaks

    @cached_property
    def _radii(self) -> tuple[Params, Params]:
        return radii_of(self.path.start, self.spheres), radii_of(self.path.end, self.spheres)

    def _at(self, t: float) -> Params:
        point = self.path(t)
        if t in (0, 1):
            return point
        radii = lerp(*self._radii, t)
        return point | {n: self.spheres.retract(point[n], radius) for n, radius in radii.items()}


@final
@dataclass(frozen=True, eq=False)
class GreatCircles(AbstractPath):
    """From ``a`` to ``b``, every row of a weight at constant speed along a great circle.

    On spheres it is the shortest way: with `NeuronSpheres` a geodesic between neurons of fixed
    norms. Radii and centres, and all that is on no sphere, go straight.

    Raises:
        BadInput: A row points exactly away from its namesake: no circle is the shortest.
        UnknownName: The names differ; so ShapeMismatch and DtypeMismatch.
    """

    a: Mapping[str, Tensor]
    b: Mapping[str, Tensor]
    spheres: Spheres
    kind = "great circles"

    def __post_init__(self) -> None:
        require_alike(self.a, self.b)
        for name, tensor in self.a.items():
            if self.spheres.lie_on(name, tensor):
                opposite = self._cosines(name) <= -1 + 1e-12
                if opposite.any():
                    raise BadInput(
                        f"{name!r}: row {int(opposite.int().argmax())} of one end points exactly "
                        "away from that of the other",
                        "align the models first, or flip the sign of one of the two",
                    )

    def _rays(self, name: str) -> tuple[Tensor, Tensor]:
        """Unit vectors from the centres to the rows of both ends, in float64."""
        found = []
        for end in (self.a, self.b):
            rows = self.spheres.rows(end[name].detach().double())
            found.append(torch.nn.functional.normalize(rows - self.spheres.centre(rows), dim=1))
        return found[0], found[1]

    def _cosines(self, name: str) -> Tensor:
        first, second = self._rays(name)
        return (first * second).sum(1).clamp(-1, 1)

    def _at(self, t: float) -> Params:
        point = lerp(self.a, self.b, t)
        if t in (0, 1):
            return {name: tensor.clone() for name, tensor in point.items()}
        for name, tensor in point.items():
            if self.spheres.lie_on(name, tensor):
                point[name] = self._turned(name, t).to(tensor.dtype).view(tensor.shape)
        return point

    def _turned(self, name: str, t: float) -> Tensor:
        a, b = (self.spheres.rows(end[name].detach().double()) for end in (self.a, self.b))
        first, second = self._rays(name)
        # Half the angle by its tangent: as exact for nearly equal rays as for all others.
        angle = 2 * torch.atan2(
            torch.linalg.vector_norm(first - second, dim=1),
            torch.linalg.vector_norm(first + second, dim=1),
        )
        straight = (angle < 1e-9) | (first == 0).all(1) | (second == 0).all(1)
        sine = torch.where(straight, 1.0, angle.sin())
        one, other = ((1 - t) * angle).sin() / sine, (t * angle).sin() / sine
        centre = torch.lerp(self.spheres.centre(a), self.spheres.centre(b), t)
        radii = torch.lerp(self.spheres.radii(a), self.spheres.radii(b), t)
        round_ = centre + (first * one[:, None] + second * other[:, None]) * radii[:, None]
        found: Tensor = torch.where(straight[:, None], torch.lerp(a, b, t), round_)
        return found


class SphereSurface:
    """Spheres on which the mixtures of control points are kept while these are trained.

    The radii of a mixture are the mixtures of radii that go evenly from end to end.

    Args:
        spheres: Which.
        points: The control points, the ends first and last.
        names: The tensors of them that may move.
    """

    def __init__(
        self, spheres: Spheres, points: Sequence[Mapping[str, Tensor]], names: Sequence[str]
    ) -> None:
        self.spheres = spheres
        first, last = (radii_of({n: p[n] for n in names}, spheres) for p in (points[0], points[-1]))
        steps = [k / (len(points) - 1) for k in range(len(points))]
        self.radii = {
            n: torch.stack([torch.lerp(radius, last[n], t) for t in steps])
            for n, radius in first.items()
        }
        self.held: dict[str, tuple[Tensor, Tensor]] = {}

    def retract(self, tensors: Params, weights: Tensor) -> None:
        """Move the tensors of a mixture to the spheres, in place."""
        for name, radii in self.radii.items():
            mixed = weights.to(tensors[name]) @ radii.to(tensors[name])
            self.held[name] = tensors[name].clone(), mixed
            tensors[name].copy_(self.spheres.retract(tensors[name], mixed))

    def pull_back(self, name: str, grad: Tensor) -> Tensor:
        """The gradient by the mixture, before it was moved."""
        return self.spheres.pull_back(*self.held[name], grad) if name in self.held else grad


def radii_of(point: Mapping[str, Tensor], spheres: Spheres) -> Params:
    """The radii of all spheres, by tensor, in float32 or wider."""
    return {
        name: spheres.radii(tensor.detach().to(torch.promote_types(tensor.dtype, torch.float32)))
        for name, tensor in point.items()
        if spheres.lie_on(name, tensor)
    }

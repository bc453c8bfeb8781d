"""Networks whose components are known, minima sampled exactly, and exact ways between them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from scipy.linalg import expm, logm, polar
from torch import Tensor, nn

from isthmus.ground import Disconnected, Params
from isthmus.landscape import AbstractPath, Loss, Polygon
from isthmus.topology.census import AbstractConnector, Terrain

WIDE = torch.float64
Label = tuple[int, ...]


def sign(matrix: Tensor) -> int:
    return int(torch.linalg.det(matrix).sign())


@dataclass(frozen=True)
class Linear:
    """A deep linear network of these hidden widths on data X, Y in GL_h: loss 0 is reached.

    Its minima are given by G_i = W_i ... W_1 X of full column rank and what W_i does outside of the
    image of G_(i-1); they have a component for every choice of signs of det G_i where G_i is square
    (mathematics.md 1.5).
    """

    widths: tuple[int, ...]
    x: Tensor
    y: Tensor

    @staticmethod
    def draw(rank: int, widths: Sequence[int], generator: torch.Generator) -> Linear:
        x, y = (turned(rank, generator) for _ in range(2))
        return Linear(tuple(widths), x, y)

    @property
    def model(self) -> nn.Module:
        rank = len(self.x)
        sizes = [rank, *self.widths, rank]
        pairs = itertools.pairwise(sizes)
        return nn.Sequential(*(nn.Linear(a, b, bias=False) for a, b in pairs)).double()

    @property
    def loss(self) -> Loss:
        return Loss(self.model, [(self.x.T, self.y.T)], nn.functional.mse_loss)

    def minimum(self, label: Label, generator: torch.Generator) -> Params:
        """A minimum with these signs, one for each hidden width equal to the rank."""
        signs = iter(label)
        stages = []
        for width in self.widths:
            stage = torch.randn(width, len(self.x), dtype=WIDE, generator=generator)
            if width == len(self.x) and sign(stage) != next(signs):
                stage[0] *= -1
            stages.append(stage)
        free = [torch.randn(p.shape, dtype=WIDE, generator=generator) for p in self.shapes()]
        return lifted(free, [self.x, *stages, self.y])

    def shapes(self) -> list[Tensor]:
        return list(self.model.parameters())

    def stages(self, params: Mapping[str, Tensor]) -> list[Tensor]:
        """X and all G_i; the last is Y."""
        found = [self.x]
        for weight in params.values():
            found.append(weight @ found[-1])
        return found

    def label(self, params: Mapping[str, Tensor]) -> Label:
        inner = self.stages(params)[1:-1]
        return tuple(sign(stage) for stage in inner if len(stage) == len(self.x))


def turned(size: int, generator: torch.Generator) -> Tensor:
    """A well-conditioned matrix."""
    q = torch.linalg.qr(torch.randn(size, size, dtype=WIDE, generator=generator)).Q
    return q * (0.8 + 0.4 * torch.rand(size, dtype=WIDE, generator=generator))


def lifted(free: Sequence[Tensor], stages: Sequence[Tensor]) -> Params:
    """The weights nearest to ``free`` that lead from stage to stage."""
    steps = zip(free, itertools.pairwise(stages), strict=True)
    return {
        f"{k}.weight": w + (after - w @ before) @ torch.linalg.pinv(before)
        for k, (w, (before, after)) in enumerate(steps)
    }


@final
@dataclass(frozen=True, eq=False)
class Lifted(AbstractPath):
    """Stages on curves of full rank, all weights after them."""

    problem: Linear
    a: Mapping[str, Tensor]
    b: Mapping[str, Tensor]
    kind = "lifted"

    def _at(self, t: float) -> Params:
        if t in (0, 1):
            return dict(self.b if t else self.a)
        one, other = self.problem.stages(self.a), self.problem.stages(self.b)
        stages = [between(a, b, t) for a, b in zip(one, other, strict=True)]
        free = [torch.lerp(x, self.b[n], t) for n, x in self.a.items()]
        return lifted(free, stages)


def between(a: Tensor, b: Tensor, t: float) -> Tensor:
    """On a curve of full rank: straight where it is tall, else two exponentials."""
    if len(a) > a.shape[1]:
        return torch.lerp(a, b, t)
    turn, stretch = map(torch.as_tensor, polar(torch.linalg.solve(a, b).numpy()))
    values, vectors = torch.linalg.eigh(stretch)
    rotated = torch.as_tensor(expm(t * np.real(logm(turn.numpy()))))
    return a @ rotated @ (vectors * values**t) @ vectors.T


@final
@dataclass(frozen=True)
class ExactLinear(AbstractConnector):
    """The exact path where the labels agree."""

    problem: Linear
    name = "exact"

    def path(
        self, a: Mapping[str, Tensor], b: Mapping[str, Tensor], terrain: Terrain
    ) -> AbstractPath:
        if self.problem.label(a) != self.problem.label(b):
            raise Disconnected("the signs of determinants differ", "add a neuron")
        return Lifted(self.problem, a, b)


class Residual(nn.Module):
    """w3 (w2 w1 + eps) x for numbers."""

    def __init__(self, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.w1, self.w2, self.w3 = (nn.Parameter(torch.ones((), dtype=WIDE)) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        return self.w3 * (self.w2 * self.w1 + self.eps) * x


def residual_minimum(eps: float, w1: float, w2: float) -> Params:
    """The minimum over a point of the plane, for x = y = 1."""
    return {
        n: torch.tensor(v, dtype=WIDE)
        for n, v in (("w1", w1), ("w2", w2), ("w3", 1 / (w1 * w2 + eps)))
    }


def residual_label(eps: float, params: Mapping[str, Tensor]) -> int:
    """0 in the sheet over the origin, else the sign of w1 (mathematics.md 1.6)."""
    inside = (params["w1"] * params["w2"] + eps) * eps > 0
    return 0 if inside else int(params["w1"].sign())


@final
@dataclass(frozen=True, eq=False)
class OverThePlane(AbstractPath):
    """Over a path in the plane of w1 and w2, w3 as it must be."""

    eps: float
    plane: AbstractPath
    kind = "graph"

    def _at(self, t: float) -> Params:
        point = self.plane(t)
        return residual_minimum(self.eps, float(point["w1"]), float(point["w2"]))


@final
@dataclass(frozen=True)
class ThroughThePlane(AbstractConnector):
    """Over a line of the plane, or by way of the origin: both cross the hyperbola or neither."""

    eps: float
    origin: bool = False

    @property
    def name(self) -> str:
        return "by the origin" if self.origin else "over a line"

    def path(
        self, a: Mapping[str, Tensor], b: Mapping[str, Tensor], terrain: Terrain
    ) -> AbstractPath:
        ends = [{n: point[n] for n in ("w1", "w2")} for point in (a, b)]
        middle = {n: torch.zeros((), dtype=WIDE) for n in ends[0]}
        corners = [ends[0], middle, ends[1]] if self.origin else ends
        if any(self.crosses(*side) for side in itertools.pairwise(corners)):
            raise Disconnected("w3 has a pole on the way", "go another way")
        return OverThePlane(self.eps, Polygon(corners))

    def crosses(self, a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> bool:
        """Whether w1 w2 + eps, quadratic on a segment, has a zero on it."""
        start, turn = ({n: float(point[n]) for n in ("w1", "w2")} for point in (a, b))
        move = {n: turn[n] - start[n] for n in start}
        roots = np.roots(
            [
                move["w1"] * move["w2"],
                start["w1"] * move["w2"] + start["w2"] * move["w1"],
                start["w1"] * start["w2"] + self.eps,
            ]
        )
        return any(abs(r.imag) < 1e-12 and 0 <= r.real <= 1 for r in roots)

"""What `chord_bound` measures: curves, their chords, and losses on these."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd.functional import hessian, jacobian

from isthmus.ground import Certificate, Params, norm
from isthmus.landscape import AbstractPath, chord_bound
from isthmus.papers.bench import Bench
from isthmus.papers.zhao2025.networks import normal

SHAPE = ("length", "curvature", "chord", "measured", "bound", "valid")
"""Of every curve: ℓ, κ, d, the largest distance of the chord from it, the bound that `chord_bound`
gives, whether the hypotheses of the corrected theorem hold."""


@dataclass(frozen=True)
class Settings:
    """What is drawn.

    Attributes:
        angles: Arcs of a circle, by the angle that they cover, up to a whole turn.
        curves: Random curves of each group.
        width: The most hidden units, on which the groups act.
        pieces: In which a curve is bounded.
        losses: Curves on whose chords the loss is bounded.
        spots: Points of each chord.
    """

    angles: int = 40
    curves: int = 120
    width: int = 4
    pieces: int = 48
    losses: int = 10
    spots: int = 5


@dataclass(frozen=True)
class Arc(AbstractPath):
    """An arc of the unit circle; its derivatives are known."""

    angle: float
    kind = "arc"

    def _at(self, t: float) -> Params:
        return self.jet(t, 0)[0]

    def jet(self, t: float, order: int = 2) -> list[Params]:
        """Each derivative a quarter turn further."""
        phase = [t * self.angle + k * math.pi / 2 for k in range(order + 1)]
        rows = [(math.cos(place), math.sin(place)) for place in phase]
        points = [torch.tensor(row, dtype=torch.float64) for row in rows]
        return [{"x": self.angle**k * point} for k, point in enumerate(points)]

    def derivative_bounds(self, t: float, within: float) -> tuple[float, float]:
        """Constant."""
        return self.angle**2, self.angle**3


@dataclass(frozen=True)
class Orbit(AbstractPath):
    """``(exp(tM) W₁, W₂ exp(-tM))``, the curve of the linear group that M generates.

    Unlike `isthmus.OrbitPath`, which takes the shorter of several curves to the same end, this one
    may turn more than half around.
    """

    generator: Tensor
    first: Tensor
    second: Tensor
    kind = "exact-flat"

    def _at(self, t: float) -> Params:
        return self.jet(t, 0)[0]

    def jet(self, t: float, order: int = 2) -> list[Params]:
        """Powers of M and of -M."""
        there, back = (torch.linalg.matrix_exp(s * t * self.generator) for s in (1, -1))
        found = [{"one": there @ self.first, "two": self.second @ back}]
        for _ in range(order):
            last = found[-1]
            slope = {"one": self.generator @ last["one"], "two": -last["two"] @ self.generator}
            found.append(slope)
        return found

    def derivative_bounds(self, t: float, within: float) -> tuple[float, float]:
        """From the spectral norm of M."""
        rate = float(torch.linalg.matrix_norm(self.generator, 2))
        size = math.exp(rate * within) * norm(self._at(t))
        return rate**2 * size, rate**3 * size


def arcs(bench: Bench, settings: Settings) -> Params:
    """Arcs of a circle, the short way and the long way round: ``(angles, SHAPE)``."""
    angles = [2 * math.pi * (k + 0.5) / settings.angles for k in range(settings.angles)]
    found = [_shape(chord_bound(Arc(angle), pieces=128)) for angle in angles]
    return {
        "angles": torch.tensor(angles, dtype=torch.float64),
        "arcs": torch.tensor(found, dtype=torch.float64),
    }


def orbits(bench: Bench, settings: Settings) -> Params:
    """Curves of GL, and of O by principal logarithms: ``(curves, SHAPE)`` each."""
    found = {}
    for name in ("general", "orthogonal"):
        rows = []
        paths = _paths(bench.seed, settings.curves, settings.width, name == "orthogonal")
        for k, path in enumerate(paths):
            bench.tell(name, k, settings.curves)
            rows.append(_shape(chord_bound(path, pieces=settings.pieces)))
        found[name] = torch.tensor(rows, dtype=torch.float64)
    return found


def losses(bench: Bench, settings: Settings) -> Params:
    """On chords of curves of minima: the loss, and its bounds by gradient and by Hessian.

    ``(losses, spots)`` each; both bounds are taken on the segment to the nearest point of the curve
    that was found. ``slopes`` is ``‖∇L‖`` at points of a ray, ten times as far each.
    """
    rows = []
    for path in _paths(bench.seed + 1, settings.losses, settings.width, False):
        y = path.end["two"] @ path.end["one"]
        curve = torch.stack([_flat(path(k / 200)) for k in range(201)])
        ts = torch.linspace(0, 1, settings.spots + 2, dtype=torch.float64)[1:-1]
        rows.append([_bounded(curve, float(t), len(path.start["one"]), y) for t in ts])
    found = torch.tensor(rows, dtype=torch.float64)
    units, ray = len(path.start["one"]), curve[0]
    slopes = [_gradient(10**k * ray, units, y) for k in range(1, 5)]
    parts = zip(("loss", "by_gradient", "by_hessian"), found.unbind(-1), strict=True)
    return {
        **{name: x.contiguous() for name, x in parts},
        "slopes": torch.tensor(slopes, dtype=torch.float64),
    }


def _paths(seed: int, count: int, width: int, orthogonal: bool) -> Iterator[Orbit]:
    """Random curves, from almost straight ones to some that turn back.

    Angles of the orthogonal ones are at most π, as those of a principal logarithm are.
    """
    generator = torch.Generator().manual_seed(seed)
    for _ in range(count):
        size = int(torch.randint(2, width + 1, (), generator=generator))
        turn, reach = normal(generator, size, size), float(torch.rand((), generator=generator))
        if orthogonal:
            turn = turn - turn.mT
            turn = math.pi * (0.05 + 0.9 * reach) * turn / torch.linalg.matrix_norm(turn, 2)
        else:
            turn = (0.2 + 3.8 * reach) * (turn - 0.8 * turn.mT) / size**0.5
        yield Orbit(turn, normal(generator, size, 4), normal(generator, 2, size))


def _shape(certificate: Certificate) -> list[float]:
    return [float(certificate.evidence[name]) for name in SHAPE]


def _flat(params: Params) -> Tensor:
    return torch.cat([params["one"].flatten(), params["two"].flatten()])


def _loss(flat: Tensor, units: int, y: Tensor) -> Tensor:
    """``‖Y - W₂ W₁‖²``."""
    one, two = flat[: 4 * units].reshape(units, 4), flat[4 * units :].reshape(-1, units)
    found: Tensor = (y - two @ one).square().sum()
    return found


def _bounded(curve: Tensor, t: float, units: int, y: Tensor) -> list[float]:
    """The loss at t of the chord, ``C dist`` and ``H dist² / 2``."""
    spot = torch.lerp(curve[0], curve[-1], t)
    gap, place = (curve - spot).norm(dim=1).min(0)
    between = [torch.lerp(curve[place], spot, k / 8) for k in range(9)]
    steepest = max(_gradient(x, units, y) for x in between)
    bent = max(_hessian(x, units, y) for x in between)
    return [float(_loss(spot, units, y)), steepest * float(gap), bent * float(gap) ** 2 / 2]


def _gradient(flat: Tensor, units: int, y: Tensor) -> float:
    """``‖∇L‖``."""
    found = jacobian(lambda x: _loss(x, units, y), flat)  # type: ignore[no-untyped-call]
    return float(found.norm())


def _hessian(flat: Tensor, units: int, y: Tensor) -> float:
    """The spectral norm of the Hessian."""
    found = hessian(lambda x: _loss(x, units, y), flat)  # type: ignore[no-untyped-call]
    return float(torch.linalg.matrix_norm(found, 2))

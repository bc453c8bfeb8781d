"""What `rescaling` measures: losses between rescaled copies, permuted ones, distances to orbits."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import minimize
from torch import Tensor, nn

from isthmus.ground import Params, params_of
from isthmus.landscape import Line, Loss, Rescaling
from isthmus.landscape.bounds import (
    distance_to_fibre,
    largest_rescaled_barrier,
    least_permuted_midpoint,
)
from isthmus.papers.bench import Bench
from isthmus.papers.zhao2025.networks import SLOPE, normal, square


@dataclass(frozen=True)
class Settings:
    """What is drawn.

    Attributes:
        degrees: k, of the activations' homogeneity.
        draws: Random networks of each degree.
        powers: The factors m go up to 10 to the last of these, one for each.
        units: Of the layer whose permutations are all tried.
        stretches: β of Proposition 5.5.
        pairs: Random pairs of matrices whose orbits are looked at.
        norms: c of Proposition 5.6, over the larger norm of both layers.
    """

    degrees: tuple[float, ...] = (0.5, 1.0, 2.0, 3.0)
    draws: int = 10
    powers: tuple[float, ...] = (0.25, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0)
    units: int = 5
    stretches: tuple[float, ...] = (1.5, 4.0, 10.0, 40.0)
    pairs: int = 4
    norms: tuple[float, ...] = (1.5, 10.0, 100.0)


class Homogeneous(nn.Module):
    """Leaky ReLU to a power: ``σ(cz) = cᵏ σ(z)`` for c > 0, and for no c < 0."""

    def __init__(self, degree: float) -> None:
        super().__init__()
        self.degree = degree

    def forward(self, z: Tensor) -> Tensor:
        """Any shape."""
        up, down = z.clamp(min=0) ** self.degree, (-z).clamp(min=0) ** self.degree
        return up - SLOPE * down


def _network(generator: torch.Generator, degree: float, outputs: int = 3) -> nn.Sequential:
    """Two linear layers around the activation, after one of another kind: F = f(X)."""
    layers = [nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 5, bias=False), Homogeneous(degree)]
    model = nn.Sequential(*layers, nn.Linear(5, outputs, bias=False)).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(normal(generator, *parameter.shape))
    return model


def _copy(params: Mapping[str, Tensor], m: float, degree: float, t: float = 1.0) -> Params:
    """``(mᵗ W_{l-1}, m^{-kt} W_l)``: for t between 0 and 1 the curve inside the orbit."""
    by = {"2.weight": m**t, "4.weight": m ** (-degree * t)}
    return {name: by.get(name, 1.0) * x for name, x in params.items()}


def closed_form(bench: Bench, settings: Settings) -> Params:
    """Proposition 5.3: at random points, not minima, the loss on the line and on the curve.

    ``negative_factor`` is by how much ``|σ(-z)|`` is not ``|(-1)ᵏ| |σ(z)|``.
    """
    generator = torch.Generator().manual_seed(bench.seed)
    rows = []
    for degree in settings.degrees:
        worst = torch.zeros(3, dtype=torch.float64)
        for _ in range(settings.draws):
            model = _network(generator, degree)
            x, y = normal(generator, 7, 4), normal(generator, 7, 3)
            loss, params = Loss(model, [(x, y)], square, {}), params_of(model)
            m = 10 ** float(6 * torch.rand((), generator=generator) - 3)
            other, rescaling = _copy(params, m, degree), Rescaling(m, degree)
            outputs = model(x).detach()
            for t in (0.1, rescaling.worst, 0.8, 1.0):
                found, expected = loss(Line(params, other)(t)), rescaling.loss(outputs, y, t)
                worst[0] = max(float(worst[0]), abs(found / expected - 1))
                drift = loss(_copy(params, m, degree, t)) / loss(params) - 1
                worst[1] = max(float(worst[1]), abs(drift))
            z = normal(generator, 20)
            sizes = [Homogeneous(degree)(sign * z).abs() for sign in (1, -1)]
            worst[2] = max(float(worst[2]), float((sizes[0] - sizes[1]).abs().max()))
        rows.append(worst)
    names = ("line_off", "curve_drift", "negative_factor")
    columns = (column.clone() for column in torch.stack(rows).unbind(1))
    return dict(zip(names, columns, strict=True))


def growth(bench: Bench, settings: Settings) -> Params:
    """Propositions 5.3 and 5.4 at minima: barriers over m, as they are and best permuted.

    Heights are over ``‖Y‖²``; ``leading`` is ``(2^{-(k+1)} mᵏ min_P ‖W_l P σ(Z)‖)²``; ``chosen`` is
    the least, over b, of the loss in the middle over b, for the m that the proof chooses.
    """
    generator = torch.Generator().manual_seed(bench.seed + 1)
    ms = [10**power for power in settings.powers]
    heights, permuted, leading, chosen = [], [], [], []
    for degree in settings.degrees:
        model = _network(generator, degree)
        x = normal(generator, 7, 4)
        y = model(x).detach()
        loss, params, size = Loss(model, [(x, y)], square, {}), params_of(model), float(y.norm())
        lines = {m: Line(params, _copy(params, m, degree)) for m in ms}
        heights.append([loss(lines[m](Rescaling(m, degree).worst)) / size**2 for m in ms])
        second, before = normal(generator, 3, settings.units), normal(generator, settings.units, 7)
        sigma = Homogeneous(degree)
        y = second @ sigma(before)
        tried = [
            least_permuted_midpoint(second, before, y, Rescaling(m, degree), sigma) for m in ms
        ]
        permuted.append([value / float(y.square().sum()) for value in tried])
        least = _least_output(second, sigma(before)) / float(y.norm())
        leading.append([(2 ** -(degree + 1) * m**degree * least) ** 2 for m in ms])
        over = []
        for b in (1.0, 100.0, 1e4):
            m = (2 ** (degree + 1) * (math.sqrt(b) / size + 1) - 1) ** (-1 / degree)
            over.append(loss(Line(params, _copy(params, m, degree))(0.5)) / b)
        chosen.append(min(over))
    rows = {"heights": heights, "permuted": permuted, "leading": leading, "chosen": chosen}
    found = {name: torch.tensor(row, dtype=torch.float64) for name, row in rows.items()}
    return {"m": torch.tensor(ms, dtype=torch.float64), **found, "vanishing": _vanishing(ms)}


def _least_output(second: Tensor, features: Tensor) -> float:
    """``min_P ‖W_l P σ(Z)‖``."""
    orders = itertools.permutations(range(len(features)))
    return min(float((second @ features[list(order)]).norm()) for order in orders)


def _vanishing(ms: list[float]) -> Tensor:
    """The best permuted middle where ``W_l P σ(Z)`` vanishes for one P, over ``‖Y‖²``."""
    second = torch.tensor([[1.0, -1.0, 0.0]], dtype=torch.float64)
    before = torch.tensor([[1.0], [0.0], [1.0]], dtype=torch.float64)
    y = second @ before.relu()
    found = [least_permuted_midpoint(second, before, y, Rescaling(m)) for m in ms]
    return torch.tensor(found, dtype=torch.float64) / y.square().sum()


def distances(bench: Bench, settings: Settings) -> Params:
    """Proposition 5.5: how far middles of chords are from the orbit, and the explicit bound.

    The first pair is ``W₁ = W₂ = 1``; ``(pairs, stretches)`` each. ``degenerate`` is how far the
    middle is from the orbit where the product is zero.
    """
    generator = torch.Generator().manual_seed(bench.seed + 2)
    pairs = [(torch.eye(2, dtype=torch.float64),) * 2]
    pairs += [(normal(generator, 2, 2), normal(generator, 2, 2)) for _ in range(settings.pairs)]
    measured, bound = [], []
    for k, (first, second) in enumerate(pairs):
        bench.tell("orbits", k, len(pairs))
        bound.append([distance_to_fibre(first, second, beta) for beta in settings.stretches])
        measured.append([_to_orbit(first, second, beta) for beta in settings.stretches])
    c = torch.tensor([(beta + 1 / beta) / 2 for beta in settings.stretches], dtype=torch.float64)
    corner = torch.diag(torch.tensor([1.0, 0.0], dtype=torch.float64))  # W₁; W₂ = 1 - W₁
    other = torch.eye(2, dtype=torch.float64) - corner
    g = torch.diag(torch.tensor([float(c[-1]), 1 / float(c[-1])], dtype=torch.float64))
    parts = (g @ corner - c[-1] * corner, other @ torch.linalg.inv(g) - c[-1] * other)
    return {
        "c": c,
        "measured": torch.tensor(measured, dtype=torch.float64),
        "bound": torch.tensor(bound, dtype=torch.float64),
        "degenerate": torch.stack([part.norm() for part in parts]).max(),
    }


def _to_orbit(first: Tensor, second: Tensor, beta: float) -> float:
    """The smallest distance that a descent from several g finds, over both blocks together."""
    c = (beta + 1 / beta) / 2
    one, two = first.numpy(), second.numpy()

    def square_gap(flat: npt.NDArray[np.float64]) -> float:
        g = flat.reshape(2, 2)
        parts = (g @ one - c * one, two @ np.linalg.inv(g) - c * two)
        return math.fsum(float((part**2).sum()) for part in parts)

    signs = [np.diag(d) for d in ((1.0, 1.0), (1.0, -1.0))]
    starts = [size * sign for size in (c, 1.0, 1 / c) for sign in signs]
    found = [minimize(square_gap, s.ravel(), method="Nelder-Mead").fun for s in starts]
    return math.sqrt(min(found))


def bounded(bench: Bench, settings: Settings) -> Params:
    """Proposition 5.6: barriers within pieces of the orbit, over the bound: ``(degrees, norms)``.

    ``inside`` is the largest of many, ``ends`` that of both ends, ``outside`` that of rescalings by
    a fifth further; ``limit`` has the bounds, over ``‖Y‖²``.
    """
    generator = torch.Generator().manual_seed(bench.seed + 3)
    rows: dict[str, list[list[float]]] = {k: [] for k in ("inside", "ends", "outside", "limit")}
    for degree in settings.degrees:
        model = _network(generator, degree)
        x = normal(generator, 7, 4)
        y = model(x).detach()
        loss, params = Loss(model, [(x, y)], square, {}), params_of(model)
        first, second = params["2.weight"], params["4.weight"]
        sizes = float(first.norm()), float(second.norm())
        found: list[list[float]] = []
        for norm in settings.norms:
            most = norm * max(sizes)
            limit = largest_rescaled_barrier(first, second, y, most, degree)
            low, high = (sizes[1] / most) ** (1 / degree), most / sizes[0]
            shares = torch.rand(settings.draws, generator=generator).tolist()
            inside = [low**s * high ** (1 - s) for s in shares]
            groups = (inside, [low, high], [low / 1.2, high * 1.2])
            highest = [
                max(
                    loss(Line(params, _copy(params, m, degree))(Rescaling(m, degree).worst))
                    for m in ms
                )
                for ms in groups
            ]
            found.append([*(h / limit for h in highest), limit / float(y.square().sum())])
        for row, column in zip(rows.values(), zip(*found, strict=True), strict=True):
            row.append(list(column))
    return {name: torch.tensor(row, dtype=torch.float64) for name, row in rows.items()}

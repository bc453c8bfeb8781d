"""simplexes: regions of low loss, spanned by minima and by connectors that are trained."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, final

import torch
from torch import Tensor

from isthmus.ground import BadInput, Params, Result
from isthmus.landscape.curves.curve import Curve
from isthmus.landscape.curves.many.star import dirichlet
from isthmus.landscape.curves.many.volumes import log_volume, squared_distances
from isthmus.landscape.curves.mixing import mixture
from isthmus.landscape.curves.shapes import PolygonalChain
from isthmus.landscape.curves.training import (
    ControlPoints,
    Task,
    Training,
    TrainingRecord,
    descend,
)
from isthmus.landscape.loss import Loss, Progress


@final
@dataclass(frozen=True, eq=False)
class SimplicialComplex(Result):
    """Simplexes of low loss: one for each minimum, all with the same connectors.

    Attributes:
        vertices: The minima, then the connectors.
        minima: How many minima there are.
        record: How the connectors were trained.
    """

    vertices: tuple[Mapping[str, Tensor], ...] = field(repr=False, metadata={"json": False})
    minima: int
    record: TrainingRecord

    @property
    def simplexes(self) -> tuple[tuple[int, ...], ...]:
        """The vertices of every simplex: a minimum and all connectors."""
        return spanned(self.minima, len(self.vertices))

    @property
    def dimension(self) -> int:
        """Of every simplex: the number of connectors."""
        return len(self.vertices) - self.minima

    @cached_property
    def log_volumes(self) -> tuple[float, ...]:
        """The logarithm of the volume of every simplex, in its own dimension."""
        squares = squared_distances(self.vertices)
        return tuple(float(log_volume(squares[list(s)][:, list(s)])) for s in self.simplexes)

    def point(self, simplex: int, weights: Sequence[float]) -> Params:
        """The mixture of the vertices of one simplex.

        Raises:
            BadInput: There are not as many weights as vertices, one is negative, or their sum is
                not 1.
        """
        chosen = self.simplexes[simplex]
        good = len(weights) == len(chosen) and min(weights) >= 0
        if not good or not math.isclose(math.fsum(weights), 1, rel_tol=1e-6):
            raise BadInput(
                f"weights {[round(w, 6) for w in weights]} of a simplex of {len(chosen)} vertices",
                "give one for each vertex, none negative, with sum 1",
            )
        return mixture([self.vertices[k] for k in chosen], weights)

    def sample(self, count: int = 1, seed: int = 0) -> list[Params]:
        """Points that are uniform in the complex: a simplex by its volume, then Dirichlet(1)."""
        generator = torch.Generator().manual_seed(seed)
        logs = torch.tensor(self.log_volumes, dtype=torch.float64)
        if bool(logs.isneginf().all()):  # exactly flat: all have the same volume, zero
            logs = torch.zeros_like(logs)
        volumes = logs.softmax(0)
        found = []
        for _ in range(count):
            simplex = int(torch.multinomial(volumes, 1, generator=generator))
            found.append(self.point(simplex, dirichlet(self.dimension + 1, generator).tolist()))
        return found

    def path(self, first: int, second: int) -> Curve:
        """From one minimum to another over the mean of the connectors, inside the complex."""
        connectors = self.vertices[self.minima :]
        middle = mixture(connectors, [1 / len(connectors)] * len(connectors))
        points = (self.vertices[first], middle, self.vertices[second])
        return Curve(PolygonalChain(1), points, self.record)

    def __str__(self) -> str:
        largest = max(self.log_volumes)
        return (
            f"{len(self.simplexes)} simplexes of dimension {self.dimension}, the largest of volume "
            f"exp({largest:.4g}): {self.record}"
        )


def simplexes(
    minima: Sequence[Mapping[str, Tensor]],
    loss: Loss,
    connectors: int = 1,
    steps: int = 2000,
    seed: int = 0,
    growth: float = 0.01,
    spread: float = 0.05,
    training: Training | None = None,
    progress: Progress | None = None,
) -> SimplicialComplex:
    """Train connectors that span simplexes of low loss and large volume with every minimum.

    One connector after the other: each step takes a random point of a random simplex
    (Dirichlet(1)) down the loss, and the newest connector up the logarithm of the complex's
    volume (Benton et al. 2021: with several minima SPRO, with one ESPRO).

    Args:
        minima: At least one.
        loss: Model, batches and criterion.
        connectors: How many; the dimension of the simplexes.
        steps: In all; shared equally between the connectors.
        seed: Fixes every choice.
        growth: λ of ``mean loss - λ log volume``.
        spread: A connector begins at the mean of the other vertices and this far from it, relative
            to the norm of every tensor, in a random direction.
        training: The optimiser, its schedule, and where the state is kept.
        progress: Called with (steps done, steps) after each.

    Raises:
        BadInput: There is no minimum or connector, there are fewer steps than connectors, or an
            option is not positive.
        NotFinite: A minimum, or a loss of the training, is not finite.
        UnknownName: The minima are not of the loss's model; so ShapeMismatch and DtypeMismatch.
    """
    for name, value in (("minima", len(minima)), ("connectors", connectors)):
        if value < 1:
            raise BadInput(f"{value} {name}, expected at least 1", "give at least one")
    if steps < connectors:
        raise BadInput(
            f"{steps} steps for {connectors} connectors", "give at least one step for each"
        )
    if not spread > 0 or growth < 0:
        raise BadInput(
            f"spread is {spread} and growth {growth}, expected a positive and no negative number",
            "a connector must not begin where the volume is 0",
        )
    training = training or Training()
    points = ControlPoints(loss, minima, [0], training.only)
    task = _Spanning(loss, points, connectors, steps, (growth, spread), seed)
    record = descend(task, steps, seed, training, progress)
    made = [points.params(k) for k in range(len(minima), len(minima) + connectors)]
    return SimplicialComplex((*minima, *made), len(minima), record)


class _Spanning(Task):
    """The mean loss over the complex, less the logarithm of its volume; the last vertex moves."""

    def __init__(
        self,
        loss: Loss,
        points: ControlPoints,
        connectors: int,
        steps: int,
        options: tuple[float, float],
        seed: int,
    ) -> None:
        super().__init__(loss, points)
        self.minima = len(points.matrix)
        self.growth, self.spread = options
        self.chance = torch.Generator().manual_seed(seed)
        self.changes = {steps * k // connectors for k in range(1, connectors)}
        self.squares = squared_distances([points.split(row) for row in points.matrix])
        self._add()

    @property
    def words(self) -> str:
        """The options."""
        return f"simplexes {self.growth} {self.spread} {sorted(self.changes)}"

    def draw(self, generator: torch.Generator) -> Tensor:
        """A simplex, and a place in it."""
        count = len(self.points.matrix)
        every = spanned(self.minima, count)
        chosen = list(every[int(torch.randint(len(every), (), generator=generator))])
        weights = torch.zeros(count, dtype=torch.float64)
        weights[chosen] = dirichlet(len(chosen), generator)
        return weights

    def adjust(self, value: Tensor) -> None:
        """Add the gradient of -λ log V: a mixture of the vertices, by that of the distances."""
        if not self.growth:
            return
        self._measure()
        squares = self.squares.clone().requires_grad_()
        every = spanned(self.minima, len(squares))
        volumes = torch.stack([log_volume(squares[list(s)][:, list(s)]) for s in every])
        (slope,) = torch.autograd.grad(volumes.logsumexp(0), squares)
        pull = -2 * self.growth * (slope[-1] + slope[:, -1])
        weights = -pull
        weights[-1] = pull[:-1].sum()
        grads = self.points.split(weights.to(self.points.matrix) @ self.points.matrix)
        moving = self.points.rows[len(squares) - 1]
        for name, row in zip(self.points.parameters, moving, strict=True):
            if row.grad is not None:
                row.grad.add_(grads[name])

    def settle(self, done: int) -> bool:
        """The next connector, when the last has had its steps."""
        if done not in self.changes:
            return False
        self._measure()
        self._add()
        return True

    def _add(self) -> None:
        """One more vertex, near the mean of all; only that is trained."""
        points = self.points
        vertex = points.matrix.mean(0)
        for name, part in points.split(vertex).items():
            if name in points.parameters:
                noise = torch.randn(part.shape, generator=self.chance).to(part)
                part.add_(noise * (self.spread * part.norm() / noise.norm()))
        points.matrix = torch.cat([points.matrix, vertex[None]])
        points.choose([len(points.matrix) - 1])
        self.squares = torch.nn.functional.pad(self.squares, (0, 1, 0, 1))
        self._measure()

    def _measure(self) -> None:
        """The squared distances of the last vertex from all others."""
        matrix = self.points.matrix
        found = torch.stack([(row - matrix[-1]).square().sum() for row in matrix[:-1]])
        self.squares[-1, :-1] = self.squares[:-1, -1] = found.double().cpu()

    def state(self) -> dict[str, Any]:
        """Distances and the state of the noise."""
        return {"squares": self.squares, "chance": self.chance.get_state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take them back."""
        self.squares = state["squares"]
        self.chance.set_state(state["chance"])


def spanned(minima: int, vertices: int) -> tuple[tuple[int, ...], ...]:
    """The simplexes of so many minima and of all connectors after them."""
    connectors = tuple(range(minima, vertices))
    return tuple((k, *connectors) for k in range(minima))

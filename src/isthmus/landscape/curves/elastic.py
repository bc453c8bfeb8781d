"""ElasticBand: a chain of images that slides down the loss and stays evenly spaced."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Any, final

import torch
from torch import Tensor

from isthmus.ground import BadInput
from isthmus.landscape.curves.shapes import CurveTask, PolygonalChain, require_bends
from isthmus.landscape.curves.training import ControlPoints
from isthmus.landscape.loss import Loss
from isthmus.landscape.running import pair

_MEMORY = 0.9
"""How much of an image's known loss stays when another batch is seen."""


@final
@dataclass(frozen=True)
class ElasticBand:
    """A polygonal chain trained as AutoNEB trains it (Draxler et al. 2018).

    Every step moves one image down the part of its gradient that is orthogonal to the chain. When
    all have moved, they are spaced along the chain as before. Between two cycles the segments are
    looked at, and an image is inserted where the loss rises above the line between the losses of
    a segment's ends. Give it to `bend` in place of a shape; the schedule of the training takes the
    rate down over all cycles.

    Args:
        bends: Images between the ends at first.
        cycles: The steps are shared equally between them.
        most: Images between the ends at most.
        probes: Points that are looked at on every segment.
        rise: An image is inserted where the loss rises by more than this part of the range of the
            losses on the chain.
        batches: How many batches of the loss are looked at.

    Raises:
        BadInput: One of them is not positive, or ``most`` is below ``bends``.
    """

    bends: int = 3
    cycles: int = 4
    most: int = 15
    probes: int = 9
    rise: float = 0.2
    batches: int = 2

    def __post_init__(self) -> None:
        require_bends(self.bends)
        for name in ("cycles", "probes", "rise", "batches"):
            if not getattr(self, name) > 0:
                raise BadInput(
                    f"{name} is {getattr(self, name)}, expected more than 0",
                    "give a positive number",
                )
        if self.most < self.bends:
            raise BadInput(
                f"most is {self.most}, expected at least the {self.bends} bends at first",
                "allow as many images as there are",
            )

    def task(self, loss: Loss, points: ControlPoints, steps: int) -> CurveTask:
        """The training of ``points`` as an elastic band."""
        return _Band(loss, points, self, steps)


class _Band(CurveTask):
    """The images of a band in training.

    ``spacing`` holds the shares of the chain's length that its segments keep, ``known`` the losses
    of all images, ends included, as far as batches have shown them.
    """

    def __init__(self, loss: Loss, points: ControlPoints, band: ElasticBand, steps: int) -> None:
        super().__init__(loss, points)
        self.band = band
        self.changes = {steps * k // band.cycles for k in range(1, band.cycles)}
        self.image = 0
        self.spacing = torch.full((band.bends + 1,), 1 / (band.bends + 1), dtype=torch.float64)
        self.known: list[float] = []

    @property
    def words(self) -> str:
        """The options."""
        return repr(self.band)

    @property
    def shape(self) -> PolygonalChain:
        """The chain through all images that there are."""
        return PolygonalChain(len(self.points.matrix) - 2)

    def draw(self, generator: torch.Generator) -> Tensor:
        """All images in turn."""
        if not self.known:
            count = len(self.points.matrix)
            self.known = self._look(torch.eye(count, dtype=torch.float64))
        self.image += 1
        return _unit(self.image, len(self.points.matrix))

    def adjust(self, value: Tensor) -> None:
        """Take out the part of the gradient along the chain."""
        k = self.image
        self.known[k] = _MEMORY * self.known[k] + (1 - _MEMORY) * float(value)
        before, at, after = self.points.matrix[k - 1 : k + 2]
        ahead, behind = tangent_weights(*self.known[k - 1 : k + 2])
        tangents = self.points.split((after - at).mul_(ahead).add_(at - before, alpha=behind))
        found = [
            (row.grad, tangents[name])
            for name, row in zip(self.points.parameters, self.points.rows[k], strict=True)
            if row.grad is not None
        ]
        square = sum(float(tangent.flatten() @ tangent.flatten()) for _, tangent in found)
        along = sum(float(grad.flatten() @ tangent.flatten()) for grad, tangent in found)
        for grad, tangent in found:
            grad.sub_(tangent, alpha=along / square if square else 0.0)

    def settle(self, done: int) -> bool:
        """Space the images when all have moved; insert some where a cycle ends."""
        if self.image == self.shape.bends:
            self.image = 0
            self._space()
        if done not in self.changes:
            return False
        self._insert()
        return True

    def _space(self) -> None:
        """Move the images along the chain to where their shares of its length are."""
        matrix = self.points.matrix
        lengths = torch.stack([torch.dist(p, q) for p, q in pairwise(matrix)]).double().cpu()
        matrix.copy_(respacing(lengths, self.spacing).to(matrix) @ matrix)

    def _insert(self) -> None:
        """Insert images where the loss on a segment is high."""
        count, probes = len(self.spacing), self.band.probes
        places = torch.linspace(0, 1, probes + 2, dtype=torch.float64)[:-1]
        spots = [self.shape.weights((k + float(u)) / count) for k in range(count) for u in places]
        found = self._look(torch.stack([*spots, _unit(count, count + 1)]))
        known = torch.tensor(found, dtype=torch.float64)
        span = float(known.max() - known.min())
        rows, spacing = [_unit(0, count + 1)], []
        room = self.band.most - self.shape.bends
        for k, share in enumerate(self.spacing.tolist()):
            losses = known[k * (probes + 1) : (k + 1) * (probes + 1) + 1]
            place, rise = highest(losses)
            if rise > self.band.rise * span and room:
                room -= 1
                rows.append(spots[k * (probes + 1) + place])
                part = place / (probes + 1)
                spacing += [share * part, share * (1 - part)]
            else:
                spacing.append(share)
            rows.append(_unit(k + 1, count + 1))
        weights = torch.stack(rows)
        self.points.matrix = weights.to(self.points.matrix) @ self.points.matrix
        self.spacing = torch.tensor(spacing, dtype=torch.float64)
        self.points.choose(range(1, len(spacing)))
        self.known, self.image = [], 0

    def _look(self, weights: Tensor) -> list[float]:
        """The mean losses at mixtures of the images, on the first batches."""
        first = [pair(b, k) for k, b in enumerate(islice(self.loss.batches, self.band.batches))]
        found = []
        with torch.no_grad():
            for row in weights:
                self.points.stand(row)
                values = [self.objective(self.points.placed(batch)) for batch in first]
                found.append(float(torch.stack(values).mean()))
        return found

    def state(self) -> dict[str, Any]:
        """The spacing, the known losses, and whose turn it is."""
        return {"spacing": self.spacing, "known": self.known, "image": self.image}

    def restore(self, state: dict[str, Any]) -> None:
        """Take it back."""
        self.spacing, self.known, self.image = state["spacing"], state["known"], state["image"]


def tangent_weights(before: float, at: float, after: float) -> tuple[float, float]:
    """How much of the next and of the last segment make the tangent of an image with these losses.

    Towards the neighbour of higher loss; at an extremum both, the higher one weighed more
    (Henkelman and Jónsson 2000, eqs. 8-11).
    """
    if before <= at <= after:
        return 1.0, 0.0
    if before >= at >= after:
        return 0.0, 1.0
    rises = (abs(after - at), abs(before - at))
    return (max(rises), min(rises)) if after > before else (min(rises), max(rises))


def respacing(lengths: Tensor, spacing: Tensor) -> Tensor:
    """The mixtures of the points of a chain that lie on it at shares ``spacing`` of its length.

    Args:
        lengths: Of the segments, ``(segments,)``, float64.
        spacing: The shares, ``(segments,)``, float64.

    Returns:
        ``(segments + 1, segments + 1)``: a row for every new point; the ends stay.
    """
    count = len(lengths)
    along = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
    wanted = spacing.cumsum(0)[:-1] / spacing.sum() * along[-1]
    segment = (torch.searchsorted(along, wanted, right=True) - 1).clamp(0, count - 1)
    part = ((wanted - along[segment]) / lengths[segment].clamp_min(1e-300)).clamp(0, 1)
    weights = torch.eye(count + 1, dtype=torch.float64)
    weights[1:-1] = 0
    rows = torch.arange(1, count)
    weights[rows, segment] += 1 - part
    weights[rows, segment + 1] += part
    return weights


def highest(losses: Tensor) -> tuple[int, float]:
    """Where the losses of a segment, ends included, rise most above their chord, and how far."""
    part = torch.linspace(0, 1, len(losses), dtype=losses.dtype)
    chord = torch.lerp(losses[0], losses[-1], part)
    above = (losses - chord)[1:-1]
    return int(above.argmax()) + 1, float(above.max())


def _unit(k: int, count: int) -> Tensor:
    weights = torch.zeros(count, dtype=torch.float64)
    weights[k] = 1
    return weights

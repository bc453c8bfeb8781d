"""FisherRao: a chain of images whose functions change as little as they can on the way."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, final

import torch
from torch import Tensor

from isthmus.ground import BadInput
from isthmus.landscape.curves.shapes import CurveTask, PolygonalChain, require_bends
from isthmus.landscape.curves.training import ControlPoints
from isthmus.landscape.loss import Loss
from isthmus.landscape.running import (
    Batch,
    evaluation_mode,
    pair,
    place,
    run,
    tensors,
    weights_for,
)

Divergence: TypeAlias = "Callable[[Any, Any], Tensor]"
"""Two outputs on the same batch to the square of how far apart they are, a scalar."""


def jeffreys(first: Tensor, second: Tensor) -> Tensor:
    """KL(p‖q) + KL(q‖p) of the classes on the last axis, the mean over all else.

    For functions that lie near each other it is the square of their Fisher-Rao distance.
    """
    one, other = first.log_softmax(-1), second.log_softmax(-1)
    return ((one.exp() - other.exp()) * (one - other)).sum(-1).mean()


@final
@dataclass(frozen=True)
class FisherRao:
    """A polygonal chain trained to be a geodesic between functions (Tan 2023).

    Its images take the sum of the divergences between consecutive ones down, each in turn; with
    the squares of short distances that is the energy of a curve, which is least on a geodesic at
    constant speed. Of the loss only the inputs count. Give it to `bend` in place of a shape; the
    record then tells the divergences of an image from its two neighbours.

    Args:
        bends: Images between the ends.
        divergence: How far apart two outputs are, squared.

    Raises:
        BadInput: ``bends`` is not positive.
    """

    bends: int = 7
    divergence: Divergence = jeffreys

    def __post_init__(self) -> None:
        require_bends(self.bends)

    def task(self, loss: Loss, points: ControlPoints, steps: int) -> CurveTask:
        """The training of ``points`` as a geodesic."""
        return _Energy(loss, points, self)


class _Energy(CurveTask):
    """The divergences of one image from its neighbours."""

    def __init__(self, loss: Loss, points: ControlPoints, options: FisherRao) -> None:
        super().__init__(loss, points)
        self.options, self.image = options, 0

    @property
    def words(self) -> str:
        """The number of images."""
        return f"Fisher-Rao {self.options.bends}"

    @property
    def shape(self) -> PolygonalChain:
        """The chain."""
        return PolygonalChain(self.options.bends)

    def draw(self, generator: torch.Generator) -> Tensor:
        """All images in turn."""
        self.image = self.image % self.options.bends + 1
        return self._unit(self.image)

    def objective(self, batch: Batch) -> Tensor:
        """How far the image is from its neighbours, squared."""
        inputs, _ = batch
        neighbours = []
        with torch.no_grad():
            for k in (self.image - 1, self.image + 1):
                self.points.stand(self._unit(k))
                neighbours.append(self.points.outputs(inputs))
        self.points.stand(self._unit(self.image))
        here = self.points.outputs(inputs)
        before, after = (self.options.divergence(here, other) for other in neighbours)
        return before + after

    def _unit(self, k: int) -> Tensor:
        return torch.eye(self.options.bends + 2, dtype=torch.float64)[k]

    def state(self) -> dict[str, Any]:
        """Whose turn it was."""
        return {"image": self.image}

    def restore(self, state: dict[str, Any]) -> None:
        """Take it back."""
        self.image = state["image"]


def function_length(
    path: Callable[[float], Mapping[str, Tensor]],
    loss: Loss,
    points: int = 25,
    divergence: Divergence = jeffreys,
) -> float:
    """The length of the way that the model's function makes, on the inputs of ``loss``.

    The sum of the distances between ``points`` consecutive points: with `jeffreys` that nears the
    length in the Fisher-Rao metric.

    Raises:
        BadInput: ``points`` is below 2, or the data do not fit the model.
        UnknownName: The path's Params are not of the loss's model; so ShapeMismatch.
    """
    if points < 2:
        raise BadInput(f"points is {points}, expected at least 2", "count both ends")
    lengths = []
    last: list[Any] = []
    for k in range(points):
        here, sizes = _outputs(loss, path(k / (points - 1)))
        squares = [
            float(divergence(one, other)) * size
            for one, other, size in zip(last, here, sizes, strict=False)
        ]
        lengths.append(math.sqrt(max(0.0, math.fsum(squares)) / sum(sizes)))
        last = here
    return math.fsum(lengths)


def _outputs(loss: Loss, params: Mapping[str, Tensor]) -> tuple[list[Any], list[int]]:
    """What the model says to every batch, in evaluation mode, and how many samples it has."""
    found, sizes = [], []
    weights = weights_for(loss.model, params, loss.dtype)
    device = next(iter(weights.values())).device
    with torch.no_grad(), evaluation_mode(loss.model):
        for index, batch in enumerate(loss.batches):
            inputs = place(pair(batch, index)[0], device, loss.dtype)
            found.append(run(loss.model, weights, inputs))
            sizes.append(len(tensors(inputs)[0]))
    return found, sizes

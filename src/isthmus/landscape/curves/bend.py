"""bend: a curve of low loss between the ends of a path."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor

from isthmus.ground import Params
from isthmus.landscape.curves.curve import Curve
from isthmus.landscape.curves.elastic import ElasticBand
from isthmus.landscape.curves.shapes import Bezier, Shape
from isthmus.landscape.curves.training import ControlPoints, Training, descend
from isthmus.landscape.loss import Loss, Progress
from isthmus.landscape.paths import AbstractPath


def bend(
    path: Callable[[float], Mapping[str, Tensor]],
    loss: Loss,
    shape: Shape | ElasticBand | None = None,
    steps: int = 2000,
    seed: int = 0,
    training: Training | None = None,
    progress: Progress | None = None,
) -> Curve:
    """The curve between the ends of ``path`` with the least mean loss, t uniform in [0, 1].

    The points between the ends begin as points of ``path`` at equal steps, and every step moves
    them down the loss of one batch at one random t (Garipov et al. 2018, eq. 2). The model is
    trained as any other: in training mode, with the batches of ``loss``, whose samples should be
    as many as a training step wants. Its own weights and mode stay as they are. Statistics of
    BatchNorm that the inner points get are averages over the training; recompute them where the
    loss of a BatchNorm net is looked at (`Loss.along`).

    Args:
        path: t in [0, 1] to Params; where it is a path, its ends are those it joins (`ends`).
        loss: Model, batches and criterion.
        shape: How the points are mixed; None takes ``Bezier(bends=1)``. An `ElasticBand` trains
            a polygonal chain in its own way.
        steps: How many.
        seed: Fixes every t, the order of the batches and the model's own chance.
        training: The optimiser, its schedule, and where the state is kept.
        progress: Called with (steps done, steps) after each.

    Returns:
        The curve; its `record` tells how the training went. The ends are those of the path, to the
        last bit.

    Raises:
        BadInput: The data do not fit the model, or ``steps`` is not positive.
        NotFinite: A point of the path, or a loss of the training, is not finite.
        UnknownName: The path's Params are not of the loss's model; so ShapeMismatch.
    """
    shape = shape or Bezier()
    training = training or Training()
    points = points_of(path, shape.bends)
    controls = ControlPoints(loss, points, range(1, shape.bends + 1), training.only)
    task = shape.task(loss, controls, steps)
    record = descend(task, steps, seed, training, progress)
    inner = map(controls.params, range(1, task.shape.bends + 1))
    return Curve(task.shape, [points[0], *inner, points[-1]], record)


def points_of(path: Callable[[float], Mapping[str, Tensor]], bends: int) -> list[Params]:
    """The ends of ``path`` and ``bends`` points between them, at equal steps of t."""
    inner = [path(k / (bends + 1)) for k in range(1, bends + 1)]
    ends = path.ends if isinstance(path, AbstractPath) else (path(0.0), path(1.0))
    return [dict(point) for point in (ends[0], *inner, ends[1])]

"""bend: a curve of low loss between the ends of a path."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor

from isthmus.ground import Params
from isthmus.landscape.curves.curve import Curve
from isthmus.landscape.curves.elastic import ElasticBand
from isthmus.landscape.curves.fisher import FisherRao
from isthmus.landscape.curves.shapes import Bezier, Shape
from isthmus.landscape.curves.spheres import OnSpheres, Spheres, SphereSurface
from isthmus.landscape.curves.training import ControlPoints, Training, descend
from isthmus.landscape.loss import Loss, Progress
from isthmus.landscape.paths import AbstractPath


def bend(
    path: Callable[[float], Mapping[str, Tensor]],
    loss: Loss,
    shape: Shape | ElasticBand | FisherRao | None = None,
    steps: int = 2000,
    seed: int = 0,
    training: Training | None = None,
    progress: Progress | None = None,
) -> Curve:
    """The curve between the ends of ``path`` with the least mean loss, t uniform in [0, 1].

    It begins as the curve that meets ``path`` at equal steps of t, and every step moves the points
    between the ends down the loss of one batch at one random t (Garipov et al. 2018, eq. 2). The
    model is trained as any other: in training mode, with the batches of ``loss``, whose samples
    should be as many as a training step wants. Its own weights and mode stay as they are.
    Statistics of BatchNorm that the inner points get are averages over the training; recompute
    them where the loss of a BatchNorm net is looked at (`Loss.along`).

    Args:
        path: t in [0, 1] to Params; where it is a path, its ends are those it joins (`ends`).
        loss: Model, batches and criterion.
        shape: How the points are mixed; None takes ``Bezier(bends=1)``. An `ElasticBand` trains
            a polygonal chain in its own way, and `FisherRao` looks for a geodesic between
            functions.
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
    return _bent(path, loss, shape or Bezier(), steps, seed, training, None, progress)


def bend_on_spheres(
    path: Callable[[float], Mapping[str, Tensor]],
    loss: Loss,
    spheres: Spheres,
    shape: Shape | None = None,
    steps: int = 2000,
    seed: int = 0,
    training: Training | None = None,
    progress: Progress | None = None,
) -> OnSpheres:
    """As `bend`, on spheres: the loss is that of the curve's points after they are moved there.

    Args:
        path: As in `bend`, and so all that follows but ``spheres``.
        loss: Model, batches and criterion.
        spheres: `VarianceSpheres` keeps the variance of every weight (Tian et al. 2026),
            `NeuronSpheres` the norm of every neuron; both go evenly from end to end.
        shape: How the points are mixed before they are moved; None takes ``Bezier(bends=1)``.
        steps: How many.
        seed: Fixes every choice.
        training: The optimiser, its schedule, and where the state is kept.
        progress: Called with (steps done, steps) after each.

    Raises:
        BadInput: As in `bend`, and so NotFinite, UnknownName and ShapeMismatch.
    """
    curve = _bent(path, loss, shape or Bezier(), steps, seed, training, spheres, progress)
    return OnSpheres(curve, spheres)


def _bent(
    path: Callable[[float], Mapping[str, Tensor]],
    loss: Loss,
    shape: Shape | ElasticBand | FisherRao,
    steps: int,
    seed: int,
    training: Training | None,
    spheres: Spheres | None,
    progress: Progress | None,
) -> Curve:
    """The curve of the trained points, before these are moved to the spheres, if there are any."""
    training = training or Training()
    points = points_of(path, shape.bends)
    controls = ControlPoints(loss, points, range(1, shape.bends + 1), training.only)
    if spheres is not None:
        controls.surface = SphereSurface(spheres, points, controls.parameters)
    task = shape.task(loss, controls, steps)
    record = descend(task, steps, seed, training, progress)
    inner = map(controls.params, range(1, task.shape.bends + 1))
    return Curve(task.shape, [points[0], *inner, points[-1]], record)


def points_of(path: Callable[[float], Mapping[str, Tensor]], bends: int) -> list[Params]:
    """The ends of ``path`` and ``bends`` points between them, at equal steps of t."""
    inner = [path(k / (bends + 1)) for k in range(1, bends + 1)]
    ends = path.ends if isinstance(path, AbstractPath) else (path(0.0), path(1.0))
    return [dict(point) for point in (ends[0], *inner, ends[1])]

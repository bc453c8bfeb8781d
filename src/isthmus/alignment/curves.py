"""aligned_curve: a curve of low loss to a model of the other's orbit, chosen for the curve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

from torch import Tensor

from isthmus.algebra.elements import Element
from isthmus.algebra.symmetry import Symmetry
from isthmus.alignment.align import align
from isthmus.alignment.matcher import Matcher
from isthmus.ground import BadInput, Params, Result
from isthmus.landscape import Line, Loss, Training, bend
from isthmus.landscape.curves import Bezier, Curve, PolygonalChain, Shape
from isthmus.landscape.loss import Progress


@final
@dataclass(frozen=True)
class AlignedCurve(Result):
    """A curve from ``a`` to ``element · b``.

    Attributes:
        curve: From end to end.
        element: Of the group; it keeps the function of ``b``.
        params: ``b`` moved by it, the end of the curve.
        means: The mean loss on the curve after each round; never more than before it.
        moved: For each round after the first, whether another element was better, with the inner
            points as they were.
    """

    curve: Curve = field(repr=False, metadata={"json": False})
    element: Element = field(repr=False, metadata={"json": False})
    params: Params = field(repr=False, metadata={"json": False})
    means: tuple[float, ...]
    moved: tuple[bool, ...]

    def __str__(self) -> str:
        means = " -> ".join(f"{mean:.4g}" for mean in self.means)
        return (
            f"mean loss on the curve {means}; another element was better in {sum(self.moved)} of "
            f"{len(self.moved)} rounds"
        )


def aligned_curve(
    a: Mapping[str, Tensor],
    b: Mapping[str, Tensor],
    *,
    symmetry: Symmetry,
    loss: Loss,
    method: Matcher | None = None,
    shape: Shape | None = None,
    rounds: int = 2,
    steps: int = 1000,
    points: int = 11,
    seed: int = 0,
    training: Training | None = None,
    progress: Progress | None = None,
) -> AlignedCurve:
    """Align ``b`` with ``a``, bend a curve between them, and take turns: element, curve.

    In the first round ``b`` is aligned with ``a`` (Tatro et al. 2020, by correlations of
    activations: give ``ActivationMatching`` with ``Statistic.CORRELATION``) and the curve is
    trained. In every other the end is aligned with the middle of the curve, and moves there if that
    lowers the mean loss on the curve as it is; then the inner points are trained on, from where
    they are, and what comes out is kept if it is lower. The source's proximal descent of
    permutations is reconstructed in this way, by assignments.

    Args:
        a: Where the curve begins.
        b: The other model.
        symmetry: Of both; restrict it to permutations for what the source does.
        loss: What is to be low: the curve is trained on its batches, the mean is over all of them.
        method: How to align; `WeightMatching` if not given.
        shape: Of the curve; a Bézier curve with one bend if not given.
        rounds: How many, the first included.
        steps: Of the training of the curve in each.
        points: Where the mean loss is looked at, at equal steps.
        seed: Fixes every choice.
        training: The optimiser and its schedule.
        progress: Called with (rounds done, rounds).

    Raises:
        BadInput: ``rounds`` or ``steps`` is less than 1, ``points`` less than 2, or the data do not
            fit.
        UnknownName: ``a`` or ``b`` is not of this symmetry; so ShapeMismatch; and NotFinite.
    """
    if rounds < 1 or points < 2:
        raise BadInput(
            f"rounds is {rounds} and points is {points}, expected at least 1 and 2",
            "give 2 and 11, say",
        )
    shape = shape or Bezier()
    first = align(b, to=a, symmetry=symmetry, method=method, seed=seed)
    element, end = first.element, first.params
    curve = bend(Line(a, end), loss, shape, steps, seed, training)
    means, moved = [_mean(curve, loss, points)], list[bool]()
    for number in range(1, rounds):
        if progress is not None:
            progress(number, rounds)
        step = align(end, to=curve(0.5), symmetry=symmetry, method=method, seed=seed + number)
        other = Curve(shape, [*curve.points[:-1], step.params])
        best, mean = _better(curve, other, loss, points, means[-1])
        moved.append(best is not curve)
        if moved[-1]:
            element, end = step.element @ element, step.params
        start = Curve(PolygonalChain(shape.bends), best.points)  # meets the points at equal steps
        trained = bend(start, loss, shape, steps, seed + number, training)
        curve, mean = _better(best, trained, loss, points, mean)
        means.append(mean)
    if progress is not None:
        progress(rounds, rounds)
    return AlignedCurve(curve, element, end, tuple(means), tuple(moved))


def _better(
    curve: Curve, other: Curve, loss: Loss, points: int, mean: float
) -> tuple[Curve, float]:
    """The curve, or the other if its mean loss is below ``mean``; and the mean loss on it."""
    found = _mean(other, loss, points)
    return (other, found) if found < mean else (curve, mean)


def _mean(curve: Curve, loss: Loss, points: int) -> float:
    found = loss.along(curve, [k / (points - 1) for k in range(points)])
    return sum(one.loss for one in found) / points

"""factors: what each part of the group adds to merging, from permutations to everything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import final

from torch import Tensor

from isthmus.algebra import Symmetry
from isthmus.algebra.groups import Motion
from isthmus.alignment import Alignment, Warm, WeightMatching, align
from isthmus.alignment.starts.start import Start
from isthmus.ground import Result
from isthmus.landscape import Barrier, Evaluation, Line, Loss, barrier, recompute_statistics
from isthmus.landscape.running import Batch
from isthmus.merging.average import Average
from isthmus.merging.merge import merge

STAGES: tuple[tuple[str, tuple[Motion, ...]], ...] = (
    ("nothing", ()),
    ("permutations", (Motion.SWAP,)),
    ("signs", (Motion.FLIP,)),
    ("rotations", (Motion.TURN,)),
    ("scales", (Motion.STRETCH,)),
    ("shears", (Motion.SHEAR,)),
    ("shifts", (Motion.SHIFT,)),
)
"""What is added to the subgroup, stage after stage; the last is the whole group.

Rotations come before scales, so that each subgroup holds the one before: where all linear maps are
allowed, the smallest group of signed permutations with scales that has rotations too is all of GL.
"""


@final
@dataclass(frozen=True)
class Stage(Result):
    """Two models aligned by a subgroup, and the line between them.

    Attributes:
        added: What the subgroup has that the one before has not.
        lie_dim: Its dimension.
        log_components: The logarithm of the number of its components.
        distance: Between the models in the gauge, after alignment.
        barrier: Of the line between them.
        merged: Loss and metrics of their mean on the data that merged models are scored on.
        fit: The alignment.
    """

    added: str
    lie_dim: int
    log_components: float
    distance: float
    barrier: Barrier
    merged: Evaluation
    fit: Alignment = field(repr=False, metadata={"json": False})

    @property
    def midpoint(self) -> float:
        """The loss in the middle of the line, on the barrier's data."""
        return self.barrier.losses[len(self.barrier.losses) // 2]


@final
@dataclass(frozen=True)
class Factors(Result):
    """What growing subgroups make of two models.

    Attributes:
        stages: From nothing to the whole group; what the architecture has none of is left out.
        ends: Loss and metrics of the two models, on the data that merged models are scored on.
    """

    stages: tuple[Stage, ...]
    ends: tuple[Evaluation, Evaluation]

    def __str__(self) -> str:
        names = list(self.ends[0].metrics)
        rows = [("added", "dimension", "distance", "barrier", "midpoint", "merged loss", *names)]
        for one in self.stages:
            figures = (one.distance, one.barrier.height, one.midpoint, one.merged.loss)
            scores = [one.merged.metrics[name] for name in names]
            rows.append((one.added, f"{one.lie_dim}", *(f"{x:.4g}" for x in (*figures, *scores))))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(f"{cell:{'>' if k else '<'}{widths[k]}}" for k, cell in enumerate(row))
            for row in rows
        ]
        ends = [f"{name}: {end}" for name, end in zip("ab", self.ends, strict=True)]
        return "\n".join([*lines, *ends])


def factors(
    a: Mapping[str, Tensor],
    b: Mapping[str, Tensor],
    loss: Loss,
    symmetry: Symmetry,
    *,
    test: Loss | None = None,
    method: WeightMatching | None = None,
    points: int = 25,
    seed: int = 0,
    statistics: Iterable[Batch] | None = None,
) -> Factors:
    """Align ``b`` to ``a`` by ever larger subgroups, and merge them at every stage.

    The subgroups are those of nothing, permutations, and then signs, rotations, scales, shears and
    shifts added (`STAGES`). What is minimised is the distance, once from where the last stage ended
    and once from all starts too, so that no stage ends further away for want of luck (but for
    lengths in front of norms, which end as the target's); of the two, the one with the lower loss
    in the middle of the line is kept. Whether that falls from stage to stage is what is to be seen:
    the nearest model is not always the one with the lowest barrier.

    Args:
        a: The model that stays.
        b: The one that moves.
        loss: What barriers are of; its middle is looked at too, so an odd number of points is best.
        symmetry: Of the architecture.
        test: What merged models are scored on; None takes ``loss``.
        method: How elements are searched for.
        points: On every line.
        seed: Of random starts.
        statistics: Batches on which BatchNorm statistics of points between are estimated.

    Raises:
        BadInput: ``points`` is below 2, or the data do not fit the model.
        UnknownName: a or b is of another model; so ShapeMismatch and NotFinite.
    """
    method = method or WeightMatching()
    again = None if statistics is None else tuple(statistics)
    scored = test or loss
    found: list[Stage] = []
    motions: tuple[Motion, ...] = ()
    for added, more in STAGES:
        motions += more
        part = symmetry.restrict(motions)
        if found and _same(part, found[-1]):
            continue
        last = found[-1].fit if found else None
        fit, line = _best(_fits(a, b, part, method, last, seed), a, loss, points, again)
        mean = merge([a, fit.params], Average())
        if again is not None:
            mean = recompute_statistics(loss.model, mean, again, loss.dtype)
        size = (part.lie_dim, part.log_components)
        found.append(Stage(added, *size, fit.after, line, scored.evaluate(mean), fit))
    return Factors(tuple(found), (scored.evaluate(a), scored.evaluate(b)))


def _fits(
    a: Mapping[str, Tensor],
    b: Mapping[str, Tensor],
    part: Symmetry,
    method: WeightMatching,
    last: Alignment | None,
    seed: int,
) -> list[Alignment]:
    """Alignments by a subgroup: from where the last one ended, and from all starts."""
    starts: list[tuple[Start, ...]] = [method.starts]
    if last is not None:
        warm = Warm(part.lift(last.element))
        starts = [(warm,), (warm, *method.starts)]
    searches = [replace(method, starts=some) for some in starts]
    return [align(b, to=a, symmetry=part, method=one, seed=seed) for one in searches]


def _best(
    fits: Sequence[Alignment],
    a: Mapping[str, Tensor],
    loss: Loss,
    points: int,
    again: Sequence[Batch] | None,
) -> tuple[Alignment, Barrier]:
    """The alignment with the lower loss in the middle, and the barrier there."""
    lines = [barrier(loss, Line(a, fit.params), points, again) for fit in fits]
    middle = [line.losses[len(line.losses) // 2] for line in lines]
    k = middle.index(min(middle))
    return fits[k], lines[k]


def _same(part: Symmetry, last: Stage) -> bool:
    """Whether nothing was added."""
    return (part.lie_dim, part.log_components) == (last.lie_dim, last.log_components)

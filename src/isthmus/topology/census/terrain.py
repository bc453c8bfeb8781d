"""Terrain: what a connector finds its way in, and how the highest loss on a path is found."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import final

from torch import Tensor

from isthmus.algebra import Symmetry
from isthmus.ground import BadInput, distance, norm
from isthmus.landscape import (
    AbstractPath,
    Bootstrap,
    Curve,
    Joined,
    Loss,
    Refinement,
    Reversed,
    TrainingRecord,
)
from isthmus.landscape.running import Batch
from isthmus.topology.census.continuity import leap
from isthmus.topology.census.crossing import Crossing

MEETS = 1e-5
"""How far a path may begin and end from the two minima, relative to their norm; as `Joined`."""


@final
@dataclass(frozen=True)
class PathSampling:
    """Where the loss on a path is looked at.

    Args:
        points: Equal steps of t, both ends included; corners of the path are looked at besides.
        refine: How further points are looked at around the highest; None looks at none.
        interval: How sure the highest loss is: over samples of the data, at the highest point.
            None where the data are all there is.
        recompute_statistics: Batches on which BatchNorm statistics are estimated at every point.

    Raises:
        BadInput: ``points`` is below 2.
    """

    points: int = 25
    refine: Refinement | None = field(default_factory=Refinement)
    interval: Bootstrap | None = field(default_factory=Bootstrap)
    recompute_statistics: Iterable[Batch] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.points < 2:
            raise BadInput(f"points is {self.points}, expected at least 2", "count both ends")
        if self.recompute_statistics is not None:
            object.__setattr__(self, "recompute_statistics", tuple(self.recompute_statistics))


@final
@dataclass(frozen=True)
class Terrain:
    """The loss, the symmetry where there is one, and what counts as low.

    Attributes:
        loss: The loss.
        symmetry: Of the model, for connectors that align.
        level: Two minima are joined where no loss on a path is above it; None where all heights
            are wanted.
        sampling: Where the loss on a path is looked at.
        seed: Fixes every random choice of a connector.
    """

    loss: Loss
    symmetry: Symmetry | None = None
    level: float | None = None
    sampling: PathSampling = PathSampling()
    seed: int = 0

    def along(
        self, path: AbstractPath, a: Mapping[str, Tensor], b: Mapping[str, Tensor], connector: str
    ) -> Crossing:
        """The crossing of ``path``, which leads from ``a`` to ``b``.

        Declared jumps count, but for those at the ends that move nothing: where b has the
        symmetry itself. A path that leaps without saying so joins nothing.

        Raises:
            BadInput: The path does not join the two.
        """
        self._require_ends(path, a, b, connector)
        losses = self._losses(path)
        if (place := leap(path, list(losses))) is not None:
            return Crossing(connector, math.inf, reason=f"the path leaps near t = {place:.3g}")
        top = max(losses, key=lambda t: _height(losses[t]))
        height = _height(losses[top])
        interval, again = None, self.sampling.recompute_statistics
        if self.sampling.interval is not None and height < math.inf:
            each = self.loss.along(path, [top], again, each=True)[0].each
            assert each is not None
            interval = self.sampling.interval(each.unsqueeze(0), lambda means: means[:, 0])
        return Crossing(
            connector=connector,
            height=height,
            at=top,
            interval=interval,
            ends=(losses[0.0], losses[1.0]),
            kind=path.kind,
            jumps=self._jumps(path, a, b),
            points=len(losses) + (interval is not None),
            steps=_steps(path),
            path=path,
        )

    def joins(self, crossing: Crossing) -> bool:
        """Whether nothing is left to find: joined in parameter space, for sure, at the level.

        Where no level is given only a flat path is enough: to others there may be lower ones.
        """
        low = crossing.flat if self.level is None else crossing.high <= self.level
        return low and not crossing.jumps

    def _losses(self, path: AbstractPath) -> dict[float, float]:
        """The losses by t, refined around the highest."""
        count = self.sampling.points
        new = sorted({*(k / (count - 1) for k in range(count)), *path.breaks})
        found: dict[float, float] = {}
        while new:
            looked = self.loss.along(path, new, self.sampling.recompute_statistics)
            found |= zip(new, (one.loss for one in looked), strict=True)
            found = dict(sorted(found.items()))
            refine = self.sampling.refine
            new = refine.further(list(found), list(found.values())) if refine is not None else []
        return found

    def _require_ends(
        self, path: AbstractPath, a: Mapping[str, Tensor], b: Mapping[str, Tensor], connector: str
    ) -> None:
        for which, end, wanted in zip(("first", "second"), path.ends, (a, b), strict=True):
            gap = distance(wanted, end)
            if not gap <= MEETS * norm(wanted):
                raise BadInput(
                    f"the path of connector {connector!r} ends at distance {gap:.3g} from the "
                    f"{which} minimum",
                    "let it join the two that it is given",
                )

    def _jumps(
        self, path: AbstractPath, a: Mapping[str, Tensor], b: Mapping[str, Tensor]
    ) -> tuple[str, ...]:
        """The jumps, in words, without those at an end that is reached without them."""
        still = {
            t
            for t, point, wanted in ((0.0, path.start, a), (1.0, path.end, b))
            if distance(wanted, point) <= MEETS * norm(wanted)
        }
        return tuple(str(jump) for jump in path.jumps if jump.at not in still)


def _height(loss: float) -> float:
    """NaN is as high as infinity."""
    return loss if math.isfinite(loss) else math.inf


def _steps(path: AbstractPath) -> int:
    """The training steps behind a path and the parts that it was joined from."""
    match path:
        case Curve(record=TrainingRecord(steps=steps)):
            return steps
        case Joined(first=first, second=second):
            return _steps(first) + _steps(second)
        case Reversed(path=path):
            return _steps(path)
    return 0

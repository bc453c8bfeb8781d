"""The main job: two checkpoints in; out come their alignment, the paths between them, a merger."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from torch import Tensor, nn

from isthmus.algebra import Symmetry
from isthmus.alignment import Alignment, WeightMatching, align, distance
from isthmus.discovery import discover, verify
from isthmus.ground import BadInput, Certificate, NotASymmetry, Verdict, distances
from isthmus.landscape import AbstractPath, Barrier, Evaluation, Line, Loss, OrbitPath, barrier
from isthmus.landscape.maps import Plane, Surface, surface
from isthmus.merging import Average, RecomputeStatistics, merge
from isthmus.report.connection import ALIGNED, HOME, NAIVE, Connection
from isthmus.report.measuring import Batches, check_batches, criterion, has_statistics

Step: TypeAlias = "Callable[[str, int, int], None]"
"""Called with what begins, how many steps are done, and how many there are."""

_HOME_POINTS = 9

_STATISTICS_SAMPLES = 5000
"""How many training samples BatchNorm statistics are recomputed on at most (as in REPAIR)."""


@dataclass(frozen=True)
class Settings:
    """How two checkpoints are connected.

    Args:
        method: The matching.
        criterion: Outputs and targets to a scalar; the default chooses by the targets.
        points: Points on each straight line; the orbit, which is level, gets nine at most.
        repair: Whether BatchNorm statistics are recomputed on straight lines and for the merged
            model; None does so where the model has BatchNorm.
        certify: Whether it is proved how far from optimal the alignment can be (`optimality`).
        surface: Places in each direction of a map of the test loss on the plane of A, B and B′: it
            costs the square of that in evaluations; 0 draws none.
        samples: Random elements with which the symmetry is verified.
        seed: Fixes the run.
    """

    method: Any = field(default_factory=WeightMatching)
    criterion: Callable[[Any, Any], Tensor] = criterion
    points: int = 25
    repair: bool | None = None
    certify: bool = False
    surface: int = 0
    samples: int = 8
    seed: int = 0


class _Counter:
    """Passes on what is done, counted over all stages."""

    def __init__(self, step: Step | None, total: int) -> None:
        self.step, self.total, self.done, self.what = step, total, 0, ""

    def begin(self, what: str) -> None:
        self.what = what
        self._tell()

    def advance(self, *_: int) -> None:
        self.done += 1
        self._tell()

    def _tell(self) -> None:
        if self.step is not None:
            self.step(self.what, self.done, self.total)


def connect(
    model: nn.Module,
    a: Mapping[str, Tensor],
    b: Mapping[str, Tensor],
    *,
    example: Any,
    test: Batches,
    train: Batches | None = None,
    settings: Settings | None = None,
    progress: Step | None = None,
    provenance: Mapping[str, str] | None = None,
) -> Connection:
    """Align `b` to `a`, measure every path between them, and average them.

    Args:
        model: The architecture; its own weights do not matter.
        a: Params that stay.
        b: Params that move.
        example: Inputs to capture the model with.
        test: Batches to measure on.
        train: Batches to measure on too; BatchNorm statistics are estimated on them.
        settings: How.
        progress: Called as the work goes on.
        provenance: Words for the end of the report: versions, digests, the command.

    Raises:
        BadInput: The data do not fit the model.
        NotASymmetry: The symmetry that was discovered does not keep the function.
    """
    settings = settings or Settings()
    data = _parts(test, train)
    losses = {split: Loss(model, batches, settings.criterion) for split, batches in data.items()}
    points = _points(settings)
    looked = settings.surface**2 + len(points) * settings.points if settings.surface else 0
    count = _Counter(progress, 5 + (sum(points.values()) + 3) * len(data) + looked)
    for batches in data.values():  # before the work starts
        Loss(model, batches[:1], settings.criterion)(a)
    symmetry, verified = _symmetry(_at(model, a), example, settings, count)
    count.begin("aligning")
    fit = align(b, to=a, symmetry=symmetry, method=settings.method, seed=settings.seed)
    fit = fit.certify(b, to=a) if settings.certify else fit
    count.advance()
    count.begin("measuring the distance of the orbits")
    apart = distance(a, b, symmetry=symmetry, seed=settings.seed)
    count.advance()
    repair = has_statistics(model) if settings.repair is None else settings.repair
    statistics = _some(data.get("train", data["test"])) if repair else None
    count.begin("averaging")
    repairer = RecomputeStatistics(model, statistics) if statistics else None
    merged = merge([a, fit.params], method=Average(), repair=repairer)
    count.advance()
    paths = _paths(symmetry, fit, a, b)
    barriers = _barriers(losses, paths, statistics, points, count)
    return Connection(
        symmetry=symmetry,
        alignment=fit,
        distances_before=distances(a, b),
        distances_after=distances(a, fit.params),
        orbits=apart,
        barriers=barriers,
        scores=_scores(losses, {"a": a, "b": b, "merged": merged}, count),
        jumps={name: text for jump in paths[HOME].jumps for name, text in jump.moved.items()},
        moved=fit.element.moved,
        certificates=_certificates(verified, fit, barriers),
        repaired=statistics is not None,
        seed=settings.seed,
        points=settings.points,
        merged=merged,
        surface=_surface(losses["test"], paths, statistics, settings, count),
        provenance=dict(provenance or {}),
    )


def _parts(test: Batches, train: Batches | None) -> dict[str, Batches]:
    """The parts of the data by name, test first."""
    data = {"test": check_batches(test, "test")}
    return data if train is None else {**data, "train": check_batches(train, "training")}


def _points(settings: Settings) -> dict[str, int]:
    """How many points each path is measured at: the orbit is exactly level, so a few show it."""
    return {
        NAIVE: settings.points,
        ALIGNED: settings.points,
        HOME: min(settings.points, _HOME_POINTS),
    }


def _paths(
    symmetry: Symmetry, fit: Alignment, a: Mapping[str, Tensor], b: Mapping[str, Tensor]
) -> dict[str, AbstractPath]:
    """The line A to B, the line A to B′, and the orbit from B′ home to B."""
    return {
        NAIVE: Line(a, b),
        ALIGNED: Line(a, fit.params),
        HOME: OrbitPath(symmetry, fit.element, b).reversed(),
    }


def _at(model: nn.Module, params: Mapping[str, Tensor]) -> nn.Module:
    """A copy of `model` with these weights: what is verified then depends on the inputs alone."""
    there = copy.deepcopy(model)
    there.load_state_dict(dict(params), strict=False)  # tied names are left out, and follow
    return there


def _symmetry(
    model: nn.Module, example: Any, settings: Settings, count: _Counter
) -> tuple[Symmetry, Certificate]:
    """The symmetry of `model`, and what its verification says."""
    count.begin("discovering the symmetry")
    symmetry = discover(model, example)
    count.advance()
    count.begin("verifying the symmetry")
    certificate = verify(symmetry, model, example, samples=settings.samples, seed=settings.seed)
    if certificate.verdict is Verdict.REFUTED:
        raise NotASymmetry(
            f"the symmetry discovered changes the function: {certificate.claim}",
            "report this model as a bug; isthmus discover --verify shows the details",
        )
    count.advance()
    return symmetry, certificate


def _some(batches: Batches) -> Batches:
    """Batches spread evenly over all, with about `_STATISTICS_SAMPLES` samples."""
    wanted = max(1, _STATISTICS_SAMPLES // max(1, len(batches[0][0])))
    return list(batches[:: max(1, len(batches) // wanted)])


def _barriers(
    losses: Mapping[str, Loss],
    paths: Mapping[str, AbstractPath],
    statistics: Batches | None,
    points: Mapping[str, int],
    count: _Counter,
) -> dict[str, dict[str, Barrier]]:
    """Every path on every part of the data; the orbit keeps its own statistics."""
    found: dict[str, dict[str, Barrier]] = {}
    for split, loss in losses.items():
        found[split] = {}
        for name, path in paths.items():
            count.begin(f"the {name} path on {split} data")
            again = None if name == HOME else statistics
            found[split][name] = barrier(loss, path, points[name], again, count.advance)
    return found


def _surface(
    loss: Loss,
    paths: Mapping[str, AbstractPath],
    statistics: Batches | None,
    settings: Settings,
    count: _Counter,
) -> Surface | None:
    """The loss on the plane of A, B and B′; None where none is wanted, or there is no plane."""
    if not settings.surface:
        return None
    count.begin("mapping the plane of A, B and B′")
    try:
        plane = Plane(paths[NAIVE].start, paths[NAIVE].end, paths[ALIGNED].end)
    except BadInput:  # nothing was moved, or along the line
        return None
    return surface(
        loss,
        plane,
        settings.surface,
        paths=paths,
        points=settings.points,
        recompute_statistics=statistics,
        progress=count.advance,
    )


def _scores(
    losses: Mapping[str, Loss], models: Mapping[str, Mapping[str, Tensor]], count: _Counter
) -> dict[str, dict[str, Evaluation]]:
    """Loss and metrics of every model on every part of the data."""
    found: dict[str, dict[str, Evaluation]] = {}
    for split, loss in losses.items():
        count.begin(f"scoring on {split} data")
        found[split] = {}
        for name, params in models.items():
            found[split][name] = loss.evaluate(params)
            count.advance()
    return found


def _certificates(
    symmetry: Certificate, fit: Alignment, barriers: Mapping[str, Mapping[str, Barrier]]
) -> dict[str, Certificate]:
    """Every claim, by what it is about."""
    certificates = {"symmetry": symmetry, "alignment": fit.certificate}
    for split, paths in barriers.items():
        certificates[f"aligned line, {split}"] = paths[ALIGNED].certificate
    return certificates

"""Mechanisms on a path: its losses where something is done to the inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, final

from torch import Tensor

from isthmus.ground import BadInput, Result
from isthmus.landscape.loss import Evaluation, Loss
from isthmus.landscape.paths import described
from isthmus.landscape.running import Batch, Inputs, pair

Intervention: TypeAlias = "Callable[[Any], Inputs]"
"""The inputs of a batch to inputs of the same shape: a cue put in, taken away or replaced."""

Row: TypeAlias = tuple[float, ...]


@final
@dataclass(frozen=True)
class Mechanisms(Result):
    """Losses on a path, as the data are and under interventions.

    Attributes:
        kind: Of the path.
        ts: Where.
        clean: The losses on the data as they are.
        losses: By intervention, the losses on inputs that were changed; targets are not.
        metrics: By intervention ("" for none), the metrics by name.
    """

    kind: str
    ts: Row
    clean: Row
    losses: Mapping[str, Row]
    metrics: Mapping[str, Mapping[str, Row]]

    @property
    def reliance(self) -> dict[str, Row]:
        """By how much each intervention raises the loss: what the models use of what it changes."""
        return {
            name: tuple(x - y for x, y in zip(row, self.clean, strict=True))
            for name, row in self.losses.items()
        }

    @property
    def gaps(self) -> dict[str, float]:
        """By how much the two ends differ in their reliance."""
        return {name: abs(row[-1] - row[0]) for name, row in self.reliance.items()}

    @property
    def heights(self) -> dict[str, float]:
        """The barrier of the path on the data as they are ("") and under every intervention."""
        return {
            name: _height(self.ts, row) for name, row in {"": self.clean, **self.losses}.items()
        }

    def similar(self, tolerance: float) -> bool:
        """Whether no reliance differs by more: the ends share their mechanisms."""
        return all(gap <= tolerance for gap in self.gaps.values())

    def __str__(self) -> str:
        shown = {"": self.clean, **self.losses}
        width = max(map(len, ("as they are", *self.losses)))
        rows = [
            f"  {name or 'as they are':<{width}}  {row[0]:9.4g}  {row[-1]:9.4g}  "
            f"{self.heights[name]:9.4g}"
            for name, row in shown.items()
        ]
        head = f"  {'inputs':<{width}}  {'t = 0':>9}  {'t = 1':>9}  {'barrier':>9}"
        return "\n".join([f"losses on a path ({self.kind}), {len(self.ts)} points", head, *rows])


def mechanisms(
    loss: Loss,
    path: Callable[[float], Mapping[str, Tensor]],
    interventions: Mapping[str, Intervention],
    points: int = 11,
) -> Mechanisms:
    """The losses on a path under interventions on the inputs (Lubana et al. 2023).

    Two minima are mechanistically similar where the same interventions leave their losses as they
    are; the source finds that minima of different mechanisms are not joined by a straight line of
    low loss, and that a curve of low loss between them does not keep them.

    Args:
        loss: Model, data and metrics.
        path: t to Params.
        interventions: What is done to the inputs of a batch, by name.
        points: Equal steps of t, both ends included.

    Raises:
        BadInput: There is no intervention, one is called "", or ``points`` is below 2.
        UnknownName: The path's Params are not of the loss's model; so ShapeMismatch.
    """
    if not interventions or "" in interventions:
        raise BadInput("no intervention with a name", "give at least one, each with its name")
    if points < 2:
        raise BadInput(f"points is {points}, expected at least 2", "count both ends")
    ts = tuple(k / (points - 1) for k in range(points))
    found = {"": loss.along(path, ts)}
    for name, intervention in interventions.items():
        changed = replace(loss, batches=_Changed(loss.batches, intervention))
        found[name] = changed.along(path, ts)
    losses = {name: tuple(one.loss for one in row) for name, row in found.items()}
    clean = losses.pop("")
    metrics = {name: _metrics(row) for name, row in found.items()}
    return Mechanisms(described(path)[0], ts, clean, losses, metrics)


@dataclass(frozen=True, eq=False)
class _Changed:
    """Batches whose inputs an intervention has changed; read anew each time."""

    batches: Iterable[Batch]
    intervention: Intervention

    def __iter__(self) -> Iterator[Batch]:
        for index, batch in enumerate(self.batches):
            inputs, targets = pair(batch, index)
            yield self.intervention(inputs), targets


def _metrics(row: list[Evaluation]) -> dict[str, Row]:
    return {name: tuple(one.metrics[name] for one in row) for name in row[0].metrics}


def _height(ts: Row, row: Row) -> float:
    return max(v - (1 - t) * row[0] - t * row[-1] for t, v in zip(ts, row, strict=True))

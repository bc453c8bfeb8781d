"""What one step says of the loss and the metrics, and what all steps say together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from isthmus.ground import BadInput
from isthmus.landscape.evaluation.engine import Step
from isthmus.landscape.evaluation.metrics import Criterion, Metric, accuracy, class_axis
from isthmus.landscape.evaluation.samples import cut
from isthmus.landscape.running import said, shape_text

LOSS = ""
"""The name of the loss among the figures."""


@contextmanager
def _quoting(what: str, outputs: Any, targets: Any) -> Iterator[None]:
    """Errors as `BadInput`, with the shapes that ``what`` was to compare."""
    try:
        yield
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        raise BadInput(
            f"the {what} cannot compare outputs of shape {shape_text(outputs)} with targets "
            f"of shape {shape_text(targets)}: {said(error)}",
            f"give targets, or another {what}, that fit the model's outputs",
        ) from error


def mean_of(function: Criterion, what: str, outputs: Any, targets: Any) -> Tensor:
    """``function(outputs, targets)`` in float64, shape ().

    Raises:
        BadInput: It cannot compare the two, or gives no single number.
    """
    with _quoting(what, outputs, targets):
        value = torch.as_tensor(function(outputs, targets)).detach()
    if value.numel() != 1:
        raise BadInput(
            f"the {what} gives shape {tuple(value.shape)}, expected one number",
            "let it return the mean over the samples",
        )
    return value.reshape(()).double()


def each_of(criterion: Criterion, outputs: Any, targets: Any, samples: int) -> Tensor:
    """The loss of every sample on its own, float64 of shape (samples,).

    Args:
        criterion: The loss: vectorised over the samples where torch can, else called for each.
        outputs: What the model gives.
        targets: What it should give.
        samples: How many there are.

    Raises:
        BadInput: The criterion cannot compare single samples.
    """
    one = torch.func.vmap(lambda o, t: criterion(o.unsqueeze(0), t.unsqueeze(0)).reshape(()))
    try:
        row: Tensor = one(outputs, targets).double()
    except (RuntimeError, TypeError, ValueError, AttributeError):  # it looks at the numbers
        parts = [slice(k, k + 1) for k in range(samples)]
        pairs = [(cut(outputs, part), cut(targets, part)) for part in parts]
        row = torch.stack([mean_of(criterion, "criterion", o, t) for o, t in pairs])
    return row


def averages(criterion: Criterion, outputs: Any, targets: Any, samples: int) -> bool:
    """Whether the loss of these samples is the mean of their losses, as far as rounding goes."""
    row = each_of(criterion, outputs, targets, samples)
    return _same(row, mean_of(criterion, "criterion", outputs, targets))


def _same(row: Tensor, loss: Tensor) -> bool:
    return torch.allclose(row.mean(), loss, rtol=1e-4, atol=1e-7, equal_nan=True)


def _require_mean(row: Tensor, loss: Tensor) -> Tensor:
    if not _same(row, loss):
        raise BadInput(
            f"the losses of single samples have the mean {float(row.mean()):.6g}, but the "
            f"criterion gives {float(loss):.6g} for all of them",
            "let the criterion return the mean over the samples",
        )
    return row


@dataclass
class Totals:
    """Sums over ``samples`` samples at one point, by the figure's name.

    ``each`` holds the losses of single samples by (batch, first sample), where they are asked for.
    """

    samples: int = 0
    sums: dict[str, Tensor] = field(default_factory=dict)
    each: dict[tuple[int, int], Tensor] = field(default_factory=dict)

    def add(self, other: Totals) -> None:
        """Add those of further samples."""
        self.samples += other.samples
        for name, value in other.sums.items():
            self.sums[name] = self.sums[name] + value if name in self.sums else value
        self.each |= other.each

    def cpu(self) -> Totals:
        """The same on the CPU."""
        sums = {name: value.cpu() for name, value in self.sums.items()}
        return Totals(self.samples, sums, {place: row.cpu() for place, row in self.each.items()})

    @property
    def row(self) -> Tensor | None:
        """The losses of all samples in their order, if they were asked for."""
        parts = [self.each[place] for place in sorted(self.each)]
        return torch.cat(parts) if parts else None


@dataclass(frozen=True)
class Scoring:
    """What is summed, and what figures the sums give.

    Args:
        criterion: The loss.
        metrics: Further figures by name; None means the accuracy where there are classes.
        each: Whether the losses of single samples are kept.
    """

    criterion: Criterion
    metrics: Mapping[str, Criterion | Metric] | None
    each: bool = False

    def of(self, step: Step) -> Totals:
        """What a step adds to the sums, in float64.

        Raises:
            BadInput: The criterion or a metric cannot compare the two.
        """
        outputs, targets, samples = step.outputs, step.targets, step.samples
        loss = mean_of(self.criterion, "criterion", outputs, targets)
        sums = {LOSS: loss * samples}
        for name, metric in self._metrics(outputs, targets).items():
            what = f"metric {name!r}"
            if isinstance(metric, Metric):
                with _quoting(what, outputs, targets):
                    sums[name] = metric.sums(outputs, targets).double()
            else:
                sums[name] = mean_of(metric, what, outputs, targets) * samples
        if not self.each:
            return Totals(samples, sums)
        row = _require_mean(each_of(self.criterion, outputs, targets, samples), loss)
        return Totals(samples, sums, {(step.batch, step.start): row})

    def _metrics(self, outputs: Any, targets: Any) -> Mapping[str, Criterion | Metric]:
        if self.metrics is not None:
            return self.metrics
        return {} if class_axis(outputs, targets) is None else {"accuracy": accuracy}

    def figures(self, totals: Totals) -> dict[str, float]:
        """The loss, under the name `LOSS`, and the metrics."""
        found: dict[str, float] = {}
        for name, total in totals.sums.items():
            metric = (self.metrics or {}).get(name)
            value = metric.value(total) if isinstance(metric, Metric) else total / totals.samples
            if isinstance(value, Mapping):
                found |= {f"{name} {key}": float(one) for key, one in value.items()}
            else:
                found[name] = float(value)
        return found

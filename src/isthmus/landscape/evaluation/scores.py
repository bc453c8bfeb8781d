"""What one step says of the loss and the metrics, and what all steps say together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from isthmus.ground import BadInput
from isthmus.landscape.evaluation.metrics import Criterion, Metric, accuracy, class_axis
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


@dataclass
class Totals:
    """Sums over ``samples`` samples at one point, by the figure's name."""

    samples: int = 0
    sums: dict[str, Tensor] = field(default_factory=dict)

    def add(self, samples: int, sums: Mapping[str, Tensor]) -> None:
        """Add those of further samples."""
        self.samples += samples
        for name, value in sums.items():
            self.sums[name] = self.sums[name] + value if name in self.sums else value

    def to(self, device: str) -> Totals:
        """The same on another device."""
        return Totals(self.samples, {name: value.to(device) for name, value in self.sums.items()})


@dataclass(frozen=True)
class Scoring:
    """What is summed, and what figures the sums give.

    Args:
        criterion: The loss.
        metrics: Further figures by name; None means the accuracy where there are classes.
    """

    criterion: Criterion
    metrics: Mapping[str, Criterion | Metric] | None

    def of(self, outputs: Any, targets: Any, samples: int) -> dict[str, Tensor]:
        """What a step adds to the sums, in float64.

        Raises:
            BadInput: The criterion or a metric cannot compare the two.
        """
        sums = {LOSS: mean_of(self.criterion, "criterion", outputs, targets) * samples}
        for name, metric in self._metrics(outputs, targets).items():
            what = f"metric {name!r}"
            if isinstance(metric, Metric):
                with _quoting(what, outputs, targets):
                    sums[name] = metric.sums(outputs, targets).double()
            else:
                sums[name] = mean_of(metric, what, outputs, targets) * samples
        return sums

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

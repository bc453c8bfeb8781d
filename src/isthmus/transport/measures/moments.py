"""second_moments: what weights are multiplied with, as the metric of their neurons."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor, nn

from isthmus.algebra.symmetry import Symmetry
from isthmus.alignment.data.covariance import input_metrics
from isthmus.alignment.data.metric import Metric
from isthmus.alignment.matching.meeting import acted, widened


def second_moments(
    model: nn.Module,
    batches: Iterable[Any],
    params: Mapping[str, Tensor],
    symmetry: Symmetry,
) -> list[Metric]:
    """The metric of every weight, from what it is multiplied with (mathematics.md 2.5).

    Args:
        model: the architecture; it is only run, in evaluation mode.
        batches: pairs (inputs, targets); targets are not looked at.
        params: where it is run.
        symmetry: of the model.

    Raises:
        BadInput: there are no batches, or one is no pair.
        CaptureFailed: the model cannot be traced on a batch.
    """
    core = symmetry.essential
    point = acted(core, widened(symmetry, params, exact=True))
    return input_metrics(model, batches, params, symmetry, point)

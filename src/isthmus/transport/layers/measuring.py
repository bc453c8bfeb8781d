"""Measuring and OnData: how layers are measured, and on what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from isthmus.alignment.forms.canonical import Balanced, Form
from isthmus.transport.dimension.intrinsic import NEAREST, Estimator
from isthmus.transport.distances.solvers import Solver
from isthmus.transport.distances.wasserstein import EXACT
from isthmus.transport.measures.neurons import INCOMING, Parts


@dataclass(frozen=True, eq=False)
class OnData:
    """A model and data on which it is looked at.

    Args:
        model: the architecture; it is only run, in evaluation mode.
        batches: pairs (inputs, targets); targets are not looked at.
        weighted: whether distances are in the metric of the data, not only dimensions.
    """

    model: nn.Module
    batches: Sequence[Any]
    weighted: bool = False


_BALANCED = Balanced()


@dataclass(frozen=True)
class Measuring:
    """How layers are measured.

    Args:
        parts: what atoms are made of.
        form: how long units are before they are compared, of those that have scales; None leaves
            them as they are.
        solver: of distances and plans: `Exact` or `Entropic`.
        estimator: of the intrinsic dimension.
        repetitions: of the samples whose rate is fitted; 0 leaves the rate out.
        level: of all intervals.
    """

    parts: Parts = INCOMING
    form: Form | None = _BALANCED
    solver: Solver = EXACT
    estimator: Estimator = NEAREST
    repetitions: int = 5
    level: float = 0.95

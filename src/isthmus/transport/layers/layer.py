"""LayerTransport: what is found of the units of one space in two models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from isthmus.ground.results import Result
from isthmus.transport.distances.wasserstein import Transport
from isthmus.transport.estimate import Estimate
from isthmus.transport.fits import RateFit
from isthmus.transport.rates import RateLaw


@dataclass(frozen=True)
class Dimensions(Result):
    """Of the units of one layer of one model; None where there is nothing to measure.

    Attributes:
        weights: effective dimension in the weights' own metric, ``WᵀW``.
        data: the same in the metric of data, ``W Σ Wᵀ``.
        shown: the effective dimension of what the units show on data.
        intrinsic: of the atoms.
    """

    weights: Estimate | None = None
    data: Estimate | None = None
    shown: Estimate | None = None
    intrinsic: Estimate | None = None

    @property
    def law(self) -> RateLaw | None:
        """How fast samples of W_2² fall in the intrinsic dimension."""
        return None if self.intrinsic is None else RateLaw(self.intrinsic.value)


@dataclass(frozen=True)
class LayerTransport(Result):
    """The units of one space in two models.

    Attributes:
        space: its name.
        sizes: numbers of units.
        length: root mean square length of the atoms of the first model: what distances are
            measured against.
        before: W_1 and W_2 as the models are; None where their atoms cannot be compared.
        after: the same when the layers around are aligned.
        matched: the root mean square distance of the units that the alignment pairs, which W_2
            cannot exceed; None where nothing was aligned.
        dimensions: of the first model's units.
        fit: W_2² between disjoint samples of the first model's units, against their number; None
            where there are too few.
    """

    space: str
    sizes: tuple[int, int]
    length: float
    before: tuple[Transport, Transport] | None
    after: tuple[Transport, Transport]
    matched: float | None
    dimensions: Dimensions
    fit: RateFit | None

    def to_json(self) -> dict[str, Any]:
        """The fields and the law of the rate."""
        law = self.dimensions.law
        return {**super().to_json(), "law": None if law is None else law.to_json()}

"""LayerTransport and LayerDistances: what is found of two models, layer by layer."""

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
        activations: the effective dimension of what the units show on data.
        intrinsic: of the atoms.
    """

    weights: Estimate | None = None
    data: Estimate | None = None
    activations: Estimate | None = None
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


COLUMNS = (
    "units of",
    "widths",
    "W1 before",
    "W1 after",
    "W2 before",
    "W2 after",
    "length",
    "eff. dim.",
    "on data",
    "activations",
    "intrinsic dimension",
    "predicted",
    "fitted exponent",
)


@dataclass(frozen=True)
class LayerDistances(Result):
    """All layers.

    Attributes:
        layers: in the order of the model.
        metric: of the distances, in words.
        aligned: how the models were brought together, in words.
    """

    layers: tuple[LayerTransport, ...]
    metric: str
    aligned: str

    def rows(self) -> list[tuple[str, ...]]:
        """The cells of a table with `COLUMNS`."""
        return [_row(one) for one in self.layers]

    def __str__(self) -> str:
        """A table, then what its numbers are."""
        cells = [COLUMNS, *self.rows()]
        widths = [max(len(row[k]) for row in cells) for k in range(len(COLUMNS))]
        lines = [
            "  ".join(
                text.rjust(width) if k else text.ljust(width)
                for k, (text, width) in enumerate(zip(row, widths, strict=True))
            )
            for row in cells
        ]
        return "\n".join([*lines, self.words])

    @property
    def words(self) -> str:
        """What the numbers are."""
        return (
            f"distances {self.metric}; {self.aligned}\n"
            "predicted and fitted: x of W_2² ~ N^-x between samples of a layer's units; predicted "
            "for independent units of the intrinsic dimension (Fournier and Guillin 2015; Weed and "
            "Bach 2019), from the bound for any law to that for a smooth one"
        )


def _row(one: LayerTransport) -> tuple[str, ...]:
    n, m = one.sizes
    before = ("", "") if one.before is None else tuple(f"{t.distance:.4g}" for t in one.before)
    after = tuple(f"{t.distance:.4g}" for t in one.after)
    of, law = one.dimensions, one.dimensions.law
    return (
        one.space,
        f"{n}" if n == m else f"{n}, {m}",
        before[0],
        after[0],
        before[1],
        after[1],
        f"{one.length:.4g}",
        *("" if e is None else f"{e.value:.1f}" for e in (of.weights, of.data, of.activations)),
        "" if of.intrinsic is None else str(of.intrinsic),
        "" if law is None else law.range,
        "" if one.fit is None else str(one.fit.exponent),
    )

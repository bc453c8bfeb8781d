"""LayerDistances: what is found of two models, layer by layer, as tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from isthmus.ground.results import Result
from isthmus.transport.layers.layer import LayerTransport

Cells: TypeAlias = "tuple[str, ...]"


@dataclass(frozen=True)
class Table(Result):
    """Cells for people.

    Attributes:
        title: what it is of.
        head: of the columns.
        rows: as long as the head each.
        words: what the numbers are.
    """

    title: str
    head: Cells
    rows: list[Cells]
    words: str

    def __str__(self) -> str:
        cells = [self.head, *self.rows]
        widths = [max(len(row[k]) for row in cells) for k in range(len(self.head))]
        lines = [
            "  ".join(
                text.rjust(width) if k else text.ljust(width)
                for k, (text, width) in enumerate(zip(row, widths, strict=True))
            )
            for row in cells
        ]
        return "\n".join([self.title, *lines, self.words])


_DIMENSIONS = "weights, on data, activations: tr(S)² / tr(S²) of S = WᵀW, W Σ Wᵀ and Σ"
_RATES = """\
x of W_2² ~ N^-x between two samples of N units of a layer. Predicted (Fournier and Guillin 2015;
Weed and Bach 2019) if the units were independent draws from one law of that dimension, which is
assumed, not checked: a range is from the bound for any law to that for a smooth one"""


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

    @property
    def tables(self) -> tuple[Table, ...]:
        """Distances; dimensions and rates of the layers that have them."""
        words = f"{self.metric}, of units of that root mean square length\n{self.aligned}"
        measured = [one for one in self.layers if one.dimensions.intrinsic is not None]
        found = (
            Table(
                "Distances",
                ("units of", "widths", "W1 before", "W1 after", "W2 before", "W2 after", "length"),
                [_distances(one) for one in self.layers],
                words,
            ),
            Table(
                "Dimensions of A",
                ("units of", "weights", "on data", "activations", "intrinsic"),
                [_dimensions(one) for one in measured],
                _DIMENSIONS,
            ),
            Table(
                "Rates of A",
                ("units of", "dimension", "predicted", "fitted", "N"),
                [_rates(one) for one in measured if one.fit is not None],
                _RATES,
            ),
        )
        return tuple(table for table in found if table.rows)

    def __str__(self) -> str:
        return "\n\n".join(map(str, self.tables))


def _distances(one: LayerTransport) -> Cells:
    n, m = one.sizes
    before = ("", "") if one.before is None else tuple(f"{t.distance:.4g}" for t in one.before)
    after = tuple(f"{t.distance:.4g}" for t in one.after)
    figures = (before[0], after[0], before[1], after[1], f"{one.length:.4g}")
    return (one.space, f"{n}" if n == m else f"{n}, {m}", *figures)


def _dimensions(one: LayerTransport) -> Cells:
    of = one.dimensions
    effective = ("" if e is None else f"{e.value:.1f}" for e in (of.weights, of.data, of.shown))
    return (one.space, *effective, f"{of.intrinsic:.3g}")


def _rates(one: LayerTransport) -> Cells:
    law, fit = one.dimensions.law, one.fit
    assert law is not None
    assert fit is not None
    ends = f"{fit.widths[0]} to {fit.widths[-1]}"
    return (one.space, f"{law.dimension:.3g}", law.range, f"{fit.exponent:.2g}", ends)

"""The minimum of a linear network under the squared loss: what it is, its components, labels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

from torch import Tensor

from isthmus.ground import BadInput, Certificate, Params, ShapeMismatch, Verdict
from isthmus.landscape.paths import AbstractPath
from isthmus.topology.counts import ComponentCount, CountFactor
from isthmus.topology.linear.fibre import Fibre, Weights
from isthmus.topology.linear.paths import linear_path
from isthmus.topology.linear.ways import linear_ways
from isthmus.topology.minima import RANK, AbstractMinimum, Label, Way

THEOREM = (
    "the weights of a given product of rank r have 2^#{hidden widths equal to r} components "
    "(Zhao et al. 2025, Proposition 4.1; for any widths Trager, Kohn and Bruna 2020)"
)


@final
@dataclass(frozen=True, eq=False)
class LinearMinimum(AbstractMinimum):
    """All weights at which ``‖Y - W_L ⋯ W_1 X‖²`` is least.

    They are those whose product is Z on the inputs: the best approximation of Y by a matrix whose
    rank is at most the smallest width and whose rows are combinations of those of X (Eckart and
    Young). Where the widths allow any rank that is the least squares fit, and Y itself where the
    inputs reach it.

    Args:
        layers: The weights by name, first layer first, with their shapes ``(out, in)``:
            `linear_layers` finds them in a symmetry; ``{n: w.shape for n, w in params.items()}``.
        inputs: ``(samples, features)``.
        targets: ``(samples, outputs)``.

    Raises:
        ShapeMismatch: The shapes do not follow one another, or do not fit the data.
        NotFinite: The data hold NaN or infinity.
        BadInput: There are no layers.
    """

    layers: Mapping[str, Sequence[int]]
    inputs: Tensor
    targets: Tensor

    def __post_init__(self) -> None:
        if not self.layers:
            raise BadInput("a linear network without layers", "name its weights, first layer first")
        width = next(iter(self.layers.values()))[1]
        for name, (out, into) in self.layers.items():
            if into != width:
                raise ShapeMismatch(
                    f"{name} has shape {(out, into)}, expected {width} columns",
                    "name the weights in order, first layer first",
                )
            width = out
        self._check_data(next(iter(self.layers.values()))[1], width)

    @property
    def shapes(self) -> Mapping[str, Sequence[int]]:
        """The layers."""
        return self.layers

    @property
    def hidden(self) -> tuple[int, ...]:
        """The widths of the hidden layers."""
        return tuple(int(out) for out, _ in self.layers.values())[:-1]

    @property
    def rank(self) -> int:
        """The rank of the product at the minimum."""
        return min([self._fit_rank, *self.hidden])

    @cached_property
    def fibre(self) -> Fibre:
        """The minimum, as the weights of one product.

        Raises:
            BadInput: The best approximation is not unique, so that there are many products.
        """
        if self._tied:
            raise BadInput(
                f"singular values {self.rank} and {self.rank + 1} of the fit are equal, so that no "
                f"best approximation of rank {self.rank} is the only one",
                "ask for the count, which has bounds, or give other targets",
            )
        return Fibre(self._columns[0], self._approximation(self.rank), self.rank)

    @property
    def least_loss(self) -> float:
        """What the inputs do not reach, and what narrow layers do not let through."""
        return float((self._columns[1] - self._approximation(self.rank)).square().sum())

    def weights(self, params: Mapping[str, Tensor]) -> Weights:
        """The weights in order, in float64."""
        return [params[name].double() for name in self.layers]

    def named(self, weights: Sequence[Tensor]) -> Params:
        """Weights in order as params."""
        return dict(zip(self.layers, weights, strict=True))

    def path(self, a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> AbstractPath:
        """Frames turn and stretch, weights follow (`Fibre.curve`)."""
        return linear_path(self, a, b)

    def ways(self, a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> Iterator[Way]:
        """Units permuted, or signs flipped; units added."""
        return linear_ways(self, a, b)

    @property
    def components(self) -> ComponentCount:
        """How many components the minimum has; bounds where the product is not unique.

        In that case every component meets every fibre, since the best approximations are connected.
        """
        equal = tuple(
            CountFactor(f"sign of the determinant behind {name} ({width} × {width})", math.log(2))
            for name, width in zip(self.layers, self.hidden, strict=False)
            if width == self.rank
        )
        most = len(equal) * math.log(2)
        checked = (self._reaches(), self._wide(), self._unique())
        least = 0.0 if self._tied else most
        return ComponentCount("the minimum", THEOREM, least, most, checked, equal)

    def _gap(self, params: Mapping[str, Tensor]) -> float:
        return self.fibre.gap(self.weights(params))

    def _label(self, params: Mapping[str, Tensor]) -> Label:
        return (self.fibre.label(self.weights(params)),)

    @property
    def _spread(self) -> tuple[float, float]:
        """Singular values r and r + 1 of the fit, relative to the first."""
        values = [*self._fit[1].tolist(), 0.0]
        top = values[0] or 1.0
        return values[self.rank - 1] / top if self.rank else math.inf, values[self.rank] / top

    @property
    def _tied(self) -> bool:
        above, below = self._spread
        return self.rank < self._fit_rank and above - below <= RANK

    def _reaches(self) -> Certificate:
        y = self._columns[1]
        left = y - self._approximation(len(self._fit[1]))
        away = float(left.square().sum() / y.square().sum().clamp_min(1e-300))
        return Certificate(
            "the inputs reach the targets: Y = Y X⁺ X; else the minimum is that of least squares",
            Verdict.PROVED if away <= RANK**2 else Verdict.REFUTED,
            evidence={"share_of_the_squared_norm_left": away},
        )

    def _wide(self) -> Certificate:
        enough = self.rank == self._fit_rank
        return Certificate(
            "no hidden layer is narrower than the rank of the fit; else the minimum is its best "
            "approximation of a lower rank, at a larger loss",
            Verdict.PROVED if enough else Verdict.REFUTED,
            evidence={"rank": self._fit_rank, "widths": " ".join(map(str, self.hidden)) or "none"},
        )

    def _unique(self) -> Certificate:
        """Certain but for rounding where the rank is as large as it can be."""
        above, below = self._spread
        full = self.rank == min([*self._columns[0].shape, self.targets.shape[1], *self.hidden])
        verdict = Verdict.PROVED if full else Verdict.TESTED
        return Certificate(
            f"the product at the minimum is unique, of rank {self.rank}; else there are bounds",
            Verdict.REFUTED if self._tied else verdict,
            evidence={"singular_value_r": above, "singular_value_r_plus_1": below},
        )

"""The minimum of a linear network under the squared loss: what it is, its components, labels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

import torch
from torch import Tensor

from isthmus.ground import (
    BadInput,
    Certificate,
    DtypeMismatch,
    NotFinite,
    ShapeMismatch,
    UnknownName,
    Verdict,
    closest,
    matrices,
)
from isthmus.topology.counts import ComponentCount, CountFactor
from isthmus.topology.linear.fibre import Fibre, Weights

RANK = 1e-9
"""Singular values that differ by less than this part of the largest count as equal."""

THEOREM = (
    "the weights of a given product of rank r have 2^#{hidden widths equal to r} components "
    "(Zhao et al. 2025, Proposition 4.1; for any widths Trager, Kohn and Bruna 2020, Theorem 5)"
)


@final
@dataclass(frozen=True, eq=False)
class LinearMinimum:
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
        widths = [int(self.inputs.shape[1]), *(int(out) for out, _ in self.layers.values())]
        for (name, (out, into)), width in zip(self.layers.items(), widths, strict=False):
            if into != width:
                raise ShapeMismatch(
                    f"{name} has shape {(out, into)}, expected {width} columns",
                    "name the weights in order, first layer first, with inputs (samples, features)",
                )
        if self.targets.shape != (len(self.inputs), widths[-1]):
            raise ShapeMismatch(
                f"the targets have shape {tuple(self.targets.shape)}, "
                f"expected {(len(self.inputs), widths[-1])}",
                "give one row for each sample",
            )
        for which, data in (("inputs", self.inputs), ("targets", self.targets)):
            if not bool(data.isfinite().all()):
                raise NotFinite(f"the {which} hold NaN or infinity", "look at the data")

    @property
    def hidden(self) -> tuple[int, ...]:
        """The widths of the hidden layers."""
        return tuple(int(out) for out, _ in self.layers.values())[:-1]

    @cached_property
    def _fit(self) -> tuple[Tensor, Tensor, Tensor]:
        """The least squares fit of the targets by the inputs: ``U, s, Vᵀ``."""
        x, y = self.inputs.double().mT, self.targets.double().mT
        return matrices.singular(y @ torch.linalg.pinv(x) @ x)

    def _approximation(self, rank: int) -> Tensor:
        """The best of that rank, ``(outputs, samples)``."""
        left, values, right = self._fit
        return left[:, :rank] * values[:rank] @ right[:rank]

    @cached_property
    def _values(self) -> list[float]:
        """The singular values of the fit, and a zero after the last."""
        return [*self._fit[1].tolist(), 0.0]

    @cached_property
    def fit_rank(self) -> int:
        """The rank of the least squares fit."""
        room = RANK * float(self.targets.double().norm())
        return sum(value > room for value in self._values)

    @cached_property
    def rank(self) -> int:
        """The rank of the product at the minimum."""
        return min([self.fit_rank, *self.hidden])

    @cached_property
    def fibre(self) -> Fibre:
        """The minimum, as the weights of one product.

        Raises:
            BadInput: the best approximation is not unique, so that there are many products.
        """
        if self._tied:
            raise BadInput(
                f"singular values {self.rank} and {self.rank + 1} of the fit are equal, so that no "
                f"best approximation of rank {self.rank} is the only one",
                "ask for the count, which has bounds, or give other targets",
            )
        return Fibre(self.inputs.double().mT, self._approximation(self.rank), self.rank)

    @cached_property
    def _tied(self) -> bool:
        gap = self._values[self.rank - 1] - self._values[self.rank] if self.rank else math.inf
        return self.rank < self.fit_rank and gap <= RANK * self._values[0]

    @cached_property
    def least_loss(self) -> float:
        """The squared loss at the minimum: what the inputs do not reach, and the narrow widths."""
        return float((self.targets.double().mT - self._approximation(self.rank)).square().sum())

    def weights(self, params: Mapping[str, Tensor]) -> Weights:
        """The weights in order, in float64.

        Raises:
            UnknownName: the names are not those of the layers; so ShapeMismatch.
        """
        for name in [*self.layers, *params]:
            if name not in params or name not in self.layers:
                near = closest(name, params if name in self.layers else self.layers)
                raise UnknownName(
                    f"the params have {', '.join(params)}, the layers are {', '.join(self.layers)}",
                    f"did you mean {near!r} for {name!r}?" if near else "give params of the layers",
                )
            if tuple(params[name].shape) != tuple(self.layers[name]):
                raise ShapeMismatch(
                    f"{name} has shape {tuple(params[name].shape)}, "
                    f"expected {tuple(self.layers[name])}",
                    "give params of the same network",
                )
        return [params[name].double() for name in self.layers]

    def excess(self, params: Mapping[str, Tensor]) -> float:
        """The loss above the least one, relative to ``‖Y‖²`` (or 1 if that is 0).

        Raises as `weights`.
        """
        size = float(self.targets.double().square().sum()) or 1.0
        return self.fibre.gap(self.weights(params)) ** 2 / size

    def label(self, params: Mapping[str, Tensor], tolerance: float = 1e-12) -> tuple[int, ...]:
        """Signs, one for each hidden layer as wide as the rank, that are equal on a component.

        Args:
            params: A minimum.
            tolerance: The largest `excess` of what counts as one.

        Raises:
            BadInput: ``params`` are no minimum.
            UnknownName: They are of another network; so ShapeMismatch.
        """
        self.require_minimum(params, tolerance)
        return self.fibre.label(self.weights(params))

    def require_minimum(self, params: Mapping[str, Tensor], tolerance: float) -> None:
        """Raise BadInput unless the loss is the least one, within a part of ``‖Y‖²``."""
        excess = self.excess(params)
        if not excess <= tolerance:
            raise BadInput(
                f"the loss is {excess:.3g} ‖Y‖² above its least, expected at most {tolerance:.3g}",
                "train further, or solve the last layer by least squares",
            )

    def exact(self, params: Mapping[str, Tensor]) -> Weights:
        """The weights, which must be in float64. Raises DtypeMismatch, and as `weights`."""
        for name, tensor in params.items():
            if tensor.dtype != torch.float64:
                raise DtypeMismatch(
                    f"{name} is {tensor.dtype}, expected torch.float64",
                    "exact paths need double precision: convert the params, then make the loss "
                    "zero again",
                )
        return self.weights(params)

    @cached_property
    def components(self) -> ComponentCount:
        """How many components the minimum has."""
        equal = [
            CountFactor(f"det of the frame behind {name}, {width} × {width}", math.log(2))
            for name, width in zip(self.layers, self.hidden, strict=False)
            if width == self.rank
        ]
        most = len(equal) * math.log(2)
        least = 0.0 if self._tied else most
        checked = (self._reaches(), self._wide(), self._ranked())
        return ComponentCount("the minimum", THEOREM, least, most, checked, tuple(equal))

    def _reaches(self) -> Certificate:
        y = self.targets.double().mT
        left = y - self._approximation(len(self._values))
        away = float(left.square().sum() / y.square().sum().clamp_min(1e-300))
        return Certificate(
            "the inputs reach the targets: Y = Y X⁺ X; else the minimum is that of least squares",
            Verdict.PROVED if away <= RANK**2 else Verdict.REFUTED,
            evidence={"share_of_the_squared_norm_left": away},
        )

    def _wide(self) -> Certificate:
        least, rank = min(self.hidden, default=self.fit_rank), self.fit_rank
        enough = least >= rank
        claim = (
            "no hidden layer is narrower than the rank of the fit; else the minimum is its best "
            f"approximation of rank {self.rank}, at a larger loss"
        )
        return Certificate(
            claim,
            Verdict.PROVED if enough else Verdict.REFUTED,
            evidence={"rank": rank, "widths": " ".join(map(str, self.hidden)) or "none"},
        )

    def _ranked(self) -> Certificate:
        """That the product is one and of rank r: certain but for rounding where nothing is cut."""
        top = max(self._values[0], 1e-300)
        above = self._values[self.rank - 1] / top if self.rank else math.inf
        below = self._values[self.rank] / top
        verdict = Verdict.REFUTED if self._tied else Verdict.TESTED
        full = min([len(self._values) - 1, self.inputs.shape[1], *self.hidden])
        if self.rank == full and not self._tied:
            verdict = Verdict.PROVED
        return Certificate(
            f"the product at the minimum is unique, of rank {self.rank}; else there are bounds",
            verdict,
            evidence={"singular_value_r": above, "singular_value_r_plus_1": below},
        )

"""Sets of minima that are known exactly: what they have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
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
    closest,
    matrices,
)
from isthmus.landscape.paths import AbstractPath
from isthmus.topology.counts import ComponentCount

RANK = 1e-9
"""Singular values below this part of the size of the targets count as zero."""

Label = tuple[tuple[int, ...], ...]
"""By part of the network, signs of determinants."""


@final
@dataclass(frozen=True, eq=False)
class Way:
    """Two minima made ready for a path between them.

    Attributes:
        how: In two or three words.
        moved: What was done, by layer.
        minimum: Of the network that both ends are of.
        a: The first.
        b: The second.
        certificates: What is known of the way.
    """

    how: str
    moved: Mapping[str, str]
    minimum: AbstractMinimum
    a: Mapping[str, Tensor]
    b: Mapping[str, Tensor]
    certificates: tuple[Certificate, ...] = ()


class AbstractMinimum(ABC):
    """All weights of one network at which the squared loss ``‖Y - f(X)‖²`` is least.

    Attributes:
        inputs: X as a model takes it, ``(samples, features)``.
        targets: Y, ``(samples, outputs)``.
    """

    inputs: Tensor
    targets: Tensor

    @property
    @abstractmethod
    def shapes(self) -> Mapping[str, Sequence[int]]:
        """The weights by name, with their shapes ``(out, in)``."""

    @property
    @abstractmethod
    def components(self) -> ComponentCount:
        """How many components the minimum has."""

    @property
    @abstractmethod
    def least_loss(self) -> float:
        """The squared loss at the minimum."""

    @abstractmethod
    def _gap(self, params: Mapping[str, Tensor]) -> float:
        """How far the outputs are from those at the minimum, in Frobenius norm."""

    @abstractmethod
    def _label(self, params: Mapping[str, Tensor]) -> Label:
        """As `label`, of what is known to be a minimum."""

    @abstractmethod
    def path(self, a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> AbstractPath:
        """From a to b inside the minimum; both are minima in float64.

        Raises:
            Disconnected: They are in different components.
        """

    @abstractmethod
    def ways(self, a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> Iterator[Way]:
        """What can be done to minima of different components so that there is a path."""

    def excess(self, params: Mapping[str, Tensor]) -> float:
        """The loss above the least one, relative to ``‖Y‖²`` (or 1 if that is 0).

        Raises:
            UnknownName: The params are of another network; so ShapeMismatch.
        """
        self.check(params)
        return self._gap(params) ** 2 / (float(self._columns[1].square().sum()) or 1.0)

    def label(self, params: Mapping[str, Tensor], tolerance: float = 1e-12) -> Label:
        """Signs of determinants: equal at two minima exactly where they are in one component.

        Args:
            params: A minimum.
            tolerance: The largest `excess` of what counts as one.

        Raises:
            BadInput: ``params`` are no minimum, or too near to where a sign changes.
            UnknownName: They are of another network; so ShapeMismatch.
        """
        excess = self.excess(params)
        if not excess <= tolerance:
            raise BadInput(
                f"the loss is {excess:.3g} ‖Y‖² above its least, expected at most {tolerance:.3g}",
                "train further, or solve the last layer by least squares",
            )
        return self._label(params)

    def check(self, params: Mapping[str, Tensor]) -> None:
        """Raise UnknownName or ShapeMismatch unless ``params`` are of this network."""
        for name in [*self.shapes, *params]:
            if name not in params or name not in self.shapes:
                near = closest(name, params if name in self.shapes else self.shapes)
                raise UnknownName(
                    f"the params have {', '.join(params)}, the layers are {', '.join(self.shapes)}",
                    f"did you mean {near!r} for {name!r}?" if near else "give params of the layers",
                )
            if tuple(params[name].shape) != tuple(self.shapes[name]):
                raise ShapeMismatch(
                    f"{name} has shape {tuple(params[name].shape)}, "
                    f"expected {tuple(self.shapes[name])}",
                    "give params of the same network",
                )

    def require_double(self, params: Mapping[str, Tensor]) -> None:
        """Raise DtypeMismatch unless all are in float64; UnknownName and ShapeMismatch too."""
        self.check(params)
        for name, tensor in params.items():
            if tensor.dtype != torch.float64:
                raise DtypeMismatch(
                    f"{name} is {tensor.dtype}, expected torch.float64",
                    "exact paths need double precision: convert the params, then make the loss "
                    "the least again",
                )

    def _check_data(self, features: int, outputs: int) -> None:
        wanted = (("inputs", self.inputs, features), ("targets", self.targets, outputs))
        for which, data, width in wanted:
            if data.shape != (len(self.inputs), width):
                raise ShapeMismatch(
                    f"the {which} have shape {tuple(data.shape)}, "
                    f"expected {(len(self.inputs), width)}",
                    "give one row for each sample, and the weights in order, first layer first",
                )
            if not bool(data.isfinite().all()):
                raise NotFinite(f"the {which} hold NaN or infinity", "look at the data")

    @cached_property
    def _columns(self) -> tuple[Tensor, Tensor]:
        """X and Y as the formulas have them: ``(features, samples)``, float64."""
        return self.inputs.double().mT, self.targets.double().mT

    @cached_property
    def _fit(self) -> tuple[Tensor, Tensor, Tensor]:
        """The least squares fit of the targets by the inputs, ``Y X⁺ X``, as ``U, s, Vᵀ``."""
        x, y = self._columns
        return matrices.singular(y @ torch.linalg.pinv(x) @ x)

    @cached_property
    def _fit_rank(self) -> int:
        """The rank of the fit."""
        return int((self._fit[1] > RANK * self._columns[1].norm()).sum())

    def _approximation(self, rank: int) -> Tensor:
        """The best of that rank to the fit, ``(outputs, samples)``."""
        left, values, right = self._fit
        return left[:, :rank] * values[:rank] @ right[:rank]

"""A network as layers in a row: what each is multiplied with, its second moments, its dimension."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from isthmus.algebra import Symmetry
from isthmus.algebra.spaces import leaves
from isthmus.discovery.probes import Probes
from isthmus.ground import BadInput
from isthmus.landscape.running import pair
from isthmus.transport.dimension.effective import trace_ratio


@dataclass(frozen=True)
class Layer:
    """A matrix ``(units, inputs)``; the space of its units, and that of its inputs."""

    weight: str
    units: str | None
    inputs: str | None


def layers(symmetry: Symmetry) -> list[Layer]:
    """The layers from the inputs to the outputs.

    Raises:
        BadInput: They are not in a row: some space is written or read by two matrices, or by none.
    """
    found: dict[str | None, Layer] = {}
    for name, rep in symmetry.reps.items():
        sides = [list(leaves(axis)) for axis in rep.axes]
        if len(sides) != 2 or any(len(side) != 1 for side in sides):
            continue
        layer = Layer(name, sides[0][0].space, sides[1][0].space)
        if layer.inputs in found:
            raise BadInput(
                f"{layer.weight} and {found[layer.inputs].weight} read the same units",
                "one-sided matching is for networks whose layers stand in a row",
            )
        found[layer.inputs] = layer
    row: list[Layer] = []
    place: str | None = None
    while place in found and len(row) < len(found):
        row.append(found[place])
        place = row[-1].units
    if {layer.units for layer in row} - {None} != set(symmetry.spaces) or place is not None:
        raise BadInput(
            f"of {len(symmetry.spaces)} hidden spaces {len(row) - 1} follow from the inputs",
            "one-sided matching is for networks whose layers stand in a row",
        )
    return row


def inputs_of(
    model: nn.Module,
    batches: Iterable[Any],
    symmetry: Symmetry,
    row: list[Layer],
    *models: Mapping[str, Tensor],
) -> Iterator[list[tuple[Tensor, ...]]]:
    """For each batch, what each layer takes in each model, ``(samples, inputs)`` in float64.

    Raises:
        BadInput: There are no batches.
    """
    probes = Probes(model, symmetry)
    count = 0
    for count, batch in enumerate(batches, 1):
        given, _ = pair(batch, count - 1)
        x = tuple(given) if isinstance(given, list) else given
        reading = [probes.at(x).contractions[layer.weight][0] for layer in row]
        sources = tuple(one.source for one in reading)
        values = [probes.values(params, x, sources) for params in models]
        yield [tuple(one.inputs(v[one.source]).double() for v in values) for one in reading]
    if not count:
        raise BadInput("there are no batches", "give some pairs (inputs, targets)")


@dataclass(frozen=True)
class Moments:
    """Of what a layer takes: sums over samples.

    Attributes:
        products: ``(inputs, inputs)``: in the first model times in the last, of each sample.
        first: ``(inputs,)``, in the first model alone; so ``last``.
        samples: How many.
    """

    products: Tensor
    first: Tensor
    last: Tensor
    samples: int

    @classmethod
    def of(cls, first: Tensor, last: Tensor) -> Moments:
        """Of one batch, ``(samples, inputs)`` of each model."""
        return cls(first.mT @ last, first.sum(0), last.sum(0), len(first))

    def __add__(self, other: Moments) -> Moments:
        return Moments(
            self.products + other.products,
            self.first + other.first,
            self.last + other.last,
            self.samples + other.samples,
        )

    @property
    def second(self) -> Tensor:
        """``E[x yᵀ]``, not centred (mathematics.md 2.5)."""
        return self.products / self.samples

    @property
    def covariance(self) -> Tensor:
        """The same centred, times the number of samples."""
        return self.products - torch.outer(self.first, self.last) / self.samples


def moments(
    model: nn.Module,
    batches: Iterable[Any],
    symmetry: Symmetry,
    row: list[Layer],
    *models: Mapping[str, Tensor],
) -> list[Moments]:
    """What each layer takes in the first of some models, beside what it takes in the last.

    Raises:
        BadInput: There are no batches.
    """
    found: list[Moments] = []
    for seen in inputs_of(model, batches, symmetry, row, *models):
        new = [Moments.of(values[0], values[-1]) for values in seen]
        found = [old + more for old, more in zip(found, new, strict=True)] if found else new
    return found


def input_moments(
    model: nn.Module,
    batches: Iterable[Any],
    symmetry: Symmetry,
    row: list[Layer],
    params: Mapping[str, Tensor],
) -> list[Tensor]:
    """``E[x xᵀ]`` of what each layer takes, not centred (mathematics.md 2.5)."""
    return [one.second for one in moments(model, batches, symmetry, row, params)]


def dimensions(params: Mapping[str, Tensor], row: list[Layer], moments: list[Tensor]) -> Tensor:
    """The dimension of every hidden layer in three metrics, ``(3, hidden layers)``.

    Of the weights, ``Wᵀ W``; of the weights on the data, ``W Σ Wᵀ`` with Σ of what the layer takes;
    of the activations, Σ of what it gives.
    """
    found = []
    for k, layer in enumerate(row[:-1]):
        weight = params[layer.weight].double()
        felt = weight @ moments[k] @ weight.mT
        found.append([trace_ratio(s) for s in (weight @ weight.mT, felt, moments[k + 1])])
    return torch.tensor(found, dtype=torch.float64).mT.contiguous()

"""The paper's matchers: each layer's units by what comes in, layer after layer.

Bare of biases and of the weights that go out, which `isthmus.WeightMatching` and
`isthmus.CovarianceMatching` use too. For networks whose layers stand in a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from isthmus.algebra import Element, Symmetry
from isthmus.algebra.groups import Moves
from isthmus.alignment import Match
from isthmus.ground import BadInput
from isthmus.ground.assignment import assignment
from isthmus.papers.ferbach2023.layers import Layer, input_moments, layers, moments


@dataclass(frozen=True)
class IncomingWeights:
    """Each layer's permutation P with the largest ``⟨P, W_a W_bᵀ⟩``: "naive" weight matching.

    The inputs of ``W_b`` are in the order found for the layer before (mathematics.md 2.5). Weaker
    than the matching of Ainsworth et al. 2023, which also looks at the outgoing weights.
    """

    def __call__(
        self,
        a: Mapping[str, Tensor],
        b: Mapping[str, Tensor],
        symmetry: Symmetry,
        generator: torch.Generator,
    ) -> Match:
        """The permutations.

        Raises:
            BadInput: The network's layers do not stand in a row.
        """
        row = layers(symmetry)
        return _match(a, b, symmetry, row, lambda number, weight: weight)


@dataclass(frozen=True, eq=False)
class IncomingCovariance:
    """Each layer's permutation P with the largest ``⟨P, W_a Σ W_bᵀ⟩``: the paper's own method.

    Σ is the second moment, not centred, of what the layer takes in ``a``. Where ``moments`` are
    given, one for each layer, these are Σ and no model is run.

    Args:
        model: the architecture; it is only run, in evaluation mode.
        batches: pairs (inputs, targets); targets are not looked at.
        moments: Σ of every layer, from the first to the last.
    """

    model: nn.Module
    batches: Iterable[Any]
    moments: tuple[Tensor, ...] = field(default=())

    def __call__(
        self,
        a: Mapping[str, Tensor],
        b: Mapping[str, Tensor],
        symmetry: Symmetry,
        generator: torch.Generator,
    ) -> Match:
        """The permutations.

        Raises:
            BadInput: The network's layers do not stand in a row, or there are no batches.
        """
        row = layers(symmetry)
        found = self.moments or input_moments(self.model, self.batches, symmetry, row, a)
        if len(found) < len(row) - 1:
            raise BadInput(
                f"{len(found)} second moments for {len(row)} layers", "give one for every layer"
            )
        return _match(a, b, symmetry, row, lambda number, weight: weight @ found[number])


@dataclass(frozen=True, eq=False)
class UnitActivations:
    """Each layer's permutation P with the largest ``⟨P, Cov(x_a, x_b)⟩`` of what its units give.

    Centred, after the nonlinearity. `isthmus.ActivationMatching` also looks before it.

    Args:
        model: the architecture; it is only run, in evaluation mode.
        batches: pairs (inputs, targets); targets are not looked at.
    """

    model: nn.Module
    batches: Iterable[Any]

    def __call__(
        self,
        a: Mapping[str, Tensor],
        b: Mapping[str, Tensor],
        symmetry: Symmetry,
        generator: torch.Generator,
    ) -> Match:
        """The permutations.

        Raises:
            BadInput: The network's layers do not stand in a row, or there are no batches.
        """
        row = layers(symmetry)
        given = moments(self.model, self.batches, symmetry, row, a, b)[1:]
        orders = {
            str(layer.units): assignment(taken.covariance, maximise=True)
            for layer, taken in zip(row[:-1], given, strict=True)
        }
        return Match(_element(symmetry, orders), {"samples": given[0].samples}, _CLAIM)


_CLAIM = "each layer's units are in the best order for what comes in, the layer before held"


def _match(
    a: Mapping[str, Tensor],
    b: Mapping[str, Tensor],
    symmetry: Symmetry,
    row: list[Layer],
    weigh: Callable[[int, Tensor], Tensor],
) -> Match:
    """Layer after layer from the inputs: the order of the one before is final by then."""
    orders: dict[str, Tensor] = {}
    for number, layer in enumerate(row[:-1]):
        one, two = a[layer.weight].double(), b[layer.weight].double()
        if layer.inputs is not None:
            two = two[:, orders[layer.inputs]]
        orders[str(layer.units)] = assignment(weigh(number, one) @ two.mT, maximise=True)
    return Match(_element(symmetry, orders), {"layers": len(orders)}, _CLAIM)


def _element(symmetry: Symmetry, orders: Mapping[str, Tensor]) -> Element:
    """These permutations, nothing scaled."""
    values = dict(symmetry.identity().values)
    for name, order in orders.items():
        still = values[name]
        assert isinstance(still, Moves)  # ReLU and its like leave permutations and scales alone
        values[name] = still._replace(perm=order)
    return Element(symmetry, values)

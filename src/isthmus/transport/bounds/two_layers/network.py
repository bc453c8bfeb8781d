"""A network with one hidden space of units, as its symmetry and its program show it.

``f(x) = c + (1/N) Σ_i r_i σ(w_i·x + b_i)``, N units; an unnormalised sum has readers r_i that are N
times the weights that it is written with. What is not of a unit, c, is an output's bias.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from isthmus.algebra import Symmetry
from isthmus.discovery.contractions import Contraction
from isthmus.discovery.execution import execute
from isthmus.discovery.program import Program
from isthmus.ground import BadInput, Params, double
from isthmus.landscape.enclosures.rounding import room
from isthmus.landscape.running import Inputs, tensors
from isthmus.transport.bounds.two_layers.activations import Activation


@final
@dataclass(frozen=True, eq=False)
class Units:
    """The parameters of every unit, float64.

    Attributes:
        writers: (N, inputs), or (N, inputs + 1) with biases last.
        readers: (N, outputs), in the form of a mean.
    """

    writers: Tensor
    readers: Tensor

    def rows(self, outgoing: float = 1.0) -> Tensor:
        """(N, parameters of a unit), the readers times ``outgoing``."""
        return torch.cat([outgoing * self.readers, self.writers], 1)

    def __getitem__(self, index: Tensor) -> Units:
        return Units(self.writers[index], self.readers[index])


@final
@dataclass(frozen=True, eq=False)
class Seen:
    """What units do on a batch of n inputs.

    Attributes:
        pre: (n, N), w·x + b.
        error: (n, N), by how much rounding may have moved it.
        reach: (n, 1), the norm of x, or of (x, 1) with biases.
    """

    pre: Tensor
    error: Tensor
    reach: Tensor

    def __getitem__(self, index: Tensor) -> Seen:
        return Seen(self.pre[:, index], self.error[:, index], self.reach)


@final
@dataclass(frozen=True, eq=False)
class UnitNetwork:
    """A model with one hidden space, and the names of what its units are made of.

    Attributes:
        symmetry: Of the model.
        space: The hidden space's name.
        width: N.
        writing: How the units are written.
        bias: The name of their biases, or None.
        reading: How the outputs read them.
        activation: σ.
        scale: N times what the sum is multiplied with: 1 for a mean, N for a sum.
        others: Parameters that are no unit's and not added to the outputs either.
    """

    symmetry: Symmetry
    space: str
    width: int
    writing: Contraction
    bias: str | None
    reading: Contraction
    activation: Activation
    scale: float
    others: tuple[str, ...]

    def units(self, params: Mapping[str, Tensor]) -> Units:
        """The units of a model, in the form of a mean."""
        weight, reader = (params[one.weight].double() for one in (self.writing, self.reading))
        rows = [weight.mT if self.writing.first else weight]
        if self.bias is not None:
            rows.append(params[self.bias].double().unsqueeze(1))
        return Units(torch.cat(rows, 1), self.scale * (reader if self.reading.first else reader.mT))

    def seen(self, units: Units, x: Tensor) -> Seen:
        """What they do on inputs (n, inputs)."""
        if self.bias is not None:
            x = torch.cat([x, x.new_ones(len(x), 1)], 1)
        reach = torch.linalg.vector_norm(x, dim=1, keepdim=True) * (1 + room(x.shape[1]))
        sizes = torch.linalg.vector_norm(units.writers, dim=1)
        return Seen(x @ units.writers.mT, room(x.shape[1]) * reach * sizes, reach)

    def inputs(self, program: Program, params: Mapping[str, Tensor], inputs: Inputs) -> Tensor:
        """What the units read, (n, inputs), float64."""
        source = self.writing.source
        return self.writing.inputs(values(program, params, inputs, source)[source])

    def require_alike(self, a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> None:
        """Raise BadInput where the models differ in a parameter that is none of the units'."""
        for name in self.others:
            if not torch.equal(a[name], b[name]):
                raise BadInput(
                    f"the models differ in {name}, which is no part of a unit of {self.space!r} "
                    "and is not added to the outputs",
                    "give it the same value in both",
                )

    def permuted(self, params: Mapping[str, Tensor], order: Tensor) -> Params:
        """The same function, its unit k what was unit ``order[k]``."""
        out = dict(params)
        for one, dim in (
            (self.writing, self.writing.first),
            (self.reading, not self.reading.first),
        ):
            out[one.weight] = params[one.weight].index_select(int(dim), order)
        if self.bias is not None:
            out[self.bias] = params[self.bias][order]
        return out


def values(
    program: Program, params: Mapping[str, Tensor], inputs: Inputs, *wanted: str
) -> dict[str, Tensor]:
    """Some values of a program by name, in float64."""
    wide = double(params)
    named = dict(zip(program.inputs, tensors(inputs), strict=True))
    doubled = double(named)
    return execute(program, wide, doubled, wanted)

"""Readers: what the layers of a model multiply with their weights, gathered while it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from isthmus.ground import Params
from isthmus.landscape.running import tensors


@dataclass(frozen=True)
class Place:
    """A matrix in the parameters: rows of a weight, each flattened, and the bias as a last column.

    A convolution has one for each of its groups.
    """

    weight: str
    bias: str | None
    first: int
    rows: int
    columns: int

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters that it is in."""
        return (self.weight,) if self.bias is None else (self.weight, self.bias)

    def read(self, params: Mapping[str, Tensor]) -> Tensor:
        """``(rows, columns)``."""
        matrix = params[self.weight][self._own].flatten(1)
        if self.bias is None:
            return matrix
        return torch.cat([matrix, params[self.bias][self._own, None]], 1)

    def write(self, params: Mapping[str, Tensor], matrix: Tensor) -> None:
        """Put a matrix in place."""
        weight = params[self.weight]
        weight[self._own] = matrix[:, : weight[0].numel()].reshape(self.rows, *weight.shape[1:])
        if self.bias is not None:
            params[self.bias][self._own] = matrix[:, -1]

    def rest(self, params: Mapping[str, Tensor]) -> None:
        """Zero for a bias whose weight does not move: alone it shifts what all inputs lead to."""
        if self.bias is not None and self.bias in params:
            params[self.bias][self._own] = 0

    @property
    def _own(self) -> slice:
        return slice(self.first, self.first + self.rows)


@dataclass(eq=False)
class Inputs:
    """All that was multiplied with a matrix: R of its QR factors, ``Σ x xᵀ = Rᵀ R``, in float64."""

    place: Place
    triangle: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.triangle = torch.zeros(0, self.place.columns, dtype=torch.float64)

    def add(self, rows: Tensor) -> None:
        """Count more inputs, a row each: the memory is that of one square matrix and of them."""
        rows = rows.to(self.triangle)
        if self.place.bias is not None:
            rows = torch.cat([rows, rows.new_ones(len(rows), 1)], 1)
        self.triangle = torch.linalg.qr(torch.cat([self.triangle, rows]), mode="r").R


class Readers(TorchFunctionMode):
    """Watches which functions take which parameters, and notes the inputs of those that are linear.

    Args:
        params: By name, the very tensors that the model runs with.
    """

    def __init__(self, params: Mapping[str, Tensor]) -> None:
        super().__init__()
        self._names = {id(tensor): name for name, tensor in params.items()}
        self._inputs: dict[Place, Inputs] = {}
        self._others: set[str] = set()
        self.met: dict[str, None] = {}
        """The parameters that were used."""
        self.counts: Params = {}
        """By embedding, how often each of its rows was looked up."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call, and note."""
        given = dict(kwargs or {})
        out = func(*args, **given)
        taken = [self._names[id(t)] for t in tensors((args, given)) if id(t) in self._names]
        if taken and tensors((out,)):  # else only a shape or a device was asked for
            self.met.update(dict.fromkeys(taken))
            read = _READ.get(func)
            if read is None or not read(self, *args, **given):
                self._others.update(taken)
        return out

    def found(self) -> list[Inputs]:
        """The inputs of all matrices that are in one place, and only read by linear functions."""
        uses: dict[str, set[tuple[str, ...]]] = {}
        for place in self._inputs:
            for name in place.names:
                uses.setdefault(name, set()).add(place.names)
        shared = {name for name, ways in uses.items() if len(ways) > 1 or name in self.counts}
        self._others |= shared
        return [
            inputs for place, inputs in self._inputs.items() if self._others.isdisjoint(place.names)
        ]

    def looked_up(self) -> Params:
        """The counts of the embeddings that are nothing else."""
        return {n: count for n, count in self.counts.items() if n not in self._others}

    def linear(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> bool:
        """Note the inputs of a linear layer."""
        return self._note(weight, bias, [x.flatten(0, -2)])

    def convolution(
        self,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> bool:
        """Note the patches of a convolution, for each of its groups."""
        flat = weight.dim() == 3
        kernel = (1, *weight.shape[2:]) if flat else tuple(weight.shape[2:])
        steps, wide = (_two(one, flat, 1) for one in (stride, dilation))
        x = x.unsqueeze(-2) if flat else x
        if padding == "same":
            total = [d * (k - 1) for d, k in zip(wide, kernel, strict=True)]
            x = F.pad(x, [part for t in reversed(total) for part in (t // 2, t - t // 2)])
        edge = (0, 0) if isinstance(padding, str) else _two(padding, flat, 0)
        patches = F.unfold(x, kernel, wide, edge, steps).movedim(1, -1).flatten(0, 1)
        return self._note(weight, bias, list(patches.chunk(groups, 1)))

    def lookup(self, ids: Tensor, weight: Tensor, *_: Any, **__: Any) -> bool:
        """Note the rows of an embedding that are looked up."""
        name = self._names.get(id(weight))
        if name is None:
            return False
        count = ids.flatten().bincount(minlength=len(weight))
        self.counts[name] = self.counts.get(name, torch.zeros_like(count)) + count
        return True

    def _note(self, weight: Tensor, bias: Tensor | None, parts: list[Tensor]) -> bool:
        """Inputs of each group; false where the weight is none of the parameters."""
        name = self._names.get(id(weight))
        if name is None:
            return False
        rows = len(weight) // len(parts)
        named = None if bias is None else self._names.get(id(bias))
        for k, part in enumerate(parts):
            place = Place(name, named, k * rows, rows, part.shape[1] + (named is not None))
            self._inputs.setdefault(place, Inputs(place)).add(part)
        return True


def _two(value: Any, flat: bool, other: int) -> tuple[int, ...]:
    """A size for rows and one for columns; ``flat`` where there are no rows, whose is ``other``."""
    pair = (value,) * (1 if flat else 2) if isinstance(value, int) else tuple(value)
    return (other, *pair) if flat else pair


_READ: Mapping[Callable[..., Any], Callable[..., bool]] = {
    F.linear: Readers.linear,
    F.conv1d: Readers.convolution,
    F.conv2d: Readers.convolution,
    F.embedding: Readers.lookup,
}
"""Functions that are linear in a weight; whatever else takes a parameter makes it rest."""

"""Networks replayed from steps: what the fuzzer of discovery draws."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

import torch
from torch import Tensor, nn

Step: TypeAlias = tuple[int, int, int, int]
"""Which operator, on which two tensors of the pool, in which variant."""
Run: TypeAlias = "Callable[[Composed, Tensor, Tensor], Tensor]"
Made: TypeAlias = "Run | None"

LARGEST = 400
"""No tensor of a composed network has more entries."""


class Operator(Protocol):
    """Prepares one step on two tensors of the pool, in a variant; None where they do not fit."""

    __name__: str

    def __call__(self, net: Composed, a: Tensor, b: Tensor, k: int, /) -> Made:
        """Add what parameters the step needs to ``net``; return how it is computed."""


class Composed(nn.Module):
    """A network replayed from steps: each makes a tensor of earlier ones, or is skipped.

    Linear maps read the last two tensors, so that the output depends on most of the network.
    """

    def __init__(
        self, operators: Sequence[Operator], steps: Sequence[Step], example: Tensor
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        self.weights = nn.ParameterList()
        self.program: list[Callable[[Composed, list[Tensor]], Tensor]] = []
        self.text: list[str] = []
        pool = [example]
        for op, first, second, variant in [(0, 0, 0, 0), *steps]:
            a, b = first % len(pool), second % len(pool)
            operator = operators[op % len(operators)]
            run = operator(self, pool[a], pool[b], variant)
            if run is not None:
                self._append(run, a, b, pool, f"{operator.__name__}/{variant}")
        self.readers = nn.ModuleList(nn.Linear(t.flatten(1).shape[1], 3) for t in pool[-2:])
        self.eval()

    def _append(self, run: Run, a: int, b: int, pool: list[Tensor], name: str) -> None:
        with torch.no_grad():
            made = run(self, pool[a], pool[b])
        if not 2 <= made.ndim <= 4 or not 0 < made.numel() <= LARGEST or made.shape[0] != 2:
            return
        pool.append(made)
        self.program.append(lambda m, values: run(m, values[a], values[b]))
        self.text.append(f"v{len(pool) - 1} {tuple(made.shape)} = {name}(v{a}, v{b})")

    def forward(self, x: Tensor) -> Tensor:
        """(2, …) to (2, 3)."""
        values = [x]
        for step in self.program:
            values.append(step(self, values))
        read = [
            reader(value.flatten(1))
            for reader, value in zip(self.readers, values[-2:], strict=False)
        ]
        return torch.stack(read).sum(0)

    def add(self, layer: nn.Module) -> int:
        """Its place among the layers."""
        self.layers.append(layer)
        return len(self.layers) - 1

    def weight(self, *shape: int) -> int:
        """The place of a new parameter."""
        self.weights.append(nn.Parameter(torch.randn(shape) * 0.5))
        return len(self.weights) - 1


def applied(net: Composed, layer: nn.Module) -> Run:
    """A step that applies a new layer to its first tensor."""
    place = net.add(layer)
    return lambda m, x, _: m.layers[place](x)


def compose(
    operators: Sequence[Operator], steps: Sequence[Step], shape: Sequence[int]
) -> tuple[Composed, Tensor, str]:
    """A network from its steps, its input of this shape (batch 2), and its text."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        example = torch.randn(tuple(shape), generator=torch.Generator().manual_seed(3))
        net = Composed(operators, steps, example)
    return net, example, "\n".join(net.text)


SHAPES = ((2, 6), (2, 3, 4), (2, 4, 6))
"""Inputs of composed networks."""


def draw(operators: Sequence[Operator], seed: int) -> tuple[list[Step], tuple[int, ...]]:
    """Four to ten random steps, and the shape of the input."""
    rng = random.Random(seed)
    shape = rng.choice(SHAPES)
    count = len(operators)
    return [
        (rng.randrange(count), rng.randrange(8), rng.randrange(8), rng.randrange(24))
        for _ in range(rng.randint(4, 10))
    ], shape

"""Contractions: which value each parameter is multiplied with and summed over.

A linear layer, a matrix product, a convolution and an embedding all compute ``W x + b`` with x a
row of numbers at every position: a feature vector, a patch, one coordinate per token.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from isthmus.discovery.gauge.graphs.constants import run
from isthmus.discovery.program import Op, Program, Ref

OPERANDS = {
    "linear": ("input", "weight", "bias"),
    "conv1d": ("input", "weight", "bias"),
    "conv2d": ("input", "weight", "bias"),
    "conv3d": ("input", "weight", "bias"),
    "mm": ("self", "mat2", ""),
    "matmul": ("self", "other", ""),
    "addmm": ("mat1", "mat2", "self"),
    "embedding": ("indices", "weight", ""),
}
"""Operators, and the names of their input, weight and bias."""

TURNS = frozenset({"t", "transpose", "permute", "numpy_T", "mT"})
"""Operators that exchange the two axes of a matrix."""


@dataclass(frozen=True)
class Contraction:
    """``W x + b``.

    Attributes:
        weight: the parameter.
        bias: the parameter that is added, if it is read for nothing else.
        source: the name of the value that x is read from.
        op: the operator.
        operand: the graph name under which the operator reads the weight.
        shape: of the parameter.
        first: whether x runs along the first dimension of the parameter, ``(in, out)``, rather than
            along all but the first, ``(out, in, ...)``.
    """

    weight: str
    bias: str | None
    source: str
    op: Op
    operand: str
    shape: tuple[int, ...]
    first: bool

    def inputs(self, value: Tensor) -> Tensor:
        """Every x, ``(positions, in)``; of an embedding, the tokens, ``(positions,)``."""
        if self.op.target == "embedding":
            return value.flatten()
        if not self.op.target.startswith("conv"):
            return value.flatten(0, -2)
        # The patches are what a convolution with unit kernels gives.
        arguments = {k: None if k == "bias" else v for k, v in self.op.arguments.items()}
        units = torch.eye(math.prod(self.shape[1:]), dtype=value.dtype)
        kernels = units.reshape(-1, *self.shape[1:])
        patches: Tensor = run(
            replace(self.op, arguments=arguments), {self.source: value, self.operand: kernels}
        )
        return patches.movedim(1, -1).flatten(0, -2)


def contractions(program: Program, known: Collection[str]) -> dict[str, list[Contraction]]:
    """For each parameter that is contracted wherever it is read: with what.

    Args:
        program: as captured, or in a gauge.
        known: names of values that may be sources.
    """
    found: dict[str, list[Contraction]] = {}
    other: set[str] = set()
    turned = {op.outputs[0]: op for op in program.ops if _turns(program, op)}
    for op in program.ops:
        if op.outputs and op.outputs[0] in turned:
            continue
        one = _contraction(program, op, turned, known)
        if one is not None:
            found.setdefault(one.weight, []).append(one)
        for ref in op.refs():
            name = program.parameters.get(_origin(ref.name, turned))
            if name is not None and (one is None or name not in (one.weight, one.bias)):
                other.add(name)
    return {
        name: [one if one.bias not in other else replace(one, bias=None) for one in ones]
        for name, ones in found.items()
        if name not in other and len({(one.bias, one.first) for one in ones}) == 1
    }


def _turns(program: Program, op: Op) -> bool:
    """Whether an operator turns a parameter that is a matrix."""
    source = op.arguments.get("self")
    if op.target not in TURNS or not isinstance(source, Ref) or source.name not in program.shapes:
        return False
    sizes = program.shapes[source.name].sizes
    turned = source.name in program.parameters and len(sizes) == 2
    return turned and [d % 2 for d in op.arguments.get("dims", (1, 0))] == [1, 0]


def _origin(name: str, turned: dict[str, Op]) -> str:
    return str(turned[name].arguments["self"].name) if name in turned else name


def _contraction(
    program: Program, op: Op, turned: dict[str, Op], known: Collection[str]
) -> Contraction | None:
    if op.target not in OPERANDS or int(op.arguments.get("groups", 1)) != 1:
        return None
    x, weight, bias = (op.arguments.get(key) for key in OPERANDS[op.target])
    if not isinstance(x, Ref) or not isinstance(weight, Ref) or x.name not in known:
        return None
    origin = _origin(weight.name, turned)
    name = program.parameters.get(origin)
    sizes = program.sizes(origin)
    vector = len(program.sizes(x.name)) < 2 and op.target != "embedding"
    scaled = any(op.arguments.get(k, 1) != 1 for k in ("alpha", "beta"))
    if name is None or len(sizes) < 2 or vector or scaled:
        return None
    first = (op.target in ("mm", "matmul", "addmm", "embedding")) != (origin != weight.name)
    added = None
    if isinstance(bias, Ref) and program.sizes(bias.name) == (sizes[int(first)],):
        added = program.parameters.get(bias.name)
    return Contraction(name, added, x.name, op, weight.name, sizes, first)

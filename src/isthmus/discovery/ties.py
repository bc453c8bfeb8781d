"""Ties: which values may be equal for more than a null set of parameters.

The largest of several values names a coordinate only where there is one largest. Values that come
from a layer with weights of its own, through analytic functions, are distinct for almost all
parameters. Values after ReLU, a mask or rounding are not: which of two zeros is taken depends on
the order of the coordinates, and a permutation of them would change it. (Equal tokens do not
count: nothing permutes them.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import Any

from isthmus.discovery.program import Op, Program, Ref

RESHAPED = frozenset({
    "view", "reshape", "_unsafe_view", "flatten", "unflatten", "squeeze", "unsqueeze", "to",
    "_to_copy", "clone", "contiguous", "alias", "detach",
})  # fmt: skip
"""Every entry is still there, in the same order."""

ANALYTIC = RESHAPED | frozenset({
    "ravel", "permute", "transpose", "t", "movedim", "select", "slice", "split",
    "split_with_sizes", "chunk", "unbind", "dropout", "neg", "rsub", "softmax", "log_softmax",
    "_softmax", "_log_softmax", "sigmoid", "log_sigmoid", "tanh", "exp", "log", "log1p", "expm1",
    "softplus", "gelu", "silu", "mish", "elu", "erf", "sin", "cos", "sqrt", "rsqrt", "pow",
    "square", "abs", "reciprocal", "cumsum", "sum", "mean", "amax", "amin", "max", "min", "topk",
    "sort", "logsumexp", "var", "std", "linalg_vector_norm", "layer_norm", "native_layer_norm",
    "rms_norm", "_fused_rms_norm", "batch_norm", "group_norm", "lstm", "gru", "avg_pool1d",
    "avg_pool2d", "adaptive_avg_pool1d", "adaptive_avg_pool2d", "isthmus.mean_of_squares",
    "isthmus.rotary",
})  # fmt: skip
"""Distinct values stay distinct, but on a null set."""

COPIES = frozenset({"expand", "repeat", "repeat_interleave", "gather", "index", "index_select"})
"""What was not zero is not zero; but values may be copies of each other."""

PRODUCTS = frozenset({"mul", "div", "matmul", "mm", "bmm", "einsum"})
JOINED = frozenset({"cat", "stack"})
LAYERS = frozenset({"linear", "conv1d", "conv2d", "conv3d", "convolution"})
POSITIVE = frozenset({"softmax", "_softmax", "sigmoid", "exp", "softplus"})

LOWEST = -1e30
"""What is filled with less is never among the largest."""


@dataclass(frozen=True)
class Worth:
    """What is known of the values of a tensor, for almost all parameters.

    ``alive``: they are not all zero. ``distinct``: the share of entries that differ from all
    others, in each of ``rows`` equal blocks of the flattened tensor. ``marked``: for masks, the
    share that is not zero.
    """

    alive: bool = False
    distinct: Fraction = Fraction(0)
    positive: bool = False
    rows: int = 0
    marked: Fraction | None = None


NOTHING = Worth()
ALIVE = Worth(alive=True)
APART = Worth(alive=True, distinct=Fraction(1))


def chosen_apart(known: Mapping[str, Worth], op: Op, dim: int, sizes: tuple[int, ...]) -> bool:
    """Whether an operator that chooses along ``dim`` chooses among distinct values."""
    ref = op.arguments.get("self", op.arguments.get("input"))
    worth = known.get(ref.name, NOTHING) if isinstance(ref, Ref) else NOTHING
    if worth.distinct == 1:
        return True
    largest = bool(op.arguments.get("largest", True))
    if op.target != "topk" or not largest or dim != len(sizes) - 1:
        return False
    same_rows = worth.rows == prod(sizes[:-1])
    return same_rows and int(op.arguments["k"]) <= worth.distinct * sizes[dim]


def appraise(program: Program) -> Mapping[str, Worth]:
    """The worth of every tensor of a program, in one pass."""
    known = dict.fromkeys((*program.parameters, *program.inputs), APART)
    for name in program.constants:
        known[name] = ALIVE if prod(program.shapes[name].sizes) == 1 else NOTHING
    for op in program.ops:
        known.update(dict.fromkeys(op.outputs, _worth(program, op, known)))
    return known


def _worth(program: Program, op: Op, known: Mapping[str, Worth]) -> Worth:
    refs = list(op.refs())
    read = [known.get(ref.name, NOTHING) for ref in refs]
    if not read:
        return NOTHING
    if op.target == "masked_fill":
        return _masked(op, read)
    if op.target == "scatter":
        return _scattered(program, op)
    if read[0].marked is not None:
        return _mask(op, read[0], program.sizes(refs[0].name))
    if op.target in LAYERS or op.target == "addmm":
        return _layer(program, op, read)
    if op.target in {"add", "sub"}:
        return _added(read, [program.sizes(ref.name) for ref in refs], op.shapes[0].sizes)
    return _by_table(op, read)


def _by_table(op: Op, read: list[Worth]) -> Worth:
    first = read[0]
    if op.target in ANALYTIC and first.distinct == 1:
        kept = first.positive and op.target in RESHAPED
        return Worth(True, Fraction(1), op.target in POSITIVE or kept)
    if op.target in RESHAPED:
        return first
    if op.target in ANALYTIC or op.target in COPIES:
        return ALIVE if first.alive else NOTHING
    if op.target == "embedding":
        return first
    if op.target == "scaled_dot_product_attention":
        return ALIVE if read[2].alive else NOTHING
    if op.target in JOINED:
        return ALIVE if any(w.alive for w in read) else NOTHING
    if op.target in PRODUCTS and all(w.alive for w in read):
        return APART if all(w.distinct == 1 for w in read) else ALIVE
    return NOTHING


def _layer(program: Program, op: Op, read: list[Worth]) -> Worth:
    """A bias makes the results distinct; so do weights, unless the input is zero."""
    if op.target == "addmm":
        read = [*read[1:], read[0]]
    biased = len(read) == 3 and read[2].distinct == 1
    return APART if biased or (read[0].alive and read[1].distinct == 1) else NOTHING


def _added(read: list[Worth], sizes: list[tuple[int, ...]], made: tuple[int, ...]) -> Worth:
    """A sum with anything is distinct, if it does not repeat the operand that is."""
    if all(w.distinct == 1 for w in read):
        return APART
    if any(w.distinct == 1 and prod(s) == prod(made) for w, s in zip(read, sizes, strict=True)):
        return APART
    return ALIVE if any(w.alive for w in read) else NOTHING


def _scattered(program: Program, op: Op) -> Worth:
    """Ones in zeros, at the places that `topk` names: all different, so k in each row."""
    sizes, index, value = op.shapes[0].sizes, op.arguments["index"], op.arguments.get("value")
    makers = [_maker(program, op.arguments["self"]), _maker(program, index)]
    if len(sizes) != 2 or int(op.arguments["dim"]) not in (-1, 1) or value != 1:
        return NOTHING
    if makers[0] not in {"zeros", "zeros_like", "new_zeros"} or makers[1] != "topk":
        return NOTHING
    chosen = program.sizes(index.name)
    if chosen[0] != sizes[0]:
        return NOTHING
    return Worth(rows=sizes[0], marked=Fraction(chosen[1], sizes[1]))


def _maker(program: Program, value: Any) -> str:
    maker = program.makers.get(value.name) if isinstance(value, Ref) else None
    return maker.target if maker is not None else ""


def _mask(op: Op, mask: Worth, before: tuple[int, ...]) -> Worth:
    """What is done to a mask: as many copies of each entry keep the share of each row."""
    assert mask.marked is not None
    if op.target in RESHAPED:
        return mask
    if op.target == "expand":
        after = op.shapes[0].sizes
        copied = [k for k, n in enumerate(after) if before[k : k + 1] != (n,)]
        inside = all(prod(before[:k]) % mask.rows == 0 for k in copied)
        return mask if len(before) == len(after) and inside else NOTHING
    if op.target in {"logical_not", "bitwise_not"}:
        return Worth(rows=mask.rows, marked=1 - mask.marked)
    return NOTHING


def _masked(op: Op, read: list[Worth]) -> Worth:
    """What is masked lowest is not among the largest, as long as enough is left."""
    value, mask = op.arguments.get("value"), read[-1]
    if len(read) != 2 or mask.marked is None or not isinstance(value, (int, float)):
        return NOTHING
    lowest = value <= LOWEST or (value == 0 and read[0].positive)
    if not lowest or read[0].distinct != 1:
        return NOTHING
    return Worth(True, 1 - mask.marked, rows=mask.rows)

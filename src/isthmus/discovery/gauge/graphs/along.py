"""Along one dimension: what becomes of a change that is the same all along it.

It is lost where a layer norm or a softmax runs over that dimension.
"""

from __future__ import annotations

from isthmus.discovery.gauge.graphs.graph import Graph
from isthmus.discovery.program import Op, Ref

SOFTMAX = frozenset({"softmax", "log_softmax", "_softmax", "_log_softmax", "_safe_softmax"})

LOSING = SOFTMAX | {"scaled_dot_product_attention"}
"""What does not see that all numbers are raised alike: scores, also where they are masks."""

ORDERS = frozenset({"topk", "sort"})
"""What chooses by size: what is raised alike is chosen alike, and comes out raised."""

AVERAGES = frozenset({
    "avg_pool1d", "avg_pool2d", "avg_pool3d", "adaptive_avg_pool1d", "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
})  # fmt: skip
"""Averages over positions, channel by channel."""


def is_bare(op: Op) -> bool:
    """A layer norm over the last axis without gain and bias."""
    return (
        op.target == "layer_norm"
        and len(op.arguments["normalized_shape"]) == 1
        and not isinstance(op.arguments.get("weight"), Ref)
        and not isinstance(op.arguments.get("bias"), Ref)
    )


def spatial(op: Op, ndim: int) -> range:
    """The dimensions over which pooling or resizing runs; channels stand before them."""
    (count,) = (int(digit) for digit in op.target if digit.isdigit())
    return range(ndim - count, ndim)


class Lost:
    """Whether a change that is the same along a dimension is lost, for every tensor, once."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.known: dict[tuple[str, int], bool] = {}

    def __call__(self, name: str, dim: int) -> bool:
        key = (name, dim)
        if key not in self.known:
            # Long residual streams would recurse deeply: the later tensors are asked first. None
            # leads back to itself, so one that waits already may be asked before its turn.
            self._ask(key)
        return self.known[key]

    def in_reader(self, op: Op, name: str, dim: int) -> bool:
        """Whether such a change of a tensor is lost in one of those that read it, and after it."""
        onward = passes(self.graph, op, name, dim)
        return onward is not None and all(self(*key) for key in onward)

    def _ask(self, first: tuple[str, int]) -> None:
        stack = [first]
        while stack:
            name, dim = stack[-1]
            needed = self._needs(name, dim)
            if needed is None:
                self.known[stack.pop()] = False
                continue
            open_ones = [key for key in needed if key not in self.known]
            if open_ones:
                stack += open_ones
                continue
            self.known[stack.pop()] = all(self.known.get(key, False) for key in needed)

    def _needs(self, name: str, dim: int) -> list[tuple[str, int]] | None:
        """The tensors in which the change must be lost; None if it is not."""
        graph = self.graph
        if graph.is_output(name) or not graph.readers(name):
            return None
        needed: list[tuple[str, int]] = []
        for op in graph.readers(name):
            more = passes(graph, op, name, dim)
            if more is None:
                return None
            needed += more
        return needed


def passes(graph: Graph, op: Op, name: str, dim: int) -> list[tuple[str, int]] | None:
    """Where the change goes on; None where the operator feels it."""
    sizes = graph.size(name)
    last = dim == len(sizes) - 1
    if is_bare(op) and op.arguments["input"] == Ref(name):
        return [] if last else None
    if op.target in SOFTMAX or op.target in ORDERS:
        alike = int(op.arguments["dim"]) % len(sizes) == dim
        lost = op.target in SOFTMAX
        return ([] if lost else [(op.outputs[0], dim)]) if alike else None
    here = [key for key, value in op.arguments.items() if value == Ref(name)]
    if op.target == "scaled_dot_product_attention" and last and here == ["attn_mask"]:
        return []  # a mask is added to scores: all those of a query are raised alike
    results = graph.moves.carried(op, name, sizes, dim)
    if results is not None:
        return list(results.items()) if set(results) == set(op.outputs) else None
    return _along(graph, op, name, dim)


def _along(graph: Graph, op: Op, name: str, dim: int) -> list[tuple[str, int]] | None:
    """Operators that treat all coordinates of the dimension alike."""
    sizes, out = graph.size(name), op.outputs[0]
    result = graph.size(out)
    at = dim + len(result) - len(sizes)
    here = [key for key, value in op.arguments.items() if value == Ref(name)]
    if op.target in ("add", "sub"):
        return [(out, at)] if result[at] == sizes[dim] else None
    if op.target in ("mul", "div") and len(here) == 1 and here[0] == "self":
        other = op.arguments.get("other")
        if isinstance(other, Ref):
            across = graph.size(other.name)
            place = dim - len(sizes) + len(across)
            if place >= 0 and across[place] != 1:
                return None
        return [(out, at)] if op.arguments.get("rounding_mode") is None else None
    if op.target == "cat":
        if int(op.arguments["dim"]) % len(sizes) == dim:
            return None
        return [(out, dim)]
    return mixed(graph, op, name, dim)


def chosen(graph: Graph, op: Op, name: str) -> bool:
    """Whether integers choose positions of a tensor, each with its whole last dimension."""
    last = len(graph.size(name)) - 1
    if op.arguments.get("self") != Ref(name):
        return False
    if op.target == "index_select":
        return int(op.arguments["dim"]) % (last + 1) != last
    if op.target != "index":
        return False
    given = op.arguments["indices"]
    refs = [index for index in given if isinstance(index, Ref)]
    # One mask of booleans may stand for several dimensions.
    plain = all("int" in str(graph.shapes[r.name].dtype) and r.name != name for r in refs)
    return plain and not isinstance(dict(enumerate(given)).get(last), Ref)


def onward(graph: Graph, op: Op, name: str, dim: int) -> dict[str, int]:
    """Where the features of a tensor go on as they are, or mixed along other dimensions."""
    moved = graph.moves.carried(op, name, graph.size(name), dim)
    return moved or dict(mixed(graph, op, name, dim) or ())


def mixed(graph: Graph, op: Op, name: str, dim: int) -> list[tuple[str, int]] | None:
    """Linear operators along other dimensions: averages, choices, attention's weights on values."""
    sizes, out = graph.size(name), op.outputs[0]
    here = [key for key, value in op.arguments.items() if value == Ref(name)]
    if op.target == "mean" and op.arguments.get("dim"):
        gone = {int(d) % len(sizes) for d in op.arguments["dim"]}
        if dim in gone:
            return None
        kept = bool(op.arguments.get("keepdim"))
        return [(out, dim if kept else dim - sum(d < dim for d in gone))]
    if chosen(graph, op, name):
        return [(out, len(graph.size(out)) - 1)] if dim == len(sizes) - 1 else None
    if op.target == "einsum":
        return _summed(op, name, dim)
    if op.target in AVERAGES:
        return [(out, dim)] if dim not in spatial(op, len(sizes)) else None
    mixes = (op.target == "scaled_dot_product_attention" and here == ["value"]) or (
        op.target in ("matmul", "bmm") and here in (["other"], ["mat2"])
    )
    # A vector on the right is summed over.
    same = mixes and dim == len(sizes) - 1 and len(sizes) > 1
    return [(out, len(graph.size(out)) - 1)] if same else None


def _summed(op: Op, name: str, dim: int) -> list[tuple[str, int]] | None:
    """A sum of products: a letter of one factor alone stands for the same in the result."""
    inputs, arrow, result = str(op.arguments["equation"]).replace(" ", "").partition("->")
    factors, tensors = inputs.split(","), op.arguments["tensors"]
    here = [k for k, tensor in enumerate(tensors) if tensor == Ref(name)]
    if not arrow or "." in inputs or len(here) != 1:
        return None
    letter = factors[here[0]][dim]
    alone = inputs.count(letter) == 1 and letter in result
    return [(op.outputs[0], result.index(letter))] if alone else None

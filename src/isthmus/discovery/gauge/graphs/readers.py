"""Linear operators with weights: how a program reads and writes a vector of features."""

from __future__ import annotations

from dataclasses import dataclass

from isthmus.algebra.charts import Layout
from isthmus.discovery.gauge.graphs.graph import Graph
from isthmus.discovery.gauge.graphs.weights import weight
from isthmus.discovery.program import Op, Ref


@dataclass(frozen=True, slots=True)
class Linear:
    """A linear operator whose weight is a parameter.

    Attributes:
        source: the tensor that is read.
        feature: the dimension of ``source`` that is summed over.
        result: the dimension of the result that the weight makes.
        weight: its weight, as a map; the parameter is read nowhere else.
        bias: the argument's name under which a bias is passed.
        padded: whether zeros stand around the input, where a constant is not constant.
        stacked: whether positions have matrices of their own (experts), of which the weight holds
            all: then ``weight`` says where features stand, but is no map of one vector.
    """

    op: Op
    source: str
    feature: int
    result: int
    weight: Layout
    bias: str
    padded: bool = False
    stacked: bool = False


def linear(graph: Graph, op: Op, *, shared: bool = False) -> Linear | None:
    """An operator as a linear map with a parameter as its weight, or None.

    Args:
        shared: whether others may read the weight too (a tied head): who only asks what the
            operator does to its input allows it, who is to change the weight must not.
    """
    reader = _READERS.get(op.target)
    return reader(graph, op, shared) if reader is not None else None


def _dense(graph: Graph, op: Op, shared: bool) -> Linear | None:
    found = weight(graph, op.arguments["weight"], (0, 1), shared=shared)
    source = op.arguments["input"]
    if found is None or found.stacked or source.name in graph.program.parameters:
        return None
    ndim = len(graph.size(source.name))
    return Linear(op, source.name, ndim - 1, ndim - 1, Layout(found.name, *found.dims), "bias")


def _addmm(graph: Graph, op: Op, shared: bool) -> Linear | None:
    found = weight(graph, op.arguments["mat2"], (1, 0), shared=shared)
    source = op.arguments["mat1"]
    plain = op.arguments.get("beta", 1) == 1 and op.arguments.get("alpha", 1) == 1
    if found is None or found.stacked or not plain or source.name in graph.program.parameters:
        return None
    return Linear(op, source.name, 1, 1, Layout(found.name, *found.dims), "self")


def _matmul(graph: Graph, op: Op, shared: bool) -> Linear | None:
    """A product with a weight on one side; of more than two dimensions, it holds many matrices."""
    one, two = op.arguments["self"], op.arguments["mat2" if "mat2" in op.arguments else "other"]
    left, right = len(graph.size(one.name)), len(graph.size(two.name))
    last = len(graph.size(op.outputs[0])) - 1
    if left < 2 or right < 2 or one == two:
        return None
    found = weight(graph, two, (right - 1, right - 2), shared=shared)
    if found is not None and one.name not in graph.program.parameters:
        layout = Layout(found.name, *found.dims)
        return Linear(op, one.name, left - 1, last, layout, "", stacked=found.stacked)
    found = weight(graph, one, (left - 2, left - 1), shared=shared)
    if found is not None and two.name not in graph.program.parameters:
        layout = Layout(found.name, *found.dims)
        return Linear(op, two.name, right - 2, last - 1, layout, "", stacked=found.stacked)
    return None


def _convolution(graph: Graph, op: Op, shared: bool) -> Linear | None:
    given, source = op.arguments["weight"], op.arguments["input"]
    name = graph.floating(given) if shared else graph.private(given)
    groups = int(op.arguments.get("groups", 1) or 1)
    ndim = len(graph.size(op.outputs[0]))
    if name is None or ndim != len(graph.size(op.arguments["weight"].name)):
        return None  # without a batch the channels would stand elsewhere
    if source.name in graph.program.parameters:
        return None
    padding = op.arguments.get("padding", 0)
    given = list(padding) if isinstance(padding, (list, tuple)) else [padding]
    padded = any(p not in (0, "valid") for p in given)
    return Linear(op, source.name, 1, 1, Layout(name, 0, 1, groups), "bias", padded)


_READERS = {
    "linear": _dense,
    "addmm": _addmm,
    "mm": _matmul,
    "matmul": _matmul,
    "bmm": _matmul,
    "conv1d": _convolution,
    "conv2d": _convolution,
    "conv3d": _convolution,
}


def bias_of(graph: Graph, reader: Linear) -> str | None:
    """The parameter that is this operator's bias alone, as a vector over all its results."""
    if not reader.bias:
        return None
    given = reader.op.arguments.get(reader.bias)
    found = graph.private(given)
    if found is None or not isinstance(given, Ref):
        return None
    width = graph.size(reader.op.outputs[0])[reader.result]
    return found if graph.size(given.name) == (width,) else None

"""Distances between rows: what keeps lengths of differences may act on the features."""

from __future__ import annotations

from isthmus.discovery.nodes import SWAPS, TURNS
from isthmus.discovery.rules.broadcast import broadcast
from isthmus.discovery.rules.table import Call, rule
from isthmus.discovery.tensor import Tensor


@rule("cdist", "_cdist_forward")
def between(call: Call) -> Tensor:
    """Every row of one against every row of the other: (…, p, d) and (…, q, d) to (…, p, q)."""
    typing, x, y = call.typing, call.tensor("x1"), call.tensor("x2")
    features = typing.tie(x.axes[-1], y.axes[-1])
    typing.restrict(features, TURNS if call.get("p", 2.0) == 2 else SWAPS)
    typing.unscaled(features)
    for axis in (*x.axes[:-1], *y.axes[:-1]):
        typing.restrict(axis)
        typing.still(axis)
    left, right = Tensor(x.axes[:-2], x.dtype), Tensor(y.axes[:-2], y.dtype)
    batch = broadcast(typing, left, right, typing.tie, lambda a: a, lambda a: a)
    return call.make([*batch, x.axes[-2], y.axes[-2]])


@rule("pdist", "_pdist_forward")
def within(call: Call) -> Tensor:
    """Every pair of rows, in order: rows are fixed."""
    typing, x = call.typing, call.tensor("self")
    typing.pin(x.axes[0])
    typing.restrict(x.axes[1], TURNS if call.get("p", 2.0) == 2 else SWAPS)
    typing.unscaled(x.axes[1])
    return call.make([typing.constant(call.sizes[0])])

"""One step of a recurrent layer (mathematics.md 4.5). The state before may be another space.

Only where an operator adds the old state to the new one, element by element, are the two the same.
"""

from __future__ import annotations

from isthmus.discovery.nodes import size_of
from isthmus.discovery.rules.recurrent import Cell
from isthmus.discovery.rules.table import Call, rule
from isthmus.discovery.tensor import Tensor


@rule("lstm_cell")
def lstm_cell(call: Call) -> list[Tensor]:
    """The cell's memory is kept, its output is new."""
    hidden, memory = call.tensors("hx")
    state = _step(call, Cell(call.typing, 4, {2}, False), hidden, memory)
    return [state, call.make(state.axes, 1)]


@rule("gru_cell")
def gru_cell(call: Call) -> Tensor:
    """The state is kept."""
    hidden = call.tensor("hx")
    return _step(call, Cell(call.typing, 3, {2}, False), hidden, hidden)


@rule("rnn_tanh_cell")
def rnn_tanh_cell(call: Call) -> Tensor:
    """The state is new, up to signs."""
    return _step(call, Cell(call.typing, 1, {0}, False), call.tensor("hx"), None)


@rule("rnn_relu_cell")
def rnn_relu_cell(call: Call) -> Tensor:
    """The state is new, up to positive scales."""
    return _step(call, Cell(call.typing, 1, set(), True), call.tensor("hx"), None)


def _step(call: Call, cell: Cell, hidden: Tensor, kept: Tensor | None) -> Tensor:
    typing, x = call.typing, call.tensor("input")
    inner, recurrent = call.tensor("w_ih"), call.tensor("w_hh")
    biases = [b for n in ("b_ih", "b_hh") if (b := call.optional(n)) is not None]
    for tensor in (x, hidden) if kept is None else (x, hidden, kept):
        for axis in tensor.axes[:-1]:
            typing.restrict(axis)
            typing.still(axis)
    for of_input, of_state in zip(x.axes[:-1], hidden.axes[:-1], strict=True):
        typing.tie(of_input, of_state)
    typing.contract(x.axes[-1], inner.axes[1])
    typing.contract(hidden.axes[-1], recurrent.axes[1])
    state = cell.state(size_of(recurrent.axes[1]))
    cell.rows(state, [inner, recurrent, *biases])
    if kept is not None:
        typing.tie(kept.axes[-1], state)
    return call.make([*x.axes[:-1], state])

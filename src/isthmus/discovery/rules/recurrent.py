"""Recurrent layers (mathematics.md 4.5): one space for the hidden state and all its gates."""

from __future__ import annotations

from isthmus.discovery.nodes import NONE, ZERO, Kind, Node, Occurrence, Terms, size_of
from isthmus.discovery.rules.table import Call, rule
from isthmus.discovery.tensor import Tensor
from isthmus.discovery.typing import Typing
from isthmus.discovery.unify import family_of


@rule("lstm")
def lstm(call: Call) -> list[Tensor]:
    """Gates i, f, o permute; the cell gate g, the state and its readers also flip signs."""
    return _recurrent(call, gates=4, flipping={2}, initial=2)


@rule("gru")
def gru(call: Call) -> list[Tensor]:
    """Gates r, z permute; the candidate, the state and its readers also flip signs."""
    return _recurrent(call, gates=3, flipping={2}, initial=1)


@rule("rnn_tanh")
def rnn_tanh(call: Call) -> list[Tensor]:
    """Signed permutations of the state."""
    return _recurrent(call, gates=1, flipping={0}, initial=1)


@rule("rnn_relu")
def rnn_relu(call: Call) -> list[Tensor]:
    """Permutations and positive scales of the state."""
    return _recurrent(call, gates=1, flipping=set(), initial=1, scaling=True)


def _recurrent(
    call: Call, *, gates: int, flipping: set[int], initial: int, scaling: bool = False
) -> list[Tensor]:
    typing = call.typing
    layers, both = int(call.get("num_layers")), bool(call.get("bidirectional"))
    params = call.tensors("params")
    _sequence(call)
    directions = 2 if both else 1
    per = len(params) // (layers * directions)
    plain = 4 if bool(call.get("has_biases")) else 2
    features = call.tensor("input").axes[-1]
    if per not in (plain, plain + 1):
        return _refuse(call, params)
    outputs: list[Terms] = []
    memories: list[Terms] = []
    for layer in range(layers):
        made: list[Terms] = []
        for side in range(directions):
            place = layer * directions + side
            cell = Cell(typing, gates, flipping, scaling)
            hidden, memory = cell.type(features, params[place * per : (place + 1) * per], plain)
            _initial(call, place, (hidden, memory)[:initial])
            made.append(hidden)
            memories.append(memory)
        outputs += made
        features = made[0] if not both else typing.concatenate(made)
    output = call.make([*call.tensor("input").axes[:-1], features])
    finals = (outputs, memories)[: len(call.op.shapes) - 1]
    return [output, *(_final(call, k + 1, states) for k, states in enumerate(finals))]


class Cell:
    """One direction of one layer: its gates, which of them flip, and whether scales pass."""

    def __init__(self, typing: Typing, gates: int, flipping: set[int], scaling: bool) -> None:
        self.typing, self.gates, self.flipping, self.scaling = typing, gates, flipping, scaling

    def type(self, features: Terms, params: list[Tensor], plain: int) -> tuple[Terms, Terms]:
        """Tie weights and biases to the space of the memory; returns what is put out, and that.

        The two are one, unless a last parameter projects the memory to what is put out.
        """
        inner, recurrent = params[0], params[1]
        memory = self.state(size_of(inner.axes[0]) // self.gates)
        hidden = memory
        if len(params) > plain:
            projection = params[-1]
            self.typing.contract(memory, projection.axes[1])
            hidden = projection.axes[0]
        self.typing.contract(features, inner.axes[1])
        self.typing.contract(hidden, recurrent.axes[1])
        self.rows(memory, params[:plain])
        return hidden, memory

    def state(self, size: int) -> Terms:
        """A new state, with what the activation leaves of its group."""
        state = self.typing.free(size)
        self.typing.restrict(state)
        if not self.scaling:
            self.typing.unscaled(state)
        if not self.flipping:
            self.typing.unflipped(state)
        return state

    def rows(self, state: Terms, params: list[Tensor]) -> None:
        """The rows of weights and biases are the gates, one after the other."""
        typing, size = self.typing, size_of(state)
        for param in params:
            for k in range(self.gates):
                piece = typing.cut([param.axes[0]], 0, k * size, (k + 1) * size)[0]
                felt = state if k in self.flipping or self.scaling else _plain(state)
                typing.tie(piece, felt)


def _plain(axis: Terms) -> Terms:
    """The same coordinates, without sign or scale."""
    return [Occurrence(t.node, t.dual, ZERO) for t in axis]


def _sequence(call: Call) -> None:
    """Steps are in order; the sequences of a batch are independent and may be permuted."""
    x = call.tensor("input")
    time = 1 if call.get("batch_first", False) and len(x.axes) > 2 else 0
    for d, axis in enumerate(x.axes[:-1]):
        if d == time:
            call.typing.pin(axis)
        call.typing.restrict(axis)
        call.typing.still(axis)


def _initial(call: Call, k: int, states: tuple[Terms, ...]) -> None:
    """Given initial states are fixed; those of zeros are no constraint."""
    given = call.op.arguments.get("hx")
    listed = given if isinstance(given, list) else [given]
    for ref, state in zip(listed, states, strict=False):
        tensor = call.values.get(getattr(ref, "name", ""))
        if tensor is not None and tensor.fill != 0:
            call.typing.pin(tensor.axes[0] if len(tensor.axes) > 2 or k else [])
            for axis in tensor.axes[1:-1]:
                call.typing.restrict(axis)
                call.typing.still(axis)
            call.typing.tie(call.typing.cut(tensor.axes, 0, k, k + 1)[-1], state)


def _final(call: Call, index: int, states: list[Terms]) -> Tensor:
    """The final states: along the first axis, one space per layer and direction."""
    batch = [call.typing.constant(n) for n in call.op.shapes[index].sizes[1:-1]]
    if len(states) == 1:
        return call.make([[], *batch, states[0]], index)
    key = Node(len(states), NONE)
    key.refine(Kind.SUM, [(Node(1, NONE), False) for _ in states])
    members = family_of([call.typing.wrap(state) for state in states], key)
    return call.make([[Occurrence(key, False, ZERO)], *batch, [members]], index)


def _refuse(call: Call, params: list[Tensor]) -> list[Tensor]:
    """Variants that are not known: nothing may act on their parameters."""
    for tensor in (*params, call.tensor("input")):
        for axis in tensor.axes:
            call.typing.pin(axis)
    return [call.typing.inert(shape) for shape in call.op.shapes]

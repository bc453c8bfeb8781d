"""Which network with one hidden space of units a model is, from its symmetry and its program."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from isthmus.algebra import Symmetry
from isthmus.discovery.capture import capture
from isthmus.discovery.contractions import Contraction, contractions
from isthmus.discovery.program import Program, Ref
from isthmus.ground import BadInput, Params, UnknownOperator, check
from isthmus.landscape.running import Inputs
from isthmus.transport.bounds.two_layers.activations import IDENTITY, Activation, activation
from isthmus.transport.bounds.two_layers.network import UnitNetwork, values

ELSEWHERE = "for other networks use residual_bound (ReLU, layer by layer) or certify"
"""Where a bound for other networks is."""

_SILENT = frozenset({"dropout", "clone", "contiguous", "alias", "detach", "identity"})
_TOLERANCE = 1e-9
_DRAWS = 8
"""Of units; one whose inputs are all negative says nothing of ReLU."""


def unit_network(
    symmetry: Symmetry, model: nn.Module, params: Mapping[str, Tensor], inputs: Inputs
) -> tuple[UnitNetwork, Program]:
    """Recognise a network with one hidden space of units; the program is for inputs of this shape.

    What is recognised is compared with what the model computes on them, to nine digits, for units
    drawn at random.

    Raises:
        UnknownOperator: It has another number of hidden spaces, or its units are written, bent or
            read in another way; says which.
        BadInput: The model computes something else than is recognised.
    """
    symmetry.check(params)
    check(params, params, source="the model")
    space = _space(symmetry)
    program = capture(model, tuple(inputs) if isinstance(inputs, list) else inputs)
    every = {*program.inputs, *(name for op in program.ops for name in op.outputs)}
    writing, reading, bias = _places(symmetry, space, contractions(program, every))
    bend, pre = _activation(program, writing, reading)
    width = symmetry.spaces[space].size
    own = {writing.weight, reading.weight, bias}
    others = tuple(name for name in _others(program, reading) if name not in own)
    found = UnitNetwork(symmetry, space, width, writing, bias, reading, bend, 1.0, others)
    scale = width * _scale(found, program, params, inputs, pre)
    return replace(found, scale=scale), program


def _space(symmetry: Symmetry) -> str:
    spaces = symmetry.essential.spaces
    if len(spaces) != 1:
        names = f" ({', '.join(spaces)})" if spaces else ""
        raise UnknownOperator(
            f"the network has {len(spaces)} hidden spaces{names}, and the mean-field bound is for "
            "one hidden layer",
            ELSEWHERE,
        )
    ((name, space),) = spaces.items()
    swap = torch.eye(space.size, dtype=torch.float64).roll(1, 0)
    wrong = space.group.why_not(swap) if space.size > 1 else None
    if wrong is not None:
        raise UnknownOperator(f"units of {name!r} cannot be swapped: {wrong}", ELSEWHERE)
    return name


def _places(
    symmetry: Symmetry, space: str, found: Mapping[str, list[Contraction]]
) -> tuple[Contraction, Contraction, str | None]:
    """How the units are written and read, and their biases; all of them vectors by vectors."""
    held = list(dict.fromkeys(name for name, _, _ in symmetry.occurrences(space)))
    writing: list[Contraction] = []
    reading: list[Contraction] = []
    biases: list[str] = []
    for name in held:
        axes = [
            len(axis) == 1
            and axis[0].size == symmetry.spaces[space].size
            and getattr(axis[0], "space", None) == space
            for axis in symmetry.reps[name].axes
        ]
        ones = found.get(name, [])
        if axes == [True]:
            biases.append(name)
        elif len(axes) == 2 and sum(axes) == 1 and len(ones) == 1 and _plain(ones[0]):
            written = axes[1] == ones[0].first
            (writing if written else reading).append(ones[0])
        else:
            raise UnknownOperator(
                f"{name} is not read once as the weight of a linear operator", ELSEWHERE
            )
    if not (len(writing) == len(reading) == 1 and len(biases) <= 1):
        raise UnknownOperator(
            f"units of {space!r} are made of {', '.join(held)}: expected one weight that writes "
            "them, one that reads them, and at most one bias",
            ELSEWHERE,
        )
    # A gauge may have moved a bias elsewhere: the operator still adds it.
    return writing[0], reading[0], biases[0] if biases else writing[0].bias


def _plain(one: Contraction) -> bool:
    return one.op.target in ("linear", "mm", "matmul", "addmm") and len(one.shape) == 2


def _activation(
    program: Program, writing: Contraction, reading: Contraction
) -> tuple[Activation, str]:
    """The operator between writing and reading, and the name of what it takes."""
    name, bend = reading.source, IDENTITY
    while name in program.makers:
        op = program.makers[name]
        if op is writing.op or op.target == "add":
            break
        (_, taken), *options = op.arguments.items()
        target = op.target.removesuffix("_")
        if target not in _SILENT:
            if bend is not IDENTITY:
                raise UnknownOperator(f"units go through {target} and {bend.name}", ELSEWHERE)
            bend = activation(target, dict(options))
        if not isinstance(taken, Ref):
            break
        name = taken.name
    return bend, name


def _others(program: Program, reading: Contraction) -> Iterator[str]:
    """Parameters that are read otherwise than by being added to the outputs."""
    after = {reading.op.outputs[0]}
    for op in program.ops:
        read = {ref.name for ref in op.refs()}
        if read & after:
            after.update(op.outputs)
        if op is not reading.op and not (op.target == "add" and read & after):
            yield from (program.parameters[name] for name in read if name in program.parameters)


def _scale(
    found: UnitNetwork,
    program: Program,
    params: Mapping[str, Tensor],
    inputs: Inputs,
    pre: str,
) -> float:
    """What the sum over units is multiplied with, from units drawn at random.

    The recognised form is compared with what the program computes on the way.
    """
    (output,) = program.outputs[:1]
    reader, x = found.reading.weight, found.inputs(program, params, inputs)
    generator = torch.Generator().manual_seed(0)
    for _ in range(_DRAWS):
        whole = _drawn(found, params, x, generator)
        computed = values(program, whole, inputs, pre, output)
        bare = {**whole, reader: torch.zeros_like(whole[reader])}
        moved = computed[output] - values(program, bare, inputs, output)[output]
        units = found.units(whole)
        before = found.seen(units, x).pre
        _require(before, computed[pre], "a unit's input")
        sums = found.activation(before) @ units.readers
        if bool(sums.any()):
            break
    if moved.shape != sums.shape:
        raise UnknownOperator(
            f"the model gives shape {tuple(moved.shape)}, expected {tuple(sums.shape)}: a vector "
            "of outputs for each input",
            ELSEWHERE,
        )
    scale = float((moved * sums).sum() / sums.square().sum())
    _require(scale * sums, moved, "the sum over units")
    exact = (1.0, 1 / found.width)
    return next((s for s in exact if abs(scale - s) < _TOLERANCE * s), scale)


def _drawn(
    found: UnitNetwork, params: Mapping[str, Tensor], x: Tensor, generator: torch.Generator
) -> Params:
    """Random units, their inputs of about one; nothing added to the outputs; the rest as it is."""
    names = found.writing.weight, found.bias, found.reading.weight
    out = {
        name: tensor if name in found.others else torch.zeros_like(tensor, dtype=torch.float64)
        for name, tensor in params.items()
    }
    for name in (name for name in names if name is not None):
        out[name] = torch.randn(params[name].shape, generator=generator, dtype=torch.float64)
    out[found.writing.weight] /= 1 + float(torch.linalg.vector_norm(x, dim=1).max())
    return out


def _require(recognised: Tensor, computed: Tensor, what: str) -> None:
    same = computed.shape == recognised.shape
    wrong = float((recognised - computed).abs().max()) if same else float("inf")
    size = float(computed.abs().max())
    if not (wrong <= _TOLERANCE * size and size > 0):
        raise BadInput(
            f"{what} is not what it was recognised to be: it differs by {wrong:.3g} of {size:.3g}",
            "write the model as linear, activation, linear, and give inputs that are felt",
        )

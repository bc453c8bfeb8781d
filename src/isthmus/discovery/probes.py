"""Probes: where in the computation each hidden space shows, and what is seen there.

A value is probed where an operator that reads a parameter takes it or gives it: what is written
into a space before its nonlinearity, and what is read from it after. Values on the way from the one
to the other say nothing more. Each probe has a rep, as a parameter has: for ``b = g·a`` its value
in ``b`` is ``g`` acting on its value in ``a`` (up to a constant, where `Rep.absorbed` says so).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map_only

from isthmus.algebra.groups import Character
from isthmus.algebra.reps import Rep
from isthmus.algebra.spaces import Factor
from isthmus.algebra.symmetry import Params, Symmetry
from isthmus.discovery.assemble import assemble
from isthmus.discovery.capture import Example, as_inputs, capture
from isthmus.discovery.contractions import Contraction, contractions
from isthmus.discovery.evaluation import Inputs, run
from isthmus.discovery.execution import execute
from isthmus.discovery.gauge import fold
from isthmus.discovery.gauge.idioms.asked import answered
from isthmus.discovery.interpret import interpret
from isthmus.discovery.program import Program
from isthmus.discovery.verify import relative_change
from isthmus.ground.collecting import young_only
from isthmus.ground.errors import BadInput


@dataclass(frozen=True)
class Traced:
    """A model traced on inputs of one shape.

    Attributes:
        program: what runs.
        reps: of every probe, by its name in the program.
        contractions: for each coordinate that is a weight, what it is multiplied with.
    """

    program: Program
    reps: Mapping[str, Rep]
    contractions: Mapping[str, Sequence[Contraction]]


@dataclass
class Probes:
    """Reads the hidden spaces of ``symmetry`` off a running model.

    The model is run in evaluation mode at ``symmetry.canonical(params)``: there the values are
    those of the gauge, on which the group acts. It is traced anew for inputs of another shape.

    Args:
        model: of the architecture; neither changed nor asked for its weights.
        symmetry: of the model, or a restriction of it.
    """

    model: nn.Module
    symmetry: Symmetry
    _known: dict[object, Traced] = field(init=False, default_factory=dict)

    def at(self, inputs: Example) -> Traced:
        """The trace for inputs of this shape.

        Raises:
            CaptureFailed: the model cannot be traced on them.
            BadInput: the symmetry is not one of this model.
        """
        key = tuple(
            (tuple(leaf.shape), leaf.dtype) if isinstance(leaf, Tensor) else leaf
            for leaf in tree_leaves(as_inputs(inputs))
        )
        if key not in self._known:
            with young_only():
                self._known[key] = self._trace(inputs)
        return self._known[key]

    def values(
        self, params: Mapping[str, Tensor], inputs: Example, more: tuple[str, ...] = ()
    ) -> Params:
        """What every probe sees (and ``more`` names of the program), a batch at once.

        Raises:
            UnknownName, ShapeMismatch: the params are not of this symmetry.
            BadInput: the model could not be traced as a whole, and takes another path here.
        """
        traced, whole = self.at(inputs), self.symmetry.canonical(_single(params))
        given = [leaf for leaf in tree_leaves(as_inputs(inputs)) if isinstance(leaf, Tensor)]
        named = dict(zip(traced.program.inputs, given, strict=True))
        outputs = traced.program.outputs if traced.program.notes else ()
        seen = execute(traced.program, whole, named, {*traced.reps, *more, *outputs})
        if outputs:
            self._check(whole, as_inputs(inputs), [seen[name] for name in outputs])
        return seen

    def _check(self, params: Params, inputs: Inputs, replayed: list[Tensor]) -> None:
        """Compare what a recorded path gives with the model itself."""
        model = copy.deepcopy(self.model).eval().double()
        wide, *again = tree_map_only(Tensor, _doubled, (params, *inputs))
        given = run(model, wide, (again[0], again[1]))
        if relative_change(given, replayed) > 1e-3:
            raise BadInput(
                "the model takes another path on this batch than on the first of its shape, "
                "or with these weights",
                "align by weights, or wrap the part of the model whose path does not depend on "
                "data in a module of its own",
            )

    def _trace(self, inputs: Example) -> Traced:
        program = capture(self.model, inputs)
        folded = fold(program)
        if self.symmetry.chart.steps or not folded.steps:
            typed = folded.program
        else:
            typed = answered(program)
        reading = interpret(typed)
        real = {name for op in program.ops for name in op.outputs} | set(program.inputs)
        names = [n for n in dict.fromkeys(_contracted(typed)) if n in real and n in reading.tensors]
        whole = assemble(reading, {f"%{n}": reading.tensors[n] for n in names})
        known = _shared(whole, self.symmetry)
        if not known:
            raise BadInput(
                "no space of the symmetry shows in this model",
                "discover the symmetry of the same model",
            )
        reps = {n: whole.reps[f"%{n}"] for n in names if f"%{n}" in whole.reps}
        seen = {name: _restricted(rep, known) for name, rep in reps.items()}
        shown = {n: rep for n, rep in seen.items() if not rep.fixed and _told(rep, self.symmetry)}
        return Traced(program, shown, contractions(typed, real))


def _contracted(program: Program) -> Iterator[str]:
    """Values that an operator takes or gives that also reads a parameter."""
    weights, data = set(program.parameters), set(program.inputs)
    for op in program.ops:
        read = {ref.name for ref in op.refs()}
        if read & data:
            if read & weights:
                yield from (ref.name for ref in op.refs() if ref.name in data)
                yield from op.outputs
            data.update(op.outputs)
        elif read & weights:
            weights.update(op.outputs)


def _told(rep: Rep, symmetry: Symmetry) -> bool:
    """Whether every space stands beside those that index it.

    Tokens that were sent to experts are not by expert any more: whose units they show, the program
    does not say.
    """
    for block in rep.blocks:
        here = {factor.space for factor in block.factors}
        if any(not here.issuperset(symmetry.spaces[n].over) for n in here if n is not None):
            return False
    return True


Changes = Mapping[str, Callable[[Character], Character]]


def _shared(whole: Symmetry, symmetry: Symmetry) -> Changes:
    """For each space that both have, how characters of the one are those of the other."""
    found: dict[str, Callable[[Character], Character]] = {}
    for name, space in whole.spaces.items():
        own = symmetry.spaces.get(name)
        if own is not None and own.over == space.over:
            group, change = space.group.meet(own.group.motions)
            if group == own.group:
                found[name] = change
    return found


def _restricted(rep: Rep, known: Changes) -> Rep:
    """The rep under the spaces that are known."""

    def change(factor: Factor) -> Character:
        return known[str(factor.space)](factor.character)

    return rep.without({n for n in rep.spaces if n not in known}).recharacter(change)


def _doubled(tensor: Tensor) -> Tensor:
    return tensor.double() if tensor.is_floating_point() else tensor


def _single(params: Mapping[str, Tensor]) -> Params:
    """All floating tensors in one dtype, no narrower than float32."""
    floating = [t.dtype for t in params.values() if t.is_floating_point()]
    dtype = torch.float64 if torch.float64 in floating else torch.float32
    return {n: t.to(dtype) if t.is_floating_point() else t for n, t in params.items()}

"""Assembly: a typed program becomes a `Symmetry`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from isthmus.algebra.groups import (
    GeneralLinear,
    Group,
    MeanOrthogonal,
    Motion,
    Orthogonal,
    PlaneRotation,
    monomial,
)
from isthmus.algebra.spaces import Space
from isthmus.algebra.symmetry import Symmetry
from isthmus.discovery import families, naming, reasons, units
from isthmus.discovery.interpret import Reading
from isthmus.discovery.naming import Place
from isthmus.discovery.nodes import PLANE, SWAPS, Node, Unit, opened, settle, unit_leaves
from isthmus.discovery.redundant import without_redundant
from isthmus.discovery.rejoin import rejoin
from isthmus.discovery.representation import Leaf, Writer
from isthmus.discovery.tensor import Tensor
from isthmus.discovery.units import Units


def assemble(reading: Reading, beside: Mapping[str, Tensor] | None = None) -> Symmetry:
    """Solve what was read, name the spaces, write down every rep.

    Tensors given ``beside`` the parameters get a rep under their name, where how they move follows
    from how the parameters do; they change nothing else.
    """
    beside = beside or {}
    before = {name: _leaves([tensor]) for name, tensor in beside.items()}
    solution = units.solve(reading.typing, _held(reading), _leaves(beside.values()))
    rejoin(reading, solution)
    order = list(dict.fromkeys(leaf for _, leaf in _held(reading)))
    places = _places(reading)
    movable = {leaf for leaf in order if leaf.motions or any(solution.families.get(leaf, (0, 0)))}
    known = {leaf for leaf in order if leaf.size > 1 or leaf in movable}
    depends = families.dependencies(reading.typing.tensors, known, reading.typing.selections)
    over = families.orient(depends, [leaf for leaf in order if leaf in known], movable)
    for outer in {o for owners in over.values() for o in owners}:
        outer.motions &= SWAPS
    told = reasons.Told(reading.program)
    decided = _decide(reading, solution, over, places, told)
    spaces = {leaf.space.name: leaf.space for leaf in decided.values()}
    writer = Writer(decided, solution)
    reps = {
        name: writer.rep(
            tensor.axes,
            reading.offsets.get(name, 0.0),
            tuple(reading.typing.absorbed.get(name, ())),
        )
        for name, tensor in reading.parameters.items()
    }
    for name, tensor in beside.items():
        found = _leaves([tensor])
        follows = all(u not in solution.unknown for u, leaf in found if leaf in decided)
        if found == before[name] and follows:
            reps[name] = writer.rep(tensor.axes, 0.0, ())
    whole = Symmetry(
        spaces,
        reps,
        dict(reading.program.aliases),
        tuple(reading.warnings),
        pinned=told.pinned(reading, decided),
    )
    return without_redundant(whole, beside)


def _held(reading: Reading) -> list[tuple[Unit, Node]]:
    """Every leaf of every parameter, with the unit with which it is felt."""
    return _leaves(reading.parameters.values())


def _leaves(tensors: Iterable[Tensor]) -> list[tuple[Unit, Node]]:
    return [
        (unit, leaf)
        for tensor in tensors
        for axis in tensor.axes
        for term in settle(axis)
        for unit, leaf in unit_leaves(term.unit, term.node)
    ]


Places: TypeAlias = "dict[Node, list[Place]]"


def _places(reading: Reading) -> Places:
    """Where each leaf occurs in parameters: name, dimension, occurrence, dual."""
    found: Places = {}
    for name, tensor in reading.parameters.items():
        for d, axis in enumerate(tensor.axes):
            for term in settle(axis):
                for leaf in opened(term):
                    found.setdefault(leaf.node, []).append((name, d, leaf, leaf.dual))
    return found


def _decide(
    reading: Reading,
    solution: Units,
    over: dict[Node, list[Node]],
    places: Places,
    told: reasons.Told,
) -> dict[Node, Leaf]:
    """A named space with its group for every leaf on which something acts, outer ones first."""
    names = naming.names(places, over)
    decided: dict[Node, Leaf] = {}
    keys = {key for owners in over.values() for key in owners}
    for leaf in sorted(over, key=lambda n: len(over[n])):
        mirrored = places[leaf][0][3]
        group = _group(leaf, solution, places[leaf], mirrored)
        if not group.motions and leaf not in keys:
            continue
        first = places[leaf]
        signs = tuple(
            next((1 if e[k] > 0 else -1 for e in _scales(first, solution) if e[k]), 1)
            for k in range(solution.families.get(leaf, (0, 0))[0])
        )
        owners = tuple(decided[o].space.name for o in over[leaf] if o in decided)
        space = Space(names[leaf], leaf.size, group, owners, told.reasons(leaf))
        decided[leaf] = Leaf(space, mirrored, signs)
    return decided


def _scales(places: Sequence[Place], solution: Units) -> list[tuple[int, ...]]:
    return [solution.exponents(t.unit, t.node)[0] for _, _, t, _ in places]


def _group(
    leaf: Node,
    solution: Units,
    places: Sequence[Place],
    mirrored: bool,
) -> Group:
    """The group that the motions and the units of a leaf leave."""
    scales, flips = solution.families.get(leaf, (0, 0))
    felt = [(solution.exponents(t.unit, leaf), dual ^ mirrored) for _, _, t, dual in places]
    signed = flips == 1 and all(f == (1,) for (_, f), _ in felt)
    if leaf.size > 1 and signed and Motion.SHEAR in leaf.motions and scales == 1:
        lead = felt[0][0][0][0]
        if all(s == (-lead if dual else lead,) for (s, _), dual in felt) and abs(lead) == 1:
            return GeneralLinear(leaf.size)
    if leaf.size > 1 and Motion.TURN in leaf.motions:
        if leaf.keeps_mean and not any(any(s) or any(f) for (s, f), _ in felt):
            return MeanOrthogonal(leaf.size)
        if leaf.motions == PLANE:
            return PlaneRotation()
        if signed and not leaf.keeps_mean:
            return Orthogonal(leaf.size)
    swaps = leaf.size > 1 and Motion.SWAP in leaf.motions
    return monomial(leaf.size, swaps=swaps, flips=flips, scales=scales)

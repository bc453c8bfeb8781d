"""Attaching: the free coordinates of a gauge enter the symmetry, each with a group of its own."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import replace

from isthmus.algebra.charts import Chart, Flat
from isthmus.algebra.groups import Group, Lattice, Translation, monomial
from isthmus.algebra.reps import Rep
from isthmus.algebra.spaces import Factor, Space
from isthmus.algebra.symmetry import Symmetry
from isthmus.discovery.gauge import Gauge
from isthmus.discovery.gauge.graphs.free import Free, Move
from isthmus.discovery.naming import unused
from isthmus.discovery.program import Program


def attach(symmetry: Symmetry, program: Program, gauge: Gauge) -> Symmetry:
    """The symmetry of a gauge's essential parameters, enlarged by what moves freely."""
    free = gauge.free
    if not gauge.steps and not free:
        return symmetry
    shapes = {p: program.shapes[g].sizes for g, p in reversed(list(program.parameters.items()))}
    reps = {name: rep for name, rep in symmetry.reps.items() if name not in {*free, *gauge.gone}}
    steps = list(gauge.steps)
    spaces: dict[str, Space] = {}
    for name, coordinate in free.items():
        space = _space(name, coordinate, {*symmetry.spaces, *spaces})
        shape = shapes.get(name, (coordinate.size,))
        assert math.prod(shape) == coordinate.size, f"{name}: {shape} holds not {coordinate.size}"
        steps.append(Flat(name, shape, coordinate.move in (Move.SHIFT, Move.STEP)))
        spaces[space.name] = space
        reps[name] = Rep.of([(Factor(space.size, space.name, space.group.natural),)])
    read = {used for rep in reps.values() for used in rep.spaces}
    kept = {name: space for name, space in symmetry.spaces.items() if name in read}
    canonical = {name: coordinate.canonical for name, coordinate in free.items()}
    return replace(
        symmetry,
        spaces={**kept, **spaces},
        reps=reps,
        chart=Chart(tuple(steps), canonical, shapes),
    )


def _space(name: str, free: Free, taken: Collection[str]) -> Space:
    """A space of its own: nothing else moves with it."""
    suffix = "shift" if free.move is Move.SHIFT else "gain"
    known = (
        name.endswith((".shift", ".mean", ".level", ".turns", ".shear", ".height"))
        or name[-1].isdigit()
    )
    group: Group
    if free.move is Move.SHIFT:
        group = Translation(free.size + 1)
    elif free.move is Move.STEP:
        group = Lattice(free.size + 1)
    else:
        group = monomial(free.size, swaps=False, flips=int(free.move is Move.SCALE), scales=1)
    own = unused(name if known else f"{name}.{suffix}", taken)
    return Space(own, group.size, group, (), (free.why,))

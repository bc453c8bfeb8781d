"""Moves of single units along which nothing is lost: copies, null units, swaps.

A unit without columns is null: its rows may be anything. Where two units have the same rows only
the sum of their columns matters. From these two facts follow all moves of Şimşek et al. (2021), and
the swap of Brea et al. (2019), which needs no null unit and is not flat.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from isthmus.algebra import Symmetry
from isthmus.ground import BadInput, Params
from isthmus.landscape.constructive.segments import Segments
from isthmus.landscape.constructive.units import Units

Point = Mapping[str, Tensor]


def null_units(
    symmetry: Symmetry, params: Point, space: str, tolerance: float = 0.0
) -> tuple[int, ...]:
    """The units of a space without columns: none larger than ``tolerance``.

    Raises:
        BadInput: The space has no units that can be swapped, or nothing reads them.
    """
    sizes = Units(symmetry, space).sizes(symmetry.coordinates(params), dual=True)
    return tuple(k for k, size in enumerate(sizes.tolist()) if size <= tolerance)


def replicate(
    symmetry: Symmetry, params: Point, space: str, unit: int, null: int, share: float = 0.5
) -> Segments:
    """A null unit becomes a copy of another and takes a share of its columns; exact everywhere.

    With ``share`` 1 it takes over the whole job, and ``unit`` is null at the end.

    Raises:
        BadInput: ``null`` has columns, or the space has no units that can be swapped.
    """
    units, x = _entered(symmetry, params, space, unit, null)
    _require_null(units, x, null)
    copied = units.copied(x, [unit], [null])
    points = [x, copied, units.shifted(copied, [unit], [null], share)]
    return Segments(symmetry, points, params)


def merge_copies(
    symmetry: Symmetry,
    params: Point,
    space: str,
    unit: int,
    into: int,
    tolerance: float = 0.0,
) -> Segments:
    """A unit gives all its columns to a copy of itself and becomes null; exact everywhere.

    Raises:
        BadInput: The rows of the two differ by more than ``tolerance`` anywhere.
    """
    units, x = _entered(symmetry, params, space, unit, into)
    gap = units.gap(x, unit, into)
    if gap > tolerance:
        raise BadInput(
            f"units {unit} and {into} of {space} are no copies: their rows differ by {gap:.3g}",
            "make one the copy of the other first, by `replicate`",
        )
    return Segments(symmetry, [x, units.shifted(x, [unit], [into])], params)


def swap(symmetry: Symmetry, params: Point, space: str, one: int, two: int) -> Segments:
    """Two units change places, through the point at which they are the same (Brea et al. 2019).

    Three segments: ``one`` takes the rows of ``two``; while they are the same, their columns are
    exchanged, without any change of the function; ``two`` takes the rows that ``one`` had. The
    first and the last are mirror images, and the loss on them may rise.

    Raises:
        BadInput: The space has no units that can be swapped, or not these.
    """
    units, x = _entered(symmetry, params, space, one, two)
    met = units.copied(x, [two], [one])
    exchanged = units.exchanged(met, one, two)
    order = list(range(units.size))
    order[one], order[two] = two, one
    points = [x, met, exchanged, units.reordered(x, order)]
    return Segments(symmetry, points, params)


def permute(
    symmetry: Symmetry, params: Point, space: str, order: Sequence[int], null: int
) -> Segments:
    """Units change places by way of a null unit; exact everywhere (Şimşek et al. 2021).

    At the end, unit k does the job that unit ``order[k]`` had. One null unit is enough to join all
    permutations of the others.

    Args:
        symmetry: The group and its action.
        params: The point that moves.
        space: The space whose units are permuted.
        order: A permutation of all units that keeps ``null`` in place.
        null: A unit without columns.

    Raises:
        BadInput: ``order`` is no permutation, moves ``null``, or ``null`` has columns.
    """
    units, x = _entered(symmetry, params, space, null)
    if sorted(order) != list(range(units.size)) or order[null] != null:
        raise BadInput(
            f"the order is no permutation of {units.size} units that keeps {null} in place",
            "list every unit once",
        )
    _require_null(units, x, null)
    points = [x]

    def hand_over(unit: int, to: int) -> None:
        points.append(units.copied(points[-1], [unit], [to]))
        points.append(units.shifted(points[-1], [unit], [to]))

    for first in range(units.size):
        cycle = [first]
        while order[cycle[-1]] != first:
            cycle.append(order[cycle[-1]])
        if first == min(cycle) and len(cycle) > 1:
            hand_over(first, null)
            for place, source in zip(cycle, [*cycle[1:], null], strict=True):
                hand_over(source, place)
    points.append(units.reordered(x, order))  # only rows of the null unit are left to move
    return Segments(symmetry, points, params)


def _entered(symmetry: Symmetry, params: Point, space: str, *chosen: int) -> tuple[Units, Params]:
    symmetry.check(params)
    units = Units(symmetry, space)
    units.check(*chosen)
    return units, symmetry.coordinates(params)


def _require_null(units: Units, x: Point, null: int) -> None:
    size = float(units.sizes(x, dual=True)[null])
    if size > 0:
        raise BadInput(
            f"unit {null} of {units.space.name} has columns of norm {size:.3g}, expected none",
            "choose one of `null_units`, or free a unit by `merge_copies`",
        )

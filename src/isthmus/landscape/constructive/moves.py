"""Moves of single units along which a network computes the same everywhere.

Two units that are written alike do alike, so only the sum of the columns that read them matters
(Brea et al. 2019); units whose columns sum to zero are felt by nobody, so what writes them may be
anything (Şimşek et al. 2021: replicated and null neurons).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from isthmus.algebra import Symmetry
from isthmus.ground import Disconnected, Params
from isthmus.landscape.constructive.units import Units
from isthmus.landscape.straight import Line, Polygon


def transfer_path(
    symmetry: Symmetry,
    params: Mapping[str, Tensor],
    space: str,
    source: int,
    target: int,
    share: float = 1.0,
    inside: Sequence[int] = (),
) -> Line:
    """Hand a share of what reads one unit over to another that is written alike; exactly flat.

    Args:
        symmetry: Of the model.
        params: Where the path starts.
        space: The units' space.
        source: The unit that gives.
        target: The unit that takes.
        share: How much of the source's columns: all of them leave it dead, any number is allowed.
        inside: As of `Units`.

    Raises:
        Disconnected: The two are not written alike; or as `Units`.
        UnknownName, BadInput: As `Units`; ``params`` are not of the symmetry's model.
    """
    units, here = _entered(symmetry, params, space, inside, source, target)
    _require_alike(units, here, params, (source, target))
    there = units.mixed(here, columns=units.handed([(source, target)], share))
    return Line(params, symmetry.parameters(there, params))


def null_path(
    symmetry: Symmetry,
    params: Mapping[str, Tensor],
    space: str,
    units: Sequence[int],
    to: Mapping[str, Tensor],
    like: int | None = None,
    inside: Sequence[int] = (),
) -> Line:
    """Move what writes units that nobody feels to where a unit of other params is; exactly flat.

    Args:
        symmetry: Of the model.
        params: Where the path starts.
        space: The units' space.
        units: One that nothing reads, or several that are written alike and read with sum zero.
        to: Params of the same model.
        like: The unit of ``to`` whose rows all of ``units`` get; None takes the first of ``units``.
        inside: As of `Units`.

    Raises:
        Disconnected: The units are felt, or are not written alike; or as `Units`.
        UnknownName, BadInput: As `transfer_path`.
    """
    all_units, here = _entered(symmetry, params, space, inside, *units)
    _require_alike(all_units, here, params, units)
    _require_null(all_units, here, params, units)
    model = units[0] if like is None else like
    all_units.require(model)
    symmetry.check(to)
    whole = symmetry.coordinates(to)
    for unit in units:
        rows = all_units.copied([(model, unit)]) if unit != model else None
        here = all_units.filled(here, all_units.mixed(whole, rows=rows), [unit])
    return Line(params, symmetry.parameters(here, params))


def replicate_path(
    symmetry: Symmetry,
    params: Mapping[str, Tensor],
    space: str,
    unit: int,
    into: int,
    share: float = 0.5,
    inside: Sequence[int] = (),
) -> Polygon:
    """Make a dead unit a copy of another, and let it be read for a share of it; exactly flat.

    Two segments: what writes ``into`` goes to what writes ``unit``, then the columns follow.
    `transfer_path` with share 1 from the copy to the unit leads back to a dead unit.

    Raises:
        Disconnected: Something reads ``into``; or as `Units`.
        UnknownName, BadInput: As `transfer_path`.
    """
    copied = null_path(symmetry, params, space, [into], params, unit, inside).b
    both = transfer_path(symmetry, copied, space, unit, into, share, inside).b
    return Polygon((params, copied, both))


def swap_path(
    symmetry: Symmetry,
    params: Mapping[str, Tensor],
    space: str,
    first: int,
    second: int,
    spare: int | None = None,
    inside: Sequence[int] = (),
) -> Polygon:
    """Exchange two units, without a jump.

    Without a spare unit there are three segments (Brea et al. 2019): what writes ``first`` goes to
    what writes ``second``; then the columns that read the two are exchanged, which changes nothing;
    then what writes ``second`` goes to where that of ``first`` was. The third is the mirror image
    of the first: the function at 1 - t is that at t.

    With a spare unit, one that nothing reads, there are seven segments and all are exactly flat:
    the spare takes the place of the first, which takes that of the second, which takes that of the
    spare, and the spare becomes what it was.

    Args:
        symmetry: Of the model.
        params: Where the path starts.
        space: The units' space.
        first: A unit.
        second: Another unit.
        spare: A third unit, which nothing reads.
        inside: As of `Units`.

    Raises:
        Disconnected: Something reads the spare unit; or as `Units`.
        UnknownName, BadInput: As `transfer_path`.
    """
    chosen = (first, second) if spare is None else (first, second, spare)
    units, here = _entered(symmetry, params, space, inside, *chosen)
    swap = units.swapped([(first, second)])
    end = units.mixed(here, swap, swap)
    if spare is None:
        met = units.mixed(here, rows=units.copied([(second, first)]))
        between = [met, units.mixed(met, columns=swap)]
    else:
        _require_null(units, here, params, [spare])
        between = []
        for source, target in ((first, spare), (second, first), (spare, second)):
            here = units.mixed(here, rows=units.copied([(source, target)]))
            between.append(here)
            here = units.mixed(here, columns=units.handed([(source, target)]))
            between.append(here)
    points = [symmetry.parameters(point, params) for point in (*between, end)]
    return Polygon((params, *points))


def _entered(
    symmetry: Symmetry,
    params: Mapping[str, Tensor],
    space: str,
    inside: Sequence[int],
    *chosen: int,
) -> tuple[Units, Params]:
    """The units of a space, and the coordinates of params, once all is checked."""
    symmetry.check(params)
    units = Units(symmetry, space, inside)
    units.require(*chosen)
    return units, symmetry.coordinates(params)


def _require_alike(
    units: Units, here: Params, params: Mapping[str, Tensor], chosen: Sequence[int]
) -> None:
    """Raise unless the units are written alike, but for rounding."""
    for other in chosen[1:]:
        gap = units.distance(here, chosen[0], other)
        if gap > units.room(params):
            raise Disconnected(
                f"units {chosen[0]} and {other} of {units.space!r} are not written alike: what "
                f"writes them differs by {gap:.3g} of the largest unit",
                "copy one to the other first: replicate_path into a dead unit, or swap_path",
            )


def _require_null(
    units: Units, here: Params, params: Mapping[str, Tensor], chosen: Sequence[int]
) -> None:
    """Raise unless the columns that read the units sum to zero, but for rounding."""
    weight = units.weight(here, chosen)
    if weight > units.room(params):
        names = " and ".join(map(str, chosen))
        raise Disconnected(
            f"unit {names} of {units.space!r} is read with {weight:.3g} of the columns of the unit "
            "that is read most, expected 0",
            "choose a dead unit, or free one: transfer_path between two that are written alike",
        )

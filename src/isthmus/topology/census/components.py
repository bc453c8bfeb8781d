"""components: a census of sampled minima."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from isthmus.algebra import Symmetry
from isthmus.ground import BadInput, IsthmusError, NotFinite, check, distance
from isthmus.ground.writing import StrPath
from isthmus.landscape import Line, Loss, Ranks
from isthmus.landscape.evaluation.ranks import ALONE
from isthmus.landscape.loss import Progress
from isthmus.topology.census.census import Census
from isthmus.topology.census.connectors import Aligned, Chain, Connector, Straight
from isthmus.topology.census.crossing import Meeting
from isthmus.topology.census.folder import Folder, Pair, header_of
from isthmus.topology.census.prediction import group_kept
from isthmus.topology.census.promise import Promise
from isthmus.topology.census.terrain import PathSampling, Terrain


def components(
    minima: Sequence[Mapping[str, Tensor]],
    loss: Loss,
    *,
    level: float | None = None,
    symmetry: Symmetry | None = None,
    connector: Connector | None = None,
    sampling: PathSampling | None = None,
    all_pairs: bool = False,
    names: Sequence[str] | None = None,
    folder: StrPath | None = None,
    force: bool = False,
    seed: int = 0,
    ranks: Ranks = ALONE,
    progress: Progress | None = None,
) -> Census:
    """Which of the minima are joined by paths of low loss, in parameter space and up to symmetry.

    Pairs are tried the nearest first; where a level is given, none that is joined below it
    already, through others. The graph of crossings gives the components at the level, its minimum
    spanning tree the heights at which they merge (the ultrametric of Draxler et al. 2018).

    Args:
        minima: Two or more Params of one model.
        loss: The loss. Under torchrun it is computed whole by every process, for pairs of its own.
        level: Two minima are joined where no loss on a path is above it. None measures the heights
            of all pairs: the answer at every level.
        symmetry: Of the model; with it, what is joined up to symmetry is told too.
        connector: What finds paths; None tries the line and, with a symmetry, the line after
            alignment and the way home along the orbit. Add `Bent()` to train curves.
        sampling: Where the loss on a path is looked at, and how its uncertainty is found.
        all_pairs: Try all pairs, also where the answer at the level is known.
        names: What the minima are called; else their places.
        folder: Where every pair is kept as it is found. A census that was interrupted goes on
            there, with the same result as if it had not been.
        force: Begin anew where the folder holds another census.
        seed: Fixes every random choice.
        ranks: Processes among which the pairs are shared (`isthmus.landscape.ranks`).
        progress: Called with (pairs tried, pairs) after each; the second is what it takes at most.

    Raises:
        BadInput: There are fewer than two minima, the level is not finite or a minimum is above it,
            or the folder is of another census.
        NotFinite: The loss at a minimum is not finite.
        UnknownName: Minima differ in names; so ShapeMismatch and DtypeMismatch.
        OutputExists: The folder holds something else.
    """
    called = tuple(names) if names is not None else tuple(map(str, range(len(minima))))
    _require(minima, called, level, loss, ranks)
    how = sampling or PathSampling()
    births = _births(minima, loss, how, called, level)
    crossing = connector or Chain((Straight(), *([Aligned()] if symmetry is not None else [])))
    terrain = Terrain(loss, symmetry, level, how, seed)
    words = symmetry.to_json() if symmetry is not None else None
    header = header_of(minima, births, level, words, (crossing, how, seed))
    place = Folder(Path(folder) if folder is not None else None, header)
    known = _opened(place, force, ranks)
    kept = group_kept(symmetry, loss, seed) if symmetry is not None else None
    meetings = _meetings(minima, terrain, crossing, all_pairs, place, known, ranks, progress)
    size = symmetry.log_components if symmetry is not None else None
    census = Census(called, births, level, meetings, size, kept)
    if ranks.first:
        place.finish(census.to_json())
    return census


def _meetings(
    minima: Sequence[Mapping[str, Tensor]],
    terrain: Terrain,
    connector: Connector,
    all_pairs: bool,
    place: Folder,
    known: dict[Pair, Meeting],
    ranks: Ranks,
    progress: Progress | None,
) -> tuple[Meeting, ...]:
    """The pairs that were tried, in order; each kept as it is found."""
    pairs = list(itertools.combinations(range(len(minima)), 2))
    apart = {(a, b): distance(minima[a], minima[b]) for a, b in pairs}
    promise = Promise(
        [(far, *pair) for pair, far in apart.items()],
        len(minima),
        all_pairs or terrain.level is None,
    )
    found: dict[Pair, Meeting] = {}
    while wanted := promise.next():
        new = [pair for pair in wanted if pair not in known]
        for number, (a, b) in enumerate(new):
            if number % ranks.count != ranks.rank:
                continue
            crossings = connector(minima[a], minima[b], terrain)
            known[a, b] = Meeting(
                a, b, apart[a, b], tuple(replace(one, path=None) for one in crossings)
            )
            place.keep(known[a, b])
            if progress is not None:
                progress(len(found) + number + 1, len(pairs))
        for part in ranks.gather({pair: known[pair] for pair in new if pair in known}):
            known |= part
        found |= {pair: known[pair] for pair in wanted}
        for pair in wanted:
            if any(map(terrain.joins, known[pair].crossings)):
                promise.join(*pair)
    return tuple(found[pair] for pair in sorted(found))


def _require(
    minima: Sequence[Mapping[str, Tensor]],
    names: Sequence[str],
    level: float | None,
    loss: Loss,
    ranks: Ranks,
) -> None:
    if len(minima) < 2:
        raise BadInput(f"{len(minima)} minima to compare", "give at least two")
    if len(names) != len(minima) or len(set(names)) < len(names):
        raise BadInput(
            f"{len(names)} names, {len(set(names))} of them different, for {len(minima)} minima",
            "give each a name of its own",
        )
    if level is not None and not math.isfinite(level):
        raise BadInput(f"level is {level}, expected a finite number", "None measures all heights")
    if ranks.count > 1 and loss.ranks.count > 1:
        raise BadInput(
            "the processes are to share both the pairs and the samples",
            "give the census a loss without ranks",
        )
    for name, minimum in zip(names, minima, strict=True):
        check(minimum, minima[0], source=f"minimum {name}")


def _births(
    minima: Sequence[Mapping[str, Tensor]],
    loss: Loss,
    how: PathSampling,
    names: Sequence[str],
    level: float | None,
) -> tuple[float, ...]:
    """The loss at every minimum."""
    births = []
    for name, minimum in zip(names, minima, strict=True):
        resting = Line(minimum, minimum)
        birth = loss.along(resting, [0.0], how.recompute_statistics)[0].loss
        if not math.isfinite(birth):
            raise NotFinite(
                f"the loss at minimum {name} is {birth}", "leave out what has not converged"
            )
        if level is not None and birth > level:
            raise BadInput(
                f"minimum {name} has loss {birth:.6g}, above the level {level:.6g}",
                "raise the level, or leave the minimum out",
            )
        births.append(birth)
    return tuple(births)


def _opened(place: Folder, force: bool, ranks: Ranks) -> dict[Pair, Meeting]:
    """What the folder holds, read by one process for all; what it raises is raised in all."""
    mine: dict[Pair, Meeting] | IsthmusError = {}
    if ranks.first:
        try:
            mine = place.open(force)
        except IsthmusError as error:
            mine = error
    first = ranks.gather(mine)[0]
    if isinstance(first, IsthmusError):
        raise first
    return first

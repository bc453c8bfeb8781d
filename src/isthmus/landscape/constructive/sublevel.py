"""Paths that stay below both ends: readers refitted to fewer units, on the data, at no loss.

On N samples the features of a hidden layer span at most N dimensions, and those of a linear layer
at most the rank of its inputs. So the outputs on the data can be read from so many units alone, and
as they are linear in the readers, a straight line leads there on which they stay. Where two such
sets of units fit side by side, the readers go straight from one network to the other, and a loss
that is convex in the outputs is nowhere above its ends: sublevel sets are connected. This is the
argument of Freeman and Bruna (2017) and Nguyen (2019), who needs a first hidden layer of 2N units;
the construction is reconstructed, for one hidden layer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import final

import torch
from torch import Tensor

from isthmus.algebra import Symmetry
from isthmus.ground import Certificate, Disconnected, NotFinite, Params, Result, Verdict
from isthmus.landscape.constructive.dropout import ROUNDING, settled
from isthmus.landscape.constructive.layers import Layers, layers
from isthmus.landscape.constructive.units import Units
from isthmus.landscape.loss import Loss
from isthmus.landscape.paths import AbstractPath, require_alike
from isthmus.landscape.running import evaluation_mode, pair, place, run, weights_for
from isthmus.landscape.straight import Polygon

_SAME = 1e-10
"""Relative: outputs that differ by less are the same."""


@final
@dataclass(frozen=True)
class SublevelPath(Result):
    """A path below its ends.

    Attributes:
        path: From one network to the other, of straight segments.
        needed: From how many units the outputs of each end can be read, on the data.
        ends: The losses of both.
        highest: The largest loss found, at the corners and in the middle of every segment.
        certificate: That it is not above the larger of the ends; tested.
    """

    path: AbstractPath = field(metadata={"json": False})
    needed: tuple[int, int]
    ends: tuple[float, float]
    highest: float
    certificate: Certificate

    def __str__(self) -> str:
        first, last = self.ends
        return (
            f"path through {self.needed[0]} and {self.needed[1]} units: loss at most "
            f"{self.highest:.4g}, at its ends {first:.4g} and {last:.4g}"
        )


def sublevel_path(
    symmetry: Symmetry, a: Mapping[str, Tensor], b: Mapping[str, Tensor], loss: Loss
) -> SublevelPath:
    """Join two networks by a path on which the loss is nowhere above that of the worse one.

    Args:
        symmetry: Of the model: one hidden layer, which the outputs read linearly.
        a: Where the path starts, in float64: refitted readers may be large.
        b: Where it ends.
        loss: On the data to which readers are refitted, convex in the outputs (squared error,
            cross-entropy).

    Raises:
        Disconnected: The model has another number of hidden layers, or both networks need more
            units together than there are: then this construction does not join them.
        NotFinite: The loss is not finite at a corner.
        UnknownName: ``a`` or ``b`` are not of the symmetry's model; so ShapeMismatch.
    """
    symmetry.check(a)
    symmetry.check(b)
    require_alike(a, b)
    network = layers(symmetry, a)
    if len(network.units) != 1:
        names = ", ".join(network.units) or "none"
        raise Disconnected(
            f"the network has {len(network.units)} hidden layers ({names}), and readers are "
            "refitted where there is one",
            "use dropout_stable_path, which loses what dropping half of the units does",
        )
    (units,) = network.units.values()
    exact = replace(loss, dtype=torch.float64)
    ends = [_Refitted.of(exact, symmetry, units, params) for params in (a, b)]
    needed = len(ends[0].live), len(ends[1].live)
    if sum(needed) > units.size:
        raise Disconnected(
            f"the outputs of the networks are read from {needed[0]} and {needed[1]} units, and "
            f"there are {units.size}: they do not fit side by side",
            "use a wider network, or fewer samples",
        )
    corners = _corners(network, units, *ends)
    free = {name: ends[0].start[name] for name in symmetry.chart.canonical}
    points = [symmetry.parameters({**point, **free}, a) for point in corners]
    path = Polygon([a, *points[1:]])
    whole = settled(symmetry, path, (ends[0].start, ends[1].start), b)
    return _measured(whole, path, needed, exact)


@final
@dataclass(frozen=True, eq=False)
class _Refitted:
    """A network, and the same with readers of a few units alone.

    Attributes:
        start: Its coordinates.
        few: The same with other readers, that give the same outputs on the data.
        live: The units that they read.
    """

    start: Params
    few: Params
    live: tuple[int, ...]

    @classmethod
    def of(
        cls, loss: Loss, symmetry: Symmetry, units: Units, params: Mapping[str, Tensor]
    ) -> _Refitted:
        start = {n: t.double() for n, t in symmetry.coordinates(params).items()}
        readers = [place.read(start) for place in units.columns]
        flat = torch.cat([value.reshape(units.size, -1) for value in readers], 1)

        def with_readers(flat: Tensor) -> Params:
            here, done = dict(start), 0
            for spot, value in zip(units.columns, readers, strict=True):
                width = value[0].numel()
                spot.write(here, flat[:, done : done + width].reshape(value.shape))
                done += width
            return here

        def outputs(flat: Tensor) -> Tensor:
            return _outputs(loss, symmetry.parameters(with_readers(flat), params))

        base = outputs(torch.zeros_like(flat))
        responses = torch.empty(*flat.shape, len(base), dtype=torch.float64)
        for unit, entry in torch.cartesian_prod(*map(torch.arange, flat.shape)).tolist():
            probe = torch.zeros_like(flat)
            probe[unit, entry] = 1.0
            responses[unit, entry] = outputs(probe) - base
        live, few = _fewest(responses, outputs(flat) - base)
        read = tuple(flat.any(1).nonzero().flatten().tolist())
        if len(read) <= len(live):
            live, few = read, flat
        return cls(start, with_readers(few), live)


def _outputs(loss: Loss, params: Mapping[str, Tensor]) -> Tensor:
    """All outputs on the data, one after the other."""
    weights = weights_for(loss.model, params, torch.float64)
    found = []
    with torch.no_grad(), evaluation_mode(loss.model):
        for index, batch in enumerate(loss.batches):
            inputs = place(pair(batch, index)[0], torch.device("cpu"), torch.float64)
            found.append(run(loss.model, weights, inputs).flatten())
    return torch.cat(found)


def _fewest(responses: Tensor, target: Tensor) -> tuple[tuple[int, ...], Tensor]:
    """Units from which a target can be read, chosen greedily, and their readers.

    ``responses`` is (units, numbers of a reader, outputs). Each step takes the unit that explains
    most of what is left; what it explains is taken out of all others.
    """
    left, rest = responses.clone(), target.clone()
    live: list[int] = []
    scale = float(target.norm())
    floor = _SAME * responses.flatten(1).norm(dim=1).amax()
    while float(rest.norm()) > _SAME * scale and len(live) < len(responses):
        gains = torch.stack([_explained(block, rest, floor) for block in left])
        gains[live] = -1.0
        live.append(int(gains.argmax()))
        basis = _basis(left[live[-1]], floor)
        left = left - left @ basis @ basis.mT
        rest = rest - basis @ (basis.mT @ rest)
    chosen = responses[live].flatten(0, 1)
    few = torch.zeros(responses.shape[:2], dtype=torch.float64)
    if live:
        # By the pseudo-inverse: blocks may share directions, in which they are not unique.
        solution = torch.linalg.lstsq(chosen.mT, target.unsqueeze(1), driver="gelsd").solution
        few[live] = solution.reshape(len(live), -1)
    return tuple(live), few


def _basis(block: Tensor, floor: Tensor) -> Tensor:
    """Orthonormal columns that span the rows of a block, but for those that are rounding."""
    _, sizes, rows = torch.linalg.svd(block, full_matrices=False)
    kept: Tensor = rows[sizes > floor].mT
    return kept


def _explained(block: Tensor, rest: Tensor, floor: Tensor) -> Tensor:
    return (_basis(block, floor).mT @ rest).square().sum()


def _corners(network: Layers, units: Units, first: _Refitted, second: _Refitted) -> list[Params]:
    """Coordinates of all corners, from the start of one to that of the other."""
    taken = set(first.live) | set(second.live)
    free = [k for k in range(units.size) if k not in taken]
    both = [k for k in first.live if k in set(second.live)]
    pairs = list(zip(both, free, strict=False))
    copied = units.mixed(first.few, rows=units.copied(pairs))
    handed = units.mixed(copied, columns=units.handed(pairs))
    hosted = units.filled(handed, second.start, second.live)
    headed = network.headed(hosted, second.few)
    corners = [first.start, first.few]
    corners += [copied, handed] if pairs else []
    return [*corners, hosted, headed, second.few, second.start]


def _measured(
    whole: AbstractPath, path: Polygon, needed: tuple[int, int], loss: Loss
) -> SublevelPath:
    """The result, with the loss at every corner and in the middle of every segment."""
    pieces = len(path.points) - 1
    at = [loss(path(k / (2 * pieces))) for k in range(2 * pieces + 1)]
    if not all(map(math.isfinite, at)):
        raise NotFinite(
            "the loss is NaN or infinite at a corner of the path", "give networks of finite loss"
        )
    ends, highest = (at[0], at[-1]), max(at)
    room = max(ends) - highest
    certificate = Certificate(
        f"the loss is at most {max(ends):.4g}, that of the worse end, on the whole path, where it "
        "is convex in the outputs",
        Verdict.TESTED if room >= -ROUNDING * abs(highest) else Verdict.REFUTED,
        room,
        {"needed": needed, "highest": highest, "points": len(at)},
    )
    return SublevelPath(whole, needed, ends, highest, certificate)

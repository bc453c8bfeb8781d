"""Means and maxima over windows and dimensions, and resizing."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from isthmus.landscape.enclosures.calculus import average, between
from isthmus.landscape.enclosures.enclosure import Enclosure
from isthmus.landscape.enclosures.rounding import room
from isthmus.landscape.enclosures.table import encloses


def _averaging(name: str) -> None:
    """A mean over windows: linear, with coefficients >= 0 that sum to one at most."""
    operator = getattr(torch.ops.aten, name)

    def rule(x: Enclosure, *args: Any, **options: Any) -> Enclosure:
        return average(lambda t: operator(t, *args, **options), x, x[0].numel())

    encloses(name)(rule)


for _name in (
    "avg_pool1d", "avg_pool2d", "avg_pool3d",
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d",
    "upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d",
):  # fmt: skip
    _averaging(_name)


def _largest(name: str, find: Any) -> None:
    """A maximum over windows; ``find`` gives values and their places in a plane.

    The adaptive ones give both; no enclosure knows the places.
    """

    def rule(x: Enclosure, *args: Any) -> Any:
        spatial = int(name[-2])
        made = highest(x, lambda t: find(t, *args), lambda t, at: _places(t, at, spatial))
        return (made, None) if name.startswith("adaptive") else made

    encloses(name)(rule)


def highest(x: Enclosure, find: Any, take: Any) -> Enclosure:
    """A maximum: below the chord of its own at both ends, and above the number largest at s = 0.

    A maximum of lines is convex in s, so that the chord bounds it.
    """
    slope, error = x.tilt, x.error + room() * x.extent
    right, left = find(x.centre + slope + error)[0], find(x.centre - slope + error)[0]
    at = find(x.centre)[1]
    low = take(x.centre, at) - take(error, at)
    return between(low, take(slope, at), (right + left) / 2, (right - left) / 2)


def _places(t: Tensor, at: Tensor, spatial: int) -> Tensor:
    """The numbers at places counted over the last ``spatial`` dimensions."""
    flat = t.flatten(-spatial)
    return flat.gather(-1, at.flatten(-spatial)).reshape(at.shape)


for _name in ("max_pool1d", "max_pool2d", "max_pool3d"):
    _largest(_name, getattr(F, f"{_name}_with_indices"))
for _name in ("adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d"):
    _largest(_name, getattr(F, f"{_name}_with_indices"))


@encloses("amax")
def amax(x: Enclosure, dim: Any = (), keepdim: bool = False) -> Enclosure:
    """The largest along one dimension."""
    (along,) = [dim] if isinstance(dim, int) else dim
    made = highest(
        x,
        lambda t: torch.max(t, along, keepdim=True),
        lambda t, at: t.gather(along, at),
    )
    return made if keepdim else made.squeeze(along)  # type: ignore[return-value]

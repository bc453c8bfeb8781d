"""Where to look next for the top of a barrier."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from isthmus.ground import BadInput


@final
@dataclass(frozen=True)
class Refinement:
    """Looks ever closer around the highest point, until its neighbours are near.

    Each round halves both intervals beside the highest point so far. What rises and falls between
    two points far from it stays unseen, as without.

    Args:
        tolerance: How far apart the neighbours of the highest point may be at last, in t.
    """

    tolerance: float = 1e-3

    def __post_init__(self) -> None:
        if not 1e-9 <= self.tolerance <= 1:
            raise BadInput(
                f"tolerance is {self.tolerance}, expected a number from 1e-9 to 1",
                "0.001 places the top to a thousandth of the path",
            )

    def further(self, ts: Sequence[float], heights: Sequence[float]) -> list[float]:
        """The next t to look at; none where that is near enough or a height is not finite."""
        if not all(map(math.isfinite, heights)):
            return []
        top = heights.index(max(heights))
        low, high = max(top - 1, 0), min(top + 1, len(ts) - 1)
        if ts[high] - ts[low] <= self.tolerance:
            return []
        edges = dict.fromkeys((ts[low], ts[top], ts[high]))
        return [(a + b) / 2 for a, b in zip(edges, list(edges)[1:], strict=False)]

    def rounds(self, spacing: float) -> int:
        """How many rounds there are at most from points that are ``spacing`` apart."""
        return max(0, math.ceil(math.log2(2 * spacing / self.tolerance)))

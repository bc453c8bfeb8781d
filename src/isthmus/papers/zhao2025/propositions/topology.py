"""Section 3 and appendix A.8: components of images, products, partitions, groups and orbits.

Each statement is held against sets whose pieces are counted, and shown to fail where what it
assumes does: for a map with a jump, or a minimum that is no single orbit.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Axis, Picture, Series, beside, chart
from isthmus.papers.zhao2025.propositions.pieces import (
    Settings,
    examples,
    grids,
    images,
    orbits,
    paths,
    spheres,
)
from isthmus.papers.zhao2025.seen import Seen, gathered

_SOURCE = "Zhao, Dehmamy, Walters and Yu 2025, Theorem 3.1 to Corollary 4.2 and appendix A.8"


class Pieces(Seen):
    """What was counted, by name: see `isthmus.papers.zhao2025.propositions.pieces`."""

    settings: Settings

    def check(self) -> list[Check]:
        """Sets; groups and their orbits; the examples of the appendix."""
        return [*self._sets(), *self._groups(), *self._examples()]

    def _sets(self) -> list[Check]:
        whole, image, broken = self.seen["images"].unbind(1)
        one, two, both = self.seen["products"].unbind(1)
        union, parts = self.seen["partitions"].unbind(1)
        fewer = float((image < whole).double().mean())
        return [
            Check(
                "connected",
                "along a path in a minimum the label stays what it is",
                float(self.seen["labels"].max()) - 1,
                source="Theorem 3.1",
            ),
            Check(
                "image",
                f"a continuous image has no more pieces than the set (fewer in {fewer:.0%})",
                float((image - whole).max()),
                source="Proposition 3.4",
            ),
            Check(
                "continuity",
                "with a jump some images have more: continuity is needed",
                1 - float((broken - whole).max()),
                source="Proposition 3.4: its hypothesis",
            ),
            Check(
                "product",
                "a product has as many pieces as both factors, multiplied",
                float((one * two - both).abs().max()),
                source="Proposition 3.5, erratum E20",
            ),
            Check(
                "partition",
                "a set has at most as many pieces as the parts of a partition together",
                float((union - parts).max()),
                source="Proposition 3.8",
            ),
        ]

    def _groups(self) -> list[Check]:
        group, sphere = self.seen["spheres"].unbind(1)
        expected = torch.tensor([2 if n == 1 else 1 for n in self.settings.sizes])
        square, wide = self.seen["orbits"].unbind(1)
        powers = torch.tensor([2 ** (depth - 1) for _, depth in self.settings.shapes])
        return [
            Check(
                "orbit",
                "no orbit has more pieces than the group; of O(n) a sphere has 2 for n = 1, else 1",
                float((sphere - expected).abs().max() + (group - 2).abs().max()),
                source="Corollary 3.6",
            ),
            Check(
                "homeomorphism",
                "the map from GL_h^(l-1) to the minimum has the inverse of the paper",
                float(self.seen["free"]),
                1e-6,
                source="Corollary 3.3 and Proposition 4.1",
            ),
            Check(
                "one orbit",
                "an element of the group leads from any minimum to any other",
                float(self.seen["transitive"]),
                1e-6,
                source="Proposition 4.1",
            ),
            Check(
                "as many",
                "group, orbit and minimum have 2^(l-1) pieces each",
                float((square - powers[:, None]).abs().max()),
                source="Corollaries 3.7 and 4.2",
            ),
            Check(
                "stabilisers",
                "with one unit more in each layer an orbit has half as many as the group, and the "
                "minimum, of many orbits, has one",
                float((wide - torch.stack([powers, powers // 2, powers // powers], 1)).abs().max()),
                source="Corollary 3.7: a bound, and its hypothesis",
            ),
        ]

    def _examples(self) -> list[Check]:
        rays, plane, half = self.seen["examples"]
        return [
            Check(
                "rays",
                "every orbit is connected and the space, two rays, is not",
                float(rays[1] != 1) + float(rays[0] != 2),
                source="appendix A.8 (1)",
            ),
            Check(
                "plane",
                "no orbit is connected and the space, the plane without 0, is",
                float(plane[1] != 2) + float(plane[0] != 1),
                source="appendix A.8 (2), non-zero numbers: erratum E20",
            ),
            Check(
                "sign",
                "under positive numbers alone its orbits would be connected",
                float(half[1] != 1),
                source="appendix A.8 (2)",
            ),
        ]

    def draw(self) -> Mapping[str, Picture]:
        """Pieces after against pieces before, for maps and for partitions; both examples."""
        whole, image, broken = (column.tolist() for column in self.seen["images"].unbind(1))
        points = [
            Series("with a jump", whole, broken, "amber", line=False),
            Series("continuous", whole, image, "teal", line=False),
            Series("equal", (1.0, 7.0), (1.0, 7.0), "soft", dots=False, dash=4),
        ]
        maps = chart("Images", Axis("pieces of the set"), Axis("of the image"), points)
        union, parts = (column.tolist() for column in self.seen["partitions"].unbind(1))
        most = float(max(union))
        series = [
            Series("partitions", parts, union, "teal", line=False),
            Series("equal", (1.0, most), (1.0, most), "soft", dots=False, dash=4),
        ]
        sums = chart("Partitions", Axis("pieces of all parts"), Axis("of the set"), series)
        return {"topology": beside("Pieces of sets", maps, sums)}

    def __str__(self) -> str:
        rows = [
            [f"{h} x {h}, {depth} layers, hidden {h + k}", *map(str, counts)]
            for (h, depth), pair in zip(
                self.settings.shapes, self.seen["orbits"].tolist(), strict=True
            )
            for k, counts in enumerate(pair)
        ]
        rows += [
            [f"O({n}) and a vector", *map(str, counts), ""]
            for n, counts in zip(self.settings.sizes, self.seen["spheres"].tolist(), strict=True)
        ]
        return table(("pieces", "group", "orbit", "minimum"), rows)


def perform(bench: Bench, settings: Settings) -> Pieces:
    """A step for each part."""
    works = (images, grids, spheres, orbits, paths, examples)
    return Pieces(settings, gathered(bench, settings, *works))


topology = Experiment(
    "zhao2025.topology",
    "Components of images, products, partitions and orbits",
    _SOURCE,
    {
        Scale.SMOKE: Settings(30, 200, (1, 2), 300, ((1, 2), (2, 2))),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(2000, 1000, (1, 2, 3), 4000),
    },
    perform,
    ("The paper has no such experiment: these are its statements, run.",),
)
"""The theorems are known; that the library counts as they say is what is checked."""

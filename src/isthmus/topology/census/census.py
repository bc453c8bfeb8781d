"""Census: sampled minima, how high the paths between them lead, and what is joined."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

from isthmus.ground import BadInput, Certificate, Result
from isthmus.topology.census.clusters import Clusters, clusters
from isthmus.topology.census.crossing import Meeting
from isthmus.topology.census.prediction import bounded
from isthmus.topology.disjoint_sets import DisjointSets
from isthmus.topology.merging_tree import MergeTree, merge_tree
from isthmus.topology.persistence import persistence

_SHOWN = 12


@final
@dataclass(frozen=True)
class Census(Result):
    """Sampled minima of a model, and the paths found between them.

    In parameter space two minima are joined by a continuous path. Up to symmetry, a path to any
    member of the other's orbit is enough: discrete steps of the group cost nothing. Both are
    answers about the paths that were found: a height is an upper bound of the saddle, as far as
    the points looked at show it, and so a number of components is an upper bound of the number of
    those that the sample meets.

    Attributes:
        names: What the minima are called.
        births: The loss at each.
        level: At which the census was taken; None where all heights were measured.
        meetings: The pairs that were tried, in order; of the others it was known already that the
            two are joined below the level.
        log_components: ln of the number of components of the symmetry's group; None without one.
        kept: Whether the group keeps the function; None without one.
    """

    names: tuple[str, ...]
    births: tuple[float, ...]
    level: float | None
    meetings: tuple[Meeting, ...]
    log_components: float | None = None
    kept: Certificate | None = None

    @cached_property
    def tree(self) -> MergeTree:
        """The merge tree in parameter space: births of minima, merges at saddles."""
        return merge_tree(self.births, self.edges())

    @cached_property
    def solution_tree(self) -> MergeTree:
        """The merge tree up to symmetry."""
        return merge_tree(self.births, self.edges(up_to_symmetry=True))

    def edges(self, up_to_symmetry: bool = False) -> list[tuple[int, int, float]]:
        """(a, b, height of the lowest crossing) of every pair that was tried and has one."""
        best = [(one.a, one.b, one.best(up_to_symmetry)) for one in self.meetings]
        return [(a, b, c.height) for a, b, c in best if c is not None and c.height < math.inf]

    def components(self, level: float | None = None) -> Clusters:
        """The components in parameter space, at the level of the census or another.

        Raises:
            BadInput: There is no level, or it is below a minimum's loss or the census's own.
        """
        return self._clusters(level, up_to_symmetry=False)

    def solutions(self, level: float | None = None) -> Clusters:
        """The components up to symmetry. Raises as `components`."""
        return self._clusters(level, up_to_symmetry=True)

    def orbits(self) -> list[tuple[int, ...]]:
        """The minima by orbit, as far as crossings on one orbit were found: the same solutions."""
        sets = DisjointSets(len(self.births))
        for meeting in self.meetings:
            if meeting.one_orbit:
                sets.unite(meeting.a, meeting.b)
        return sets.sets()

    def persistence(
        self, dimension: int = 1, up_to_symmetry: bool = False
    ) -> dict[int, list[tuple[float, float]]]:
        """Births and deaths of components, loops and so on (`isthmus.topology.persistence`).

        Raises:
            BadInput: Pairs were left out, and ``dimension`` is above 0.
            MissingExtra: ``dimension`` is above 0, and gudhi is not installed.
        """
        if self.skipped and dimension:
            raise BadInput(
                f"{self.skipped} pairs were left out, and loops depend on all",
                "take the census with all_pairs=True, or without a level",
            )
        return persistence(self.births, self.edges(up_to_symmetry), dimension)

    def prediction(self, level: float | None = None) -> Certificate | None:
        """What the group says of the components; None without one. Raises as `components`."""
        if self.log_components is None or self.kept is None:
            return None
        space, solutions = self.components(level), self.solutions(level)
        return bounded(self.log_components, self.kept, space, solutions)

    @property
    def skipped(self) -> int:
        """How many pairs were not tried, as they were joined already."""
        count = len(self.births)
        return count * (count - 1) // 2 - len(self.meetings)

    def _clusters(self, level: float | None, up_to_symmetry: bool) -> Clusters:
        at = self.level if level is None else level
        if at is None:
            raise BadInput(
                "the census was taken at all levels, and none is given",
                "give one, or see the merge tree: census.tree",
            )
        if math.isnan(at) or at < max(self.births):
            raise BadInput(
                f"level {at:.6g} is below the loss {max(self.births):.6g} of a minimum",
                "choose a level above all minima",
            )
        if self.level is not None and at < self.level:
            raise BadInput(
                f"level {at:.6g} is below the census's own, {self.level:.6g}, at which it stopped "
                "to look for lower paths",
                "take the census at the other level, or without one",
            )
        return clusters(len(self.births), self.meetings, at, up_to_symmetry)

    def to_json(self) -> dict[str, Any]:
        """The fields, both trees and, where there is a level, what is joined there."""
        found = super().to_json() | {"tree": self.tree.to_json(), "skipped": self.skipped}
        if self.log_components is not None:
            found["solution_tree"] = self.solution_tree.to_json()
            found["orbits"] = [list(members) for members in self.orbits()]
        if self.level is not None:
            found["components"] = self.components().to_json()
            if (prediction := self.prediction()) is not None:
                found["solutions"] = self.solutions().to_json()
                found["prediction"] = prediction.to_json()
        return found

    def __str__(self) -> str:
        lines = [self.headline]
        if self.level is not None:
            space, prediction = self.components(), self.prediction()
            for word, parts in (
                ("up to symmetry", () if prediction is None else self.solutions().members),
                ("component", space.members),
                ("uncertain", space.uncertain),
            ):
                lines += [f"  {word}: {self.named(members)}" for members in parts]
            lines += [*self.estimates, *([] if prediction is None else [str(prediction)])]
        return "\n".join([*lines, self.drawn])

    @property
    def headline(self) -> str:
        """How many minima, pairs and, where there is a level, components."""
        pairs = f"{len(self.meetings)} pairs tried" + (
            f", {self.skipped} known without" if self.skipped else ""
        )
        if same := sum(meeting.one_orbit for meeting in self.meetings):
            pairs += f", {same} on one orbit"
        head = f"{len(self.births)} minima of loss {min(self.births):.4g} to {max(self.births):.4g}"
        lines = [f"{head}; {pairs}"]
        if self.level is not None:
            lines.append(f"level {self.level:.4g}: {self.components()} components")
            if self.kept is not None:
                lines[-1] += f" in parameter space, {self.solutions()} up to symmetry"
        return "\n".join(lines)

    @property
    def estimates(self) -> list[str]:
        """How many components the sample may have missed; nothing where there is no level."""
        if self.level is None:
            return []
        if self.kept is None:
            return [str(self.components().unseen)]
        both = {"in parameter space": self.components(), "up to symmetry": self.solutions()}
        return [f"{where}: {clusters.unseen}" for where, clusters in both.items()]

    @property
    def drawn(self) -> str:
        """The merge trees in characters; from the level upwards, where there is one."""
        if self.kept is None:
            return f"merge tree:\n{self._drawn(self.tree)}"
        trees = {"in parameter space": self.tree, "up to symmetry": self.solution_tree}
        return "\n".join(f"merge tree {w}:\n{self._drawn(tree)}" for w, tree in trees.items())

    def named(self, members: Sequence[int]) -> str:
        """Some minima by name."""
        shown = [self.names[member] for member in members[:_SHOWN]]
        more = len(members) - len(shown)
        return ", ".join(shown) + (f" and {more} more" if more > 0 else "")

    def _drawn(self, tree: MergeTree) -> str:
        """The tree above the level."""
        if self.level is None:
            return tree.text(self.names)
        return tree.above(self.level).text(list(map(self.named, tree.components(self.level))))

"""Connection: what came of joining two checkpoints, as one immutable result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from isthmus.algebra import Symmetry
from isthmus.alignment import Alignment, OrbitDistance
from isthmus.ground import Certificate, Params, Result
from isthmus.landscape import Barrier, Evaluation
from isthmus.landscape.maps import Surface

NAIVE, ALIGNED, HOME = "naive", "aligned", "home"
PATHS = (NAIVE, ALIGNED, HOME)
SPLITS = ("test", "train")


@dataclass(frozen=True)
class Connection(Result):
    """Two checkpoints A and B, the aligned B′, the paths between them, and the merged model.

    Attributes:
        symmetry: The group of the architecture.
        alignment: How B was moved onto A: element, distances, certificate.
        distances_before: Distance of A from B by parameter.
        distances_after: Distance of A from B′ by parameter.
        orbits: Distance between the orbits of A and B: the same in whatever coordinates.
        barriers: By part of the data ("test", "train") and path: "naive" (A to B), "aligned"
            (A to B′), "home" (B′ to B along the orbit).
        scores: By part of the data and model: "a", "b", "merged".
        jumps: What the discrete step of the way home does, by space; empty where there is none.
        moved: What the alignment did, by space.
        certificates: Claims by name, with how sure each is.
        repaired: Whether BatchNorm statistics were recomputed on the line paths and the merger.
        seed: The seed of the run.
        points: Points on each straight line.
        merged: The average of A and B′.
        surface: The test loss on the plane of A, B and B′, if it was asked for.
        provenance: Versions, digests, command: what is needed to run it again.
    """

    symmetry: Symmetry
    alignment: Alignment
    distances_before: Mapping[str, float]
    distances_after: Mapping[str, float]
    orbits: OrbitDistance
    barriers: Mapping[str, Mapping[str, Barrier]]
    scores: Mapping[str, Mapping[str, Evaluation]]
    jumps: Mapping[str, str]
    moved: Mapping[str, str]
    certificates: Mapping[str, Certificate]
    repaired: bool
    seed: int
    points: int
    merged: Params = field(metadata={"json": False})
    surface: Surface | None = None
    provenance: Mapping[str, str] = field(default_factory=dict)

    @property
    def aligned(self) -> Params:
        """B′: the function of B in the coordinates of A."""
        return self.alignment.params

    @property
    def splits(self) -> tuple[str, ...]:
        """The parts of the data that were measured, test first."""
        return tuple(split for split in SPLITS if split in self.barriers)

    def worst(self, path: str) -> float:
        """The highest barrier of a path over all parts of the data."""
        return max(float(self.barriers[split][path].height) for split in self.splits)

    @property
    def metric(self) -> str | None:
        """The name of the first metric, as "accuracy"; None where there is only a loss."""
        return next(iter(self.scores[self.splits[0]]["merged"].metrics), None)

    def to_json(self) -> dict[str, Any]:
        """Plain data: the element of the alignment is left out, the checkpoints hold it."""
        data = super().to_json()
        data["alignment"] = {
            "before": self.alignment.before,
            "after": self.alignment.after,
            "certificate": self.alignment.certificate.to_json(),
        }
        data["metric"] = self.metric
        return data

    def __str__(self) -> str:
        lines = [f"distance {self.alignment.before:.6g} before, {self.alignment.after:.6g} after"]
        for split in self.splits:
            for name, barrier in self.barriers[split].items():
                lines.append(f"{split} barrier, {name}: {barrier.height:.6g}")
            for name, score in self.scores[split].items():
                metrics = "".join(f", {m} {value:.4f}" for m, value in score.metrics.items())
                lines.append(f"{split} loss of {name}: {score.loss:.6g}{metrics}")
        return "\n".join(lines)

"""ZipIt!, CCA-Merge and PLeaS: two networks merged by features, of one task and of two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from isthmus.ground import Params
from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Axis, Picture, Series, chart
from isthmus.papers.methods.features.ways import KINDS, Pair, identities
from isthmus.papers.methods.merging.networks import percent
from isthmus.papers.methods.method import Measured
from isthmus.papers.tasks import Task, image_perceptron

_SOURCE = (
    "Stoica et al. 2024, ZipIt! (ICLR); Horoi et al. 2024, CCA-Merge (ICML); "
    "Nasery et al. 2024, PLeaS"
)
PAIRS = ("one task", "other classes")
ROOMS = (1.0, 1.25, 1.5, 2.0)
"""Widths of merged networks, over that of the two."""


@dataclass(frozen=True)
class Settings:
    """Perceptrons of equal hidden layers: two trained on all classes, two on one half each.

    Attributes:
        fashion: On Fashion-MNIST; else on digits.
        depth: Hidden layers.
        width: Units of each.
        samples: For training; ``tests`` for accuracies.
        seen: Training inputs that merges and repairs look at.
        epochs: Of each training.
        learned: Whether that is enough for the claims on accuracies.
    """

    fashion: bool = True
    depth: int = 3
    width: int = 64
    samples: int = 5000
    tests: int = 2000
    seen: int = 2000
    epochs: int = 10
    learned: bool = True

    def task(self, room: float = 1) -> Task:
        """The network with its data, so many times as wide."""
        width = round(room * self.width)
        task = image_perceptron(self.fashion, *[width] * self.depth)
        return task.fewer(self.samples, self.tests)


@dataclass(frozen=True)
class Zipped(Measured):
    """Test accuracies, those of `PAIRS` one after the other.

    Attributes:
        settings: What was run.
        ways: ``(2, 5, 2, 2)``: by `KINDS`; as merged and repaired; among the classes of each
            network (on the mean) and among all.
        bounds: ``(2, 2, 2)``: of the ends and of the mean of their outputs; as above.
        changed: By how much CCA changes the outputs of the network that it mixes, relative.
        partial: ``(2, layers + 1)``, networks of other classes, with so many first layers merged
            and a head each: by ZipIt, and by ZipIt without merges inside a network.
        rooms: ``(2, 4)``: accuracies of PLeaS in networks of `ROOMS`, among each one's classes.
        off: By how much each of the identities is missed.
    """

    settings: Settings
    ways: Tensor = field(metadata={"json": False})
    bounds: Tensor
    changed: Tensor
    partial: Tensor
    rooms: Tensor
    off: Tensor

    def arrays(self) -> Params:
        """All of it."""
        names = ("ways", "bounds", "changed", "partial", "rooms", "off")
        return {name: getattr(self, name) for name in names}

    @property
    def repaired(self) -> Tensor:
        """Accuracies among each network's classes after repair, ``(2, 5)``."""
        return self.ways[:, :, 1, 0]

    @property
    def measured(self) -> str:
        """All ways, repaired."""
        lines = [
            ", ".join(f"{kind} {percent(v)}" for kind, v in zip(KINDS, row, strict=True))
            for row in self.repaired.tolist()
        ]
        (one, two), ends = lines, self.bounds[:, 0, 0].tolist()
        room = self.rooms[1, 2].item()
        return (
            f"test accuracy of two networks merged and repaired, one task: {one} (ends "
            f"{percent(ends[0])}); other classes, each among its own: {two} (ends "
            f"{percent(ends[1])}; PLeaS with half as many units more {percent(room)})"
        )

    def check(self) -> list[Check]:
        """Identities; then what the sources report of accuracies."""
        exact = [
            Check(name, claim, float(off), 1e-9, source=_SOURCE)
            for (name, claim), off in zip(_IDENTITIES, self.off, strict=True)
        ]
        if not self.settings.learned:
            return exact
        of = [dict(zip(KINDS, row, strict=True)) for row in self.repaired.tolist()]
        one, other = of
        fitted = min(now["PLeaS"] - now["permutation"] for now in of)
        return [
            *exact,
            Check(
                "ZipIt, other classes",
                "zipped and repaired, networks of other classes are 20 points more accurate than "
                "permuted ones",
                0.2 - (other["ZipIt"] - other["permutation"]),
                source=_SOURCE,
            ),
            Check(
                "CCA-Merge, one task",
                "mixed by canonical correlation and repaired, networks of one task are more "
                "accurate than permuted ones",
                one["permutation"] - one["CCA-Merge"],
                source=_SOURCE,
            ),
            Check(
                "PLeaS",
                "fitted by least squares and repaired, both pairs are more accurate than permuted",
                -fitted,
                source=_SOURCE,
            ),
            Check(
                "partial zipping",
                "with a head for each network, one merged layer costs less than all",
                float(self.partial[0, -1] - self.partial[0, 1]),
                source=_SOURCE,
            ),
            Check(
                "PLeaS, room",
                "with half as many units more, for pairs that are least alike, networks of other "
                "classes lose less against the mean of their outputs",
                float(self.rooms[1, 0] - self.rooms[1, 2]),
                source=_SOURCE,
            ),
        ]

    def draw(self) -> Mapping[str, Picture]:
        """Accuracy by how many layers are merged."""
        layers = [float(k) for k in range(self.partial.shape[1])]
        names = (("ZipIt", "teal"), ("across networks alone", "amber"))
        lines = [
            Series(name, layers, row.tolist(), tone)
            for (name, tone), row in zip(names, self.partial, strict=True)
        ]
        title = "Two networks of other classes on one trunk"
        return {"zipping": chart(title, Axis("merged layers"), Axis("test accuracy"), lines)}

    def __str__(self) -> str:
        head = ("", *(f"{pair}{word}" for pair in PAIRS for word in ("", ", repaired")))
        rows = [
            [kind, *(percent(v) for v in self.ways[:, k, :, 0].flatten().tolist())]
            for k, kind in enumerate(KINDS)
        ]
        for k, name in enumerate(("ends", "mean of outputs")):
            each = self.bounds[:, k, 0].tolist()
            rows.append([name, *(cell for v in each for cell in (percent(v), ""))])
        for k, room in enumerate(ROOMS):
            each = self.rooms[:, k].tolist()
            rows.append([f"PLeaS, width × {room:g}", *(c for v in each for c in (percent(v), ""))])
        changed = ", ".join(percent(v) for v in self.changed.tolist())
        return f"{table(head, rows)}\nCCA changes the outputs of what it mixes by {changed}"


_IDENTITIES = (
    ("ZipIt, own copy", "a model zipped with a copy from its orbit is the model"),
    (
        "ZipIt, across",
        "without merges inside a model it is the mean after a permutation that keeps the function",
    ),
    ("CCA-Merge, linear", "between linear layers any invertible matrix is recovered"),
    ("PLeaS, own copy", "a model merged with a copy from its orbit is the model"),
    ("PLeaS, room for all", "with twice the width outputs are the mean of those of both"),
)


def perform(bench: Bench, settings: Settings) -> Zipped:
    """Four trainings, then each pair merged in all ways."""
    task = settings.task()
    every = range(len(task.classes))
    half = len(every) // 2
    classes = ((every, every), (every[:half], every[half:]))
    pairs = []
    for name, (one, other) in zip(("all", "half"), classes, strict=True):
        models = [
            _only(task, of).trained(
                bench, 2 * bench.seed + k, epochs=settings.epochs, batch=100, name=f"{name}-{k}"
            )
            for k, of in enumerate((one, other))
        ]
        pairs.append(Pair(task, (models[0], models[1]), (one, other), settings.seen))
    found = []
    for number, pair in enumerate(pairs):
        bench.tell(PAIRS[number], number, len(pairs) + 1)
        found.append(bench.step(f"merged-{number}", pair.measure))
    bench.tell("partial", len(pairs), len(pairs) + 1)
    more = bench.step("partial", lambda: _more(settings, pairs))
    both = {name: torch.stack([one[name] for one in found]) for name in found[0]}
    return Zipped(settings, **both, **more)


def _more(settings: Settings, pairs: list[Pair]) -> Params:
    """Networks with heads of their own, in wider networks, and what should hold exactly."""
    wider = [settings.task(room) for room in ROOMS]
    return {
        "partial": pairs[1].partial(),
        "rooms": torch.tensor([[pair.with_room(task)[0] for task in wider] for pair in pairs]),
        "off": torch.tensor(identities(pairs[0], wider[-1])),
    }


def _only(task: Task, classes: range) -> Task:
    """The training samples of these classes."""
    own = torch.isin(task.y, torch.tensor(classes))
    return replace(task, x=task.x[own], y=task.y[own])


zipping = Experiment(
    "methods.zipping",
    "Two networks merged by features, of one task and of other classes",
    _SOURCE,
    {
        Scale.SMOKE: Settings(False, 2, 16, 500, 200, 300, epochs=3, learned=False),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(width=512, samples=60000, tests=10000, seen=10000, epochs=15),
    },
    perform,
    (
        "The sources merge ResNets and VGGs on CIFAR, ImageNet and others; perceptrons are ours.",
        "Of PLeaS the title alone is known here: all else is reconstructed.",
    ),
)
"""What two networks compute together needs more than an order of units."""

"""Permutations: the search for one, the theorem about networks at their start, and stand-ins."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from isthmus.algebra.groups import Permutation
from isthmus.discovery import discover
from isthmus.ground import Params, double
from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Axis, Picture, Series, beside, chart
from isthmus.papers.methods.method import Measured
from isthmus.papers.methods.theory.at_start import gaps, product_law
from isthmus.papers.methods.theory.search import exact_loss, mean_barrier, searched
from isthmus.papers.tasks import digits_perceptron
from isthmus.transport import Estimate, entezari_error, falling

SOURCE = "Entezari, Sedghi, Saukh and Neyshabur 2022, ICLR"
WAYS = ("as they are", "annealed", "matched by weights", "permuted copies")
"""Barriers between independent networks three times, and between permuted copies of one."""


@dataclass(frozen=True)
class Settings:
    """Perceptrons on the digits, and networks at their start.

    Attributes:
        depths: Hidden layers of the perceptrons.
        width: Of each of these.
        networks: Trained at each depth; all their pairs are measured, and as many of copies.
        epochs: Of each training.
        samples: Images, for training and for barriers.
        swaps: That the annealing tries, for a pair.
        searched: Pairs that are searched.
        inputs: Of networks at their start.
        widths: Of these.
        repetitions: Pairs of them at each width.
        headline: Whether the training is long enough for claims about trained networks.
    """

    depths: tuple[int, ...] = (1, 2, 4)
    width: int = 32
    networks: int = 4
    epochs: int = 30
    samples: int = 500
    swaps: int = 600
    searched: int = 2
    inputs: int = 3
    widths: tuple[int, ...] = (32, 128, 512, 2048)
    repetitions: int = 4
    headline: bool = True


@dataclass(frozen=True)
class Permutations(Measured):
    """Barriers of trained networks, gaps of untrained ones.

    Attributes:
        settings: What was run.
        barriers: ``(depths, 4)``: means, in the order of `WAYS`; the first and the last over all
            pairs, those between over the pairs that are searched.
        searched: ``(depths, 3)``: of the searched pairs alone: as they are, annealed, matched.
        gaps: ``(2, widths, repetitions)``: of networks at their start, matched and not.
        off: How far the gap of active units is from its law, and how far the losses of permuted
            copies are from the network's; relative.
    """

    settings: Settings
    barriers: Tensor
    searched: Tensor
    gaps: Tensor = field(metadata={"json": False})
    off: Tensor

    def arrays(self) -> Params:
        """All of it."""
        return {n: getattr(self, n) for n in ("barriers", "searched", "gaps", "off")}

    @property
    def exponents(self) -> tuple[Estimate, Estimate]:
        """With which the gap falls with the width, matched and not."""
        return falling(self.settings.widths, self.gaps[0]), falling(
            self.settings.widths, self.gaps[1]
        )

    @property
    def removed(self) -> list[float]:
        """By depth, the share of the barrier that annealing removes."""
        return (1 - self.searched[:, 1] / self.searched[:, 0]).tolist()

    @property
    def measured(self) -> str:
        """In one line."""
        shares = ", ".join(
            f"{share:.0%} at depth {depth}"
            for share, depth in zip(self.removed, self.settings.depths, strict=True)
        )
        independent, copies = self.barriers[0, [0, 3]].tolist()
        return (
            f"annealing removes {shares} of the barrier (matching by weights "
            f"{1 - float(self.searched[0, 2] / self.searched[0, 0]):.0%} and "
            f"{1 - float(self.searched[-1, 2] / self.searched[-1, 0]):.0%}); at their start, "
            f"matched gaps fall like h^-{self.exponents[0]:.2f} (theorem: at least "
            f"h^-{1 / (2 * self.settings.inputs + 4):.2f}); barrier between independent networks "
            f"{independent:.2f}, between permuted copies {copies:.2f}"
        )

    def check(self) -> list[Check]:
        """What is exact; the theorem; the search and the stand-ins."""
        exact = [
            Check(name, claim, float(off), 1e-9, source=SOURCE)
            for (name, claim), off in zip(_LAWS, self.off, strict=True)
        ]
        never = Check(
            "search",
            "the annealing never ends above where it began",
            float((self.searched[:, 1] - self.searched[:, 0]).max()),
            1e-6,
        )
        claims = self._trained() if self.settings.headline else []
        return [*exact, *self._theorem(), never, *claims]

    def _theorem(self) -> list[Check]:
        matched, unmatched = self.exponents
        first, last = self.settings.widths[0], self.settings.widths[-1]
        least = 1 / (2 * self.settings.inputs + 4)
        fall = entezari_error(last, self.settings.inputs) / entezari_error(
            first, self.settings.inputs
        )
        means = self.gaps[0].mean(1)
        return [
            Check(
                "Theorem 3.1",
                f"matched, the gap falls at least like h^-{least:.2g} (measured {matched:.2f})",
                least - matched.low,
                source=SOURCE,
            ),
            Check(
                "Theorem 3.1, ends",
                f"from width {first} to {last} it falls to {fall:.2f} times or less",
                float(means[-1] / means[0]) - fall,
                source=SOURCE,
            ),
            Check(
                "only with it",
                f"without a permutation the gap stays as it is (measured {unmatched:.2f})",
                max(unmatched.low, -unmatched.high, 0.0),
                0.1,
                source=SOURCE,
            ),
        ]

    def _trained(self) -> list[Check]:
        removed, depths = self.removed, self.settings.depths
        ratios = [float(row[3] / row[0]) for row in self.barriers]
        text = ", ".join(f"{r:.2f}" for r in ratios)
        return [
            Check(
                "shallow",
                f"with one hidden layer annealing removes a tenth of the barrier at least "
                f"({removed[0]:.0%})",
                0.1 - removed[0],
                source=SOURCE,
            ),
            Check(
                "only shallow",
                f"with {depths[-1]} it removes a smaller share ({removed[-1]:.0%})",
                removed[-1] - removed[0],
                finding="the steps are few for either depth, and a deep network's barrier is large "
                "enough that almost any order of a layer may be better than the given one",
                source=SOURCE,
            ),
            Check(
                "stand-ins",
                "barriers between permuted copies of one network are those between independent "
                f"ones, to a third (at every depth: {text} times)",
                max(abs(math.log(ratio)) for ratio in ratios),
                math.log(4 / 3),
                finding="networks this small, on this data, differ by more than a permutation",
                source=SOURCE,
            ),
        ]

    def draw(self) -> Mapping[str, Picture]:
        """Barriers by depth, gaps by width."""
        depths = [float(d) for d in self.settings.depths]
        rows = torch.cat([self.barriers[:, :1], self.searched[:, 1:], self.barriers[:, 3:]], 1)
        curves = [
            Series(name, depths, rows[:, k].tolist(), tone)
            for k, (name, tone) in enumerate(
                zip(WAYS, ("red", "amber", "teal", "grey"), strict=True)
            )
        ]
        widths = [float(h) for h in self.settings.widths]
        law = torch.tensor([entezari_error(h, self.settings.inputs) for h in widths])
        law *= float(self.gaps[0, 0].mean()) / law[0]
        lines = [
            Series("matched", widths, self.gaps[0].mean(1).tolist(), "teal"),
            Series("unmatched", widths, self.gaps[1].mean(1).tolist(), "red"),
            Series("theorem", widths, law.tolist(), "soft", dash=5, dots=False),
        ]
        panels = [
            chart("Trained", Axis("hidden layers"), Axis("barrier"), curves),
            chart("At the start", Axis("width h", log=True), Axis("gap", log=True), lines),
        ]
        return {"entezari": beside("Up to a permutation", *panels)}

    def __str__(self) -> str:
        rows = [
            [f"depth {depth}", *(f"{v:.4g}" for v in row)]
            for depth, row in zip(self.settings.depths, self.barriers.tolist(), strict=True)
        ]
        rows += [
            [f"width {width}", f"{float(self.gaps[1, k].mean()):.4g}", "",
             f"{float(self.gaps[0, k].mean()):.4g}", ""]
            for k, width in enumerate(self.settings.widths)
        ]  # fmt: skip
        return table(("barrier, or gap at the start", *WAYS), rows)


_LAWS = (
    ("product law", "where all units are active the gap is -t(1 - t) h^-1/2 Σ Δv Δu·x"),
    ("copies", "permuted copies have the loss of the network"),
)


def perform(bench: Bench, settings: Settings) -> Permutations:
    """A step for each training, depth and width."""
    found = [bench.step(f"depth-{d}", partial(_deep, bench, settings, d)) for d in settings.depths]
    starts = [
        bench.step(f"start-{width}", partial(_starts, bench, settings, width))["gaps"]
        for width in settings.widths
    ]
    law = product_law(settings.inputs, settings.widths[0], bench.seed)
    copies = max(float(one["off"]) for one in found)
    return Permutations(
        settings,
        torch.stack([one["barriers"] for one in found]),
        torch.stack([one["searched"] for one in found]),
        torch.stack(starts, 1),
        torch.tensor([law, copies], dtype=torch.float64),
    )


def _starts(bench: Bench, settings: Settings, width: int) -> Params:
    seeds = range(100 * bench.seed, 100 * bench.seed + settings.repetitions)
    found = [gaps(settings.inputs, width, 64, seed) for seed in seeds]
    return {"gaps": torch.tensor(found, dtype=torch.float64).T.contiguous()}


def _deep(bench: Bench, settings: Settings, depth: int) -> Params:
    task = digits_perceptron(*[settings.width] * depth).fewer(settings.samples)
    first = bench.seed * settings.networks
    networks = [
        double(task.trained(bench, seed, epochs=settings.epochs, name=f"{depth}-{seed}"))
        for seed in range(first, first + settings.networks)
    ]
    symmetry = discover(task.fresh().double(), task.x[:1].double()).restrict(Permutation)
    loss = exact_loss(task)
    copies = [
        symmetry.act(symmetry.sample(seed=bench.seed + k), networks[0])
        for k in range(settings.networks)
    ]
    whole = loss(networks[0])
    off = max(abs(loss(copy) / whole - 1) for copy in copies)
    found = searched(loss, symmetry, networks, settings.searched, settings.swaps)
    means = [mean_barrier(loss, some) for some in (networks, copies)]
    barriers = [means[0], *found.mean(0)[1:].tolist(), means[1]]
    return {
        "barriers": torch.tensor(barriers, dtype=torch.float64),
        "searched": found.mean(0),
        "off": torch.tensor(off, dtype=torch.float64),
    }


entezari = Experiment(
    "methods.entezari",
    "The conjecture: solutions are linearly connected up to a permutation",
    SOURCE,
    {
        Scale.SMOKE: Settings((1, 2), 8, 3, 3, 200, 60, 1, 2, (16, 64, 256), 3, headline=False),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(
            (1, 2, 4, 8), 512, 6, 60, 1400, 50000, 5, 3, (32, 128, 512, 2048, 4096), 10
        ),
    },
    perform,
    (
        "The barrier is that of the training loss in the middle of the line, in float64.",
        "The source's networks are larger; temperatures of its annealing are reconstructed.",
    ),
)
"""What annealing finds, what the theorem says, and what permuted copies tell."""

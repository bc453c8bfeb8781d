"""Matchers: seven ways to move one network to another, and the barriers that are left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from isthmus.algebra import Symmetry
from isthmus.algebra.groups import Permutation
from isthmus.alignment import (
    ActivationMatching,
    Canonical,
    FrankWolfe,
    LossDescent,
    Matcher,
    Sinkhorn,
    TransportFusion,
    UnitNorm,
    WeightMatching,
    align,
    canonical,
)
from isthmus.ground import Params, distance, norm
from isthmus.landscape import Line
from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.methods.connectivity.ways import Networks, Ways, along, ordered
from isthmus.papers.methods.method import Method
from isthmus.papers.tasks import Task

AINSWORTH = "Ainsworth, Hayase and Srinivasa 2023 (Git Re-Basin), ICLR"
PENA = "Peña et al. 2023, CVPR"
CRISOSTOMI = "Crisostomi et al. 2024 (C²M³), NeurIPS"
PITTORINO = "Pittorino et al. 2022, ICML"
SINGH = "Singh and Jaggi 2020, NeurIPS"
MATCHED = ("weights", "activations", "loss", "Sinkhorn", "Frank-Wolfe", "canonical forms")
NAMES = ("as they are", *MATCHED, "fusion")


@dataclass(frozen=True)
class Settings(Networks):
    """Two networks, and what moves the second.

    Attributes:
        seen: Training samples that activations are compared on.
        descent: Steps of the descent of the loss.
    """

    hidden: tuple[int, ...] = (128, 128)
    points: int = 11
    seen: int = 2000
    descent: int = 150


@dataclass(frozen=True)
class Matching(Ways):
    """Losses on the lines to the second network, moved in different ways.

    Attributes:
        settings: What was run.
        planted: By matcher, how far a network is from itself after its units were permuted and it
            was matched back, relative: of all in `MATCHED` but the descent of the loss.
        distances: Between the two networks, moved by permutations alone, in the order of `NAMES`
            without the fusion.
    """

    title = "The line to the second network, as it is and moved"

    settings: Settings
    planted: Tensor = field(metadata={"json": False})
    distances: Tensor = field(metadata={"json": False})

    def arrays(self) -> Params:
        """All of it."""
        return {**super().arrays(), "planted": self.planted, "distances": self.distances}

    def check(self) -> list[Check]:
        """Planted permutations are found; barriers fall."""
        claim = (
            "a network whose units were permuted is matched to itself by all that look at weights"
        )
        weights, walked = (
            float(self.distances[NAMES.index(n)]) for n in ("weights", "Frank-Wolfe")
        )
        checks = [
            Check("planted", claim, float(self.planted.max()), 1e-9, source=AINSWORTH),
            Check(
                "no further",
                "Frank-Wolfe ends no further away than weight matching, from which it starts",
                walked / weights - 1,
                1e-9,
                source=CRISOSTOMI,
            ),
        ]
        if not self.settings.fashion:
            return checks
        for name in MATCHED[:-1]:
            claim = f"matched by {name}, the barrier falls by two thirds at least"
            share = self.height(name) / self.height("as they are")
            checks.append(Check(name, claim, share, 1 / 3, source=AINSWORTH))
        share = self.height("canonical forms") / self.height("as they are")
        claim = "between the canonical forms of both, the barrier falls by two thirds too"
        why = (
            "units are put in order by their lengths, and the orders of two networks that only "
            "resemble each other have little in common: canonical forms tell whether two networks "
            "are of one orbit, and are no matching"
        )
        return [*checks, Check("canonical forms", claim, share, 1 / 3, why, PITTORINO)]

    @property
    def measured(self) -> str:
        """All barriers."""
        heights = ", ".join(f"{name} {self.height(name):.3f}" for name in self.losses)
        return f"{self.settings}: barrier of the test loss {heights}"


def perform(bench: Bench, settings: Settings) -> Matching:
    """Two trainings, a step for planted permutations, and one for the pair."""
    a, b = settings.trained(bench, 2)
    task, symmetry = settings.task(), settings.symmetry()
    swaps = symmetry.restrict(Permutation)
    matchers = _matchers(task, settings)
    matched = bench.step("planted", lambda: {"off": _planted(swaps, a, matchers, bench.seed)})

    def lines() -> Params:
        moved = {"as they are": b}
        for name, method in matchers.items():
            moved[name] = align(b, to=a, symmetry=swaps, method=method, seed=bench.seed).params
        ways = {name: Line(a, other) for name, other in moved.items()}
        forms = [canonical(one, symmetry, UnitNorm()) for one in (a, b)]
        ways["canonical forms"] = Line(*forms)
        ways["fusion"] = Line(a, _opposite(a, TransportFusion()([a, b], [swaps, swaps])))
        apart = torch.tensor([distance(way.a, way.b) for way in ways.values()][:-1])
        return {**along(task.loss(test=True), ways, settings.points), "distances": apart.double()}

    found = bench.step("lines", lines)
    return Matching(ordered(found, NAMES), settings, matched["off"], found["distances"])


def _matchers(task: Task, settings: Settings) -> dict[str, Matcher]:
    seen = task.loss(settings.seen, batch=500)
    once = WeightMatching()
    descent = LossDescent(task.loss(batch=64), held=seen, start=once, steps=settings.descent)
    activations = ActivationMatching(task.fresh(), seen.batches)
    found: tuple[Matcher, ...] = (once, activations, descent, Sinkhorn(once), FrankWolfe(once))
    return dict(zip(MATCHED, found, strict=False))


def _planted(swaps: Symmetry, a: Params, matchers: Mapping[str, Matcher], seed: int) -> Tensor:
    """How far matchers, and canonical forms, leave a permuted network from itself.

    The descent of the loss is not asked: it may find a line of lower loss than a single point.
    """
    permuted = swaps.act(swaps.sample(seed=seed), a)
    forms = WeightMatching(starts=(Canonical(),), sweeps=0)
    found = [
        align(permuted, to=a, symmetry=swaps, method=method, seed=seed).params
        for method in (*(one for name, one in matchers.items() if name != "loss"), forms)
    ]
    return torch.tensor([distance(one, a) for one in found], dtype=torch.float64) / norm(a)


def _opposite(a: Params, fused: Params) -> Params:
    """What the fused model is the middle of, seen from a."""
    return {name: 2 * fused[name] - tensor for name, tensor in a.items()}


matching = Experiment(
    "methods.matching",
    "Seven ways to match two networks, and the barriers that are left",
    f"{AINSWORTH}; {PENA}; {CRISOSTOMI}; {PITTORINO}; {SINGH}",
    {
        Scale.SMOKE: Settings.small(seen=300, descent=25),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(
            hidden=(512, 512, 512), samples=60000, tests=10000, epochs=25, descent=2000
        ),
    },
    perform,
    (
        "All matchers are ours; here they have the permutations alone, as in the sources.",
        "The line of the fusion is that through its mean.",
    ),
)
"""All start from the same pair."""

METHODS: tuple[Method, ...] = (
    Method(
        "Weight matching",
        AINSWORTH,
        "`isthmus.WeightMatching`; `isthmus align --method weight`",
        "No barrier for an MLP on MNIST and a wide ResNet-20 on CIFAR-10; ResNet-50 on ImageNet: "
        "barrier lower by 67 %, merged top-1 51.01 %",
        matching,
    ),
    Method(
        "Activation matching",
        AINSWORTH,
        "`isthmus.ActivationMatching`; `isthmus align --method activation`",
        "No barrier for an MLP on MNIST",
        matching,
    ),
    Method(
        "Straight-through estimator",
        AINSWORTH,
        "`isthmus.LossDescent`",
        "No barrier for an MLP on MNIST",
        matching,
    ),
    Method(
        "Sinkhorn re-basin",
        PENA,
        "`isthmus.Sinkhorn`; by the loss `isthmus.LossDescent`",
        "Reports that relaxed permutations can be found by descent, on weights or on the loss",
        matching,
    ),
    Method(
        "Frank-Wolfe matching",
        CRISOSTOMI,
        "`isthmus.FrankWolfe`",
        "Reports that all layers can be matched at once, with little dependence on the start",
        matching,
    ),
    Method(
        "Canonical forms",
        PITTORINO,
        "`isthmus.canonical` with `UnitNorm` or `Balanced`; `isthmus canonical`",
        "Reports that networks without the symmetry of their scales are compared more truly",
        matching,
    ),
)
"""What is measured here."""

"""Curves to an aligned network: alignment first, and in turns with the curve."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from isthmus.algebra.groups import Permutation
from isthmus.alignment import ActivationMatching, Statistic, align, aligned_curve
from isthmus.ground import Params, distance, double, norm
from isthmus.landscape import AbstractPath, Bezier, Line, Loss, Training, bend
from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.methods.connectivity.ways import Networks, Ways, along, ordered
from isthmus.papers.methods.method import Method
from isthmus.papers.tasks import Task

TATRO = "Tatro et al. 2020, NeurIPS"
NAMES = ("line", "curve", "aligned line", "aligned curve", "in turns")


@dataclass(frozen=True)
class Settings(Networks):
    """Two networks, and the curves between them.

    Attributes:
        steps: Of the training of a curve, of 128 samples; in turns, of each turn ``steps / turns``.
        turns: Of the alignment and the curve.
        rate: The step size at first.
        seen: Samples on which activations are compared.
    """

    steps: int = 600
    turns: int = 3
    rate: float = 3e-3
    seen: int = 2000


@dataclass(frozen=True)
class AlignedCurves(Ways):
    """Losses on curves with and without alignment.

    Attributes:
        settings: What was run.
        means: Mean training loss along each way, in the order of `NAMES`.
        turns: The mean training loss on the curve after each turn.
        moved: How often another element was better.
        off: Relative, in float64: how far the outputs' loss of the moved network is from that of
            the network, and how far a curve's ends are from a network that is aligned with itself
            after a permutation.
    """

    title = "Curves to a network, and to the same with its units in another order"

    settings: Settings
    means: Tensor
    turns: Tensor
    moved: Tensor
    off: Tensor

    def arrays(self) -> Params:
        """All of it."""
        names = ("means", "turns", "moved", "off")
        return {**super().arrays(), **{name: getattr(self, name) for name in names}}

    def check(self) -> list[Check]:
        """The function is kept; turns never make it worse; aligned curves are lower."""
        function, planted = self.off.tolist()
        found = [
            Check("function", "the aligned network is the same function (float64)", function, 1e-9),
            Check(
                "planted",
                "a network with its units permuted is aligned with itself: the curve is a point",
                planted,
                1e-9,
                source=TATRO,
            ),
            Check(
                "turns",
                "no turn raises the mean loss on the curve",
                float(self.turns.diff().max()) if len(self.turns) > 1 else 0.0,
            ),
        ]
        if not self.settings.fashion:
            return found
        means = dict(zip(NAMES, self.means.tolist(), strict=True))
        return [
            *found,
            Check(
                "aligned curve",
                "the mean loss along the aligned curve is below that of the curve without",
                means["aligned curve"] - means["curve"],
                source=TATRO,
            ),
            Check(
                "barrier",
                "so is the barrier of the test loss (to 0.01)",
                self.height("aligned curve") - self.height("curve"),
                0.01,
                source=TATRO,
            ),
            Check(
                "alignment is enough",
                "in no turn another alignment lowers the mean loss on the curve: the first one is "
                "locally optimal, as far as alignment with the middle of the curve can tell",
                float(self.moved),
                finding="the middle of a trained curve is a network of its own, and shows another "
                "order of some units to be better",
                source=TATRO,
            ),
        ]

    @property
    def measured(self) -> str:
        """Means and barriers."""
        ways = ", ".join(
            f"{name} {mean:.3f} (barrier {self.height(name):.3f})"
            for name, mean in zip(NAMES, self.means.tolist(), strict=True)
        )
        return (
            f"{self.settings}: mean training loss {ways}; another alignment was better in "
            f"{int(self.moved)} of {self.settings.turns - 1} turns"
        )


def perform(bench: Bench, settings: Settings) -> AlignedCurves:
    """Two trainings, and one step with all curves."""
    a, b = settings.trained(bench, 2)
    task, swaps = settings.task(), settings.symmetry().restrict(Permutation)
    loss = task.loss(batch=128)
    seen = task.loss(settings.seen)
    method = ActivationMatching(task.fresh(), seen.batches, Statistic.CORRELATION)
    training = Training(lambda tensors: torch.optim.Adam(tensors, lr=settings.rate))
    seed = bench.seed

    def work() -> Params:
        fit = align(b, to=a, symmetry=swaps, method=method, seed=seed)
        line, moved = Line(a, b), Line(a, fit.params)
        turns = aligned_curve(
            a,
            b,
            symmetry=swaps,
            loss=loss,
            method=method,
            rounds=settings.turns,
            steps=settings.steps // settings.turns,
            seed=seed,
            training=training,
        )
        curves: tuple[AbstractPath, ...] = (
            line,
            bend(line, loss, Bezier(), settings.steps, seed, training),
            moved,
            bend(moved, loss, Bezier(), settings.steps, seed, training),
            turns.curve,
        )
        ways = dict(zip(NAMES, curves, strict=True))
        trained = along(loss, ways, settings.points)
        one, other = (_double(task)(double(p)) for p in (b, turns.params))
        permuted = swaps.act(swaps.sample(seed=seed), a)
        back = align(permuted, to=a, symmetry=swaps, method=method, seed=seed).params
        return {
            **along(task.loss(test=True), ways, settings.points),
            "means": torch.stack([trained[name][0].mean() for name in NAMES]),
            "turns": torch.tensor(turns.means),
            "moved": torch.tensor(sum(turns.moved)),
            "off": torch.tensor([abs(other / one - 1), distance(back, a) / norm(a)]),
        }

    found = bench.step("curves", work)
    rest = (found[name] for name in ("means", "turns", "moved", "off"))
    return AlignedCurves(ordered(found, NAMES), settings, *rest)


def _double(task: Task) -> Loss:
    """The loss on a few samples in float64."""
    return Loss(task.fresh().double(), [(task.x[:100].double(), task.y[:100])], task.criterion)


aligned_curves = Experiment(
    "methods.aligned_curves",
    "Curves of low loss after alignment by correlations, and in turns with it",
    TATRO,
    {
        Scale.SMOKE: Settings.small(epochs=6, steps=45, seen=200),
        Scale.QUICK: Settings(hidden=(32, 32), epochs=12, points=17),
        Scale.PAPER: Settings(
            hidden=(512, 512), samples=60000, tests=10000, epochs=20, steps=20000
        ),
    },
    perform,
    (
        (
            "The source trains convolutional networks, and moves permutations by proximal descent; "
            "turns of assignment and curve are ours."
        ),
        "All curves get the same number of steps.",
    ),
)
"""The group here is that of permutations, as in the source."""

METHODS: tuple[Method, ...] = (
    Method(
        "Neuron alignment for curves",
        TATRO,
        "`isthmus.aligned_curve` with `ActivationMatching`",
        "Curves between aligned networks have a lower loss (CIFAR-10, CIFAR-100, TinyImageNet), "
        "and the alignment is locally optimal",
        aligned_curves,
    ),
)
"""What is measured here."""

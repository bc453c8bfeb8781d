"""SLERP and Karcher means: merging that keeps the lengths of tensors."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from isthmus.ground import Params, double
from isthmus.merging import Average, KarcherMean, Slerp, merge
from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Axis, Picture, Series, beside, chart
from isthmus.papers.methods.merging.networks import Perceptrons, aligned_pair, percent, steps
from isthmus.papers.methods.method import Measured

_SOURCE = "Shoemake 1985 (SLERP); Karcher means on spheres"


@dataclass(frozen=True)
class Settings(Perceptrons):
    """Two networks trained apart and aligned.

    Attributes:
        epochs: Of each training.
        points: Where both ways are looked at.
        learned: Whether that is enough for the claims.
    """

    epochs: int = 8
    points: int = 11
    learned: bool = True


@dataclass(frozen=True)
class Spheres(Measured):
    """Test losses and lengths, straight and on great circles.

    Attributes:
        settings: What was run.
        losses: ``(2, points)``: on the line, and by `Slerp`, from the first to the second model.
        accuracies: ``(2, points)``, of the same.
        lengths: ``(2, points)``: of all weights, over what `Slerp` promises.
        off: By how much lengths of tensors by `Slerp` miss ``(1-t)|a| + t|b|``; how far
            `Slerp` is from the formula of sines; and the sum of logarithms at the Karcher mean
            of three; relative, in float64.
    """

    settings: Settings
    losses: Tensor = field(metadata={"json": False})
    accuracies: Tensor = field(metadata={"json": False})
    lengths: Tensor = field(metadata={"json": False})
    off: Tensor

    def arrays(self) -> Params:
        """All tensors."""
        names = ("losses", "accuracies", "lengths", "off")
        return {name: getattr(self, name) for name in names}

    @property
    def _middle(self) -> int:
        return self.losses.shape[1] // 2

    @property
    def measured(self) -> str:
        """In the middle."""
        straight, circle = (
            f"{loss:.3f} ({percent(right)})"
            for loss, right in zip(
                self.losses[:, self._middle].tolist(),
                self.accuracies[:, self._middle].tolist(),
                strict=True,
            )
        )
        return (
            f"loss (accuracy) in the middle of two aligned networks: mean {straight}, SLERP "
            f"{circle}; the mean is {float(self.lengths[0, self._middle]):.2f} times as long"
        )

    def check(self) -> list[Check]:
        """The laws, and what lengths are worth."""
        laws = [
            Check(name, claim, float(off), 1e-9, source=_SOURCE)
            for (name, claim), off in zip(_LAWS, self.off, strict=True)
        ]
        shorter = Check(
            "shrinking",
            "in the middle the straight mean is shorter than SLERP by a tenth",
            float(self.lengths[0, self._middle]) - 0.9,
            source=_SOURCE,
        )
        if not self.settings.learned:
            return [*laws, shorter]
        straight, circle = self.losses[:, self._middle].tolist()
        return [
            *laws,
            shorter,
            Check(
                "loss",
                "in the middle SLERP loses no more than the straight mean",
                circle - straight,
                finding="longer weights make larger outputs: where both are wrong, SLERP is wrong "
                "with more certainty",
            ),
        ]

    def draw(self) -> Mapping[str, Picture]:
        """Losses and lengths along both."""
        ts = steps(self.losses.shape[1])
        panels = [
            chart(
                title,
                Axis("t"),
                Axis(label),
                [
                    Series("straight", ts, rows[0].tolist(), "red"),
                    Series("SLERP", ts, rows[1].tolist(), "teal"),
                ],
            )
            for title, label, rows in (
                ("Test loss", "loss", self.losses),
                ("Test accuracy", "accuracy", self.accuracies),
                ("Length of the weights", "over that of SLERP", self.lengths),
            )
        ]
        return {"spheres": beside("From one network to another", *panels)}

    def __str__(self) -> str:
        rows = [
            [f"{t:.2f}", *(f"{v:.4f}" for v in row)]
            for t, row in zip(
                steps(self.losses.shape[1]),
                torch.cat([self.losses, self.accuracies, self.lengths[:1]]).T.tolist(),
                strict=True,
            )
        ]
        head = ("t", "loss: straight", "SLERP", "accuracy: straight", "SLERP", "straight length")
        return table(head, rows)


_LAWS = (
    ("lengths", "by SLERP every tensor is (1-t)|a| + t|b| long, at every t"),
    ("formula", "SLERP, a weighted Karcher mean of two here, is Shoemake's formula at every t"),
    ("three models", "at the Karcher mean of three, the logarithms to them sum to zero"),
)


def perform(bench: Bench, settings: Settings) -> Spheres:
    """Two trainings, an alignment, and one step with all that is measured."""
    task = settings.task
    a, b, moved = aligned_pair(bench, task, epochs=settings.epochs, name="pair")
    return Spheres(settings, **bench.step("measured", lambda: _measure(settings, a, b, moved)))


def _measure(settings: Settings, a: Params, b: Params, moved: Params) -> Params:
    loss = settings.task.loss(test=True)
    one, two = double(a), double(moved)
    losses, accuracies, lengths, worst, apart = [], [], [], 0.0, 0.0
    for t in steps(settings.points):
        straight, circle = merge([one, two], Average((1 - t, t))), merge([one, two], Slerp(t))
        promised = {n: (1 - t) * one[n].norm() + t * two[n].norm() for n in one}
        worst = max(worst, *(float((circle[n].norm() / promised[n] - 1).abs()) for n in one))
        whole = math.hypot(*map(float, promised.values()))
        sines = {n: promised[n] * _on_circle(one[n], two[n], t) for n in one}
        apart = max(apart, _length({n: circle[n] - sines[n] for n in one}) / whole)
        seen = [loss.evaluate(_single(one)) for one in (straight, circle)]
        losses.append([one.loss for one in seen])
        accuracies.append([one.metrics["accuracy"] for one in seen])
        lengths.append([_length(straight) / whole, _length(circle) / whole])
    off = [worst, apart, _logarithms([one, two, double(b)])]
    return {
        "losses": torch.tensor(losses).T.contiguous(),
        "accuracies": torch.tensor(accuracies).T.contiguous(),
        "lengths": torch.tensor(lengths).T.contiguous(),
        "off": torch.tensor(off),
    }


def _on_circle(a: Tensor, b: Tensor, t: float) -> Tensor:
    """``[sin((1-t)Ω) a + sin(tΩ) b] / sin Ω`` of directions."""
    x, y = a / a.norm(), b / b.norm()
    angle = math.acos(float((x * y).sum()))
    there: Tensor = (math.sin((1 - t) * angle) * x + math.sin(t * angle) * y) / math.sin(angle)
    return there


def _logarithms(models: list[Params]) -> float:
    """The largest sum, of all tensors, of logarithms at their Karcher mean."""
    mean = merge(models, KarcherMean(steps=1000))
    worst = 0.0
    for name, tensor in mean.items():
        here = tensor.flatten() / tensor.norm()
        total = torch.zeros_like(here)
        for model in models:
            there = model[name].flatten() / model[name].norm()
            along = there - (there @ here) * here
            total += along / along.norm() * torch.atan2(along.norm(), there @ here)
        worst = max(worst, float(total.norm()))
    return worst


def _single(params: Params) -> Params:
    return {n: t.float() for n, t in params.items()}


def _length(params: Params) -> float:
    return math.hypot(*(float(t.norm()) for t in params.values()))


spheres = Experiment(
    "methods.spheres",
    "Merging on spheres: lengths kept, and what that is worth",
    _SOURCE,
    {
        Scale.SMOKE: Settings(False, 1, 24, 400, 200, epochs=2, points=5, learned=False),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(width=512, samples=60000, tests=10000, epochs=15),
    },
    perform,
    ("The networks are ours.",),
)
"""Lengths are kept exactly."""

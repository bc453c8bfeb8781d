"""Toroids: networks as points of a product of spheres, and the shortest ways between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from isthmus.alignment import UnitNorm, align, canonical
from isthmus.discovery import discover
from isthmus.ground import Params
from isthmus.landscape import (
    AbstractPath,
    Evaluation,
    GreatCircles,
    Line,
    NeuronSpheres,
    PolygonalChain,
    bend_on_spheres,
)
from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Axis, Picture, Series, chart
from isthmus.papers.methods.method import Measured, Method
from isthmus.papers.methods.symmetry.networks import perceptron_task, permutations
from isthmus.papers.tasks import Task

_SOURCE = "Pittorino, Ferraro, Perugini, Feinauer, Baldassi and Zecchina 2022 (ICML)"

PATHS = ("line", "circles", "circles, matched", "one bend, matched")
"""Between networks as trained; between normalised ones; and these with units matched."""


@dataclass(frozen=True)
class Settings:
    """What is trained: perceptrons without biases, until they make no error.

    Attributes:
        data: ``digits`` or ``fashion``.
        widths: Of the hidden layers.
        samples: To train on.
        epochs: Of each training.
        steps: Of the training of the bend.
        points: On every path.
        headline: Whether the training is long enough for the claims about trained networks.
    """

    data: str = "fashion"
    widths: tuple[int, ...] = (128, 128)
    samples: int = 1000
    epochs: int = 80
    steps: int = 800
    points: int = 11
    headline: bool = True


@dataclass(frozen=True)
class Toroids(Measured):
    """Training errors on paths between two networks.

    Attributes:
        settings: What was run.
        errors: ``(paths, points)``, in the order of `PATHS`.
        exact: ``(3,)``, in float64: how far normalised networks give other outputs, relative;
            how far great circles are from the closed form; and how far their neurons leave the
            unit sphere.
    """

    settings: Settings
    errors: Tensor = field(metadata={"json": False})
    exact: Tensor

    @property
    def worst(self) -> dict[str, float]:
        """The largest error on every path, above that of its worse end."""
        ends = self.errors[:, [0, -1]].amax(1)
        return dict(zip(PATHS, (self.errors.amax(1) - ends).tolist(), strict=True))

    @property
    def measured(self) -> str:
        """In one line."""
        words = ", ".join(f"{value:.1%} {name}" for name, value in self.worst.items())
        return f"training errors on the way between two networks, above their own: {words}"

    def arrays(self) -> Params:
        """All of it."""
        return {"errors": self.errors, "exact": self.exact}

    def check(self) -> list[Check]:
        """Normalisation and circles are exact; then what the source sees."""
        names = {
            "normalised": "with neurons of norm 1 the outputs are the same, but for one factor",
            "great circles": "neurons move as (sin((1-t)φ) a + sin(tφ) b) / sin φ",
            "spheres": "and keep norm 1 on the way",
        }
        claims = [
            Check(name, claim, float(off), 1e-9, source=_SOURCE)
            for (name, claim), off in zip(names.items(), self.exact, strict=True)
        ]
        return claims + (self._headline() if self.settings.headline else [])

    def _headline(self) -> list[Check]:
        worst = self.worst
        return [
            Check(
                "matched",
                "matching units takes at least half of the error off the shortest way",
                worst["circles, matched"] - worst["circles"] / 2,
                source=_SOURCE,
            ),
            Check(
                "one bend",
                "one bend between them is enough for a way without further errors (half a percent)",
                worst["one bend, matched"],
                0.005,
                source=_SOURCE,
            ),
        ]

    def draw(self) -> Mapping[str, Picture]:
        """The errors on all paths."""
        ts = torch.linspace(0, 1, self.settings.points).tolist()
        tones = ("red", "amber", "blue", "teal")
        series = [
            Series(name, ts, self.errors[k].tolist(), tones[k], dots=False)
            for k, name in enumerate(PATHS)
        ]
        return {
            "toroids": chart(
                "Ways between networks on spheres", Axis("t"), Axis("training error"), series
            )
        }

    def __str__(self) -> str:
        return table(
            ("path", "training error above the ends"),
            [[name, f"{value:.4f}"] for name, value in self.worst.items()],
        )


def perform(bench: Bench, settings: Settings) -> Toroids:
    """A step for each training, and one for what is measured."""
    return Toroids(settings, **bench.step("paths", partial(_measured, bench, settings)))


def _measured(bench: Bench, settings: Settings) -> Params:
    task = perceptron_task(settings.data, settings.widths, settings.samples, 1, biases=False)
    raw = [task.trained(bench, bench.seed + k, epochs=settings.epochs) for k in range(2)]
    a, b = _alike(*(_normalised(task, one) for one in raw))
    matched = align(b, to=a, symmetry=permutations(task), seed=bench.seed).params
    spheres, loss = NeuronSpheres(), task.loss()
    start, unmatched, end = ({n: t.float() for n, t in one.items()} for one in (a, b, matched))
    circles = GreatCircles(start, end, spheres)
    batches, bends = task.loss(batch=64), PolygonalChain(bends=1)
    bent = bend_on_spheres(circles, batches, spheres, bends, settings.steps, bench.seed)
    paths = (Line(*raw), GreatCircles(start, unmatched, spheres), circles, bent)
    ts = [k / (settings.points - 1) for k in range(settings.points)]
    wide = GreatCircles(a, matched, spheres)
    return {
        "errors": torch.stack([_errors(loss.along(path, ts)) for path in paths]),
        "exact": torch.tensor([_kept(task, raw[0], a), *_round(wide, ts)]),
    }


def _errors(found: Sequence[Evaluation]) -> Tensor:
    return torch.tensor([1 - one.metrics["accuracy"] for one in found])


def _normalised(task: Task, params: Params) -> Params:
    """In float64, with neurons of norm 1: norms are pushed forward, to the last layer."""
    wide = {name: tensor.double() for name, tensor in params.items()}
    symmetry = discover(task.fresh(), task.x[:1])
    return canonical(wide, symmetry, UnitNorm(), ordered=False)


def _alike(a: Params, b: Params) -> tuple[Params, Params]:
    """With last layers of one norm: the mean of theirs. That is a factor of all outputs."""
    last = list(a)[-1]
    sizes = [one[last].norm() for one in (a, b)]
    size = (sizes[0] * sizes[1]).sqrt()
    first, second = (
        {**one, last: one[last] * (size / own)} for one, own in zip((a, b), sizes, strict=True)
    )
    return first, second


def _kept(task: Task, raw: Params, normalised: Params) -> float:
    """How far the outputs are from those of the network as trained, but for one factor."""
    model = task.fresh().double()
    x = task.x[:200].double()
    wide = {name: tensor.double() for name, tensor in raw.items()}
    before, after = (
        torch.func.functional_call(model, point, x).detach() for point in (wide, normalised)
    )
    factor = (before * after).sum() / after.square().sum()
    return float((before - factor * after).norm() / before.norm())


def _round(circles: AbstractPath, ts: list[float]) -> tuple[float, float]:
    """How far hidden neurons are from the closed form, and from norm 1."""
    start, end = circles.start, circles.end
    form, norm = 0.0, 0.0
    for name in list(start)[:-1]:
        a, b = start[name], end[name]
        angle = (a * b).sum(1, keepdim=True).clamp(-1, 1).acos()
        for t in ts:
            here = circles(t)[name]
            wanted = (((1 - t) * angle).sin() * a + (t * angle).sin() * b) / angle.sin()
            form = max(form, float((here - wanted).abs().max()))
            norm = max(norm, float((here.norm(dim=1) - 1).abs().max()))
    return form, norm


experiment = Experiment(
    "methods.toroids",
    "Networks as points on spheres, and the shortest ways between them",
    _SOURCE,
    {
        Scale.SMOKE: Settings("digits", (12,), 200, 1, 10, 3, headline=False),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(widths=(512, 512), samples=10000, epochs=100, steps=5000, points=25),
    },
    perform,
    (
        "Rows of the last layer move on spheres of their own radii, which go evenly.",
        "The network, its data and the training of the bend are ours.",
    ),
)
"""Without scales and permutations, one bend is enough."""

METHOD = Method(
    "Toroidal geometry of networks",
    _SOURCE,
    "`isthmus.GreatCircles`, `isthmus.NeuronSpheres`, `isthmus.bend_on_spheres`",
    "with scales and permutations taken out, a path of two pieces joins minima without error",
    experiment,
)

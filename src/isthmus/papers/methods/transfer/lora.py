"""LoRA: adapters up to GL(r), and their means: of factors, of aligned factors, of products."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from isthmus.alignment import distance
from isthmus.discovery import discover
from isthmus.ground import Params, params_of
from isthmus.merging import ProductAverage, merge
from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Axis, Picture, Series, chart
from isthmus.papers.methods.merging.networks import accuracy, percent
from isthmus.papers.methods.method import Measured
from isthmus.papers.methods.transfer.adapters import (
    adapted,
    dimensions_off,
    laws,
    linear,
    products,
)
from isthmus.papers.methods.transfer.variants import turned
from isthmus.papers.tasks import Task, image_perceptron

_SOURCE = "Putterman et al. 2024; Hu et al. 2022, LoRA"
KINDS = ("base", "adapters", "factors", "aligned factors", "products", "products, full rank")
_LAWS = (
    ("group", "each adapted layer has GL(r): the group has r² dimensions for each"),
    ("function", "(B g⁻¹, g A) is the same function, for g drawn at random"),
    ("form", "both have one canonical form, which is balanced: BᵀB = AAᵀ, diagonal"),
    ("distance", "modulo GL(r) they are no distance apart"),
    ("one product", "merged by products, adapters of one orbit are what each of them is"),
    ("nearest", "no mean of factors is nearer to the mean of products than theirs, cut to rank r"),
)


@dataclass(frozen=True)
class Settings:
    """A base trained on images, and adapters of it for images turned by a quarter.

    Attributes:
        fashion: On Fashion-MNIST; else on digits.
        width: Of both hidden layers.
        rank: Of each adapter.
        adapters: How many, each from its own seed and on its own share of the images.
        samples: Images for training, and for tests.
        epochs: Of the base, and of each adapter.
        learned: Whether that is enough for the claims on accuracies.
    """

    fashion: bool = True
    width: int = 96
    rank: int = 4
    adapters: int = 4
    samples: tuple[int, int] = (8000, 2000)
    epochs: tuple[int, int] = (6, 12)
    learned: bool = True

    @property
    def task(self) -> Task:
        """The base with its data."""
        return image_perceptron(self.fashion, self.width, self.width).fewer(*self.samples)


@dataclass(frozen=True)
class Adapters(Measured):
    """Means of adapters.

    Attributes:
        settings: What was run.
        accuracies: ``(6,)``: on turned test images, in the order of `KINDS`; losses likewise.
        losses: The same of the loss.
        gaps: ``(4,)``: distance of two adapters as they are, and modulo GL(r), over their size;
            then the shares of the mean of products that the means of factors and of aligned
            factors miss.
        off: ``(6,)``: by how much the laws are missed, in float64; the first is a number of
            dimensions.
        scaled: How far outputs are off where A alone is doubled, relative.
    """

    settings: Settings
    accuracies: Tensor
    losses: Tensor
    gaps: Tensor
    off: Tensor
    scaled: Tensor

    def arrays(self) -> Params:
        """All tensors."""
        return {n: getattr(self, n) for n in ("accuracies", "losses", "gaps", "off", "scaled")}

    @property
    def measured(self) -> str:
        """Accuracies, and how much of the mean of products is missed."""
        s = self.settings
        found = ", ".join(
            f"{kind} {percent(float(a))}" for kind, a in zip(KINDS, self.accuracies, strict=True)
        )
        return (
            f"accuracy on the new task, {s.adapters} adapters of rank {s.rank}: {found}; relative "
            f"distance of two {float(self.gaps[0]):.2f}, modulo GL(r) {float(self.gaps[1]):.2f}"
        )

    def check(self) -> list[Check]:
        """The laws; then means."""
        checks = [
            Check(name, claim, float(off), 1e-9, source=_SOURCE)
            for (name, claim), off in zip(_LAWS, self.off, strict=True)
        ]
        claim = "doubling A alone, which is no symmetry, moves outputs by a hundredth or more"
        checks.append(Check("no symmetry", claim, 0.01 - float(self.scaled), source=_SOURCE))
        if not self.settings.learned:
            return checks
        plain, aligned, products, full = self.accuracies[2:].tolist()
        return [
            *checks,
            Check(
                "aligned factors",
                "aligned by GL(r), the mean of factors is more accurate by 5 points",
                0.05 - (aligned - plain),
                source=_SOURCE,
            ),
            Check(
                "products",
                "the mean of products, cut to rank r, is more accurate than the mean of factors "
                "by 5 points",
                0.05 - (products - plain),
                source=_SOURCE,
            ),
            Check(
                "rank",
                "cut to rank r it is as accurate as the whole mean of products, to 2 points",
                full - products - 0.02,
                finding="the mean of the products has a higher rank than r, and what is cut off "
                "costs some points with some seeds",
                source=_SOURCE,
            ),
        ]

    def draw(self) -> Mapping[str, Picture]:
        """Accuracies by kind."""
        places = [float(k) for k in range(len(KINDS))]
        dots = [
            Series(kind, [x], [float(a)], tone, line=False)
            for kind, x, a, tone in zip(KINDS, places, self.accuracies, _TONES, strict=True)
        ]
        axis = Axis("base, single adapters, and four means")
        title = f"{self.settings.adapters} adapters of rank {self.settings.rank}"
        return {"lora": chart(title, axis, Axis("test accuracy, new task"), dots)}

    def __str__(self) -> str:
        rows = [
            [kind, f"{float(loss):.4f}", percent(float(right))]
            for kind, loss, right in zip(KINDS, self.losses, self.accuracies, strict=True)
        ]
        return table(("mean of", "loss", "accuracy"), rows)


_TONES = ("grey", "green", "amber", "blue", "teal", "purple")


def perform(bench: Bench, settings: Settings) -> Adapters:
    """The base, its adapters, and one step with all that is measured."""
    task, (first, then) = settings.task, settings.epochs
    base = task.trained(bench, bench.seed, epochs=first, name="base")
    new = _new(settings)
    share = len(new.x) // settings.adapters
    found = []
    for k in range(settings.adapters):
        part = slice(k * share, (k + 1) * share)
        start = params_of(new.fresh(bench.seed + k + 1))
        start |= {n.replace(".", ".base.", 1): t for n, t in base.items()}
        some = replace(new, x=new.x[part], y=new.y[part])
        found.append(some.trained(bench, k, epochs=then, lr=3e-3, start=start, name=f"adapter-{k}"))
    return Adapters(settings, **bench.step("measured", lambda: _measure(new, found)))


def _new(settings: Settings) -> Task:
    """Images turned by a quarter, and the network with adapters."""
    task, s = turned(settings.task), settings
    widths = (task.x[0].numel(), s.width, s.width, 10)
    return replace(task, name="adapted", build=partial(adapted, widths, s.rank))


def _measure(task: Task, models: list[Params]) -> Params:
    """Means of the adapters; the laws on the first of them."""
    whole = discover(task.fresh(), task.x[:1])
    symmetry = whole.restrict(linear)  # what is shared, the base, is not to move
    means = [
        merge(models),
        merge(models, symmetry=symmetry),
        merge(models, ProductAverage(symmetry)),
        _folded(models),
    ]
    bare = {n: t * ("up" not in n) for n, t in models[0].items()}
    losses = [task.loss(test=True)(one) for one in (bare, *models, *means)]
    rights = [accuracy(task, one) for one in (bare, *models, *means)]
    apart_by = distance(*models[:2], symmetry=symmetry).layers
    pairs = [gap for layer, gap in apart_by.items() if not layer.endswith("base")]
    lengths = [
        [getattr(gap, n) for gap in pairs] for n in ("before", "size_before", "after", "size")
    ]
    before, size_before, after, size = (math.hypot(*row) for row in lengths)
    missed = [_missed(models, one) for one in means[:3]]
    missing, scaled = laws(task, symmetry, models[0])
    nearest = max(missed[2] - min(missed[:2]), 0.0)
    off = [dimensions_off(whole, models[0]), *missing, nearest]
    return {
        "accuracies": torch.tensor(_summary(rights, len(models))),
        "losses": torch.tensor(_summary(losses, len(models))),
        "gaps": torch.tensor([before / size_before, after / size, *missed[:2]]),
        "off": torch.tensor(off, dtype=torch.float64),
        "scaled": torch.tensor(scaled),
    }


def _summary(values: list[float], count: int) -> list[float]:
    """The base, the mean over adapters, and the rest."""
    return [values[0], sum(values[1 : count + 1]) / count, *values[count + 1 :]]


def _folded(models: list[Params]) -> Params:
    """The mean of products at its full rank, added to the base."""
    mean = merge([products(one) for one in models])
    out = {n: t * ("up" not in n) for n, t in models[0].items()}
    return out | {
        f"{n}.base.weight": (out[f"{n}.base.weight"].double() + t).float() for n, t in mean.items()
    }


def _missed(models: list[Params], merged: Params) -> float:
    """The share of the mean of products that a merged adapter misses."""
    mean, found = merge([products(one) for one in models]), products(merged)
    off = math.hypot(*(float((found[n] - t).norm()) for n, t in mean.items()))
    return off / math.hypot(*(float(t.norm()) for t in mean.values()))


lora = Experiment(
    "methods.lora",
    "Low-rank adapters up to GL(r): their forms, distances and means",
    _SOURCE,
    {
        Scale.SMOKE: Settings(False, 16, 2, 2, (400, 100), (1, 1), learned=False),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(width=512, rank=8, samples=(60000, 10000), epochs=(15, 10)),
    },
    perform,
    ("The sources learn from adapters of large models; here a perceptron is adapted.",),
)
"""Factors of an adapter mean something only up to GL(r)."""

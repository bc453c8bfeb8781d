"""TransFusion: what one network learned in a fine-tuning, added to one that was trained apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor
from torch.func import functional_call

from isthmus.algebra import Element, Symmetry
from isthmus.algebra.groups import Motion
from isthmus.alignment import ActivationMatching, HeadSpectra, WeightMatching, align
from isthmus.discovery import discover
from isthmus.ground import Params, double
from isthmus.ground.params import is_statistic
from isthmus.merging import carry_task
from isthmus.merging import transfer as bring
from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Axis, Picture, Series, beside, chart
from isthmus.papers.methods.merging.networks import apart
from isthmus.papers.methods.method import Measured
from isthmus.papers.methods.transfer.variants import halves, swapped, turned
from isthmus.papers.tasks import Task, digits_convolution, image_perceptron, tiny_gpt

_SOURCE = "Rinaldi et al. 2025, TransFusion"
KINDS = ("not aligned", "permutations", "whole group", "whole group, by activations")
_TONES = ("amber", "blue", "teal", "purple")
NETWORKS = ("perceptron", "GPT")
PLANTED = ("perceptron", "convolutions with BatchNorm", "GPT")


@dataclass(frozen=True)
class Settings:
    """For a perceptron and a small GPT: two bases from different seeds, a fine-tune of the first.

    The new task: images turned by a quarter, text in which pairs of frequent letters are swapped.

    Attributes:
        fashion: Fashion-MNIST and tinyshakespeare; else digits and made sentences.
        width: Of both hidden layers; ``stream`` of the GPT, which has so many ``blocks``.
        samples: Images for training, and for tests; ``windows`` of text likewise.
        epochs: Of the perceptron's base and fine-tune, then of the GPT's.
        pairs: Letters swapped.
        scales: Of the task vector.
        learned: Whether that is enough for the claims on losses.
    """

    fashion: bool = True
    width: int = 96
    stream: int = 32
    blocks: int = 2
    samples: tuple[int, int] = (5000, 2000)
    windows: tuple[int, int] = (4000, 400)
    epochs: tuple[int, int, int, int] = (10, 2, 4, 2)
    pairs: int = 5
    scales: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
    learned: bool = True

    def tasks(self) -> tuple[tuple[Task, Task], tuple[Task, Task]]:
        """Of both networks: the task of the bases, and the new one."""
        images = image_perceptron(self.fashion, self.width, self.width).fewer(*self.samples)
        source = "tinyshakespeare" if self.fashion else "sentences"
        text = tiny_gpt(32, self.stream, self.blocks, source).fewer(*self.windows)
        return (images, turned(images)), (text, swapped(text, self.pairs))


@dataclass(frozen=True)
class Transferred(Measured):
    """Losses of the target with the task vector added.

    Attributes:
        settings: What was run.
        chosen: ``(2, 4, scales)``: loss on the new task by network, kind and scale, on the samples
            that choose the scale.
        losses: The same on other samples; ``kept`` likewise, on the task of the bases.
        tuned: ``(2,)``: loss on the new task of the target's own fine-tune.
        planted: ``(3, 3)``: where the target is the base moved by a random element of the group, by
            network: how far the transferred model is from the moved fine-tune, in weights and in
            outputs; and how far outputs are without alignment. Relative, in float64.
    """

    settings: Settings
    chosen: Tensor = field(metadata={"json": False})
    losses: Tensor
    kept: Tensor
    tuned: Tensor
    planted: Tensor

    def arrays(self) -> Params:
        """All tensors."""
        names = ("chosen", "losses", "kept", "tuned", "planted")
        return {name: getattr(self, name) for name in names}

    @property
    def best(self) -> Tensor:
        """``(2, 4)``: losses on the new task at the scales that were chosen."""
        return self.losses.gather(-1, self.chosen.argmin(-1, keepdim=True)).squeeze(-1)

    @property
    def measured(self) -> str:
        """Before, by kind, and what a fine-tune of the target itself reaches."""
        texts = []
        for name, zero, row, own in zip(
            NETWORKS, self.losses[:, 0, 0], self.best, self.tuned, strict=True
        ):
            found = ", ".join(f"{kind} {v:.2f}" for kind, v in zip(KINDS, row, strict=True))
            texts.append(f"{name}: target {float(zero):.2f}, {found}, tuned itself {own:.2f}")
        return f"loss on the new task at the best scale, {'; '.join(texts)}"

    def check(self) -> list[Check]:
        """The law on an orbit, and what it needs; then the new task."""
        checks = []
        for name, (weights, outputs, naive) in zip(PLANTED, self.planted.tolist(), strict=True):
            law = "of a target on the base's orbit the transferred model is the fine-tune, moved"
            off = max(weights, outputs)
            checks.append(Check(f"law, {name}", f"{law} ({name})", off, 1e-9, source=_SOURCE))
            claim = f"without alignment its outputs are off by a hundredth or more ({name})"
            checks.append(Check(f"alignment, {name}", claim, 0.01 - naive, source=_SOURCE))
        return [*checks, *self._claims()] if self.settings.learned else checks

    def _claims(self) -> list[Check]:
        checks = []
        for name, start, row in zip(
            NETWORKS, self.losses[:, 0, 0].tolist(), self.best.tolist(), strict=True
        ):
            naive, swaps, whole, seen = row
            claims = (
                (
                    "permutations",
                    "permuted, it lowers the loss by more than as it is",
                    swaps - naive,
                ),
                ("whole group", "moved by the whole group, it does too", whole - naive),
                (
                    "activations",
                    "by activations, the whole group takes off an eighth of the loss, at least",
                    seen / start - 7 / 8,
                ),
            )
            checks += [
                Check(f"{kind}, {name}", f"{claim} ({name})", off, source=_SOURCE)
                for kind, claim, off in claims
            ]
        words = "the whole group lowers the loss of a GPT by more than permutations"
        swaps, whole = self.best[1, 1:3].tolist()
        return [*checks, Check("attention", words, whole - swaps, source=_SOURCE)]

    def draw(self) -> Mapping[str, Picture]:
        """Loss on the new task by scale."""
        scales = list(self.settings.scales)
        panels = []
        for name, rows, own in zip(NETWORKS, self.losses, self.tuned.tolist(), strict=True):
            lines = [
                Series(kind, scales, row.tolist(), tone)
                for kind, tone, row in zip(KINDS, _TONES, rows, strict=True)
            ]
            flat = [own] * len(scales)
            lines.append(Series("tuned itself", scales, flat, "grey", dash=4, dots=False))
            axes = (Axis("scale of the task vector"), Axis("test loss, new task"))
            panels.append(chart(name, *axes, lines))
        return {"transfer": beside("A task vector of another network", *panels)}

    def __str__(self) -> str:
        scales = [f"{scale:g}" for scale in self.settings.scales]
        rows = [
            [name, kind, *(f"{n:.3f} / {k:.3f}" for n, k in zip(new, kept, strict=True))]
            for name, news, olds in zip(
                NETWORKS, self.losses.tolist(), self.kept.tolist(), strict=True
            )
            for kind, new, kept in zip(KINDS, news, olds, strict=True)
        ]
        return table(("loss, new / old task", "scale", *scales), rows)


def perform(bench: Bench, settings: Settings) -> Transferred:
    """Trainings of both networks and of a convolution, and a step with what is measured of each."""
    first, second, third, fourth = settings.epochs
    plans = ((first, second, 1e-3, 3e-4), (third, fourth, 3e-3, 1e-3))
    found, networks = [], []
    for name, (old, new), (epochs, then, rate, low) in zip(
        NETWORKS, settings.tasks(), plans, strict=True
    ):
        a, b = (
            old.trained(bench, 2 * bench.seed + k, epochs=epochs, lr=rate, name=f"{name}-{k}")
            for k in range(2)
        )
        tuned, own = (
            new.trained(bench, 9, epochs=then, lr=low, start=one, name=f"{name}-tuned-{k}")
            for k, one in enumerate((a, b))
        )
        models = (tuned, a, b, own)
        found.append(bench.step(name, partial(_measure, settings, old, new, models)))
        networks.append((old, a, tuned))
    conv = digits_convolution().fewer(400)
    base = conv.trained(bench, bench.seed, epochs=1, name="convolution")
    networks.insert(1, (conv, base, conv.trained(bench, 9, epochs=1, start=base, name="learned")))
    law = bench.step("law", lambda: {"planted": torch.tensor([_planted(*one) for one in networks])})
    return Transferred(
        settings, **{n: torch.stack([one[n] for one in found]) for n in found[0]}, **law
    )


def _measure(settings: Settings, old: Task, new: Task, models: tuple[Params, ...]) -> Params:
    """Losses by kind and scale."""
    tuned, a, b, own = models
    choosing, asking = halves(new)
    before = old.loss(test=True)
    symmetry = discover(old.fresh(), old.x[:1])
    elements = [None, *_elements(old, symmetry, a, b)]
    rows = [[_added(tuned, a, b, g, scale) for scale in settings.scales] for g in elements]
    return {
        "chosen": torch.tensor([[choosing(one) for one in row] for row in rows]),
        "losses": torch.tensor([[asking(one) for one in row] for row in rows]),
        "kept": torch.tensor([[before(one) for one in row] for row in rows]),
        "tuned": torch.tensor(asking(own)),
    }


def _elements(task: Task, symmetry: Symmetry, a: Params, b: Params) -> list[Element]:
    """What brings the first base to the second: permutations, then all, then all by activations."""
    seen = ActivationMatching(task.fresh(), task.loss(256, batch=64).batches)
    swaps = symmetry.restrict((Motion.SWAP,))
    spectra = WeightMatching(starts=(HeadSpectra(), *WeightMatching().starts))
    return [
        align(a, to=b, symmetry=swaps, method=spectra).element,
        align(a, to=b, symmetry=symmetry).element,
        align(a, to=b, symmetry=symmetry, method=seen).element,
    ]


def _added(
    tuned: Params, base: Params, target: Params, element: Element | None, scale: float
) -> Params:
    if element is not None:
        return carry_task(tuned, base, to=target, element=element, scale=scale)
    return {
        n: t if is_statistic(n) or not t.is_floating_point() else t + scale * (tuned[n] - base[n])
        for n, t in target.items()
    }


def _planted(task: Task, base: Params, tuned: Params) -> tuple[float, float, float]:
    """The law where the target is the base, moved: off in weights, in outputs, and unaligned."""
    symmetry = discover(task.fresh(), task.x[:1])
    model, x = task.fresh().double().eval(), task.x_test[:50]
    x = x.double() if x.is_floating_point() else x
    start, end = double(base), double(tuned)
    g = symmetry.sample(1)
    target, wanted = symmetry.act(g, start), symmetry.act(g, end)
    found = bring(end, start, to=target, symmetry=symmetry).params
    with torch.no_grad():
        outputs, right, naive = (
            functional_call(model, one, (x,))
            for one in (found, end, _added(end, start, target, None, 1.0))
        )
    weights = [
        {n: t for n, t in symmetry.canonical(one).items() if t.is_floating_point()}
        for one in (found, wanted)
    ]
    return (
        apart(*weights),
        float((outputs - right).abs().max() / right.abs().max()),
        float((naive - right).abs().max() / right.abs().max()),
    )


transfusion = Experiment(
    "methods.transfer",
    "A task vector moved to a network that was trained apart, on images and on text",
    _SOURCE,
    {
        Scale.SMOKE: Settings(
            False, 16, 8, 1, (300, 100), (100, 20), (2, 1, 1, 1), 2, (0.0, 0.5, 1.0), learned=False
        ),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(
            width=512,
            stream=64,
            samples=(60000, 10000),
            windows=(20000, 1500),
            epochs=(15, 3, 6, 2),
        ),
    },
    perform,
    (
        "The source moves task vectors between two CLIP encoders; the new tasks here are ours.",
        "Differences are taken in the gauge, and the element is of the whole group.",
    ),
)
"""What was learned can be moved, where it is moved by what aligns the bases."""

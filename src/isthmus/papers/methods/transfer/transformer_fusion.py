"""Transformer fusion: two small GPTs fused by hard and by soft transport maps, then tuned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeAlias

import torch
from torch import Tensor, nn

from isthmus.algebra import Symmetry
from isthmus.algebra.groups import Motion
from isthmus.alignment import TransportFusion, align
from isthmus.discovery import discover
from isthmus.ground import Params, double, params_of
from isthmus.landscape import Loss
from isthmus.merging import merge
from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Axis, Picture, Series, chart
from isthmus.papers.methods.merging.networks import apart
from isthmus.papers.methods.method import Measured
from isthmus.papers.methods.transfer.variants import halves
from isthmus.papers.tasks import Task, tiny_gpt

_SOURCE = "Imfeld et al. 2024, Transformer fusion with optimal transport (ICLR)"
KINDS = ("as they are", "aligned before", "from a wider", "untrained second")
TUNED = ("better parent", "plain mean", "hard", "soft", "aligned, soft", "from a wider, soft")
_TONES = ("blue", "teal", "purple", "red")


@dataclass(frozen=True)
class Settings:
    """Two GPTs of one width on a text, and a wider one.

    Attributes:
        text: Name of the data set.
        width: Of the stream; ``wider`` of the third.
        blocks: Of all.
        windows: For training; half of ``tests`` choose the softness.
        epochs: Of each training; the fused models are tuned for one more, on ``tuning`` windows.
        tuning: Windows of the short fine-tune.
        softness: Of the maps; 0 is hard.
        learned: Whether that is enough for the claims on losses.
    """

    text: str = "tinyshakespeare"
    width: int = 32
    wider: int = 48
    blocks: int = 2
    windows: int = 4000
    tests: int = 600
    epochs: int = 4
    tuning: int = 2000
    softness: tuple[float, ...] = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4)
    learned: bool = True

    def task(self, width: int) -> Task:
        """The network of this width with its data."""
        return tiny_gpt(32, width, self.blocks, self.text).fewer(self.windows, self.tests)


@dataclass(frozen=True)
class FusedTransformers(Measured):
    """Test losses of fused GPTs.

    Attributes:
        settings: What was run.
        chosen: ``(4, softness)``: losses on the windows that choose, by `KINDS`.
        losses: The same on the others.
        plain: Of the plain mean; ``parents`` of the three models.
        parents: ``(3,)``.
        tuned: ``(6,)``: after a short fine-tune, in the order of `TUNED`.
        off: By how much a GPT fused with itself in another order, and with itself with every
            unit between its linear layers doubled, is another, relative, in float64.
    """

    settings: Settings
    chosen: Tensor = field(metadata={"json": False})
    losses: Tensor
    plain: Tensor
    parents: Tensor
    tuned: Tensor
    off: Tensor

    def arrays(self) -> Params:
        """All tensors."""
        names = ("chosen", "losses", "plain", "parents", "tuned", "off")
        return {name: getattr(self, name) for name in names}

    @property
    def soft(self) -> list[float]:
        """Losses by kind at the softness that was chosen, of those that are not hard."""
        best = self.chosen[:, 1:].argmin(-1, keepdim=True)
        found: list[float] = self.losses[:, 1:].gather(-1, best).squeeze(-1).tolist()
        return found

    @property
    def measured(self) -> str:
        """Hard against soft, before and after the fine-tune."""
        hard = self.losses[:, 0].tolist()
        kinds = ", ".join(
            f"{kind} {h:.2f} hard and {s:.2f} soft"
            for kind, h, s in zip(KINDS, hard, self.soft, strict=True)
        )
        tuned = ", ".join(f"{n} {float(v):.2f}" for n, v in zip(TUNED, self.tuned, strict=True))
        return (
            f"test loss: plain mean {float(self.plain):.2f}, {kinds} (parents "
            f"{float(self.parents[:2].mean()):.2f}); after a short fine-tune: {tuned}"
        )

    def check(self) -> list[Check]:
        """Identities; then hard and soft maps."""
        exact = [
            Check(name, claim, float(off), 1e-9, source=_SOURCE)
            for (name, claim), off in zip(_IDENTITIES, self.off, strict=True)
        ]
        return [*exact, *self._claims()] if self.settings.learned else exact

    def _claims(self) -> list[Check]:
        hard, soft, plain = self.losses[:, 0].tolist(), self.soft, float(self.plain)
        tuned = dict(zip(TUNED, self.tuned.tolist(), strict=True))
        claims = (
            (
                "transport",
                "fused by hard maps, the mean loses less than the plain one",
                hard[0] - plain,
            ),
            ("soft", "soft maps lose less than hard ones", soft[0] - hard[0]),
            (
                "other widths",
                "fused with a wider GPT by soft maps, it loses less than the plain mean of two",
                soft[2] - plain,
            ),
            (
                "tuned",
                "after a short fine-tune the soft fusion loses less than the plain mean does",
                tuned["soft"] - tuned["plain mean"],
            ),
        )
        checks = [Check(name, claim, off, source=_SOURCE) for name, claim, off in claims]
        trained, untrained = (hard[k] - soft[k] for k in (0, 3))
        return [
            *checks,
            Check(
                "not fading",
                "with a trained second, soft maps gain more over hard ones than with an untrained",
                untrained - trained,
                finding="soft maps blur: the second model fades, which helps whatever it was; with "
                "a trained one less is lost, but what soft maps gain is mostly that",
            ),
            Check(
                "parents",
                "after it, it loses less than the better of its parents, tuned alike",
                tuned["soft"] - tuned["better parent"],
                finding="the source tunes networks that had converged; the parents here gain from "
                "the same windows themselves, and stay ahead by what the mean had lost",
                source=_SOURCE,
            ),
        ]

    def draw(self) -> Mapping[str, Picture]:
        """Loss by softness."""
        softness = list(self.settings.softness)
        lines = [
            Series(kind, softness, row.tolist(), tone)
            for kind, tone, row in zip(KINDS, _TONES, self.losses, strict=True)
        ]
        for name, value, tone in (
            ("plain mean", float(self.plain), "amber"),
            ("parents", float(self.parents[:2].mean()), "grey"),
        ):
            flat = [value] * len(softness)
            lines.append(Series(name, softness, flat, tone, dash=4, dots=False))
        axis = Axis("softness of the maps (0: hard)")
        return {"transformer_fusion": chart("Two GPTs fused", axis, Axis("test loss"), lines)}

    def __str__(self) -> str:
        softness = [f"{s:g}" if s else "hard" for s in self.settings.softness]
        rows = [
            [kind, *(f"{v:.3f}" for v in row)]
            for kind, row in zip(KINDS, self.losses.tolist(), strict=True)
        ]
        tuned = [[name, f"{float(v):.3f}"] for name, v in zip(TUNED, self.tuned, strict=True)]
        return "\n\n".join(
            [table(("fused", *softness), rows), table(("after a fine-tune", "loss"), tuned)]
        )


_IDENTITIES = (
    ("own orbit", "a GPT fused with itself, all units and stream in another order, is itself"),
    ("doubled", "a GPT fused with itself, every unit of its hidden layers doubled, is itself"),
)


def perform(bench: Bench, settings: Settings) -> FusedTransformers:
    """Three trainings, all fusions, a short fine-tune of the best, and the identities."""
    narrow, wider = settings.task(settings.width), settings.task(settings.wider)
    seeds = (2 * bench.seed, 2 * bench.seed + 1)
    a, b = (
        narrow.trained(bench, seed, epochs=settings.epochs, lr=3e-3, name=f"narrow-{k}")
        for k, seed in enumerate(seeds)
    )
    c = wider.trained(bench, seeds[1], epochs=settings.epochs, lr=3e-3, name="wide")
    ways = _ways((narrow, wider), a, b, c, params_of(narrow.fresh(bench.seed + 5)))
    choosing, asking = halves(narrow)
    found = bench.step("fused", lambda: _losses(settings, ways, choosing, asking))
    best = (1 + found["chosen"][:, 1:].argmin(-1)).tolist()
    starts = {"first": a, "second": b, "plain": merge([a, b])}
    for name, way, k in zip(("hard", *_SOFT), (ways[0], *ways[:3]), (0, *best[:3]), strict=True):
        work = partial(way, settings.softness[k])
        starts[name] = bench.step(f"start-{name}", work)
    few = narrow.fewer(settings.tuning, settings.tests)
    tuned = [
        few.trained(bench, bench.seed + 7, epochs=1, lr=1e-3, start=start, name=f"tuned-{name}")
        for name, start in starts.items()
    ]

    def measure() -> Params:
        losses = [asking(one) for one in tuned]
        parents = [asking(a), asking(b), halves(wider)[1](c)]
        return {
            "tuned": torch.tensor([min(losses[:2]), *losses[2:]]),
            "plain": torch.tensor(asking(starts["plain"])),
            "parents": torch.tensor(parents),
            "off": torch.tensor(_off(settings, narrow, a)),
        }

    return FusedTransformers(settings, **found, **bench.step("measured", measure))


_SOFT = ("soft", "aligned-soft", "wide-soft")

Way: TypeAlias = "Callable[[float], Params]"
"""Two models fused, by the softness of the maps."""


def _ways(
    tasks: tuple[Task, Task], a: Params, b: Params, c: Params, untrained: Params
) -> list[Way]:
    """In the order of `KINDS`."""
    narrow, wider = (discover(task.fresh(), task.x[:1]) for task in tasks)
    moved = align(b, to=a, symmetry=narrow).params

    def fused(other: Params, of: Symmetry, softness: float) -> Params:
        return TransportFusion(epsilon=softness or None)([a, other], [narrow, of])

    pairs = ((b, narrow), (moved, narrow), (c, wider), (untrained, narrow))
    return [partial(fused, *pair) for pair in pairs]


def _losses(settings: Settings, ways: list[Way], choosing: Loss, asking: Loss) -> Params:
    rows = [[way(softness) for softness in settings.softness] for way in ways]
    return {
        name: torch.tensor([[loss(one) for one in row] for row in rows])
        for name, loss in (("chosen", choosing), ("losses", asking))
    }


def _off(settings: Settings, task: Task, a: Params) -> tuple[float, float]:
    """Against what a fusion should not change."""
    symmetry, one = discover(task.fresh(), task.x[:1]), double(a)
    outer = {name for space in symmetry.spaces.values() for name in space.over}
    swaps = symmetry.restrict((Motion.SWAP,)).restrict(lambda space: space.name not in outer)
    moved = swaps.act(swaps.sample(1), one)
    build: Callable[..., nn.Module] = task.build
    twice = partial(build, hidden=4 * settings.width)
    doubled = dict(one)
    for name, tensor in one.items():
        if ".fc1." in name:
            doubled[name] = tensor.repeat_interleave(2, 0)
        elif name.endswith("fc2.weight"):
            doubled[name] = tensor.repeat_interleave(2, 1) / 2
    fuse = TransportFusion(epsilon=None)
    large = discover(replace(task, build=twice).fresh(), task.x[:1])
    found = [fuse([one, moved], [symmetry] * 2), fuse([one, doubled], [symmetry, large])]
    right = symmetry.canonical(one)
    off = [apart(symmetry.canonical(params), right) for params in found]
    return off[0], off[1]


transformer_fusion = Experiment(
    "methods.transformer_fusion",
    "Small GPTs fused by hard and soft transport maps, of one width and of another",
    _SOURCE,
    {
        Scale.SMOKE: Settings("sentences", 8, 12, 1, 100, 20, 1, 50, (0.0, 0.1), learned=False),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(width=64, wider=96, windows=20000, epochs=10, tuning=20000),
    },
    perform,
    (
        "The source leads maps through the graph; here each space has one, in the gauge.",
        "Heads keep their order, or that of the alignment; widths of heads may differ.",
    ),
)
"""Soft maps lose less than hard ones."""

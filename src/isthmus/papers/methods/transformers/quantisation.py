"""Quantisation: what a turn of the stream is worth when numbers are rounded (QuaRot, SpinQuant)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from isthmus.algebra import Symmetry
from isthmus.algebra.bases import hadamard_change
from isthmus.algebra.groups import Motion
from isthmus.alignment import LossDescent, Unmoved, align
from isthmus.ground import Params, double
from isthmus.landscape import Loss
from isthmus.landscape.modules import modules_of
from isthmus.landscape.running import Batch
from isthmus.merging.compression import principal_axes, quantised
from isthmus.merging.running import watch
from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Axis, Picture, Series, beside, chart
from isthmus.papers.methods.method import Measured
from isthmus.papers.methods.transformers.streams import Trained, change, stream_of
from isthmus.papers.tasks import Task

QUAROT = "Ashkboos et al. 2024 (QuaRot), NeurIPS"
SPINQUANT = "Liu et al. 2024 (SpinQuant)"
BITS = (8, 6, 5, 4, 3)
FORMATS: tuple[tuple[int, int | None], ...] = (*((n, n) for n in BITS), (4, None), (3, None))
"""Bits of weights, and of activations; at the end of weights alone."""
FEWEST = len(BITS) - 1
WAYS = ("trained", "folded", "random", "Hadamard", "planted", "planted + Hadamard", "learned")
TONES = ("grey", "blue", "purple", "teal", "red", "amber", "green")


@dataclass(frozen=True)
class Settings(Trained):
    """What is rounded: a GPT.

    Attributes:
        turns: Random rotations, and Hadamard matrices, over which losses are averaged.
        descent: Steps by which a rotation is learned, at the fewest bits, from the best of these
            Hadamard matrices on the windows that are seen; so their ``rate``, in radians.
    """

    turns: int = 4
    descent: int = 200
    rate: float = 0.003


@dataclass(frozen=True)
class Quantisation(Measured):
    """Losses when rounded, at points of one orbit.

    Attributes:
        settings: What was run.
        exact: By how much the function changes, relative, at the points of the orbit.
        loss: Of the test samples, nothing rounded.
        losses: ``(ways, formats)``, rounded.
        peaks: ``(ways, 2)``: the largest number of a row over the root of its mean square, the mean
            over rows: of weights that are rounded, and of what the stream shows its readers.
    """

    settings: Settings
    exact: Tensor
    loss: Tensor
    losses: Tensor = field(metadata={"json": False})
    peaks: Tensor = field(metadata={"json": False})

    def arrays(self) -> Params:
        """All tensors."""
        return {name: getattr(self, name) for name in ("exact", "loss", "losses", "peaks")}

    def cost(self, way: str) -> float:
        """How much rounding to the fewest bits adds to the loss."""
        return float(self.losses[WAYS.index(way), FEWEST] - self.loss)

    @property
    def measured(self) -> str:
        """What the fewest bits cost."""
        costs = ", ".join(f"{way} {self.cost(way):.3f}" for way in WAYS)
        bits = BITS[-1]
        return (
            f"{self.settings.words}: {bits} bits for weights and activations add to a loss of "
            f"{float(self.loss):.3f}: {costs}"
        )

    def check(self) -> list[Check]:
        """The function stays; outliers go; what that is worth."""
        before, after = (self.peaks[WAYS.index(n), 1] for n in ("planted", "planted + Hadamard"))
        checks = [
            Check(
                "exact",
                "no turn of the stream changes the function (relative)",
                float(self.exact),
                1e-9,
                source=QUAROT,
            ),
            Check(
                "outliers",
                "a Hadamard matrix lowers the peaks of a stream that lies along its coordinates",
                float(after / before) - 1,
                source=QUAROT,
            ),
        ]
        return checks if self.settings.epochs < 3 else [*checks, *self._worth()]

    def _worth(self) -> list[Check]:
        planted = self.cost("planted + Hadamard") / self.cost("planted")
        learned = self.cost("learned") / self.cost("Hadamard")
        plain = self.cost("Hadamard") - self.cost("folded")
        folded, turned = (self.peaks[WAYS.index(n), 1] for n in ("folded", "Hadamard"))
        return [
            Check(
                "rotation",
                "with outliers, a Hadamard matrix takes a quarter off the cost of rounding",
                planted,
                0.75,
                source=QUAROT,
            ),
            Check(
                "learned",
                "a learned turn costs less than a Hadamard matrix",
                learned,
                1,
                source=SPINQUANT,
            ),
            Check(
                "as trained",
                "as it was trained, a Hadamard matrix lowers the cost of rounding",
                plain,
                source=QUAROT,
                finding=_FLAT if folded < 1.1 * turned else "",
            ),
        ]

    def draw(self) -> Mapping[str, Picture]:
        """The loss by bits, and the peaks."""
        bits = [float(BITS[0] - one) for one in BITS]
        losses = [
            Series(name, bits, (row[: len(bits)] - self.loss).tolist(), tone)
            for name, row, tone in zip(WAYS, self.losses, TONES, strict=True)
        ]
        places = [float(k) for k in range(len(WAYS))]
        peaks = [
            Series(name, places, column.tolist(), tone, line=False)
            for name, column, tone in (
                ("weights", self.peaks[:, 0], "blue"),
                ("stream", self.peaks[:, 1], "red"),
            )
        ]
        axes = Axis(f"bits taken from {BITS[0]}"), Axis("added to the loss")
        shown = chart("Rounded weights and activations", *axes, losses)
        order = Axis(", ".join(WAYS), numbers=False)
        flat = chart("Peaks", order, Axis("largest over root mean square"), peaks, width=640)
        return {"quantisation": beside("One function, seven bases", shown, flat)}

    def __str__(self) -> str:
        formats = (f"{w}/{w} bits" if a else f"{w}/- bits" for w, a in FORMATS)
        head = ("basis", "peak: weights", "stream", *formats)
        rows = [
            (way, *(f"{v:.2f}" for v in peaks), *(f"{v:.4f}" for v in losses))
            for way, peaks, losses in zip(
                WAYS, self.peaks.tolist(), self.losses.tolist(), strict=True
            )
        ]
        return table(head, rows)


_FLAT = (
    "a GPT this small, trained this briefly, has no outliers: its peaks are as low before the turn "
    "as after it, so that there is nothing to spread"
)


def perform(bench: Bench, settings: Settings) -> Quantisation:
    """A training, a descent in the group, and the losses of all points."""
    task, trained = settings.task, settings.params(bench)
    symmetry, name = stream_of(task)
    folded = symmetry.canonical(trained)
    turned = [symmetry.act(hadamard_change(symmetry, k), folded) for k in range(settings.turns)]

    def learn() -> Params:
        return _learned(bench, settings, task, symmetry, name, turned)

    learned = bench.step("learned", learn)

    def measure() -> Params:
        whole = symmetry.restrict(lambda space: space.name == name)
        haar = (symmetry.lift(whole.sample(bench.seed + k)) for k in range(settings.turns))
        axes = principal_axes(task.fresh(), symmetry, folded, _seen(task, settings), name)
        planted = symmetry.act(axes.turn(symmetry), folded)
        spread = [symmetry.act(hadamard_change(symmetry, k), planted) for k in range(len(turned))]
        random = [symmetry.act(g, folded) for g in haar]
        points = ([trained], [folded], random, turned, [planted], spread, [learned])
        return _measured(settings, task, trained, dict(zip(WAYS, points, strict=True)), symmetry)

    return Quantisation(settings, **bench.step("measured", measure))


def _seen(task: Task, settings: Settings) -> list[Batch]:
    return list(task.loss(settings.seen, batch=64).batches)


def _learned(
    bench: Bench,
    settings: Settings,
    task: Task,
    symmetry: Symmetry,
    name: str,
    starts: list[Params],
) -> Params:
    """The stream turned by descent of the loss at the fewest bits, from the best of some points.

    SpinQuant steps by Cayley transforms; the group's exponentials do the same here.
    """
    model = quantised(task.fresh(), *FORMATS[FEWEST])
    loss = Loss(model, list(task.loss(batch=32).batches), task.criterion)
    held = Loss(model, _seen(task, settings), task.criterion)
    turns = symmetry.restrict(lambda space: space.name == name).restrict([Motion.TURN])
    start = min(starts, key=held)
    descent = LossDescent(
        loss,
        held,
        Unmoved(),
        settings.descent,
        between=(1.0, 1.0),
        points=(1.0,),
        rate=settings.rate,
    )
    return align(start, to=start, symmetry=turns, method=descent, seed=bench.seed).params


def _measured(
    settings: Settings,
    task: Task,
    trained: Params,
    ways: Mapping[str, list[Params]],
    symmetry: Symmetry,
) -> Params:
    exact = task.loss(test=True)
    rounded = [Loss(quantised(task.fresh(), *f), exact.batches, task.criterion) for f in FORMATS]
    losses = [[_mean(list(map(loss, points))) for loss in rounded] for points in ways.values()]
    seen = _seen(task, settings)
    peaks = [torch.stack([_peaks(task, p, seen) for p in some]).mean(0) for some in ways.values()]
    # float32 rounds what is stored: the same turns, in float64, tell what the group does.
    whole = double(trained)
    moved = [symmetry.act(hadamard_change(symmetry, k), whole) for k in range(settings.turns)]
    return {
        "exact": torch.tensor(max(change(task, whole, one) for one in moved)),
        "loss": torch.tensor(exact(trained)),
        "losses": torch.tensor(losses, dtype=torch.float64),
        "peaks": torch.stack(peaks, 0),
    }


def _mean(numbers: list[float]) -> float:
    return sum(numbers) / len(numbers)


def _peaks(task: Task, params: Params, seen: list[Batch]) -> Tensor:
    """Of the weights of linear layers, and of what the norms hand on."""
    model = task.fresh()
    layers = modules_of(model, kinds=(nn.Linear,))
    weights = [_peak(params[f"{name}.weight"]) for name in layers]
    shown: list[float] = []
    norms = modules_of(model, kinds=(nn.LayerNorm,))
    watch(model, params, seen, norms, lambda _, output: shown.append(_peak(output)))
    return torch.tensor([_mean(weights), _mean(shown)], dtype=torch.float64)


def _peak(rows: Tensor) -> float:
    return float((rows.abs().amax(-1) / rows.square().mean(-1).sqrt()).mean())


quantisation = Experiment(
    "methods.quantisation",
    "Rounded numbers: what a turn of the stream is worth",
    f"{QUAROT}; {SPINQUANT}",
    {
        Scale.SMOKE: Settings(
            "sentences", 16, 1, 16, 400, 40, epochs=1, seen=32, turns=1, descent=4
        ),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(
            width=256, blocks=4, windows=30000, tests=1000, epochs=10, turns=8, descent=2000
        ),
    },
    perform,
    (
        "Round to nearest, a grid for each output and each token; nothing is calibrated.",
        "Planted: the stream in its principal axes, so that its largest direction is a coordinate.",
        "Only the stream is turned; QuaRot also turns heads and hidden activations.",
    ),
)
"""The function does not feel the basis; rounding does."""

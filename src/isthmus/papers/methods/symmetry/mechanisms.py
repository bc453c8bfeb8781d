"""Mechanisms: networks with and without a cue, the lines between them, and how to leave a cue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from isthmus.alignment import align
from isthmus.ground import Params, params_of
from isthmus.landscape import Line, Loss, mechanisms
from isthmus.landscape.mechanistic import ConnectivityFineTuning, activation_switches
from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Axis, Picture, Series, beside, chart
from isthmus.papers.methods.method import Measured, Method
from isthmus.papers.methods.symmetry.cues import CLASSES, Cue, read
from isthmus.papers.methods.symmetry.networks import perceptron_task, permutations, rise
from isthmus.papers.tasks import Task

_SOURCE = "Lubana, Bigelow, Dick, Krueger and Tanaka 2023 (ICML)"

LINES = ("same cue", "no cue", "fine-tuned", "CBFT")
"""From a network that uses the cue: to another such, to one that does not, to two tunings of it."""

INPUTS = ("cue", "no cue", "random cue", "other image")
"""On what losses are measured: as it is, and under three interventions."""


@dataclass(frozen=True)
class Settings:
    """What is trained.

    Attributes:
        data: ``digits`` or ``fashion``.
        widths: Of the hidden layers.
        samples: To train on.
        tests: To test on.
        share: Of the training images, that with the cue.
        epochs: Of each training.
        tuning: Epochs of fine-tuning, on images without the cue.
        points: On every line.
        headline: Whether the training is long enough for the claims about trained networks.
    """

    data: str = "fashion"
    widths: tuple[int, ...] = (128,)
    samples: int = 5000
    tests: int = 1000
    share: float = 0.6
    epochs: int = 6
    tuning: int = 4
    points: int = 11
    headline: bool = True


@dataclass(frozen=True)
class Mechanistic(Measured):
    """Losses and accuracies on lines from a network that uses the cue.

    Attributes:
        settings: What was run.
        losses: ``(lines, inputs, points)``, in the order of `LINES` and `INPUTS`.
        accuracies: ``(lines, inputs, points)``.
        blind: ``(3,)``: how far the losses of a network that does not read the strip change under
            interventions on it, on two lines and at its end: nothing.
        bent: ``(2,)``: the sharpest turn of the outputs on the line from a network to itself with
            its units in another order, and the largest distance of those outputs from their ends.
    """

    settings: Settings
    losses: Tensor = field(metadata={"json": False})
    accuracies: Tensor = field(metadata={"json": False})
    blind: Tensor
    bent: Tensor

    def height(self, line: str, inputs: str = "cue") -> float:
        """The barrier on a line."""
        return float(rise(self.losses[LINES.index(line), INPUTS.index(inputs)]))

    def accuracy(self, line: str, inputs: str) -> float:
        """At the end of a line."""
        return float(self.accuracies[LINES.index(line), INPUTS.index(inputs), -1])

    def reliance(self, line: str) -> float:
        """How many test images the end of a line gets wrong for a random cue alone."""
        return self.accuracy(line, "no cue") - self.accuracy(line, "random cue")

    @property
    def measured(self) -> str:
        """In one line."""
        heights = [f"{self.height(name):.2f}" for name in LINES]
        lost = [f"{self.reliance(name):.0%}" for name in LINES]
        return (
            f"barriers on cued images from a network that uses the cue: {heights[0]} to another, "
            f"{heights[1]} to one that does not; {heights[2]} to its fine-tuning without the cue, "
            f"{heights[3]} to CBFT; a random cue costs these {', '.join(lost)} accuracy"
        )

    def arrays(self) -> Params:
        """All of it."""
        names = ("losses", "accuracies", "blind", "bent")
        return {name: getattr(self, name) for name in names}

    def check(self) -> list[Check]:
        """What is exact; then what the source sees in trained networks."""
        claims = [
            Check(
                "blind",
                "the loss of a network that reads no cue does not change with the cue",
                float(self.blind.max()),
                1e-12,
                source=_SOURCE,
            ),
            Check(
                "activation patterns",
                "units in another order switch, and the line leaves the minimum (Lemma 2)",
                1e-6 - float(self.bent.min()),
                source=f"{_SOURCE}, Lemma 2",
            ),
        ]
        return claims + (self._headline() if self.settings.headline else [])

    def _headline(self) -> list[Check]:
        return [
            Check(
                "dissimilar mechanisms",
                "the barrier to a network of another mechanism is at least twice that to one of "
                "the same, after alignment",
                2 * self.height("same cue") - self.height("no cue"),
                finding="both ends are right on cued images, and so is the aligned line between "
                "them: in these perceptrons mechanisms differ in what is relied on, with no "
                "barrier to show for it",
                source=_SOURCE,
            ),
            Check(
                "fine-tuning",
                "fine-tuning without the cue stays linearly connected and keeps the cue; CBFT is "
                "behind a barrier and uses it less than half as much",
                max(
                    2 * self.reliance("CBFT") - self.reliance("fine-tuned"),
                    2 * self.height("fine-tuned") - self.height("CBFT"),
                ),
                source=_SOURCE,
            ),
        ]

    def draw(self) -> Mapping[str, Picture]:
        """Every line's loss on cued images; accuracies of the ends."""
        ts = torch.linspace(0, 1, self.settings.points).tolist()
        tones = ("teal", "red", "amber", "blue")
        lines = [
            Series(name, ts, self.losses[k, 0].tolist(), tones[k], dots=False)
            for k, name in enumerate(LINES)
        ]
        left = chart("Lines from a network with the cue", Axis("t"), Axis("loss, cued"), lines)
        where = [float(k) for k in range(len(INPUTS))]
        ends = [
            Series(name, where, self.accuracies[k, :, -1].tolist(), tones[k])
            for k, name in enumerate(LINES)
        ]
        words = ", ".join(f"{k} {name}" for k, name in enumerate(INPUTS))
        right = chart("Their ends, on other inputs", Axis(words), Axis("accuracy"), ends)
        return {"mechanisms": beside("Mechanisms and lines", left, right)}

    def __str__(self) -> str:
        rows = [
            [name, f"{self.height(name):.3f}", *(f"{v:.3f}" for v in ends)]
            for name, ends in zip(LINES, self.accuracies[:, :, -1].tolist(), strict=True)
        ]
        return table(("line to", "barrier", *(f"accuracy, {name}" for name in INPUTS)), rows)


def perform(bench: Bench, settings: Settings) -> Mechanistic:
    """A step for each training, and one for what is measured."""
    return Mechanistic(settings, **bench.step("lines", partial(_measured, bench, settings)))


def _measured(bench: Bench, settings: Settings) -> Params:
    plain = perceptron_task(settings.data, settings.widths, settings.samples, settings.tests)
    cue = Cue(seed=bench.seed)
    cued, uncued = (read(plain, cue, settings.share, telling=telling) for telling in (True, False))
    a, same = (cued.trained(bench, bench.seed + k, epochs=settings.epochs) for k in range(2))
    other = uncued.trained(bench, bench.seed + 2, epochs=settings.epochs)
    symmetry = permutations(plain)
    ends = [align(end, to=a, symmetry=symmetry).params for end in (same, other)]
    ends += [_tuned(bench, settings, plain, cue, a, parted=parted) for parted in (False, True)]
    loss = cued.loss(test=True)
    changes = {"no cue": cue.without, "random cue": cue.wrong, "other image": cue.other}
    found = [mechanisms(loss, Line(a, end), changes, settings.points) for end in ends]
    rows = [[one.clean, *one.losses.values()] for one in found]
    hits = [[row["accuracy"] for row in one.metrics.values()] for one in found]
    return {
        "losses": torch.tensor(rows),
        "accuracies": torch.tensor(hits),
        "blind": _blind(loss, cue, a),
        "bent": _bent(
            torch.rand(100, 64, generator=torch.Generator().manual_seed(bench.seed)), bench.seed
        ),
    }


def _tuned(
    bench: Bench, settings: Settings, task: Task, cue: Cue, a: Params, *, parted: bool
) -> Params:
    """``a`` trained on, without the cue: as usual, or by connectivity-based fine-tuning."""

    def work() -> Params:
        model = task.fresh()
        model.load_state_dict(a)
        features = next(n for n, m in model.named_modules() if isinstance(m, torch.nn.ReLU))
        tuning = ConnectivityFineTuning(model, a, features)
        draw = torch.Generator().manual_seed(bench.seed)
        clean, cued = cue.without(task.x), cue.put(task.x, task.y)
        optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
        for _ in range(settings.tuning):
            for rows in torch.split(torch.randperm(len(clean), generator=draw), 64):
                batch = (clean[rows], task.y[rows])
                optimiser.zero_grad()
                if parted:
                    loss = tuning(batch, (cued[rows], task.y[rows]), draw)
                else:
                    loss = task.criterion(model(batch[0]), batch[1])
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
        return params_of(model)

    return bench.step("cbft" if parted else "fine-tuned", work)


def _blind(loss: Loss, cue: Cue, a: Params) -> Tensor:
    """Interventions on the strip, on the line between two networks whose weights for it are 0."""
    first = next(n for n, t in a.items() if t.dim() > 1)
    one = {n: t.clone() for n, t in a.items()}
    one[first][:, :CLASSES] = 0
    two = {n: 0.5 * t for n, t in one.items()}
    found = mechanisms(
        loss, Line(one, two), {"no cue": cue.without, "random cue": cue.wrong}, points=3
    )
    changes = torch.tensor(list(found.reliance.values()), dtype=torch.float64)
    return changes.abs().amax(0)


def _bent(x: Tensor, seed: int) -> Tensor:
    """A network and itself with its units in another order: Lemma 2, and the line's outputs."""
    task = perceptron_task("digits", (8,), 1, 1)
    model = task.fresh(seed)
    symmetry, a = permutations(task), params_of(model)
    b = symmetry.act(symmetry.sample(seed), a)
    hidden, reader = (n.removesuffix(".weight") for n, t in a.items() if t.dim() > 1)
    found = activation_switches(a, b, x, hidden, reader)
    rows = [torch.func.functional_call(model, point, x).detach() for point in (a, Line(a, b)(0.5))]
    return torch.tensor([found.turn, float((rows[1] - rows[0]).abs().max())])


experiment = Experiment(
    "methods.mechanisms",
    "Networks with and without a cue, and the lines between them",
    _SOURCE,
    {
        Scale.SMOKE: Settings(
            "digits", (16,), 300, 100, epochs=1, tuning=1, points=3, headline=False
        ),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(
            widths=(1024, 1024), samples=60000, tests=10000, epochs=20, tuning=20
        ),
    },
    perform,
    (
        "The source trains residual networks on CIFAR-10; perceptrons and the cue are ours.",
        "The spread of t in the fine-tuning loss is not known; 0.25 is ours.",
    ),
)
"""What networks rely on, seen by taking it away."""

METHODS = (
    Method(
        "Mechanistic mode connectivity",
        _SOURCE,
        "`isthmus.mechanisms`, `isthmus.activation_switches`",
        "minima of different mechanisms are not linearly connected; lines between interpolating "
        "networks keep the activation patterns",
        experiment,
    ),
    Method(
        "Connectivity-based fine-tuning (CBFT)",
        _SOURCE,
        "`isthmus.ConnectivityFineTuning`",
        "reports that fine-tuning keeps a cue, which CBFT removes",
        experiment,
    ),
)

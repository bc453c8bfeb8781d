"""REPAIR and RESCALE: the middle of two aligned networks without norms, ever deeper."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from isthmus.ground import Params, double
from isthmus.merging import Renormalise, merge
from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Axis, Picture, Series, chart
from isthmus.papers.methods.merging.networks import accuracy, aligned_pair, percent
from isthmus.papers.methods.method import Measured
from isthmus.papers.tasks import Task, image_perceptron
from isthmus.testing.datasets import batches

_SOURCE = "Jordan, Sedghi, Saukh, Entezari and Neyshabur 2023, REPAIR (ICLR)"
KINDS = ("ends", "unaligned", "aligned", "RESCALE", "REPAIR")
_TONES = ("grey", "amber", "blue", "purple", "teal")


@dataclass(frozen=True)
class Settings:
    """Perceptrons of equal hidden layers, two for each depth.

    Attributes:
        fashion: On Fashion-MNIST; else on digits.
        depths: Hidden layers.
        width: Units of each.
        samples: For training; ``tests`` for accuracies.
        epochs: Of each training.
        learned: Whether that is enough for the claims on accuracies.
    """

    fashion: bool = True
    depths: tuple[int, ...] = (2, 4, 6)
    width: int = 96
    samples: int = 5000
    tests: int = 2000
    epochs: int = 15
    learned: bool = True

    def task(self, depth: int) -> Task:
        """The network of this depth with its data."""
        return image_perceptron(self.fashion, *[self.width] * depth).fewer(self.samples, self.tests)


@dataclass(frozen=True)
class Repaired(Measured):
    """Test accuracies in the middle.

    Attributes:
        settings: What was run.
        accuracies: ``(depths, 5)``, in the order of `KINDS`; of the ends, their mean.
        off: By how much moments of repaired hidden units miss the mean of those of the ends,
            relative to the largest: for RESCALE (deviations) and REPAIR (means too).
    """

    settings: Settings
    accuracies: Tensor = field(metadata={"json": False})
    off: Tensor

    def arrays(self) -> Params:
        """All of it."""
        return {"accuracies": self.accuracies, "off": self.off}

    @property
    def measured(self) -> str:
        """The deepest."""
        of = dict(zip(KINDS, self.accuracies[-1].tolist(), strict=True))
        return (
            f"{self.settings.depths[-1]} hidden layers, test accuracy of the aligned middle "
            f"{percent(of['aligned'])}; RESCALE {percent(of['RESCALE'])}, "
            f"REPAIR {percent(of['REPAIR'])} (ends {percent(of['ends'])})"
        )

    def check(self) -> list[Check]:
        """Moments are exact; the repair helps where the network is deep."""
        exact = [
            Check(
                f"moments, {name}",
                f"in float64, {what} of every hidden unit after {name} the mean of the ends'",
                float(off),
                1e-9,
                source=_SOURCE,
            )
            for name, what, off in zip(
                ("RESCALE", "REPAIR"),
                ("the deviation is", "mean and deviation are"),
                self.off,
                strict=True,
            )
        ]
        if not self.settings.learned:
            return exact
        ends, _, aligned, *repaired = self.accuracies.T
        claim = "on the mean, {} regains a {} of the accuracy that the aligned middles lack"
        gains = [float((one - aligned).sum() / (ends - aligned).sum()) for one in repaired]
        return [
            *exact,
            *(
                Check(name, claim.format(name, word), share - gain, source=_SOURCE)
                for name, word, share, gain in zip(
                    KINDS[3:], ("tenth", "quarter"), (0.1, 0.25), gains, strict=True
                )
            ),
        ]

    def draw(self) -> Mapping[str, Picture]:
        """Accuracy by depth."""
        depths = [float(d) for d in self.settings.depths]
        lines = [
            Series(kind, depths, self.accuracies[:, k].tolist(), tone)
            for k, (kind, tone) in enumerate(zip(KINDS, _TONES, strict=True))
        ]
        title = "The middle of two networks without norms"
        return {"repair": chart(title, Axis("hidden layers"), Axis("test accuracy"), lines)}

    def __str__(self) -> str:
        rows = [
            [str(depth), *map(percent, row)]
            for depth, row in zip(self.settings.depths, self.accuracies.tolist(), strict=True)
        ]
        return table(("hidden layers", *KINDS), rows)


def perform(bench: Bench, settings: Settings) -> Repaired:
    """For each depth two trainings, an alignment, and one step with all that is measured."""
    found = []
    for number, depth in enumerate(settings.depths):
        bench.tell(f"{depth} hidden layers", number, len(settings.depths))
        task = settings.task(depth)
        ends = aligned_pair(bench, task, epochs=settings.epochs, name=f"depth{depth}")
        found.append(bench.step(f"depth{depth}-repaired", lambda t=task, e=ends: _middles(t, *e)))  # type: ignore[misc]
    accuracies = torch.stack([one["accuracies"] for one in found])
    return Repaired(settings, accuracies, torch.stack([one["off"] for one in found]).amax(0))


def _middles(task: Task, a: Params, b: Params, moved: Params) -> Params:
    """Accuracies of all middles, and how exact the repairs are."""
    model, shown = task.fresh(), batches(task.x, task.y, 1000)
    ends = (a, moved)
    rescaled, repaired = (Renormalise(model, shown, ends, shift=s) for s in (False, True))
    middles = [
        merge([a, b]),
        merge(ends),
        merge(ends, repair=rescaled),
        merge(ends, repair=repaired),
    ]
    both = (accuracy(task, a) + accuracy(task, b)) / 2
    return {
        "accuracies": torch.tensor([both, *(accuracy(task, one) for one in middles)]),
        "off": torch.tensor(_off(task, *ends)),
    }


def _off(task: Task, a: Params, b: Params) -> tuple[float, float]:
    """How far RESCALE and REPAIR are from what they set, on some samples in float64."""
    x = task.x[:500].double()
    model, ends = task.fresh().double(), (double(a), double(b))
    off = []
    for shift in (False, True):
        repair = Renormalise(model, [(x, None)], ends, shift=shift)
        one, two, middle = (_moments(model, p, x) for p in (*ends, merge(ends, repair=repair)))
        wanted = (one + two) / 2
        kept = slice(None) if shift else slice(1, None)
        off.append(float((middle - wanted)[kept].abs().max() / wanted.abs().max()))
    return off[0], off[1]


def _moments(model: torch.nn.Module, params: Params, x: Tensor) -> Tensor:
    """Means and deviations of all hidden units before their activation, ``(2, units)``."""
    model.load_state_dict(params)
    found = []
    with torch.no_grad():
        layers = list(model.children())
        for layer in layers[:-1]:
            x = layer(x)
            if isinstance(layer, torch.nn.Linear):
                found.append(torch.stack([x.mean(0), x.std(0, correction=0)]))
    return torch.cat(found, 1)


repair = Experiment(
    "methods.repair",
    "The middle of two networks without norms, before and after REPAIR",
    _SOURCE,
    {
        Scale.SMOKE: Settings(False, (1, 3), 24, 400, 200, epochs=2, learned=False),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(depths=(1, 3, 5, 7, 9), width=512, samples=60000, tests=10000),
    },
    perform,
    ("The source's networks are convolutional, on CIFAR-10 and ImageNet.",),
)
"""The deeper the network, the more of the middle's accuracy is variance that was lost."""

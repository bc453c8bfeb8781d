"""Federated training: FedAvg, with alignment, and with connectivity to earlier common models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from isthmus.discovery import discover
from isthmus.ground import Params, double, params_of
from isthmus.merging import LocalTraining, label_skewed
from isthmus.merging import federated as train_together
from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Axis, Picture, Series, chart
from isthmus.papers.methods.merging.networks import accuracy, apart, percent
from isthmus.papers.methods.method import Measured
from isthmus.papers.tasks import Task, image_perceptron
from isthmus.testing.datasets import batches

_SOURCE = "Li et al. 2024, FedGuCci; McMahan et al. 2017, FedAvg"
KINDS = ("FedAvg", "FedAvg, aligned", "FedAvg, longer steps", "FedGuCci")
_TONES = ("grey", "blue", "amber", "teal")


@dataclass(frozen=True)
class Settings:
    """Clients that see few classes each, and rounds of local training.

    Attributes:
        fashion: On Fashion-MNIST; else on digits.
        width: Of both hidden layers.
        samples: Of all clients; ``tests`` for accuracies.
        clients: How many.
        alpha: Concentration of `label_skewed`: how evenly classes are spread.
        rounds: How many.
        epochs: Passes of a client over its data in a round.
        lr: Step size of plain gradient descent.
        beta: Of the `ConnectivityPenalty`; ``anchors`` how many earlier models it connects to.
        learned: Whether that is enough for the claims on accuracies.
    """

    fashion: bool = True
    width: int = 64
    samples: int = 2500
    tests: int = 2000
    clients: int = 5
    alpha: float = 0.3
    rounds: int = 6
    epochs: int = 2
    lr: float = 0.1
    beta: float = 0.5
    anchors: int = 2
    learned: bool = True

    @property
    def task(self) -> Task:
        """The network with its data."""
        return image_perceptron(self.fashion, self.width, self.width).fewer(
            self.samples, self.tests
        )

    def local(self, kind: int) -> LocalTraining:
        """How clients train; the penalty has ``E α β = β/2`` times the gradient of a loss."""
        if kind == KINDS.index("FedGuCci"):
            return LocalTraining(self.epochs, self.lr, beta=self.beta, anchors=self.anchors)
        longer = kind == KINDS.index("FedAvg, longer steps")
        return LocalTraining(self.epochs, self.lr * (1 + self.beta / 2 * longer))


@dataclass(frozen=True)
class Rounds(Measured):
    """Test accuracy of the common model after each round.

    Attributes:
        settings: What was run.
        accuracies: ``(4, rounds)``, in the order of `KINDS`.
        drift: ``(4, rounds)``: how far clients move from the common model, on the mean.
        spread: ``(4, rounds)``: how far they end from their mean.
        samples: Of each client.
        off: By how much a round of one client differs from plain descent, relative, in float64.
    """

    settings: Settings
    accuracies: Tensor = field(metadata={"json": False})
    drift: Tensor = field(metadata={"json": False})
    spread: Tensor = field(metadata={"json": False})
    samples: Tensor
    off: Tensor

    def arrays(self) -> Params:
        """All tensors."""
        names = ("accuracies", "drift", "spread", "samples", "off")
        return {name: getattr(self, name) for name in names}

    @property
    def measured(self) -> str:
        """After the last round."""
        last = ", ".join(
            f"{kind} {percent(float(row[-1]))}"
            for kind, row in zip(KINDS, self.accuracies, strict=True)
        )
        return f"accuracy after {self.accuracies.shape[1]} rounds of {len(self.samples)}: {last}"

    def check(self) -> list[Check]:
        """One client is plain descent; every sample counts once; then the accuracies."""
        exact = [
            Check(
                "one client",
                "a round of one client is plain gradient descent (float64)",
                float(self.off),
                1e-12,
                source="McMahan et al. 2017",
            ),
            Check(
                "samples",
                "every sample is with one client",
                abs(int(self.samples.sum()) - len(self.settings.task.x)),
            ),
        ]
        if not self.settings.learned:
            return exact
        plain, aligned, longer, connected = (float(row[-1]) for row in self.accuracies)
        return [
            *exact,
            Check(
                "learns",
                "after the last round FedAvg is right on 60% of the test images",
                0.6 - plain,
                source="McMahan et al. 2017",
            ),
            Check(
                "connectivity",
                "after the last round FedGuCci is at least as accurate as FedAvg",
                plain - connected,
                finding="few rounds of a small network: the penalty also holds clients back",
                source="Li et al. 2024",
            ),
            Check(
                "more than longer steps",
                "so it is against FedAvg with steps as long as the penalty makes them, 1 + β/2",
                longer - connected,
                finding="what the penalty adds here is the length of its gradient",
            ),
            Check(
                "alignment",
                "alignment costs no accuracy (to a point): clients that began together need none",
                plain - aligned,
                0.01,
            ),
        ]

    def draw(self) -> Mapping[str, Picture]:
        """Accuracy by round."""
        rounds = [float(k + 1) for k in range(self.accuracies.shape[1])]
        lines = [
            Series(kind, rounds, row.tolist(), tone)
            for kind, tone, row in zip(KINDS, _TONES, self.accuracies, strict=True)
        ]
        title = "Clients that see few classes each"
        return {"federated": chart(title, Axis("round"), Axis("test accuracy"), lines)}

    def __str__(self) -> str:
        rows = [
            [
                kind,
                *map(percent, (row[0], row[len(row) // 2], row[-1])),
                f"{drift:.3f}",
                f"{spread:.3f}",
            ]
            for kind, row, drift, spread in zip(
                KINDS,
                self.accuracies.tolist(),
                self.drift[:, -1].tolist(),
                self.spread[:, -1].tolist(),
                strict=True,
            )
        ]
        return table(("", "first round", "halfway", "last", "drift", "spread"), rows)


def perform(bench: Bench, settings: Settings) -> Rounds:
    """A step for each way of training, and one for the identity."""
    parts = []
    for k, kind in enumerate(KINDS):
        bench.tell(kind, k, len(KINDS))
        parts.append(bench.step(f"rounds-{k}", partial(_rounds, settings, k, bench.seed)))
    stacked = {n: torch.stack([one[n] for one in parts]) for n in ("accuracies", "drift", "spread")}
    off = bench.step("one-client", lambda: {"off": torch.tensor(_one_client(settings.task))})["off"]
    return Rounds(settings, samples=parts[0]["samples"], off=off, **stacked)


def _rounds(settings: Settings, kind: int, seed: int) -> Params:
    return trained_together(settings, settings.local(kind), seed, aligned="aligned" in KINDS[kind])


def trained_together(
    settings: Settings, local: LocalTraining, seed: int, *, aligned: bool = False
) -> Params:
    """Accuracies, drift and spread by round, and the samples of each client."""
    task = settings.task
    model = task.fresh(seed)
    parts = label_skewed(task.y, settings.clients, settings.alpha, seed)
    clients = [batches(task.x[part], task.y[part], 50) for part in parts]
    right: list[float] = []
    found = train_together(
        model,
        clients,
        task.criterion,
        settings.rounds,
        local,
        symmetry=discover(model, task.x[:1]) if aligned else None,
        seed=seed,
        after_round=lambda _, params: right.append(accuracy(task, params)),
    )
    return {
        "accuracies": torch.tensor(right),
        "drift": torch.tensor(found.drift),
        "spread": torch.tensor(found.spread),
        "samples": torch.tensor(found.samples),
    }


def _one_client(task: Task) -> float:
    """Against a loop of plain gradient descent."""
    shown = batches(task.x[:100].double(), task.y[:100], 25)
    model = task.fresh().double()
    found = train_together(model, [shown], task.criterion, 1, LocalTraining(lr=0.1)).params
    params = {n: t.requires_grad_() for n, t in double(params_of(model)).items()}
    for x, y in shown:
        value = task.criterion(torch.func.functional_call(model, params, (x,)), y)
        slopes = torch.autograd.grad(value, list(params.values()))
        params = {
            n: (t - 0.1 * g).detach().requires_grad_()
            for (n, t), g in zip(params.items(), slopes, strict=True)
        }
    return apart(found, {n: t.detach() for n, t in params.items()})


federated = Experiment(
    "methods.federated",
    "Federated rounds on uneven clients: FedAvg, with alignment, with connectivity",
    _SOURCE,
    {
        Scale.SMOKE: Settings(False, 16, 300, 200, 2, 1.0, 2, 1, learned=False),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(
            width=256, samples=60000, tests=10000, clients=20, rounds=50, anchors=5
        ),
    },
    perform,
    ("Without the source's logit calibration and sharpness term; batches keep their order.",),
)
"""A penalty on the lines to earlier common models, in place of a pull towards them."""

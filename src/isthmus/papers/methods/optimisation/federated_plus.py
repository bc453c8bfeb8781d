"""FedGuCci+: connectivity, calibrated logits and sharpness-aware steps, each alone and together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from isthmus.ground import Params, double, params_of
from isthmus.merging import LocalTraining, LogitCalibration, SharpnessAware
from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Axis, Picture, Series, chart
from isthmus.papers.methods.merging.federated import Settings as Clients
from isthmus.papers.methods.merging.federated import trained_together
from isthmus.papers.methods.merging.networks import apart, percent
from isthmus.papers.methods.method import Measured, Method
from isthmus.papers.tasks import Task

_SOURCE = "Li et al. 2024, FedGuCci+; Zhang et al. 2022, FedLC; Foret et al. 2021, SAM"
KINDS = ("FedAvg", "FedAvg + calibration", "FedAvg + SAM", "FedGuCci", "FedGuCci+")
_TONES = ("grey", "purple", "amber", "blue", "teal")


@dataclass(frozen=True)
class Settings(Clients):
    """As those of ``methods.federated``, and what is added.

    Attributes:
        calibration: τ of the calibrated logits.
        rho: ρ of the sharpness-aware steps.
        seeds: Trainings of each kind; each has its own clients.
    """

    calibration: float = 1.0
    rho: float = 0.05
    seeds: int = 2

    def options(self, kind: str) -> LocalTraining:
        """How clients train."""
        found = LocalTraining(self.epochs, self.lr, anchors=self.anchors)
        if "GuCci" in kind:
            found = replace(found, beta=self.beta)
        if "calibration" in kind or kind.endswith("+"):
            found = replace(found, calibration=self.calibration)
        if "SAM" in kind or kind.endswith("+"):
            found = replace(found, rho=self.rho)
        return found


@dataclass(frozen=True)
class Plus(Measured):
    """Test accuracies of the common model after each round.

    Attributes:
        settings: What was run.
        accuracies: ``(5, seeds, rounds)``, in the order of `KINDS`.
        spread: ``(5, seeds, rounds)``: how far clients end from their mean.
        off: Relative, in float64: how far a sharpness-aware step is from one made by hand; how far
            the calibrated loss of equally frequent classes is from the plain one; and how far the
            calibrated loss is from its formula.
    """

    settings: Settings
    accuracies: Tensor = field(metadata={"json": False})
    spread: Tensor = field(metadata={"json": False})
    off: Tensor

    def arrays(self) -> Params:
        """All tensors."""
        return {"accuracies": self.accuracies, "spread": self.spread, "off": self.off}

    @property
    def last(self) -> dict[str, float]:
        """The mean accuracy after the last round, by kind."""
        return dict(zip(KINDS, self.accuracies[..., -1].mean(1).tolist(), strict=True))

    @property
    def measured(self) -> str:
        """After the last round."""
        rows = ", ".join(f"{kind} {percent(right)}" for kind, right in self.last.items())
        return f"accuracy after {self.settings.rounds} rounds of {self.settings.clients}: {rows}"

    def check(self) -> list[Check]:
        """The parts are their formulas; then the accuracies."""
        exact = [
            Check(name, claim, float(off), 1e-12, source=source)
            for (name, claim, source), off in zip(_EXACT, self.off, strict=True)
        ]
        if not self.settings.learned:
            return exact
        last = self.last
        return [
            *exact,
            Check(
                "FedGuCci+",
                "after the last round FedGuCci+ is at least as accurate as FedAvg",
                last["FedAvg"] - last["FedGuCci+"],
                finding=_LATER,
                source="Li et al. 2024",
            ),
            Check(
                "more than FedGuCci",
                "so it is against FedGuCci",
                last["FedGuCci"] - last["FedGuCci+"],
                finding=_MORE,
                source="Li et al. 2024",
            ),
        ]

    def draw(self) -> Mapping[str, Picture]:
        """Accuracy by round."""
        rounds = [float(k + 1) for k in range(self.settings.rounds)]
        lines = [
            Series(kind, rounds, row.tolist(), tone)
            for kind, tone, row in zip(KINDS, _TONES, self.accuracies.mean(1), strict=True)
        ]
        title = "Clients that see few classes each: what FedGuCci+ adds"
        return {"federated_plus": chart(title, Axis("round"), Axis("test accuracy"), lines)}

    def __str__(self) -> str:
        rows = [
            [kind, *map(percent, (row[0], row[-1])), f"{float(spread):.3f}"]
            for kind, row, spread in zip(
                KINDS, self.accuracies.mean(1).tolist(), self.spread[..., -1].mean(1), strict=True
            )
        ]
        return table(("", "first round", "last", "spread"), rows)


_EXACT = (
    ("SAM", "a step is that of the gradient at w + ρ g/|g|, made at w (float64)", "Foret 2021"),
    ("equal classes", "among equally frequent classes calibration changes nothing", "Zhang 2022"),
    ("calibration", "the calibrated loss is -log of n-weighted softmax terms", "Zhang 2022"),
)
_LATER = (
    "calibration slows the first rounds, as clients hardly train the logits of classes that they "
    "lack; tried with 18 rounds it comes as far as FedAvg, to half a point"
)
_MORE = f"{_LATER}, and FedGuCci stays ahead of both"


def perform(bench: Bench, settings: Settings) -> Plus:
    """A step for each way of training and seed, and one for the identities."""
    found = []
    for k, kind in enumerate(KINDS):
        bench.tell(kind, k, len(KINDS))
        for seed in range(bench.seed, bench.seed + settings.seeds):
            work = partial(trained_together, settings, settings.options(kind), seed)
            found.append(bench.step(f"rounds-{k}-{seed}", work))
    shape = (len(KINDS), settings.seeds, settings.rounds)
    accuracies, spread = (
        torch.stack([one[name] for one in found]).view(shape) for name in ("accuracies", "spread")
    )
    off = bench.step("exact", lambda: {"off": torch.tensor(_exact(settings.task))})["off"]
    return Plus(settings, accuracies, spread, off)


def _exact(task: Task, rho: float = 0.05, tau: float = 1.5) -> list[float]:
    """What `Plus.off` holds."""
    x, y = task.x[:40].double(), task.y[:40]
    model = task.fresh().double()
    start = double(params_of(model))
    steps = SharpnessAware(torch.optim.SGD(model.parameters(), lr=0.1), rho)

    def closure() -> Tensor:
        steps.optimiser.zero_grad()
        loss = task.criterion(model(x), y)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    steps.step(closure)
    moved = params_of(model)

    def slope(params: Params) -> Params:
        value = torch.func.grad(
            lambda w: task.criterion(torch.func.functional_call(model, w, (x,)), y)
        )
        found: Params = value(params)
        return found

    first = slope(start)
    length = float(torch.cat([g.flatten() for g in first.values()]).norm())
    second = slope({n: start[n] + rho / length * g for n, g in first.items()})
    by_hand = {n: start[n] - 0.1 * g for n, g in second.items()}
    logits = torch.func.functional_call(model, start, (x,)).detach()
    plain = float(task.criterion(logits, y))
    equal = LogitCalibration(cross_entropy, torch.full((logits.shape[-1],), 7), tau)
    counts = torch.arange(1, logits.shape[-1] + 1)
    terms = logits.exp() * (-tau * counts.double() ** -0.25).exp()
    formula = -(terms[torch.arange(len(y)), y] / terms.sum(1)).log().mean()
    calibrated = float(LogitCalibration(cross_entropy, counts, tau)(logits, y))
    return [
        apart(moved, by_hand),
        abs(float(equal(logits, y)) / plain - 1),
        abs(calibrated / float(formula) - 1),
    ]


federated_plus = Experiment(
    "methods.federated_plus",
    "What FedGuCci+ adds to connectivity: calibrated logits and sharpness-aware steps",
    _SOURCE,
    {
        Scale.SMOKE: Settings(False, 16, 300, 200, 2, 1.0, 2, 1, learned=False, seeds=1),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(
            width=256, samples=60000, tests=10000, clients=20, rounds=50, anchors=5, seeds=3
        ),
    },
    perform,
    (
        "Of the source only the abstract was read: τ, ρ and how the parts meet are ours.",
        "The calibrated loss is also that of the lines to earlier common models.",
    ),
)
"""The three parts of FedGuCci+, each alone and together."""

METHODS: tuple[Method, ...] = (
    Method(
        "FedGuCci+",
        "Li et al. 2024",
        "`isthmus.LogitCalibration`, `isthmus.SharpnessAware`, `isthmus.federated` with "
        "`LocalTraining(beta=..., calibration=..., rho=...)`",
        "calibrated logits and sharpness-aware steps add to what connectivity to earlier models "
        "gives",
        federated_plus,
    ),
)
"""What is measured here."""

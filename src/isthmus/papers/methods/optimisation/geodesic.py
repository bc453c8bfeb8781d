"""Fisher-Rao geodesics: chains of networks whose functions change as little as they can."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from isthmus.alignment import align
from isthmus.ground import Params
from isthmus.landscape import FisherRao, Line, Training, bend, function_length
from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.methods.connectivity.ways import Networks, Ways, along, ordered
from isthmus.papers.methods.method import Method
from isthmus.papers.methods.optimisation.families import families

TAN = "Tan et al. 2023"
NAMES = ("line", "geodesic", "aligned line", "aligned geodesic")
FAMILIES = ("Bernoulli", "three classes", "Gaussians")


@dataclass(frozen=True)
class Settings(Networks):
    """Two networks, and the chains between them.

    Attributes:
        bends: Images of a chain.
        steps: Of its training, of 128 samples.
        rate: Its step size at first.
        links: Images of the chains in families of distributions, and ``links_steps`` of training.
        fine: Points at which lengths are summed up there.
    """

    bends: int = 7
    steps: int = 1200
    rate: float = 1e-3
    links: int = 9
    links_steps: int = 1800
    fine: int = 400

    def distributions(self) -> Params:
        """What is known in closed form."""
        return families(self.links, self.links_steps, self.fine)


@dataclass(frozen=True)
class Geodesic(Ways):
    """Losses on lines and chains, and the lengths of the ways that functions make.

    Attributes:
        settings: What was run.
        lengths: In the order of `NAMES`: on the training inputs, by `function_length`.
        floor: ``(1,)``: the Fisher-Rao distance of the two networks' outputs, input by input, which
            no way between them can undercut.
        energies: ``(2, segments)``: symmetrised KL between consecutive models, of the line and the
            chain, not aligned.
        divergence: ``(1,)``: how far `jeffreys` of Bernoulli distributions is from its formula,
            ``(p - q) (logit p - logit q)``, relative.
        families: ``(3, 3)``: by family in `FAMILIES`, the length of the straight line, of the
            trained chain, and the distance in closed form.
    """

    title = "Lines, and chains that are geodesics between functions"

    settings: Settings
    lengths: Tensor
    floor: Tensor
    energies: Tensor = field(metadata={"json": False})
    divergence: Tensor
    families: Tensor

    def arrays(self) -> Params:
        """All of it."""
        names = ("lengths", "floor", "energies", "divergence", "families")
        return {**super().arrays(), **{name: getattr(self, name) for name in names}}

    def check(self) -> list[Check]:
        """Closed forms; then lengths and barriers between networks."""
        line, chain, true = self.families.T
        found = [
            Check(
                "divergence",
                "the symmetrised KL of Bernoulli distributions is (p-q)(logit p - logit q)",
                float(self.divergence),
                1e-12,
                source=TAN,
            ),
            Check(
                "one parameter",
                "in a family of one parameter every way has the length of the closed form: the "
                "line (Bernoulli), relative",
                float((line[0] / true[0] - 1).abs()),
                1e-4,
                source=TAN,
            ),
            Check(
                "closed forms",
                "a chain between distributions is as long as the closed form says (relative; of "
                "three classes and of Gaussians)",
                float((chain / true - 1).abs().max()),
                5e-3,
                source=TAN,
            ),
            Check(
                "shorter",
                "there the straight line is longer than the chain, by a hundredth at least",
                1.01 - float((line / chain)[1:].min()),
            ),
            Check(
                "floor",
                "no way is shorter than the distance of the outputs, input by input",
                float(self.floor - self.lengths.min()),
            ),
            Check(
                "energy",
                "the sum of symmetrised KL between consecutive models is less than on the line",
                float(self.energies[1].sum() / self.energies[0].sum()) - 1,
                source=TAN,
            ),
        ]
        return found + (self._headline() if self.settings.fashion else [])

    def _headline(self) -> list[Check]:
        lengths = dict(zip(NAMES, self.lengths.tolist(), strict=True))
        pairs = (("line", "geodesic"), ("aligned line", "aligned geodesic"))
        return [
            Check(
                "length",
                "between networks the chain is shorter than the line, aligned or not",
                max(lengths[chain] / lengths[line] for line, chain in pairs) - 1,
                source=TAN,
            ),
            *(
                Check(
                    name,
                    f"the barrier on the {way} is below that on the {line}",
                    self.height(way) - self.height(line),
                    source=TAN,
                )
                for name, (line, way) in zip(("barrier", "barrier, aligned"), pairs, strict=True)
            ),
        ]

    @property
    def measured(self) -> str:
        """Lengths and barriers."""
        ways = ", ".join(
            f"{name} {length:.2f} (barrier {self.height(name):.3f})"
            for name, length in zip(NAMES, self.lengths.tolist(), strict=True)
        )
        return (
            f"{self.settings}: Fisher-Rao length {ways}; of at least {float(self.floor):.2f}; "
            f"energy {float(self.energies[1].sum() / self.energies[0].sum()):.0%} of the line's"
        )


def perform(bench: Bench, settings: Settings) -> Geodesic:
    """Two trainings, chains in families of distributions, and chains between the networks."""
    a, b = settings.trained(bench, 2)
    known = bench.step("families", settings.distributions)
    bench.tell("chains", 1, 2)
    found = bench.step("chains", partial(_chains, settings, a, b, bench.seed))
    return Geodesic(
        ordered(found, NAMES),
        settings,
        found["lengths"],
        found["floor"],
        found["energies"],
        known["divergence"],
        known["lengths"],
    )


def _chains(settings: Settings, a: Params, b: Params, seed: int) -> Params:
    task = settings.task()
    loss, seen = task.loss(batch=128), task.loss(1000)
    moved = align(b, to=a, symmetry=settings.symmetry()).params
    training = Training(lambda tensors: torch.optim.Adam(tensors, lr=settings.rate))
    shape = FisherRao(settings.bends)
    lines = [Line(a, end) for end in (b, moved)]
    chains = [bend(line, loss, shape, settings.steps, seed, training) for line in lines]
    ways = dict(zip(NAMES, (lines[0], chains[0], lines[1], chains[1]), strict=True))
    count = 8 * (settings.bends + 1) + 1
    lengths = [function_length(way, seen, count) for way in ways.values()]
    parts = settings.bends + 1
    energies = [
        [
            function_length(lambda t, k=k, way=way: way((k + t) / parts), seen, 2) ** 2  # type: ignore[misc]
            for k in range(parts)
        ]
        for way in (lines[0], chains[0])
    ]
    ends = function_length(lines[0], seen, 2, _distance)
    return {
        **along(task.loss(test=True), ways, settings.points),
        "lengths": torch.tensor(lengths),
        "floor": torch.tensor([ends]),
        "energies": torch.tensor(energies),
    }


def _distance(first: Tensor, second: Tensor) -> Tensor:
    """The mean square of the Fisher-Rao distance of outputs: ``2 arccos Σ √(p q)`` of each."""
    halves = [0.5 * one.double().log_softmax(-1) for one in (first, second)]
    cosine = (halves[0] + halves[1]).exp().sum(-1)
    found: Tensor = (2 * cosine.clamp(max=1).arccos()).square().mean()
    return found


geodesic = Experiment(
    "methods.geodesic",
    "Geodesics between functions, by the symmetrised KL of consecutive models",
    TAN,
    {
        Scale.SMOKE: Settings.small(
            epochs=6, bends=2, steps=40, links=5, links_steps=420, fine=100
        ),
        Scale.QUICK: Settings(hidden=(48, 48), points=17),
        Scale.PAPER: Settings(
            hidden=(512, 512), samples=60000, tests=10000, epochs=20, bends=15, steps=20000
        ),
    },
    perform,
    ("The networks are ours; of the source only the objective is known.",),
)
"""The distance between consecutive models is measured on their outputs."""

METHODS: tuple[Method, ...] = (
    Method(
        "Geodesic mode connectivity",
        TAN,
        "`isthmus.bend` with `FisherRao`; `isthmus.function_length`",
        "Reports that paths of least symmetrised KL between consecutive models are of low loss",
        geodesic,
    ),
)
"""What is measured here."""

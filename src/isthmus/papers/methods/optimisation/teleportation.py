"""Teleportation: what one move along the orbit does, beside Newton's direction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from isthmus.discovery import discover
from isthmus.ground import Params, double, params_of
from isthmus.landscape import Flattest, Loss, Steepest, teleport
from isthmus.landscape.dynamics.charges import Pairing
from isthmus.landscape.dynamics.slopes import gradient
from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Axis, Picture, Series, chart
from isthmus.papers.methods.method import Measured, Method
from isthmus.papers.methods.optimisation.moves import changed, descent, length, slope, trace
from isthmus.papers.methods.optimisation.quadratic import Bowl, hyperbola, off_parallel
from isthmus.papers.tasks import Task, image_perceptron

FIRST = "Zhao, Dehmamy, Walters and Yu 2022, NeurIPS"
SECOND = "Zhao, Gower, Walters and Yu 2024, ICLR"
STARTS = ("as it is", "steeper", "flatter")
_TONES = ("grey", "teal", "amber")


@dataclass(frozen=True)
class Settings:
    """What is moved, and trained.

    Attributes:
        fashion: On Fashion-MNIST; else on digits.
        width: Of both hidden layers.
        samples: That the loss is over.
        moves: Steps on the group, of at most 0.1 in every log-scale.
        descent: Steps of gradient descent on all samples.
        rate: Their size.
        size: Of the quadratic bowl; ``condition`` is the ratio of its eigenvalues.
        learned: Whether that is enough for the claim about training.
    """

    fashion: bool = True
    width: int = 64
    samples: int = 1000
    moves: int = 10
    descent: int = 120
    rate: float = 0.05
    size: int = 6
    condition: float = 100.0
    learned: bool = True

    @property
    def task(self) -> Task:
        """The network with its data."""
        return image_perceptron(self.fashion, self.width, self.width).fewer(self.samples, 10)


@dataclass(frozen=True)
class Teleported(Measured):
    """Figures of moves and of descent from where they lead.

    Attributes:
        settings: What was run.
        losses: ``(3, descent + 1)``: training losses from the starts in `STARTS`.
        figures: ``(2, 2)``: the length of the gradient before and after the steeper move, and the
            estimated trace of the Hessian before and after the flatter one.
        kept: The largest changes of the outputs by both moves, relative, in float64.
        slope: How far ``-⟨∇L, ξ ∇L⟩`` is from the slope of ``½‖∇L‖²`` along ``exp(εξ)``, relative.
        parallel: ``1 - |cos|`` of the gradient and Newton's direction: in the bowl as it is,
            teleported, and teleported with Newton's direction damped; on the hyperbola before and
            after.
        steps: Of descent in the bowl to a millionth of the loss: at the best constant step size,
            and after a teleport.
    """

    settings: Settings
    losses: Tensor = field(metadata={"json": False})
    figures: Tensor
    kept: Tensor
    slope: Tensor
    parallel: Tensor
    steps: Tensor

    def arrays(self) -> Params:
        """All tensors."""
        names = ("losses", "figures", "kept", "slope", "parallel", "steps")
        return {name: getattr(self, name) for name in names}

    @property
    def measured(self) -> str:
        """Figures of the moves, and of descent."""
        (before, after), (sharp, flat) = self.figures.tolist()
        plain, steeper, _ = self.losses[:, -1].tolist()
        one, other = self.steps.tolist()
        return (
            f"one move makes the gradient {after / before:.1f} times as long (outputs kept to "
            f"{float(self.kept.max()):.0e}), another takes the Hessian's trace from {sharp:.0f} to "
            f"{flat:.0f}; loss after {self.settings.descent} equal steps {steeper:.3f}, without "
            f"{plain:.3f}; in a bowl of condition {self.settings.condition:g} the teleported "
            f"gradient is Newton's direction to {float(self.parallel[1]):.0e}: {other} step in "
            f"place of {one}"
        )

    def check(self) -> list[Check]:
        """The move keeps the function; a bowl's teleport is Newton's step; descent is faster."""
        bowl, moved, damped, before, after = self.parallel.tolist()
        (short, long), (sharp, flat) = self.figures.tolist()
        found = [
            Check(
                "same function",
                "no move changes the outputs (relative, float64)",
                float(self.kept.max()),
                1e-9,
                source=FIRST,
            ),
            Check(
                "slope",
                "along exp(εξ) the slope of ½|∇L|² is -⟨∇L, ξ ∇L⟩ (relative, by differences)",
                float(self.slope),
                1e-6,
                source=FIRST,
            ),
            Check("steeper", "the steeper move makes the gradient longer", short - long),
            Check(
                "flatter",
                "the flatter move takes the Hessian's trace down",
                flat - sharp,
                source=SECOND,
            ),
            Check(
                "Newton",
                "where orbits are level sets, the gradient at the teleport's end is Newton's "
                "direction (1 - cos)",
                moved,
                1e-9,
                source=SECOND,
            ),
            Check("damped Newton", "and that of damped Newton", damped, 1e-9, source=SECOND),
            Check("not before", "before it is not (1 - cos over a tenth)", 0.1 - bowl),
            Check(
                "two factors",
                "so on the hyperbola of (uv - c)², where the slope along the orbit ends "
                f"(1 - cos; before {before:.2f})",
                after,
                1e-6,
                source=SECOND,
            ),
            Check(
                "steps",
                "in the bowl descent needs one step after the teleport",
                float(self.steps[1]) - 1,
                source=SECOND,
            ),
        ]
        if not self.settings.learned:
            return found
        plain, steeper, _ = self.losses[:, -1].tolist()
        return [
            *found,
            Check(
                "training",
                "after as many equal steps the loss is lower from the steeper start",
                steeper - plain,
                source=FIRST,
            ),
        ]

    def draw(self) -> Mapping[str, Picture]:
        """Training losses from the three starts."""
        steps = [float(k) for k in range(self.losses.shape[1])]
        lines = [
            Series(name, steps, row.tolist(), tone, dots=False)
            for name, tone, row in zip(STARTS, _TONES, self.losses, strict=True)
        ]
        title = "Gradient descent from three points of one orbit"
        return {"teleportation": chart(title, Axis("step"), Axis("training loss"), lines)}

    def __str__(self) -> str:
        rows = [
            [name, *(f"{float(row[k]):.4f}" for k in (0, len(row) // 2, -1))]
            for name, row in zip(STARTS, self.losses, strict=True)
        ]
        return table(("start", "loss", "halfway", "last"), rows)


def perform(bench: Bench, settings: Settings) -> Teleported:
    """A step for the network, and one for the bowl."""
    network = bench.step("network", lambda: _network(settings, bench.seed))
    bench.tell("bowl", 1, 2)
    return Teleported(
        settings, **network, **bench.step("bowl", lambda: _bowl(settings, bench.seed))
    )


def _network(settings: Settings, seed: int) -> Params:
    task = settings.task
    model = task.fresh(seed).double()
    x, y = task.x.double(), task.y
    loss, start = Loss(model, [(x, y)], task.criterion), double(params_of(model))
    symmetry = discover(model, x[:1], gauge="asis")
    moves = [
        teleport(start, loss, symmetry, objective, settings.moves)
        for objective in (Steepest(), Flattest(probes=16))
    ]
    lengths = [length(gradient(loss, p, start)) for p in (start, moves[0].params)]
    traces = [trace(loss, point, symmetry) for point in (start, moves[1].params)]
    starts = (start, *(move.params for move in moves))
    return {
        "losses": torch.stack(
            [descent(loss, one, settings.descent, settings.rate) for one in starts]
        ),
        "figures": torch.tensor([lengths, traces], dtype=torch.float64),
        "kept": torch.tensor([changed(model, x, start, m.params) for m in moves]).double(),
        "slope": torch.tensor(slope(loss, start, Pairing(symmetry, start))),
    }


def _bowl(settings: Settings, seed: int) -> Params:
    bowl = Bowl.drawn(settings.condition, settings.size, seed)
    draw = torch.Generator().manual_seed(seed + 1)
    start = bowl.vectors @ torch.randn(settings.size, generator=draw, dtype=torch.float64)
    there = bowl.teleported(start, 400)
    matrix = bowl.matrix()
    off = [off_parallel(matrix @ w, bowl.newton(w)) for w in (start, there)]
    off.append(off_parallel(matrix @ there, bowl.newton(there, damping=0.3)))
    low, high = float(bowl.values.min()), float(bowl.values.max())
    steps = [
        bowl.descent(start, 2 / (low + high), 1e-6),
        bowl.descent(there, 1 / high, 1e-6),
    ]
    return {
        "parallel": torch.tensor([*off, *hyperbola(3.0, 0.2, 200)], dtype=torch.float64),
        "steps": torch.tensor(steps),
    }


teleportation = Experiment(
    "methods.teleportation",
    "One teleport: a longer gradient, a flatter point, and Newton's direction",
    f"{FIRST}; {SECOND}",
    {
        Scale.SMOKE: Settings(False, 12, 60, 3, 5, learned=False),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(width=512, samples=10000, descent=2000, size=50),
    },
    perform,
    (
        (
            "Trainings with repeated moves, each at its best step size, are measured in "
            "zhao2025.teleportation."
        ),
        "The group of the bowl is written down, not discovered: it is no symmetry of a network.",
    ),
)
"""What one move does."""

METHODS: tuple[Method, ...] = (
    Method(
        "Teleportation",
        FIRST,
        "`isthmus.teleport` with `Steepest`",
        "A move along the orbit to the largest gradient makes descent faster",
        teleportation,
    ),
    Method(
        "Teleportation to flat points",
        SECOND,
        "`isthmus.teleport` with `Flattest`",
        "A single teleport is like a step of damped Newton where the orbit is the level set; "
        "targets of curvature generalise better",
        teleportation,
    ),
)
"""What is measured here."""

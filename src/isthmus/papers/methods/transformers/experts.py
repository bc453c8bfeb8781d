"""Mixtures of experts: their group, and how much of a barrier the order of experts is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor
from torch.func import functional_call

from isthmus.algebra import Element, Space, Symmetry
from isthmus.alignment import align
from isthmus.discovery import discover, verify
from isthmus.ground import Params, params_of
from isthmus.landscape import Line
from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Picture, beside, chart
from isthmus.papers.figures.chart import Axis
from isthmus.papers.methods.connectivity.ways import along, drawn_lines, rise
from isthmus.papers.methods.method import Measured
from isthmus.papers.methods.transformers.networks import mixture_gpt
from isthmus.papers.tasks import Task
from isthmus.testing.zoo import randomise

TRAN = "Tran et al. 2025"
GATES: Mapping[str, int | None] = {"dense": None, "top 2": 2}
"""Kinds of gates whose mixtures are aligned: how many experts count."""
WAYS = ("as they are", "order alone", "units alone", "whole group")


@dataclass(frozen=True)
class Settings:
    """A GPT whose blocks hold mixtures, and copies of it that learn these anew.

    Attributes:
        text: Name of the data set.
        width: Of the stream and of each expert; so ``blocks``.
        experts: In each mixture.
        context: Characters in a window.
        windows: Training windows; so ``tests``.
        epochs: Of each training, with Adam at a rate of 0.003.
        copies: Networks that are aligned to one more.
        points: On every line.
    """

    text: str = "tinyshakespeare"
    width: int = 32
    blocks: int = 1
    experts: int = 4
    context: int = 32
    windows: int = 4000
    tests: int = 200
    epochs: int = 3
    copies: int = 2
    points: int = 11

    def task(self, chosen: int | None, *, frozen: bool = False) -> Task:
        """The network and its data; ``frozen``, only mixtures learn."""
        sizes = (self.context, self.width, self.blocks, self.experts, chosen)
        return mixture_gpt(self.text, *sizes, frozen=frozen).fewer(self.windows, self.tests)


@dataclass(frozen=True)
class Experts(Measured):
    """Losses on lines between networks whose mixtures were learned apart.

    Attributes:
        settings: What was run.
        off: What `_LAWS` claim: relative changes of outputs.
        broken: The change when the numbers of the gate are doubled and two experts count.
        losses: By gate, ``(ways, points)``: the test loss, the mean over copies.
    """

    settings: Settings
    off: Tensor
    broken: Tensor
    losses: Mapping[str, Tensor] = field(metadata={"json": False})

    def arrays(self) -> Params:
        """All tensors."""
        lines = {name.replace(" ", "-"): rows for name, rows in self.losses.items()}
        return {"off": self.off, "broken": self.broken, **lines}

    def heights(self, gate: str) -> dict[str, float]:
        """The barriers of the mean loss."""
        return {way: rise(row) for way, row in zip(WAYS, self.losses[gate], strict=True)}

    @property
    def measured(self) -> str:
        """Barriers of both gates."""
        s = self.settings
        words = "; ".join(
            f"{gate}: " + ", ".join(f"{way} {height:.3f}" for way, height in heights.items())
            for gate, heights in ((gate, self.heights(gate)) for gate in self.losses)
        )
        return (
            f"{s.experts} experts of width {s.width}, learned anew on a frozen GPT, {s.windows} "
            f"windows of {s.text}: barrier of the test loss, {words}"
        )

    def check(self) -> list[Check]:
        """The group; what is none; and what the order of experts is worth."""
        checks = [
            Check(name, claim, float(off), 1e-9, source=TRAN)
            for (name, claim), off in zip(_LAWS, self.off, strict=True)
        ]
        claim = "but not where two count: outputs change by more than a thousandth"
        checks.append(Check("no scale of two", claim, 1e-3 - float(self.broken), source=TRAN))
        if self.settings.epochs < 3:
            return checks
        for gate in self.losses:
            naive, order, units, whole = self.heights(gate).values()
            claim = f"{gate}: order and units together leave less than half of the barrier"
            checks.append(Check(f"whole, {gate}", claim, whole / naive, 0.5, source=TRAN))
            claim = f"{gate}: without the order of experts, a third more is left at least"
            checks.append(Check(f"order, {gate}", claim, whole / units, 0.75, source=TRAN))
            claim = f"{gate}: without the units of experts, a third more is left at least"
            checks.append(Check(f"units, {gate}", claim, whole / order, 0.75))
        return checks

    def draw(self) -> Mapping[str, Picture]:
        """Losses on all lines."""
        panels = [
            chart(
                f"Gate: {gate}",
                Axis("t"),
                Axis("test loss"),
                drawn_lines(dict(zip(WAYS, rows, strict=True))),
            )
            for gate, rows in self.losses.items()
        ]
        return {"experts": beside("Mixtures learned apart", *panels)}

    def __str__(self) -> str:
        rows = [
            (gate, way, f"{height:.4f}")
            for gate in self.losses
            for way, height in self.heights(gate).items()
        ]
        return table(("gate", "way", "barrier"), rows)


_LAWS = (
    ("dense", "elements of the group of a dense mixture leave the function alone (relative)"),
    ("top 2", "so do those where two experts count"),
    ("top 1", "so do those where one counts"),
    ("shift", "a vector and a number added to all rows of the gate change nothing"),
    ("scale of one", "a positive scale of the gate changes nothing where one expert counts"),
    ("planted", "a random order of experts and units is undone (distance, relative)"),
)


def perform(bench: Bench, settings: Settings) -> Experts:
    """The laws; for each gate a base, copies, and a step for the lines."""
    laws = bench.step("laws", lambda: _laws(bench, settings))
    losses = {}
    for gate, chosen in GATES.items():
        task, frozen = settings.task(chosen), settings.task(chosen, frozen=True)
        base = task.trained(bench, bench.seed, epochs=settings.epochs, lr=3e-3)
        copies = []
        for k in range(bench.seed + 1, bench.seed + settings.copies + 2):
            fresh = params_of(task.fresh(k))
            start = {n: fresh[n] if "mixture" in n else t for n, t in base.items()}
            copies.append(frozen.trained(bench, k, epochs=settings.epochs, lr=3e-3, start=start))
        work = partial(_lines, bench, settings, task, copies)
        losses[gate] = bench.step(f"lines-{chosen or 'dense'}", work)["losses"]
    return Experts(settings, laws["off"], laws["broken"], losses)


def mixtures(symmetry: Symmetry) -> Symmetry:
    """The subgroup that moves mixtures alone."""

    def inside(space: Space) -> bool:
        return all("mixture" in name for name, _, _ in symmetry.occurrences(space.name))

    return symmetry.restrict(inside)


def orders(symmetry: Symmetry) -> tuple[str, ...]:
    """The spaces of experts: those that index units of a mixture."""
    outer = {name for space in symmetry.spaces.values() for name in space.over}
    return tuple(name for name in symmetry.spaces if name in outer and "mixture" in name)


def _lines(bench: Bench, settings: Settings, task: Task, copies: list[Params]) -> Params:
    symmetry, loss = mixtures(discover(task.fresh(), task.x[:1])), task.loss(test=True)
    units = symmetry.restrict(lambda space: space.name not in orders(symmetry))
    home, found = copies[0], []
    for other in copies[1:]:
        whole = align(other, to=home, symmetry=symmetry, seed=bench.seed)
        known = {name: whole.element.values[name] for name in orders(symmetry)}
        order = Element(symmetry, {**symmetry.identity().values, **known})
        alone = align(other, to=home, symmetry=units, seed=bench.seed)
        moved = (other, symmetry.act(order, other), alone.params, whole.params)
        lines = {way: Line(home, one) for way, one in zip(WAYS, moved, strict=True)}
        losses = along(loss, lines, settings.points)
        found.append(torch.stack([losses[way][0] for way in WAYS]))
    return {"losses": torch.stack(found).mean(0)}


def _laws(bench: Bench, settings: Settings) -> Params:
    off = []
    for chosen in (None, 2, 1):
        task = settings.task(chosen)
        symmetry = discover(task.fresh(), task.x[:1])
        found = verify(symmetry, task.fresh(), task.x[:2], samples=3, seed=bench.seed)
        off.append(float(found.evidence["relative_error"]))
    for chosen, law in ((2, _shifted), (1, _doubled)):
        off.append(_changed(bench, settings, chosen, law))
    broken = _changed(bench, settings, 2, _doubled)
    off.append(_undone(bench, settings))
    return {"off": torch.tensor(off), "broken": torch.tensor(broken)}


def _changed(
    bench: Bench, settings: Settings, chosen: int, law: Callable[[Tensor], Tensor]
) -> float:
    """How much a change of the gate changes outputs, in float64."""
    task = settings.task(chosen)
    model = randomise(task.fresh(), bench.seed).double()
    params = params_of(model)
    moved = {n: law(t) if ".gate." in n else t for n, t in params.items()}
    with torch.no_grad():
        old, new = (functional_call(model, one, (task.x[:4],)) for one in (params, moved))
    return float((new - old).abs().max() / old.abs().max())


def _shifted(gate: Tensor) -> Tensor:
    return gate + torch.linspace(-1, 1, gate[0].numel(), dtype=gate.dtype).reshape(gate[0].shape)


def _doubled(gate: Tensor) -> Tensor:
    return 2 * gate


def _undone(bench: Bench, settings: Settings) -> float:
    """How far a network is from itself, relative, after a random element was undone."""
    task = settings.task(2)
    params = params_of(randomise(task.fresh(), bench.seed).double())
    symmetry = mixtures(discover(task.fresh(), task.x[:1]))
    moved = symmetry.act(symmetry.sample(bench.seed), params)
    fit = align(moved, to=params, symmetry=symmetry)
    return fit.after / fit.before


experts = Experiment(
    "methods.experts",
    "Mixtures of experts: the order of experts, and that of their units",
    TRAN,
    {
        Scale.SMOKE: Settings("sentences", 12, 1, 3, 16, 300, 20, epochs=1, copies=1, points=3),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(
            width=128, blocks=2, experts=8, windows=30000, tests=1000, epochs=10, copies=5
        ),
    },
    perform,
    ("As in the source, all but the mixtures is shared by the networks and frozen.",),
)
"""Experts are found in any order."""

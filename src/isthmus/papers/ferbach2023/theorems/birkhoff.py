"""Lemma B.3: between layers of equally many neurons, optimal transport is the best permutation."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from isthmus.discovery import discover
from isthmus.ground import MissingExtra, Params
from isthmus.ground.assignment import assignment
from isthmus.papers.bench import Bench, Check, Experiment, Findings, Scale
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Axis, Picture, Series, beside, chart
from isthmus.papers.tasks import Task, digits_perceptron, fashion_perceptron
from isthmus.transport import neurons, unit_spaces

_SOURCE = "Ferbach, Goujaud, Gidel and Dieuleveut 2024, Lemma B.3"
ORDERS = (1.0, 2.0, 3.0)
"""p of the costs ``|w - w'|^p``."""

_TONES = ("teal", "amber", "purple")
_FEW = 6
"""Neurons of which all permutations are tried."""


@dataclass(frozen=True)
class Settings:
    """Two networks, at random weights and trained; all of their hidden layers."""

    digits: bool = False
    hidden: tuple[int, ...] = (256, 256)
    samples: int = 6000
    epochs: int = 2
    tries: int = 20
    steps: tuple[int, ...] = (0, 1, 2, 4, 8, 16, 32, 64, 128)


@dataclass(frozen=True)
class Birkhoff(Findings):
    """Costs of transport and of permutations, for random and trained networks.

    Attributes:
        settings: What was run.
        costs: ``(2, layers, orders, 2)``: the mean cost of the best permutation, and what the
            network simplex of POT finds among all plans.
        split: ``(2, layers, orders)``: how far an entry of that plan is from both 0 and 1 / N, in
            units of 1 / N.
        exhaustive: ``(2, layers, orders, 2)``: of the first few neurons, the best of all
            permutations and POT's cost.
        wrong: ``(2, layers, steps)``: the cost (p = 2) after so many random exchanges, over that
            of the best permutation; the least of all tries, but 1 where nothing is exchanged.
        weighed: ``(2, layers)``: the most partners that a neuron has in the optimal plan where
            neurons have unequal masses.
    """

    settings: Settings
    costs: Tensor = field(metadata={"json": False})
    split: Tensor = field(metadata={"json": False})
    exhaustive: Tensor = field(metadata={"json": False})
    wrong: Tensor = field(metadata={"json": False})
    weighed: Tensor = field(metadata={"json": False})

    def arrays(self) -> Params:
        """All of it."""
        names = ("costs", "split", "exhaustive", "wrong", "weighed")
        return {name: getattr(self, name) for name in names}

    def check(self) -> list[Check]:
        """The lemma, that its optimum is one, and that equal masses are needed."""
        claims = {
            "equal": ("the best permutation costs what optimal transport does", self.costs),
            "exhaustive": (
                f"so does the best of all {_FEW}! permutations of the first {_FEW} neurons",
                self.exhaustive,
            ),
        }
        found = [
            Check(name, f"{claim} (relative, all layers, p = 1, 2, 3)", _apart(values), 1e-9)
            for name, (claim, values) in claims.items()
        ]
        extreme = "every entry of the plan of the network simplex is 0 or 1 / N"
        worse = "every permutation that we spoiled by exchanges costs more"
        least = float(self.wrong[..., 1:].min())
        masses = "with neurons of unequal mass some neuron has more than one partner"
        partners = 2 - float(self.weighed.min())
        return [
            *found,
            Check("extreme point", extreme, float(self.split.max()), 1e-9, source=_SOURCE),
            Check("wrong permutations", f"{worse} (least: {least:.5f} times)", 1 - least, -1e-9),
            Check("unequal masses", masses, partners, source="the hypothesis of the lemma"),
        ]

    def draw(self) -> Mapping[str, Picture]:
        """How the cost grows away from the best permutation."""
        panels = [
            chart(
                f"{word} networks",
                Axis("exchanges of two neurons", log=True),
                Axis("cost over optimal transport"),
                [
                    Series(f"layer {k + 1}", self.settings.steps, values.tolist(), _TONES[k % 3])
                    for k, values in enumerate(self.wrong[number])
                ],
                width=420,
            )
            for number, word in enumerate(("random", "trained"))
        ]
        return {"birkhoff": beside("The best permutation costs what transport does", *panels)}

    def __str__(self) -> str:
        rows = [
            [f"{word}, layer {layer + 1}, p = {order:g}", *(f"{v:.9g}" for v in pair.tolist())]
            for word, layers in zip(("random", "trained"), self.costs, strict=True)
            for layer, pairs in enumerate(layers)
            for order, pair in zip(ORDERS, pairs, strict=True)
        ]
        return table(("cost", "best permutation", "optimal transport"), rows)


def _apart(costs: Tensor) -> float:
    return float(((costs[..., 0] - costs[..., 1]).abs() / costs[..., 1]).max())


def perform(bench: Bench, settings: Settings) -> Birkhoff:
    """Two networks at the start and after training; a step for what is measured of each pair."""
    make = digits_perceptron if settings.digits else fashion_perceptron
    task = make(*settings.hidden).fewer(settings.samples)
    parts = []
    for trained in (False, True):
        work = partial(_measured, bench, settings, task, trained)
        parts.append(bench.step("trained" if trained else "random", work))
    return Birkhoff(settings, **{n: torch.stack([part[n] for part in parts]) for n in parts[0]})


def _measured(bench: Bench, settings: Settings, task: Task, trained: bool) -> Params:
    epochs = settings.epochs if trained else 0
    names = [f"network-{which}-{epochs}" for which in "ab"]
    seeds = (2 * bench.seed, 2 * bench.seed + 1)
    a, b = (
        task.trained(bench, seed, epochs=epochs, name=name)
        for seed, name in zip(seeds, names, strict=True)
    )
    symmetry = discover(task.fresh(), task.x[:2])
    generator = torch.Generator().manual_seed(bench.seed)
    layers = []
    for space in unit_spaces(symmetry):
        one, two = (neurons(params, symmetry, space).atoms for params in (a, b))
        layers.append(_layer(one, two, settings, generator))
    return {name: torch.stack([layer[name] for layer in layers]) for name in layers[0]}


def _layer(one: Tensor, two: Tensor, settings: Settings, generator: torch.Generator) -> Params:
    """What is measured between the neurons of two layers."""
    far = torch.cdist(one, two, compute_mode="donot_use_mm_for_euclid_dist")
    plans = [_transport(far**p) for p in ORDERS]
    few = far[:_FEW, :_FEW]
    unequal = torch.linspace(0.5, 1.5, len(far), dtype=torch.float64) / len(far)
    partners = _plan(far**2, unequal, unequal.roll(1)) > 0
    found = {
        "costs": [(_permuted(far**p), plan[0]) for p, plan in zip(ORDERS, plans, strict=True)],
        "split": [plan[1] for plan in plans],
        "exhaustive": [(_every(few**p), _transport(few**p)[0]) for p in ORDERS],
        "wrong": _spoiled(far**2, settings, generator),
        "weighed": int(partners.sum(1).max()),
    }
    return {name: torch.tensor(value, dtype=torch.float64) for name, value in found.items()}


def _permuted(cost: Tensor) -> float:
    rows = torch.arange(len(cost))
    return float(cost[rows, assignment(cost)].mean())


def _every(cost: Tensor) -> float:
    """The least mean over all permutations, one by one."""
    orders = torch.tensor(list(itertools.permutations(range(len(cost)))))
    return float(cost[torch.arange(len(cost)), orders].mean(1).min())


def _plan(cost: Tensor, one: Tensor, two: Tensor) -> Tensor:
    """The optimal plan, by the network simplex: it knows nothing of permutations."""
    try:
        import ot
    except ImportError:
        raise MissingExtra(
            "optimal transport that knows nothing of permutations needs POT",
            "install it with `pip install isthmus[transport]`",
        ) from None
    return torch.as_tensor(ot.emd(one.numpy(), two.numpy(), cost.numpy(), numItermax=10_000_000))


def _transport(cost: Tensor) -> tuple[float, float]:
    """The cost of optimal transport between equal masses, and how far its plan splits them."""
    n = len(cost)
    uniform = torch.full((n,), 1 / n, dtype=torch.float64)
    plan = _plan(cost, uniform, uniform)
    split = torch.minimum(plan.abs(), (plan - 1 / n).abs()).max() * n
    return float((plan * cost).sum()), float(split)


def _spoiled(cost: Tensor, settings: Settings, generator: torch.Generator) -> list[float]:
    """The least cost of permutations that are so many exchanges from the best, over its cost."""
    best, rows = assignment(cost), torch.arange(len(cost))
    whole, least = float(cost[rows, best].mean()), []
    for count in settings.steps:
        tries = []
        for _ in range(settings.tries):
            order = best.clone()
            for _ in range(count):
                pair = torch.randperm(len(order), generator=generator)[:2]
                order[pair] = order[pair.flip(0)]
            moved = not torch.equal(order, best)
            tries.append(float(cost[rows, order].mean()) if moved or not count else torch.inf)
        least.append(min(tries) / whole)
    return least


birkhoff = Experiment(
    "ferbach2023.birkhoff",
    "Optimal transport between layers is the best permutation",
    _SOURCE,
    {
        Scale.SMOKE: Settings(True, (24, 16), 500, 2, 5, (0, 1, 4, 16)),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(hidden=(512, 512, 512), samples=60000, epochs=10),
    },
    perform,
    (
        "The lemma was read in a note of it (mathematics.md 2.1), not as displayed in the paper.",
        "The paper proves it; networks and data are ours. Neurons are rows of weights and biases.",
        "Transport is POT's network simplex, which is not told that the masses are equal.",
    ),
)
"""The cost of optimal transport per layer, against the assignment and against all permutations."""

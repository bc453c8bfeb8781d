"""Sections 4 and 5.1: how many components minima have, and permutations that join them.

Propositions 4.1, 4.3 and 5.2 and Lemma 5.1, each held against random minima: the labels that draws
reach are counted, paths are built and their losses measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from isthmus.ground import Params
from isthmus.papers.bench import Bench, Check, Experiment, Findings, Scale
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Drawn
from isthmus.papers.zhao2025.networks import normal
from isthmus.topology import LinearMinimum, ResidualMinimum, connect_minima

_SOURCE = "Zhao, Dehmamy, Walters and Yu 2025, Propositions 4.1, 4.3 and 5.2"
FLAT = 1e-20
"""How far above zero, relative to ``‖Y‖²``, a loss in double precision may be."""


@dataclass(frozen=True)
class Settings:
    """How much is drawn.

    Attributes:
        width: The largest h of ``h x h`` weights.
        depth: The largest number of layers.
        draws: Random minima of each network, whose labels are counted.
        pairs: Pairs of them that are connected.
    """

    width: int = 3
    depth: int = 4
    draws: int = 200
    pairs: int = 20


@dataclass(frozen=True)
class Counted(Findings):
    """What was found, one row a network.

    Attributes:
        settings: What was run.
        linear: h, layers, components by formula, labels reached, pairs in one component, pairs made
            so by permutations.
        residual: n, weights under the skip, components by formula, labels reached.
        losses: The largest loss, over ``‖Y‖²``, on paths as they are, and after permutations.
        left: Of random permutations in the printed convention, the share that leave the minimum;
            of those in ours, the largest loss.
    """

    settings: Settings
    linear: Tensor = field(metadata={"json": False})
    residual: Tensor = field(metadata={"json": False})
    losses: Tensor
    left: Tensor

    def arrays(self) -> Params:
        """All of it."""
        names = ("linear", "residual", "losses", "left")
        return {name: getattr(self, name) for name in names}

    def check(self) -> list[Check]:
        """Counts, paths, permutations."""
        wide = self.linear[self.linear[:, 0] > 1]
        joined = float((wide[:, 4] + wide[:, 5] - self.settings.pairs).abs().max())
        return [
            Check(
                "linear",
                f"of {len(self.linear)} linear networks each has as many components as 2^(l - 1)",
                float((self.linear[:, 2] - self.linear[:, 3]).abs().max()),
                source="Proposition 4.1",
            ),
            Check(
                "skip",
                "with a skip connection there are 3 in one dimension and 2 in more",
                float((self.residual[:, 2] - self.residual[:, 3]).abs().max()),
                source="Proposition 4.3; for n ≥ 2 and more weights our own proof",
            ),
            Check(
                "paths",
                "minima of one label are joined by a path of no loss",
                float(self.losses[0]),
                FLAT,
                source="Proposition 4.1",
            ),
            Check(
                "permutations",
                "where h ≥ 2 permutations make all other pairs so, and keep the loss",
                max(joined, float(self.losses[1]) / FLAT - 1),
                source="Proposition 5.2",
            ),
            Check(
                "convention",
                "permutations as printed stay in the minimum",
                float(self.left[0]),
                0.0,
                "They are written for row vectors; (P₁ W₁, P₂ W₂ P₁⁻¹, ...) stays (erratum E4).",
                source="Proposition 5.2",
            ),
            Check("our convention", "in ours they do", float(self.left[1]), FLAT, source="E4"),
        ]

    def draw(self) -> Mapping[str, Drawn]:
        """None."""
        return {}

    def __str__(self) -> str:
        linear = [
            [f"{h} x {h}, {depth} layers", *map(str, rest)]
            for h, depth, *rest in self.linear.int().tolist()
        ]
        residual = [
            [f"n = {n}, {k} under the skip", *map(str, rest), "", ""]
            for n, k, *rest in self.residual.int().tolist()
        ]
        head = ("network", "components", "labels reached", "pairs in one", "pairs permuted")
        return table(head, [*linear, *residual])


def perform(bench: Bench, settings: Settings) -> Counted:
    """A step for each part."""
    linear = bench.step("linear", lambda: _linear(bench, settings))
    residual = bench.step("residual", lambda: _residual(bench, settings))
    left = bench.step("convention", lambda: _convention(bench, settings))
    return Counted(settings, linear["rows"], residual["rows"], linear["losses"], left["left"])


def _linear(bench: Bench, settings: Settings) -> Params:
    generator = torch.Generator().manual_seed(bench.seed)
    rows: list[list[int]] = []
    losses = torch.zeros(2, dtype=torch.float64)
    for h in range(1, settings.width + 1):
        for depth in range(2, settings.depth + 1):
            bench.tell(f"{h} x {h}, {depth} layers", len(rows), settings.width * settings.depth)
            x, y = normal(generator, h, h), normal(generator, h, h)
            minimum = LinearMinimum({f"{k}.weight": (h, h) for k in range(depth)}, x, y)
            labels = {
                minimum.label(random_minimum(generator, minimum)) for _ in range(settings.draws)
            }
            same = permuted = 0
            for _ in range(settings.pairs):
                a, b = (random_minimum(generator, minimum) for _ in range(2))
                found = connect_minima(a, b, minimum)
                for route in found.routes:
                    worst = float(route.certificates[0].evidence["largest"])
                    if route.how in ("as they are", "units permuted"):
                        kind = int(route.how != "as they are")
                        losses[kind] = max(float(losses[kind]), worst)
                        same, permuted = same + (kind == 0), permuted + kind
            rows.append([h, depth, 2 ** (depth - 1), len(labels), same, permuted])
    return {"rows": torch.tensor(rows), "losses": losses}


def random_minimum(generator: torch.Generator, minimum: LinearMinimum) -> Params:
    """A random minimum: random weights, and the last that makes up for them."""
    weights = [normal(generator, *shape) for shape in list(minimum.layers.values())[:-1]]
    before = minimum.inputs.mT
    for weight in weights:
        before = weight @ before
    weights.append(torch.linalg.solve(before, minimum.targets.mT, left=False))
    return dict(zip(minimum.layers, weights, strict=True))


def _residual(bench: Bench, settings: Settings) -> Params:
    generator = torch.Generator().manual_seed(bench.seed + 1)
    rows = []
    for n in (1, 2, 3):
        for factors in (2, 3):
            x, y = normal(generator, n, n), normal(generator, n, n)
            names = [[f"{k}.weight" for k in range(factors)]]
            minimum = ResidualMinimum(names, "head", x, y)
            labels = set()
            for _ in range(2 * settings.draws):
                params = {m: 1.5 * normal(generator, n, n) for m in names[0]}
                product = torch.eye(n, dtype=torch.float64)
                for weight in params.values():
                    product = weight @ product
                hidden = (product + torch.eye(n, dtype=torch.float64)) @ x.mT
                params["head"] = torch.linalg.solve(hidden, y.mT, left=False)
                labels.add(minimum.label(params, 1e-9))
            expected = 1 + 2 ** (factors - 1) if n == 1 else 2
            rows.append([n, factors, expected, len(labels)])
    return {"rows": torch.tensor(rows)}


def _convention(bench: Bench, settings: Settings) -> Params:
    """The share that leaves the minimum as printed, and the largest loss in our convention."""
    generator = torch.Generator().manual_seed(bench.seed + 2)
    left, worst = 0, 0.0
    for _ in range(settings.draws):
        x = normal(generator, 4, 4)
        one, two, three = (normal(generator, 4, 4) for _ in range(3))
        orders = (torch.randperm(4, generator=generator) for _ in range(2))
        p, q = (torch.eye(4, dtype=torch.float64)[order] for order in orders)
        y = three @ two @ one @ x
        printed = (q.mT @ three) @ (p.mT @ two @ q) @ (one @ p) @ x
        ours = (three @ q.mT) @ (q @ two @ p.mT) @ (p @ one) @ x
        left += int((printed - y).square().sum() > 1e-9 * y.square().sum())
        worst = max(worst, float((ours - y).square().sum() / y.square().sum()))
    return {"left": torch.tensor([left / settings.draws, worst], dtype=torch.float64)}


components = Experiment(
    "zhao2025.components",
    "Components of minima: counted, connected, joined by permutations",
    _SOURCE,
    {
        Scale.SMOKE: Settings(2, 3, 60, 4),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(4, 5, 200, 50),
    },
    perform,
    ("The paper has no such experiment: these are its statements, run.",),
)
"""2^(l - 1) components without a skip connection, 3 or 2 with one."""

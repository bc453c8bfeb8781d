"""Lemma 5.1 and Proposition 5.2: group elements and permutations that join components.

The minimum of a linear network with square weights has 2^(l-1) components, told apart by signs of
determinants. An element of negative determinant leads from one to another; so does an odd
permutation, so that up to permutations the minimum is connected, where there are two units or more.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from isthmus.ground import Params
from isthmus.landscape import AbstractPath, Line
from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Axis, Picture, Series, beside, chart
from isthmus.papers.zhao2025.components import random_minimum
from isthmus.papers.zhao2025.networks import normal
from isthmus.papers.zhao2025.seen import Seen, gathered
from isthmus.topology import LinearMinimum
from isthmus.topology.parity import sign_of

_SOURCE = "Zhao, Dehmamy, Walters and Yu 2025, Lemma 5.1 and Proposition 5.2"
FLAT = 1e-18
"""How far above zero, relative to ``‖Y‖²``, a loss in double precision may be."""


@dataclass(frozen=True)
class Settings:
    """What is drawn.

    Attributes:
        draws: Group elements for the lemma.
        shapes: h and l: all ``h!^(l-1)`` permutations of each network are tried.
        pairs: Of minima of each network.
        points: On the paths that are drawn.
    """

    draws: int = 200
    shapes: tuple[tuple[int, int], ...] = ((1, 2), (1, 3), (2, 2), (2, 3), (2, 4), (3, 2), (3, 3))
    pairs: int = 6
    points: int = 41


class Joined(Seen):
    """What was measured, by name: see the functions of this file."""

    settings: Settings

    def check(self) -> list[Check]:
        """The lemma; which permutations join; in which convention; where there is one unit."""
        several = torch.tensor([h > 1 for h, _ in self.settings.shapes])
        expected = torch.tensor([2.0 ** (1 - depth) for _, depth in self.settings.shapes])
        share, named = self.seen["share"], self.seen["named"]
        return [
            Check(
                "lemma",
                "g maps one component to the other just where det g < 0",
                float(self.seen["flipped"]),
                source="Lemma 5.1, E18",
            ),
            Check(
                "connected",
                "with h ≥ 2 the permutations of the proof join every pair",
                1 - float(named[several].min()),
                source="Proposition 5.2",
            ),
            Check(
                "all of them",
                "of all permutations just the share 2^(1-l) does: those of the right parities",
                float((share[several] - expected[several, None]).abs().max()),
                1e-12,
                source="our own count",
            ),
            Check(
                "one unit",
                "with h = 1 none joins minima of other signs: two units are needed",
                float(self.seen["alone"]),
                source="Proposition 5.2: its hypothesis",
            ),
            Check(
                "paths",
                "the path to the permuted minimum has no loss",
                float(self.seen["flat"]),
                FLAT,
                source="Propositions 4.1 and 5.2",
            ),
            Check(
                "convention",
                "(W₁ P₁, P₁⁻¹ W₂ P₂, ...) stays in the minimum, as printed",
                float(self.seen["left"][several].max()),
                0.0,
                "That is the convention of row vectors. (P₁ W₁, P₂ W₂ P₁⁻¹, ...) stays; so the "
                "statement holds for them (erratum E4).",
                source="Proposition 5.2",
            ),
            Check(
                "our convention",
                "(P₁ W₁, P₂ W₂ P₁⁻¹, ...) does, whatever the permutations",
                float(self.seen["excess"].max()),
                FLAT,
                source="erratum E4",
            ),
        ]

    def draw(self) -> Mapping[str, Picture]:
        """How many permutations join; the losses on three ways to another minimum."""
        rows = [
            Series(f"h = {h}", *self._of_width(h), tone)
            for h, tone in zip((1, 2, 3), ("grey", "teal", "blue"), strict=True)
        ]
        share = chart("Permutations that join", Axis("layers"), Axis("share", log=True), rows)
        ts = torch.linspace(0, 1, self.settings.points).tolist()
        ways = zip(("line", "line, permuted", "path"), ("red", "amber", "teal"), strict=True)
        curves = [
            Series(name, ts, self.seen["ways"][k].tolist(), tone, dots=False)
            for k, (name, tone) in enumerate(ways)
        ]
        loss = chart("Two minima of other signs", Axis("t"), Axis("loss over ‖Y‖²"), curves)
        return {"permutations": beside("Permutations join components", share, loss)}

    def _of_width(self, h: int) -> tuple[list[float], list[float]]:
        """Layers, and the mean share of all permutations that join."""
        places = [k for k, (width, _) in enumerate(self.settings.shapes) if width == h]
        depths = [float(self.settings.shapes[k][1]) for k in places]
        return depths, [float(self.seen["share"][k].mean()) for k in places]

    def __str__(self) -> str:
        rows = [
            [
                f"{h} x {h}, {depth} layers",
                f"{float(self.seen['share'][k].mean()):.4g}",
                f"{float(self.seen['named'][k].mean()):.4g}",
                f"{float(self.seen['left'][k]):.4g}",
            ]
            for k, (h, depth) in enumerate(self.settings.shapes)
        ]
        head = ("network", "share that joins", "those of the proof", "printed: left the minimum")
        return table(head, rows)


def lemma(bench: Bench, settings: Settings) -> Params:
    """The share of elements g with which the label of ``(g W₁, W₂ g⁻¹)`` is not as det g says."""
    generator = torch.Generator().manual_seed(bench.seed)
    wrong = 0
    for _ in range(settings.draws):
        minimum, a = _network(generator, int(torch.randint(1, 5, (), generator=generator)), 2)
        first, second = minimum.weights(a)
        g = normal(generator, *first.shape)
        moved = minimum.named([g @ first, torch.linalg.solve(g, second, left=False)])
        flipped = minimum.label(moved, 1e-9) != minimum.label(a, 1e-9)
        wrong += flipped != bool(torch.linalg.det(g) < 0)
    return {"flipped": torch.tensor(wrong / settings.draws)}


def enumerated(bench: Bench, settings: Settings) -> Params:
    """Every permutation of each pair of minima.

    ``share`` of them joins; ``named`` is whether those of the proof do: ``(shapes, pairs)``;
    ``left`` is the share that leaves the minimum as printed, ``excess`` the largest loss in our
    convention: ``(shapes,)``; ``alone`` how many joined minima of other signs with one unit.
    """
    generator = torch.Generator().manual_seed(bench.seed + 1)
    share, named, left, excess, alone = [], [], [], [], 0
    for k, (h, depth) in enumerate(settings.shapes):
        bench.tell(f"{h} x {h}, {depth} layers", k, len(settings.shapes))
        orders = [torch.tensor(order) for order in itertools.permutations(range(h))]
        joined, proof, gone, most = [], [], 0, 0.0
        for _ in range(settings.pairs):
            minimum, a = _network(generator, h, depth)
            b = random_minimum(generator, minimum)
            goal, wanted = minimum.label(b, 1e-9), _parities(minimum, a, b)
            hits, right = 0, []
            for choice in itertools.product(orders, repeat=depth - 1):
                moved = minimum.named(_moved(minimum.weights(a), choice))
                most = max(most, minimum.excess(moved))
                hit = minimum.label(moved, 1e-9) == goal
                hits += hit
                if [sign_of(order) for order in choice] == wanted:
                    right.append(hit)
                printed = minimum.named(_printed(minimum.weights(a), choice))
                gone += minimum.excess(printed) > 1e-9
            joined.append(hits / len(orders) ** (depth - 1))
            proof.append(float(bool(right) and all(right)))
            alone += h == 1 and minimum.label(a, 1e-9) != goal and hits
        share.append(joined)
        named.append(proof)
        left.append(gone / settings.pairs / len(orders) ** (depth - 1))
        excess.append(most)
    rows = {"share": share, "named": named, "left": left, "excess": excess, "alone": alone}
    return {name: torch.tensor(row, dtype=torch.float64) for name, row in rows.items()}


def paths(bench: Bench, settings: Settings) -> Params:
    """Losses over ``‖Y‖²`` on the line, the line to the permuted minimum, and the exact path."""
    generator = torch.Generator().manual_seed(bench.seed + 2)
    minimum, a = _network(generator, 4, 3)
    b = random_minimum(generator, minimum)
    while minimum.label(a, 1e-9) == minimum.label(b, 1e-9):
        b = random_minimum(generator, minimum)
    swapped = torch.tensor([1, 0, 2, 3])
    choice = [swapped if s < 0 else torch.arange(4) for s in _parities(minimum, a, b)]
    moved = minimum.named(_moved(minimum.weights(a), choice))
    ts = torch.linspace(0, 1, settings.points).tolist()
    ways: list[AbstractPath] = [Line(a, b), Line(moved, b), minimum.path(moved, b)]
    losses = torch.tensor(
        [[_loss(minimum, way(t)) for t in ts] for way in ways], dtype=torch.float64
    )
    return {"ways": losses, "flat": losses[2].max()}


def _network(generator: torch.Generator, h: int, depth: int) -> tuple[LinearMinimum, Params]:
    """The minimum of a network with random data, and one of its points."""
    x, y = normal(generator, h, h), normal(generator, h, h)
    minimum = LinearMinimum({f"{k}.weight": (h, h) for k in range(depth)}, x, y)
    return minimum, random_minimum(generator, minimum)


def _parities(minimum: LinearMinimum, a: Params, b: Params) -> list[int]:
    """Those of ``P_i``: products of the signs that differ up to the i-th weight."""
    pairs = zip(minimum.weights(a), minimum.weights(b), strict=True)
    signs = [int(torch.sign(torch.linalg.det(one) * torch.linalg.det(two))) for one, two in pairs]
    return list(itertools.accumulate(signs[:-1], lambda x, y: x * y))


def _moved(weights: Sequence[Tensor], orders: Sequence[Tensor]) -> list[Tensor]:
    """``(P₁ W₁, P₂ W₂ P₁⁻¹, ..., W_l P_{l-1}⁻¹)``."""
    found = list(weights)
    for k, order in enumerate(orders):
        found[k], found[k + 1] = found[k][order], found[k + 1][:, order]
    return found


def _printed(weights: Sequence[Tensor], orders: Sequence[Tensor]) -> list[Tensor]:
    """``(W₁ P₁, P₁⁻¹ W₂ P₂, ..., P_{l-1}⁻¹ W_l)``."""
    found = list(weights)
    for k, order in enumerate(orders):
        p = torch.eye(len(order), dtype=torch.float64)[order]
        found[k], found[k + 1] = found[k] @ p, p.mT @ found[k + 1]
    return found


def _loss(minimum: LinearMinimum, params: Params) -> float:
    outputs = minimum.inputs.mT
    for weight in minimum.weights(params):
        outputs = weight @ outputs
    target = minimum.targets.mT
    return float((target - outputs).square().sum() / target.square().sum())


def perform(bench: Bench, settings: Settings) -> Joined:
    """A step for each part."""
    return Joined(settings, gathered(bench, settings, lemma, enumerated, paths))


permutations = Experiment(
    "zhao2025.permutations",
    "Components that are joined by group elements, and by permutations",
    _SOURCE,
    {
        Scale.SMOKE: Settings(20, ((1, 2), (2, 2), (2, 3), (3, 2)), 3, 11),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(2000, (*Settings().shapes, (3, 4), (4, 2), (4, 3)), 20),
    },
    perform,
    ("The paper has no such experiment: these are its statements, run.",),
)
"""Every permutation is tried, and every sign is looked at."""

"""Rotations: how near two attention heads come by O(d), by O(d) with a scale, and by GL(d)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from isthmus.algebra import Space
from isthmus.algebra.groups import Motion
from isthmus.alignment import align
from isthmus.discovery import discover
from isthmus.ground import Params, params_of
from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Axis, Picture, Series, chart
from isthmus.papers.methods.connectivity.ways import TONES
from isthmus.papers.methods.method import Measured, Method
from isthmus.testing.training import seeded

ZHANG = "Zhang et al. 2025, ICML"


@dataclass(frozen=True)
class Settings:
    """Pairs of attention layers with random weights, float64.

    Attributes:
        pairs: How many.
        width: Of the stream; so ``heads``.
        uneven: The second layer's queries are this many times as long, its keys so many times
            shorter: models whose lengths were shared out otherwise.
    """

    pairs: int = 12
    width: int = 32
    heads: int = 4
    uneven: float = 1.5


@dataclass(frozen=True)
class Rotations(Measured):
    """Distances of the pairs.

    Attributes:
        settings: What was run.
        found: By the library, ``(pairs, 3)``: as they are, with rotations, with GL.
        formula: By the closed form of the source, ``(pairs, 2)``: with rotations, and then scales.
        planted: How far a layer is from itself, relative, after a random element of GL in each
            head was undone.
    """

    settings: Settings
    found: Tensor = field(metadata={"json": False})
    formula: Tensor = field(metadata={"json": False})
    planted: Tensor

    def arrays(self) -> Params:
        """All of it."""
        return {"found": self.found, "formula": self.formula, "planted": self.planted}

    @property
    def distances(self) -> Mapping[str, Tensor]:
        """By what moves the second layer, ``(pairs,)``."""
        naive, turned, whole = self.found.T
        return {
            "as they are": naive,
            "rotations": turned,
            "and scales": self.formula[:, 1],
            "GL": whole,
        }

    def check(self) -> list[Check]:
        """The closed form is what the library finds; GL contains it and comes nearer."""
        naive, turned, scaled, whole = self.distances.values()
        gap = (turned / self.formula[:, 0] - 1).abs().max()
        claim = "rotations of each head come as near as the polar factor of its products does"
        undone = "an element of GL in every head is undone"
        nearer = "rotations come nearer than nothing, for every pair"
        larger = "GL comes nearer than rotations with a scale, for every pair"
        return [
            Check("closed form", claim, float(gap), 1e-9, source=ZHANG),
            Check("planted", undone, float(self.planted), 1e-9),
            Check("rotations", nearer, float((turned - naive).max()), source=ZHANG),
            Check("whole group", larger, float((whole - scaled).max())),
        ]

    @property
    def measured(self) -> str:
        """Mean distances."""
        words = ", ".join(f"{name} {float(v.mean()):.2f}" for name, v in self.distances.items())
        s = self.settings
        return f"{s.pairs} random pairs of {s.heads} heads, width {s.width}: mean distance {words}"

    def draw(self) -> Mapping[str, Picture]:
        """The distances of all pairs, over that as they are."""
        pairs = list(range(1, self.settings.pairs + 1))
        series = [
            Series(name, pairs, (row / self.found[:, 0]).tolist(), tone)
            for (name, row), tone in zip(self.distances.items(), TONES, strict=False)
        ]
        axes = Axis("pair"), Axis("distance, over that as they are")
        return {"rotations": chart("Attention layers, head by head", *axes, series)}

    def __str__(self) -> str:
        rows = torch.stack(list(self.distances.values()), 1).tolist()
        shown = [(str(k), *(f"{v:.4f}" for v in row)) for k, row in enumerate(rows, 1)]
        return table(("pair", *self.distances), shown)


class Attention(nn.Module):
    """Queries, keys, values and outputs of several heads."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.o = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, positions, width) to the same shape."""
        q, k, v = (
            read(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for read in (self.q, self.k, self.v)
        )
        mixed = nn.functional.scaled_dot_product_attention(q, k, v)
        out: Tensor = self.o(mixed.transpose(1, 2).flatten(2))
        return out


def perform(bench: Bench, settings: Settings) -> Rotations:
    """A step for all pairs."""

    def build() -> nn.Module:
        return Attention(settings.width, settings.heads).double()

    def layer(seed: int) -> Params:
        return params_of(seeded(build, bench.seed + seed))

    def work() -> Params:
        example = torch.zeros(1, 4, settings.width, dtype=torch.float64)
        symmetry = discover(build(), example, gauge="asis").restrict(_inside)
        turns = symmetry.restrict([Motion.FLIP, Motion.TURN])
        found, formula = [], []
        for k in range(settings.pairs):
            a, b = layer(2 * k), layer(2 * k + 1)
            for name in ("weight", "bias"):
                b[f"q.{name}"] *= settings.uneven
                b[f"k.{name}"] /= settings.uneven
            turned, whole = (align(b, to=a, symmetry=group) for group in (turns, symmetry))
            found.append([turned.before, turned.after, whole.after])
            formula.append(_closed(a, b, settings.heads))
        a = layer(0)
        planted = symmetry.act(symmetry.sample(seed=bench.seed), a)
        back = align(planted, to=a, symmetry=symmetry)
        return {
            "found": torch.tensor(found, dtype=torch.float64),
            "formula": torch.tensor(formula, dtype=torch.float64),
            "planted": torch.tensor(back.after / back.before, dtype=torch.float64),
        }

    return Rotations(settings, **bench.step("pairs", work))


def _inside(space: Space) -> bool:
    """Whether a space lies inside the heads."""
    return bool(space.over)


def _closed(a: Params, b: Params, heads: int) -> tuple[float, float]:
    """The distance after the best rotations of every head, and after the best scales then.

    Both places of a head are rows here, ``(heads, d, numbers)``: queries and keys with their
    biases, values with theirs and the columns of the outputs. The rotation is the polar factor of
    the sum of their products; then a scale s of one and 1/s of the other.
    """
    turned = float((a["o.bias"] - b["o.bias"]).square().sum())
    scaled = turned
    for one, two in zip(_places(a, heads), _places(b, heads), strict=True):
        left, _, right = torch.linalg.svd(sum(x @ y.mT for x, y in zip(one, two, strict=True)))
        moved = [left @ right @ place for place in two]
        gaps = [(x - y).square().sum() for x, y in zip(one, moved, strict=True)]
        turned += float(sum(gaps))
        scaled += sum(_scaled(*head) for head in zip(*one, *moved, strict=True))
    return turned**0.5, scaled**0.5


def _places(params: Params, heads: int) -> list[tuple[Tensor, Tensor]]:
    def rows(name: str) -> Tensor:
        whole = torch.cat([params[f"{name}.weight"], params[f"{name}.bias"][:, None]], 1)
        return whole.reshape(heads, -1, whole.shape[1])

    return [
        (rows("q"), rows("k")),
        (rows("v"), params["o.weight"].T.reshape(heads, -1, len(params["o.weight"]))),
    ]


def _scaled(p: Tensor, q: Tensor, x: Tensor, y: Tensor) -> float:
    """The least ``‖p - s x‖² + ‖q - y / s‖²`` over s > 0: a root of the quartic of the source."""
    quartic = (x.square().sum(), -(p * x).sum(), 0, (q * y).sum(), -y.square().sum())
    roots = np.roots([float(c) for c in quartic])
    real = [float(s.real) for s in roots if abs(s.imag) < 1e-9 and s.real > 0]
    return min(float((p - s * x).square().sum() + (q - y / s).square().sum()) for s in real)


rotations = Experiment(
    "methods.rotations",
    "Attention layers head by head: rotations, rotations with scales, the whole group",
    ZHANG,
    {
        Scale.SMOKE: Settings(pairs=2, width=8, heads=2),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(pairs=50, width=256, heads=8),
    },
    perform,
    ("The source has trained vision transformers; ours are random layers.",),
)
"""The source turns each head; the group of a head is larger."""

METHODS: tuple[Method, ...] = (
    Method(
        "Rotation of heads",
        ZHANG,
        "`isthmus.align` with `symmetry.restrict([Motion.TURN, Motion.FLIP])`",
        "Two vision transformers: parameter distance 651.6 as they are, 613.6 with rotations",
        rotations,
    ),
)
"""What is measured here."""

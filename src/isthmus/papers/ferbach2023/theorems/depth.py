"""Lemma 4.1 and Theorem 5.2: deep networks at random, matched layer after layer, by width."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from isthmus.algebra import Symmetry
from isthmus.alignment import Matcher, align
from isthmus.discovery import discover
from isthmus.ground import Params, lerp
from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.ferbach2023.layers import Layer, inputs_of, layers
from isthmus.papers.ferbach2023.one_sided import IncomingCovariance, IncomingWeights
from isthmus.papers.ferbach2023.theorems.falls import WIDTH, Falls, by_width, missed, together
from isthmus.papers.figures import Axis, Picture, beside, chart
from isthmus.papers.tasks import perceptron
from isthmus.transport import WidthRecursion, entezari_error, propagated_error

_SOURCE = "Ferbach, Goujaud, Gidel and Dieuleveut 2024, Theorem 5.2"
_LEMMA = "Ferbach, Goujaud, Gidel and Dieuleveut 2024, Lemma 4.1"
METRICS = ("weights", "data")
"""In which incoming weights are matched: as they are, or in the second moment of what comes in."""

_TONES = ("teal", "amber", "red", "purple")
_WANTED = 0.1
"""The error ε for which the recursion is run, over the size of the weights."""


@dataclass(frozen=True)
class Settings:
    """Perceptrons with ReLU, Gaussian rows of variance 2 / inputs, no biases.

    Attributes:
        widths: N, of every hidden layer.
        repetitions: Pairs of networks at each.
        inputs: m_0, of the data: standard Gaussian.
        hidden: Layers.
        outputs: Of the network.
        samples: Of the data.
    """

    widths: tuple[int, ...] = (32, 64, 128, 256, 512)
    repetitions: int = 3
    inputs: int = 5
    hidden: int = 3
    outputs: int = 10
    samples: int = 500


@dataclass(frozen=True)
class Depth(Falls):
    """Of every layer the error of matching, and how far the middle of the line is from the mix.

    ``weights, matching 2`` is ``E|(W - P W' Pᵀ) x|² / E|W x|²`` of the second layer, matched in the
    weights as they are; ``data, middle 2`` is ``E|φ_M - (φ_A + φ_B)/2|² / E|φ_A|²`` of what it
    gives, for the middle M. ``lemma`` is the largest share of the bound of the lemma that is used.
    """

    settings: Settings

    @property
    def laws(self) -> Mapping[str, float]:
        """Of the first layer; behind it nothing is left to fall."""
        first, last = 2 / self.settings.inputs, range(2, self.settings.hidden + 1)
        later = {f"weights, matching {k}": 0.0 for k in last}
        return {"weights, matching 1": first, "data, matching 1": first, **later}

    def check(self) -> list[Check]:
        """The lemma, both rates, the recursion."""
        used = float(self.scores["lemma"].max())
        return [
            Check(
                "lemma",
                "no layer is further from the other network's, nor the middle from the first's, "
                f"than errors add up to (largest share {used:.2g})",
                used - 1,
                1e-9,
                source=_LEMMA,
            ),
            self._first(),
            self._beyond_entezari(),
            self._later(),
            *self._data(),
            *self._recursion(),
        ]

    def _first(self) -> Check:
        name = "weights, matching 1"
        law, found = self.laws[name], self.exponent(name)
        claim = (
            f"the first layer's error falls like N^(-2/m_0), m_0 = {self.settings.inputs}: an "
            f"error ε needs ε^-m_0 units (measured {found:.2f} for {law:.2g})"
        )
        return Check("first layer", claim, missed(found, law) / law, 0.2, source=_SOURCE)

    def _beyond_entezari(self) -> Check:
        """Their rate is one of errors, ours is of squared ones."""
        inputs, ends = self.settings.inputs, (self.widths[0], self.widths[-1])
        theirs = math.log(entezari_error(ends[0], inputs) / entezari_error(ends[1], inputs))
        slow = theirs / math.log(ends[1] / ends[0])
        found = self.exponent("weights, matching 1").value / 2
        claim = (
            f"that is faster than the earlier N^(-1/(2 m_0 + 4)) of Entezari et al. 2022 "
            f"(exponent of the error {found:.2f}, theirs {slow:.3f})"
        )
        return Check("two layers", claim, slow - found, source=_SOURCE)

    def _later(self) -> Check:
        names = [n for n, law in self.laws.items() if not law]
        worst = max(names, key=lambda name: self.exponent(name).value)
        fall = self.exponent(worst)
        claim = (
            "behind it rows have as many dimensions as the layer before has units, and their "
            f"error does not fall with the width ({worst}: exponent {fall:.2f})"
        )
        return Check("later layers", claim, fall.value, 0.1, source=_SOURCE)

    def _data(self) -> list[Check]:
        """The theorem counts dimensions of weights; the data have fewer."""
        last = [f"data, matching {k}" for k in range(2, self.settings.hidden + 1)]
        slowest = min(last, key=lambda one: self.exponent(one).value)
        fall = self.exponent(slowest)
        falls = f"in the metric of the data it does fall ({slowest}: exponent {fall:.2f})"
        name = f"matching {self.settings.hidden}"
        weights, data = (float(self.mean(f"{metric}, {name}")[-1]) for metric in METRICS)
        claim = (
            "at the largest width the last layer's error is there less than half of that in the "
            f"weights as they are ({data:.3f} and {weights:.3f})"
        )
        source = "mathematics.md 2.5, 2.7"
        return [
            Check("falls on data", falls, -fall.value, source=source),
            Check("less on data", claim, data / weights - 0.5, source=source),
        ]

    def _recursion(self) -> list[Check]:
        """``log m_l = m_{l-1} log(1/ε)``, layer after layer: a tower."""
        ones = (1.0,) * self.settings.hidden
        widths = WidthRecursion(self.settings.inputs, ones, ones).at(_WANTED).widths
        first, second, third = widths[:3]
        rate = math.log(1 / _WANTED)
        wanted = (rate * self.settings.inputs, rate * first.value)
        logs = (math.log(first.value), second.top)
        off = max(abs(x / y - 1) for x, y in zip(logs, wanted, strict=True))
        heights = [one.height for one in (first, second, third)]
        return [
            Check(
                "recursion",
                "the effective widths obey log m_l = m_{l-1} log(1/ε) (first two layers, relative)",
                off,
                1e-12,
                source=_SOURCE,
            ),
            Check(
                "tower",
                f"each layer adds an exponential: {first}, {second} and {third} units for an error "
                f"of {_WANTED:g}",
                float(heights != [0, 1, 2]),
                source=_SOURCE,
            ),
        ]

    def draw(self) -> Mapping[str, Picture]:
        """Errors of matching by layer, in both metrics; the middle of the line."""
        hidden, law = self.settings.hidden, 2 / self.settings.inputs
        panels = []
        for what, label in (("matching", "error of matching"), ("middle", "middle off the mix")):
            for metric in METRICS:
                curves = [
                    self.curve(f"{metric}, {what} {k}", _TONES[(k - 1) % 4], f"layer {k}")
                    for k in range(1, hidden + 1)
                ]
                if what == "matching":
                    curves.append(self.power(f"{metric}, {what} 1", law, f"N^-{law:.2g}"))
                title = f"Matched by {metric}"
                panels.append(chart(title, WIDTH, Axis(label, log=True), curves, width=440))
        title = "Deep networks at random, matched layer after layer"
        return {"depth": beside(title, *panels, columns=2)}


def perform(bench: Bench, settings: Settings) -> Depth:
    """A step for each width."""
    scores = by_width(bench, settings.widths, partial(_measured, settings, bench.seed))
    return Depth(settings.widths, scores, settings)


def _measured(settings: Settings, seed: int, width: int) -> Params:
    sizes = (settings.inputs, *(width,) * settings.hidden, settings.outputs)
    model = perceptron(*sizes).double()
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(settings.samples, settings.inputs, generator=generator, dtype=torch.float64)
    symmetry = discover(model, x[:2])
    matchers: dict[str, Matcher] = {
        "weights": IncomingWeights(),
        "data": IncomingCovariance(model, [(x, None)]),
    }
    rows = []
    for _ in range(settings.repetitions):
        a, b = (_gaussian(model, generator) for _ in range(2))
        row = {"lemma": 0.0}
        for metric, matcher in matchers.items():
            moved = align(b, to=a, symmetry=symmetry, method=matcher).params
            errors, share = _errors(model, symmetry, x, a, moved)
            row |= {f"{metric}, {name}": value for name, value in errors.items()}
            row["lemma"] = max(row["lemma"], share)
        rows.append(row)
    return together(rows)


def _gaussian(model: nn.Module, generator: torch.Generator) -> Params:
    """Independent rows, of variance 2 over their length; biases 0."""
    found: Params = {}
    for name, like in model.state_dict().items():
        draw = torch.randn(like.shape, generator=generator, dtype=torch.float64)
        found[name] = draw * math.sqrt(2 / like.shape[1]) if like.dim() == 2 else 0 * draw
    return found


def _errors(
    model: nn.Module, symmetry: Symmetry, x: Tensor, a: Params, b: Params
) -> tuple[dict[str, float], float]:
    """Errors of every hidden layer, and the largest share of the lemma's bound that is used."""
    row, middle = layers(symmetry), lerp(a, b, 0.5)
    (seen,) = inputs_of(model, [(x, None)], symmetry, row, a, b, middle)
    found: dict[str, float] = {}
    for k, layer in enumerate(row[:-1], 1):
        taken, given = seen[k - 1][0], seen[k]
        size = (taken @ a[layer.weight].mT).square().sum()
        gap = taken @ (a[layer.weight] - b[layer.weight]).mT
        found[f"matching {k}"] = float(gap.square().sum() / size)
        off = given[2] - (given[0] + given[1]) / 2
        found[f"middle {k}"] = float(off.square().sum() / given[0].square().sum())
    shares = [
        *_shares(row, [pair[0] for pair in seen], [pair[1] for pair in seen], a, b),
        *_shares(row, [pair[0] for pair in seen], [pair[2] for pair in seen], a, middle),
    ]
    return found, max(shares)


def _shares(
    row: list[Layer], one: list[Tensor], two: list[Tensor], a: Params, b: Params
) -> Iterator[float]:
    """Of every layer ``E|φ - φ'|²``, over what ``E' = 2 ‖W'‖² E + 2 N Ē`` adds up to.

    Lemma 4.1 with constants that hold for two given networks: C₁ = 1, C₂ the largest squared norm
    of a layer of the second, m the number of units and Ē the mean error of matching one.
    """
    matching, widths = [], []
    norms = [float(torch.linalg.matrix_norm(b[layer.weight], 2)) for layer in row[:-1]]
    for layer, taken in zip(row[:-1], one, strict=False):
        gap = taken @ (a[layer.weight] - b[layer.weight]).mT
        matching.append(float(gap.square().mean()))
        widths.append(float(gap.shape[1]))
    bounds = propagated_error(matching, widths, 1.0, max(norms) ** 2)
    for bound, x, y in zip(bounds, one[1:], two[1:], strict=True):
        yield float((x - y).square().sum(1).mean()) / bound


depth = Experiment(
    "ferbach2023.depth",
    "With depth the width that is needed becomes a tower",
    _SOURCE,
    {
        Scale.SMOKE: Settings((16, 64), 2, samples=100),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings((32, 64, 128, 256, 512, 1024, 2048), 10, samples=2000),
    },
    perform,
    (
        (
            "The displays of lemma and theorem were not at hand; both are reconstructed from a "
            "note (mathematics.md 2.4). Neither constants nor powers of logarithms are known: "
            "constants are 1 where the recursion is run."
        ),
        (
            "For two given networks the lemma's inequality is checked with constants that are "
            "proved: C₁ = 1 and C₂ the largest squared norm of a layer."
        ),
        (
            "Widths that the theorem asks of a second layer are beyond any machine; that its "
            "error does not fall at widths within reach is what can be seen of it."
        ),
    ),
)
"""Errors of matching by layer and width, in the weights' own metric and in that of the data."""

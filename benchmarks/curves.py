"""Curves: barrier, length and cost of every path between two models.

Pairs trained from different seeds: an MLP and a CNN with BatchNorm on Fashion-MNIST
(`vision_models.py`), a GPT-style character model (`language_models.py`). The barrier is that of the
loss on a part of the training data and of the test data; BatchNorm's statistics are recomputed at
every point. Lengths are given in units of the distance between the two models. A second table
compares a step of curve training with a plain training step of the same network, optimiser and
batch, one after the other in one run.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from measuring import median, options, table, timed, use_threads, write

KINDS = ("mlp", "cnn", "gpt")
STEPS = {"mlp": 1000, "cnn": 200, "gpt": 200}
"""Of every curve, at effort 1: some minutes for all on one core."""

SHOWN = {"mlp": 2000, "cnn": 500}
"""The images of either part of the data that barriers are measured on."""


def main(words: list[str]) -> None:
    """Train what is not there, then a table of paths and a table of costs for each kind."""
    parser = options(__doc__, runs=25)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--points", type=int, default=11, help="of the barrier")
    parser.add_argument("--effort", type=float, default=1.0, help="what steps are multiplied with")
    parser.add_argument("--only", nargs="+", metavar="WORD", help="paths that contain one of these")
    tables = ("paths", "costs")
    parser.add_argument("--tables", nargs="+", choices=tables, default=tables)
    chosen = parser.parse_args(words)
    use_threads(chosen.threads)
    figures = []
    for kind in chosen.kinds:
        pair = _image_pair(kind) if kind != "gpt" else _text_pair()
        steps = max(1, round(STEPS[kind] * chosen.effort))
        print(f"{kind}: {pair.about}; {steps} steps a curve", flush=True)
        found, costs = [], []
        if "paths" in chosen.tables:
            found = list(_measured(pair, steps, chosen))
            print(f"{_table(found)}\n", flush=True)
        if "costs" in chosen.tables:
            costs = list(_costs(pair, chosen.runs))
            print(f"{_cost_table(costs)}\n", flush=True)
        figures.append({"kind": kind, "about": pair.about, "paths": found, "costs": costs})
    write(chosen.json, "curves", chosen.threads, figures)


@dataclass(frozen=True)
class Pair:
    """Two trained models, their symmetry, and the losses they are trained and looked at with."""

    model: Any
    a: Any
    b: Any
    symmetry: Any
    training: Any
    looks: dict[str, Any]
    statistics: Any
    about: str

    @cached_property
    def fit(self) -> Any:
        """The second model aligned to the first."""
        from isthmus import align

        return align(self.b, to=self.a, symmetry=self.symmetry)


def _image_pair(kind: str) -> Pair:
    import torch.nn.functional as F
    import vision_models as models
    from torch import nn

    from isthmus import Loss, discover, params_of
    from isthmus.testing.datasets import batches

    recipe = models.RECIPES[kind]
    one, two = (models.trained(kind, seed) for seed in (0, 1))
    a, b = params_of(one), params_of(two)
    x, y, version = models.pictures(recipe.data, recipe.pixels, "train")
    x, y = x[: recipe.images], y[: recipe.images]
    test = models.pictures(recipe.data, recipe.pixels, "test")
    symmetry = discover(one, x[:2])
    shown = SHOWN[kind]
    looks = {
        "train": Loss(one, batches(x[:shown], y[:shown], 100), F.cross_entropy),
        "test": Loss(one, batches(test[0][:shown], test[1][:shown], 100), F.cross_entropy),
    }
    normed = any(isinstance(module, nn.BatchNorm2d) for module in one.modules())
    return Pair(
        one, a, b, symmetry,
        Loss(one, batches(x, y, 100), F.cross_entropy), looks,
        batches(x[-shown:], y[-shown:], 100) if normed else None,
        f"{version}, batches of 100, barriers on {shown} images",
    )  # fmt: skip


def _text_pair() -> Pair:
    import language_models as models
    import torch

    from isthmus import Loss, discover, params_of

    one, two = (models.trained("gpt", seed, 1500) for seed in (0, 1))
    a, b = params_of(one), params_of(two)
    symmetry = discover(one, torch.zeros(2, models.CONTEXT, dtype=torch.int64))

    def loss(part: str, count: int, batch: int, seed: int) -> Any:
        x, y = models.windows(part, count, seed)
        pairs = list(zip(x.split(batch), y.split(batch), strict=True))
        return Loss(one, pairs, models.criterion)

    return Pair(
        one, a, b, symmetry,
        loss("train", 4096, 8, 5),
        {"train": loss("train", 48, 16, 7), "test": loss("test", 48, 16, 9)},
        None,
        "tinyshakespeare, batches of 8 x 128 characters, barriers on 48 x 128",
    )  # fmt: skip


def _paths(pair: Pair, steps: int) -> dict[str, Callable[[], Any]]:
    """Name, and what makes the path."""
    from isthmus import Line, OrbitPath
    from isthmus.landscape import Bezier, ElasticBand, PolygonalChain, bend, simplexes, star

    line = Line(pair.a, pair.b)
    models = [pair.a, pair.b]

    def aligned() -> Any:
        return Line(pair.a, pair.fit.params)

    def bent(shape: Any) -> Callable[[], Any]:
        return lambda: bend(line, pair.training, shape, steps)

    return {
        "line": lambda: line,
        "aligned line": aligned,
        "orbit, aligned to B": lambda: OrbitPath(
            pair.symmetry, pair.fit.element, pair.b
        ).reversed(),
        "Bézier": bent(Bezier()),
        "aligned Bézier": lambda: bend(aligned(), pair.training, Bezier(), steps),
        "polygon": bent(PolygonalChain()),
        "elastic band": bent(ElasticBand(cycles=2, probes=5, most=7)),
        "star": lambda: star(models, pair.training, steps=steps).path(0, 1),
        "simplex": lambda: simplexes(models, pair.training, 2, steps=steps).path(0, 1),
    }


def _measured(pair: Pair, steps: int, chosen: Any) -> Iterator[dict[str, Any]]:
    from isthmus import barrier

    apart = _apart(pair.a, pair.b)
    for name, make in _paths(pair, steps).items():
        if chosen.only and not any(word in name for word in chosen.only):
            continue
        seconds, path = timed(make)
        row: dict[str, Any] = {"path": name, "length": _length(path) / apart, "seconds": seconds}
        again = None if "orbit" in name else pair.statistics
        for part, loss in pair.looks.items():
            found = barrier(loss, path, chosen.points, again)
            row[part] = {"barrier": found.height, "ends": list(found.ends), "at": found.at}
        record = getattr(path, "record", None)
        row["steps"] = record.steps if record else 0
        shown = ", ".join(f"{row[part]['barrier']:.4f}" for part in pair.looks)
        print(f"  {name}: {shown}, {seconds:.1f} s", file=sys.stderr, flush=True)
        yield row


def _apart(p: Any, q: Any) -> float:
    """The distance of parameters; what a BatchNorm measured is none."""
    from isthmus.ground import distances

    apart = distances(p, q)
    return math.hypot(*(d for n, d in apart.items() if "running_" not in n))


def _length(path: Any) -> float:
    """In closed form or by quadrature where the path knows it, else of 50 chords."""
    if hasattr(path, "length"):
        return float(path.length())
    points = [path(k / 50) for k in range(51)]
    return sum(map(_apart, points[:-1], points[1:]))


def _table(found: list[dict[str, Any]]) -> str:
    parts = [part for part in ("train", "test") if part in found[0]]
    head = ["", *(f"{part} barrier" for part in parts), "at", "length", "steps", "seconds"]
    rows = [
        [
            row["path"], *(f"{row[part]['barrier']:.4f}" for part in parts),
            f"{row['train']['at']:.2f}", f"{row['length']:.2f}", row["steps"],
            f"{row['seconds']:.1f}",
        ]
        for row in found
    ]  # fmt: skip
    ends = ", ".join(
        f"{part} losses {found[0][part]['ends'][0]:.3f} and {found[0][part]['ends'][1]:.3f}"
        for part in parts
    )
    return f"{ends}\n{table(head, rows)}"


def _costs(pair: Pair, runs: int) -> Iterator[dict[str, Any]]:
    """Curve steps and plain steps in turn, so that whatever else runs slows both."""
    from isthmus import Line
    from isthmus.landscape import Bezier, NaturalSpline, PolygonalChain, bend

    for shape in (Bezier(1), PolygonalChain(1), Bezier(3), NaturalSpline(3)):
        plain = _plain_steps(pair)
        curve_times, plain_times = [], []
        clock = [time.perf_counter()]

        def tell(done: int, steps: int) -> None:
            curve_times.append(time.perf_counter() - clock[0])  # noqa: B023
            plain_times.append(timed(plain.__next__)[0])  # noqa: B023
            clock[0] = time.perf_counter()  # noqa: B023

        bend(Line(pair.a, pair.b), pair.training, shape, steps=runs + 3, progress=tell)
        times = [curve_times[3:], plain_times[3:]]  # the first pay for memory
        middle, least = map(median, times), map(min, times)
        yield {"shape": shape.kind, "median": list(middle), "least": list(least)}


def _plain_steps(pair: Pair) -> Iterator[None]:
    """Steps of plain training, with the optimiser that curves are trained with."""
    import copy

    from isthmus.landscape import Training

    model = copy.deepcopy(pair.model).train()
    optimiser = Training().optimiser(list(model.parameters()))
    while True:
        for inputs, targets in pair.training.batches:
            optimiser.zero_grad(set_to_none=True)
            pair.training.criterion(model(inputs), targets).backward()
            optimiser.step()
            yield


def _cost_table(costs: list[dict[str, Any]]) -> str:
    head = ["a step of", "ms", "plain ms", "ratio of medians", "ratio of least"]
    rows = []
    for cost in costs:
        (curve, plain), (low, base) = cost["median"], cost["least"]
        rows.append(
            [cost["shape"], f"{curve * 1e3:.2f}", f"{plain * 1e3:.2f}", f"{curve / plain:.3f}",
             f"{low / base:.3f}"]
        )  # fmt: skip
    return table(head, rows)

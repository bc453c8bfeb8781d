"""Layer by layer on variance spheres: a path of low loss, beside Bézier curves and AutoNEB."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from isthmus.ground import Params, double
from isthmus.landscape import (
    AbstractPath,
    Bezier,
    ElasticBand,
    Line,
    PolygonalChain,
    Training,
    VarianceSpheres,
    bend,
    bend_on_spheres,
    layerwise,
)
from isthmus.landscape.curves import Curve, OnSpheres
from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.figures import Axis, Picture, beside, chart
from isthmus.papers.methods.connectivity.ways import (
    Networks,
    Ways,
    along,
    drawn_lines,
    ordered,
)
from isthmus.papers.methods.method import Method

TIAN = "Tian et al. 2026 (LLPF), ICML"
REPEATS = 4
BANDS = tuple(f"AutoNEB {k + 1}" for k in range(REPEATS))
NAMES = ("line", "layer by layer", "on spheres, as it is", "on spheres", "Bézier", *BANDS)


@dataclass(frozen=True)
class Settings(Networks):
    """Two networks, and the paths between them.

    Attributes:
        steps: Of the training of each path, of 128 samples.
        rate: Its step size at first.
    """

    steps: int = 700
    rate: float = 3e-3


@dataclass(frozen=True)
class Layerwise(Ways):
    """Losses on paths, and what becomes of the variances of weights.

    Attributes:
        settings: What was run.
        highest: The highest training loss on each path, in the order of `NAMES`.
        variances: ``(2, points)``: the least variance of a weight on the line, and on the path on
            spheres, over what goes evenly (by deviations) from end to end.
        off: By how much deviations on the path on spheres miss that, relative; and what moves
            besides one layer on the path layer by layer.
    """

    title = "Layer by layer, on spheres of constant variance"

    settings: Settings
    highest: Tensor
    variances: Tensor = field(metadata={"json": False})
    off: Tensor

    def arrays(self) -> Params:
        """All of it."""
        names = ("highest", "variances", "off")
        return {**super().arrays(), **{name: getattr(self, name) for name in names}}

    @property
    def bands(self) -> Tensor:
        """The highest training loss of each repeat of AutoNEB."""
        return self.highest[-REPEATS:]

    def draw(self) -> Mapping[str, Picture]:
        """The test losses, before anything is trained and after."""
        panels = [
            chart(
                title,
                Axis("t"),
                Axis("test loss"),
                drawn_lines({name: self.losses[name][0] for name in names}),
            )
            for title, names in (("Before training", NAMES[:3]), ("Trained", NAMES[3:]))
        ]
        return {"layerwise": beside(self.title, *panels)}

    def check(self) -> list[Check]:
        """Variances are kept, where the line loses them; then the barriers."""
        variance, layer = self.off.tolist()
        found = [
            Check(
                "variance",
                "on spheres the deviation of every weight goes evenly from end to end (relative, "
                "float64)",
                variance,
                1e-9,
                source=TIAN,
            ),
            Check(
                "one at a time",
                "layer by layer, one layer moves at a time",
                layer,
                source=TIAN,
            ),
            Check(
                "line",
                "in the middle of the line a weight has lost a tenth of its variance at least",
                float(self.variances[0].min()) - 0.9,
                source=TIAN,
            ),
        ]
        return found + (self._headline() if self.settings.fashion else [])

    def _headline(self) -> list[Check]:
        mine, bands = self.height("on spheres"), [self.height(name) for name in BANDS]
        return [
            Check(
                "low",
                "the barrier on spheres is below a third of the line's",
                mine - self.height("line") / 3,
                source=TIAN,
            ),
            Check(
                "AutoNEB",
                "it is no higher than the highest of AutoNEB's repeats (to 0.02)",
                mine - max(bands),
                0.02,
                finding="in as many steps: layer by layer begins far higher than the line, its "
                "chain has one bend between layers, and AutoNEB adds images where the loss is high",
                source=TIAN,
            ),
            Check(
                "spread",
                "the highest training loss of AutoNEB varies by a tenth of its mean at least over "
                "4 repeats (reported: from 0.5 to 1.5)",
                0.1 - float((self.bands.max() - self.bands.min()) / self.bands.mean()),
                finding="on these small perceptrons all repeats end about as low",
                source=TIAN,
            ),
        ]

    @property
    def measured(self) -> str:
        """Barriers, and AutoNEB's spread."""
        ways = ", ".join(f"{name} {self.height(name):.3f}" for name in NAMES[:5])
        bands = [self.height(name) for name in BANDS]
        low, high = float(self.bands.min()), float(self.bands.max())
        return (
            f"{self.settings}: barrier of the test loss {ways}, AutoNEB {min(bands):.3f} to "
            f"{max(bands):.3f}; its highest training loss in {REPEATS} repeats {low:.3f} to "
            f"{high:.3f}"
        )


def perform(bench: Bench, settings: Settings) -> Layerwise:
    """Two trainings, a step for each curve that is trained, and one evaluation."""
    a, b = settings.trained(bench, 2)
    task = settings.task()
    loss = task.loss(batch=128)
    training = Training(lambda tensors: torch.optim.Adam(tensors, lr=settings.rate))
    seed = bench.seed

    def work() -> Params:
        base = layerwise(a, b)
        bends = len(base.points) - 2
        spheres = VarianceSpheres()
        ways: dict[str, AbstractPath] = {
            "line": Line(a, b),
            "layer by layer": base,
            "on spheres, as it is": OnSpheres(base, spheres),
            "on spheres": bend_on_spheres(
                base, loss, spheres, PolygonalChain(bends), settings.steps, seed, training
            ),
            "Bézier": bend(Line(a, b), loss, Bezier(1), settings.steps, seed, training),
        }
        for k, name in enumerate(BANDS):
            ways[name] = bend(
                Line(a, b), loss, ElasticBand(bends=3), settings.steps, seed + k, training
            )
        found = along(task.loss(test=True), ways, settings.points)
        seen = along(task.loss(2000), ways, settings.points)
        highest = torch.stack([seen[name][0].max() for name in NAMES])
        return {**found, "highest": highest, **_exact(settings, ways, double(a), double(b))}

    found = bench.step("paths", work)
    return Layerwise(
        ordered(found, NAMES), settings, found["highest"], found["variances"], found["off"]
    )


def _exact(
    settings: Settings, ways: Mapping[str, AbstractPath], a: Params, b: Params
) -> dict[str, Tensor]:
    """Variances in float64, and what moves besides one layer."""
    way = ways["on spheres"]
    assert isinstance(way, OnSpheres)
    assert isinstance(way.path, Curve)
    points = [double(dict(point)) for point in way.path.points]
    curve = OnSpheres(Curve(way.path.shape, points), way.spheres)
    weights = [name for name, tensor in a.items() if tensor.dim() > 1]
    ts = [k / (settings.points - 1) for k in range(settings.points)]
    rows = []
    for path in (Line(a, b), curve):
        shares = [
            [float(here[n].std() / torch.lerp(a[n].std(), b[n].std(), t)) for n in weights]
            for t, here in ((t, path(t)) for t in ts)
        ]
        rows.append(torch.tensor(shares, dtype=torch.float64))
    off = float((rows[1] - 1).abs().max())
    base = layerwise(a, b)
    moving = [
        len(
            {
                name.rpartition(".")[0]
                for name in a
                if not torch.equal(base(t - 1e-3)[name], base(t + 1e-3)[name])
            }
        )
        for t in ((k + 0.5) / (len(base.points) - 1) for k in range(len(base.points) - 1))
    ]
    return {
        "variances": torch.stack([row.amin(1) for row in rows]).square(),
        "off": torch.tensor([off, float(max(moving) - 1)], dtype=torch.float64),
    }


layerwise_paths = Experiment(
    "methods.layerwise_paths",
    "Layer-wise paths on variance spheres, beside Bézier curves and AutoNEB",
    TIAN,
    {
        Scale.SMOKE: Settings.small(hidden=(16, 16), epochs=4, points=7, steps=24),
        Scale.QUICK: Settings(hidden=(24, 24, 24), epochs=15),
        Scale.PAPER: Settings(
            hidden=(512, 512, 512), samples=60000, tests=10000, epochs=20, steps=20000
        ),
    },
    perform,
    (
        "The source joins convolutional networks; ours are small perceptrons.",
        (
            "How the source moves layers is reconstructed: a chain with a bend between layers, "
            "trained on the spheres. While it is trained all its points may move in all layers."
        ),
    ),
)
"""No symmetry is used here."""

METHODS: tuple[Method, ...] = (
    Method(
        "Layer-wise paths on variance spheres",
        TIAN,
        "`isthmus.layerwise`; `isthmus.bend_on_spheres` with `VarianceSpheres`",
        "Joins independent networks of many architectures layer by layer; AutoNEB's highest "
        "training loss varies from 0.5 to 1.5 over 4 repeats",
        layerwise_paths,
    ),
)
"""What is measured here."""

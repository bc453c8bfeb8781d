"""Slicing: how many directions of its stream a small GPT needs (SliceGPT)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from isthmus.algebra import Symmetry
from isthmus.algebra.bases import stream_group
from isthmus.ground import Params, double
from isthmus.landscape import Loss
from isthmus.landscape.modules import modules_of
from isthmus.landscape.running import Batch
from isthmus.merging.compression import PrincipalAxes, principal_axes, removed, sliced
from isthmus.merging.compression.axes import turned_directions
from isthmus.merging.running import watch
from isthmus.papers.bench import Bench, Check, Experiment, Scale
from isthmus.papers.bench.table import table
from isthmus.papers.figures import Axis, Picture, Series, beside, chart
from isthmus.papers.methods.method import Measured
from isthmus.papers.methods.transformers.streams import Trained, change, stream_of
from isthmus.papers.tasks import Task

SLICEGPT = "Ashkboos et al. 2024 (SliceGPT), ICLR"
BASES = ("principal axes", "coordinates by size", "random")
TONES = ("teal", "amber", "red")


@dataclass(frozen=True)
class Settings(Trained):
    """What is sliced: a GPT.

    Attributes:
        steps: Numbers of directions that are tried, evenly from all to a quarter.
        draws: Random bases over which losses are averaged.
    """

    steps: int = 13
    draws: int = 4

    @property
    def kept(self) -> list[int]:
        """Numbers of directions, from all (the mean is none) to a quarter."""
        whole = self.width - 1
        shares = torch.linspace(1, 0.25, self.steps, dtype=torch.float64)
        return [round(float(share) * whole) for share in shares]


@dataclass(frozen=True)
class Slicing(Measured):
    """Losses with fewer directions.

    Attributes:
        settings: What was run.
        exact: By how much the function changes, relative, where no direction is deleted.
        loss: Of the test samples, as trained.
        losses: ``(bases, steps)``.
        lost: ``(bases, steps)``: the part of the squared length of what norms hand on to their
            readers that is deleted.
        counted: ``(steps,)``: what is deleted, summed from the shares of principal axes.
        saved: ``(steps,)``: the share of all parameters that a smaller network would save.
    """

    settings: Settings
    exact: Tensor
    loss: Tensor
    losses: Tensor = field(metadata={"json": False})
    lost: Tensor = field(metadata={"json": False})
    counted: Tensor = field(metadata={"json": False})
    saved: Tensor = field(metadata={"json": False})

    def arrays(self) -> Params:
        """All tensors."""
        names = ("exact", "loss", "losses", "lost", "counted", "saved")
        return {name: getattr(self, name) for name in names}

    @property
    def _quarter(self) -> int:
        """The step at which a quarter of the directions is gone."""
        return (self.settings.steps - 1) // 3

    @property
    def _costs(self) -> dict[str, float]:
        """There, by basis: what is added to the loss."""
        costs = (self.losses[:, self._quarter] - self.loss).tolist()
        return dict(zip(BASES, costs, strict=True))

    @property
    def measured(self) -> str:
        """With three quarters of the directions."""
        costs = ", ".join(f"{name} {cost:.3f}" for name, cost in self._costs.items())
        saved = 100 * float(self.saved[self._quarter])
        return (
            f"{self.settings.words}: without a quarter of its directions ({saved:.0f}% of its "
            f"parameters) its loss of {float(self.loss):.3f} grows by: {costs}"
        )

    def check(self) -> list[Check]:
        """What is exact, and which basis costs least."""
        off = float((self.lost[0] - self.counted).abs().max())
        claims = [
            Check(
                "nothing deleted",
                "with all directions, in any order, the function is what it was (relative)",
                float(self.exact),
                1e-9,
                source=SLICEGPT,
            ),
            Check("shares", "what is deleted is the sum of the shares of its axes", off, 1e-9),
            Check(
                "least",
                "no basis deletes less of what is read than principal axes do",
                float((self.lost[0] - self.lost[1:]).max()),
                1e-9,
                source=SLICEGPT,
            ),
        ]
        if self.settings.epochs < 3:
            return claims
        principal, coordinates, random = self._costs.values()
        return [
            *claims,
            Check(
                "random",
                "a quarter of the principal axes costs less than half of a random quarter",
                principal / random,
                0.5,
                source=SLICEGPT,
            ),
            Check(
                "coordinates",
                "and less than half of a quarter of the coordinates",
                principal / coordinates,
                0.5,
                source=SLICEGPT,
            ),
        ]

    def draw(self) -> Mapping[str, Picture]:
        """Losses, and what is deleted, by the share of directions."""
        shares = [100 * (1 - k / self.settings.kept[0]) for k in self.settings.kept]
        panels = [
            chart(
                title,
                Axis("directions deleted, %"),
                Axis(label),
                [
                    Series(name, shares, row.tolist(), tone)
                    for name, row, tone in zip(BASES, rows, TONES, strict=True)
                ],
            )
            for title, label, rows in (
                ("Test loss", "loss", self.losses),
                ("Deleted of what the stream shows", "share of the squared length", self.lost),
            )
        ]
        return {"slicing": beside("A stream with fewer directions", *panels)}

    def __str__(self) -> str:
        rows = [
            (str(k), f"{100 * saved:.1f}%", *(f"{v:.4f}" for v in (*losses, *lost)))
            for k, saved, losses, lost in zip(
                self.settings.kept,
                self.saved.tolist(),
                self.losses.T.tolist(),
                self.lost.T.tolist(),
                strict=True,
            )
        ]
        head = ("kept", "parameters saved", *(f"loss: {n}" for n in BASES))
        return table((*head, *(f"deleted: {n}" for n in BASES)), rows)


def perform(bench: Bench, settings: Settings) -> Slicing:
    """A training, and a step for all slices."""
    task, trained = settings.task, settings.params(bench)
    return Slicing(
        settings, **bench.step("slices", lambda: _slices(bench, settings, task, trained))
    )


def _slices(bench: Bench, settings: Settings, task: Task, trained: Params) -> Params:
    symmetry, name = stream_of(task)
    seen = list(task.loss(settings.seen, batch=64).batches)
    axes = principal_axes(task.fresh(), symmetry, trained, seen, name)
    second = _watched(task, symmetry.canonical(double(trained)), seen)
    ways = _bases(bench, settings, turned_directions(stream_group(symmetry, name)), axes, second)
    loss, losses, lost = task.loss(test=True), [], []
    for bases in ways:
        found = [_along(settings, symmetry, name, trained, basis, loss) for basis in bases]
        losses.append(torch.stack(found).mean(0))
        lost.append(torch.stack([_deleted(settings, basis, second) for basis in bases]).mean(0))
    whole = double(trained)
    kept = [sliced(symmetry, whole, name, bases[0]) for bases in ways]
    return {
        "exact": torch.tensor(max(change(task, whole, one) for one in kept)),
        "loss": torch.tensor(loss(trained)),
        "losses": torch.stack(losses),
        "lost": torch.stack(lost),
        "counted": torch.stack([axes.shares[k:].sum() for k in settings.kept]),
        "saved": torch.tensor([removed(symmetry, name, k + 1) for k in settings.kept]),
    }


def _watched(task: Task, params: Params, seen: list[Batch]) -> Tensor:
    """The second moments of what the norms hand on, ``(width, width)``, each over its trace.

    The mean is no part of it: of the last norm's bias the gauge leaves one number, which is a mean.
    Three layers read the norm before attention, and one each of the others.
    """
    model = task.fresh().double()
    norms = modules_of(model, kinds=(nn.LayerNorm,))
    sums: Params = {}

    def note(name: str, output: Tensor) -> None:
        rows = output.flatten(0, -2) - output.flatten(0, -2).mean(-1, keepdim=True)
        sums[name] = sums.get(name, torch.zeros(1, dtype=rows.dtype)) + rows.mT @ rows

    watch(model, params, seen, norms, note)
    readers = {name: 3 if name.endswith("norm1") else 1 for name in sums}
    weighed = [readers[name] * one / one.trace() for name, one in sums.items()]
    return torch.stack(weighed).sum(0) / sum(readers.values())


def _bases(
    bench: Bench, settings: Settings, free: Tensor, axes: PrincipalAxes, second: Tensor
) -> list[list[Tensor]]:
    """Orthonormal columns by falling worth: of one basis, and of the random ones several."""
    order = torch.argsort(second.diagonal(), descending=True)
    # Coordinates without their mean; the last of them is what the others leave.
    coordinates = torch.linalg.qr(free[:, order[:-1]]).Q
    rng = torch.Generator().manual_seed(bench.seed)
    shape = (settings.draws, len(free), len(free))
    random = torch.linalg.qr(torch.randn(shape, generator=rng, dtype=torch.float64)).Q
    return [[axes.directions], [free.mT @ coordinates], [free.mT @ one for one in random]]


def _along(
    settings: Settings, symmetry: Symmetry, name: str, params: Params, basis: Tensor, loss: Loss
) -> Tensor:
    """Losses with fewer and fewer of the columns."""
    found = [loss(sliced(symmetry, params, name, basis[:, :k])) for k in settings.kept]
    return torch.tensor(found, dtype=torch.float64)


def _deleted(settings: Settings, basis: Tensor, second: Tensor) -> Tensor:
    """The part of the squared length that the other columns hold."""
    held = torch.einsum("ik,ij,jk->k", basis, second, basis).cumsum(0)
    return second.trace() - held[[k - 1 for k in settings.kept]]


slicing = Experiment(
    "methods.slicing",
    "Slices: how many directions of its stream a GPT needs",
    SLICEGPT,
    {
        Scale.SMOKE: Settings("sentences", 16, 1, 16, 400, 40, epochs=1, seen=32, steps=4, draws=1),
        Scale.QUICK: Settings(),
        Scale.PAPER: Settings(width=256, blocks=4, windows=30000, tests=1000, epochs=10, draws=8),
    },
    perform,
    (
        "One basis for the whole stream: the source's for each block need matrices in the skips.",
        "Deleted directions are set to zero; `removed` counts what a smaller network would save.",
    ),
)
"""Nothing deleted is exact; principal axes cost least."""

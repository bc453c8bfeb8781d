"""What `refit` measures: norms of lost outputs, laws of an action, paths of two legs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from isthmus.ground import Disconnected, Params, params_of
from isthmus.landscape import Loss
from isthmus.landscape.data_maps import Anchored, AsPrinted, kept_outputs, two_legs
from isthmus.papers.bench import Bench
from isthmus.papers.zhao2025.networks import network, normal, solved, square

UNITARY: Mapping[str, Callable[[Tensor], Tensor]] = {
    "Frobenius": torch.linalg.matrix_norm,
    "spectral": lambda x: torch.linalg.svdvals(x)[0],
    "nuclear": lambda x: torch.linalg.svdvals(x).sum(),
    "two largest": lambda x: torch.linalg.svdvals(x)[:2].sum(),
}
"""Norms that no orthogonal matrix changes; the last is one of Ky Fan's."""

ENTRIES: Mapping[str, Callable[[Tensor], Tensor]] = {
    "largest entry": lambda x: x.abs().max(),
    "sum of entries": lambda x: x.abs().sum(),
}
"""Norms that rotations do change."""

LAWS = ("lost", "pythagoras", "moved", "anchored", "composition", "farther")
"""What `laws` measures."""


@dataclass(frozen=True)
class Settings:
    """What is drawn.

    Attributes:
        draws: Random readers and features, for the norms.
        hidden: h.
        samples: The numbers of samples k that are tried.
        networks: Random networks for each k.
    """

    draws: int = 2000
    hidden: int = 8
    samples: tuple[int, ...] = (2, 4, 6, 7, 8, 9, 10, 12, 16, 24)
    networks: int = 20


def norms(bench: Bench, settings: Settings) -> Params:
    """What is lost over the outputs, by each norm: ``(draws, norms)``; 6 samples, 3 units."""
    generator = torch.Generator().manual_seed(bench.seed)
    measures = [*UNITARY.values(), *ENTRIES.values()]
    rows = []
    for _ in range(settings.draws):
        reader, before, after = (normal(generator, *shape) for shape in ((2, 3), (3, 6), (3, 6)))
        outputs = reader @ before
        lost = outputs - AsPrinted()(reader, before, after) @ after
        rows.append(torch.stack([norm(lost) / norm(outputs) for norm in measures]))
    return {"norms": torch.stack(rows)}


def laws(bench: Bench, settings: Settings) -> Params:
    """Of each random network, ``(samples, networks)``, all relative.

    What is lost; by how much Pythagoras is missed; by how much U moves at g = 1, printed and
    anchored; by how much the outputs of ``g·(f·w)`` are not those of ``(gf)·w``; how far the
    anchored map moves U over how far the printed one does.
    """
    generator = torch.Generator().manual_seed(bench.seed + 1)
    h, printed, anchored = settings.hidden, AsPrinted(), Anchored()
    found: list[list[float]] = []
    for samples in settings.samples:
        for _ in range(settings.networks):
            reader, first = normal(generator, 5, h), normal(generator, h, 30)
            x, f, g = (normal(generator, *shape) for shape in ((30, samples), (h, h), (h, h)))
            a, b, c = (torch.sigmoid(w @ x / 6) for w in (first, f @ first, g @ f @ first))
            kept = kept_outputs(reader, a, b)
            apart = kept.lost**2 + kept.kept**2 - kept.before**2
            once, twice = printed(reader, a, c), printed(printed(reader, a, b), b, c)
            moved = [float((way(reader, a, b) - reader).norm()) for way in (anchored, printed)]
            found.append(
                [
                    kept.lost / kept.before,
                    abs(apart) / kept.before**2,
                    float((printed(reader, a, a) - reader).norm() / reader.norm()),
                    float((anchored(reader, a, a) - reader).norm() / reader.norm()),
                    float(((once - twice) @ c).norm() / kept.before),
                    moved[0] / moved[1],
                ]
            )
    shape = (len(settings.samples), settings.networks, len(LAWS))
    columns = torch.tensor(found, dtype=torch.float64).reshape(shape).unbind(-1)
    return dict(zip(LAWS, (column.contiguous() for column in columns), strict=True))


def legs(bench: Bench, settings: Settings) -> Params:
    """The largest loss on the path between two minima, over ``‖Y‖²``; NaN where it is refused."""
    generator = torch.Generator().manual_seed(bench.seed + 2)
    found = []
    for samples in settings.samples:
        x, y = normal(generator, samples, 30), normal(generator, samples, 5)
        models = [
            solved(network((30, settings.hidden, 5), nn.Sigmoid(), generator), x, y)
            for _ in range(2)
        ]
        try:
            path = two_legs(params_of(models[0]), params_of(models[1]), models[0], x, "2")
        except Disconnected:
            found.append(float("nan"))
            continue
        loss = Loss(models[0], [(x, y)], square, {})
        most = max(one.loss for one in loss.along(path, [k / 20 for k in range(21)]))
        found.append(most / float(y.square().sum()))
    return {"legs": torch.tensor(found, dtype=torch.float64)}

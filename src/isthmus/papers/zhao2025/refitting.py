"""What figure 3 measures: outputs kept by refitted readers, losses on the curves that they make."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from isthmus.ground import Params
from isthmus.landscape.data_maps import Anchored, AsPrinted, kept_outputs
from isthmus.papers.bench import Bench
from isthmus.papers.zhao2025.networks import SLOPE, descended, network, normal


@dataclass(frozen=True)
class Settings:
    """What is drawn.

    Attributes:
        nets: Networks of panel (a), ``‖U sigmoid(V X) - Y‖``, dimensions drawn from 2 to 100.
        steps: Of each descent.
        widths: Of the networks of (b, c): inputs, hidden units, outputs.
        samples: k: the paper's 8, then ours.
        sizes: Of the group element, ``g = expm(s M)``, ``M`` normal with variance 1 / h.
        curves: How many are averaged.
        points: On each.
    """

    nets: int = 100
    steps: int = 300
    widths: tuple[int, int, int] = (16, 32, 64)
    samples: tuple[int, ...] = (8, 48, 128)
    sizes: tuple[float, ...] = (0.5, 2.0)
    curves: int = 5
    points: int = 51


def nets(bench: Bench, settings: Settings) -> Params:
    """Panel (a)."""
    generator = torch.Generator().manual_seed(bench.seed)
    shapes, kept = [], []
    for k in range(settings.nets):
        bench.tell("networks", k, settings.nets)
        n, h, m, samples = torch.randint(2, 101, (4,), generator=generator).tolist()
        x, y = normal(generator, samples, n), normal(generator, samples, m)
        model = network((n, h, m), nn.Sigmoid(), generator)
        first, second = _weights(descended(model, x, y, settings.steps, 0.02))
        g = normal(generator, h, h)
        before, after = (torch.sigmoid(w @ x.mT) for w in (first, g @ first))
        found = kept_outputs(second, before, after)
        shapes.append([n, h, m, samples])
        kept.append([found.before, found.lost, found.kept])
    columns = torch.tensor(kept, dtype=torch.float64).unbind(1)
    return {
        "shapes": torch.tensor(shapes),
        **dict(zip(("before", "lost", "kept"), columns, strict=True)),
    }


def curves(bench: Bench, settings: Settings) -> Params:
    """Panels (b, c) and ours."""
    generator = torch.Generator().manual_seed(bench.seed + 1)
    losses, moved = [], []
    for k, samples in enumerate(settings.samples):
        bench.tell("curves", k, len(settings.samples))
        n, h, m = settings.widths
        x, y = normal(generator, samples, n), normal(generator, samples, m)
        model = network((n, h, m), nn.LeakyReLU(SLOPE), generator)
        first, second = _weights(descended(model, x, y, settings.steps, 0.01))
        a = _leaky(first @ x.mT)
        readers = (AsPrinted()(second, a, a), Anchored()(second, a, a))
        moved.append([float((one - second).norm() / second.norm()) for one in readers])
        directions = [normal(generator, h, h) / h**0.5 for _ in range(settings.curves)]
        losses.append(
            torch.stack(
                [
                    torch.stack(
                        [
                            _losses(first, second, x, y, size * d, settings.points)
                            for d in directions
                        ]
                    ).mean(0)
                    for size in settings.sizes
                ]
            )
        )
    return {"losses": torch.stack(losses), "moved": torch.tensor(moved, dtype=torch.float64)}


def _losses(
    first: Tensor, second: Tensor, x: Tensor, y: Tensor, direction: Tensor, points: int
) -> Tensor:
    """``(3, points)``: on both curves and on the chord of the printed one, over ``‖Y‖²``."""
    a = _leaky(first @ x.mT)
    rows: list[list[Tensor]] = [[], [], []]
    ends = [
        (g @ first, AsPrinted()(second, a, _leaky(g @ first @ x.mT)))
        for g in (torch.eye(len(direction)).double(), torch.linalg.matrix_exp(direction))
    ]
    for t in torch.linspace(0, 1, points, dtype=torch.float64):
        hidden = torch.linalg.matrix_exp(t * direction) @ first
        after = _leaky(hidden @ x.mT)
        readers = (AsPrinted()(second, a, after), Anchored()(second, a, after))
        for row, reader in zip(rows, readers, strict=False):
            row.append((reader @ after - y.mT).square().sum())
        v, u = (torch.lerp(one, two, t) for one, two in zip(*ends, strict=True))
        rows[2].append((u @ _leaky(v @ x.mT) - y.mT).square().sum())
    return torch.stack([torch.stack(row) for row in rows]) / y.square().sum()


def _leaky(pre: Tensor) -> Tensor:
    return nn.functional.leaky_relu(pre, SLOPE)


def _weights(model: nn.Module) -> tuple[Tensor, Tensor]:
    """The matrices of a network with one hidden layer."""
    first, second = (p.detach() for p in model.parameters())
    return first, second

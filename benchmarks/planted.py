"""Planted recovery: b = act(g, a) for a random g of the whole group; does `align` undo it?

The parameters of a are moved off every special value first (gains, biases, running statistics), g
covers every factor (swaps, signs, scales, rotations, shears), all in float32. A case is recovered
when the distance that is left is at most 1e-6 of the norm of a.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from measuring import median, options, table, timed, use_threads, write

CLOSE = 1e-6


def main(words: list[str]) -> None:
    """Plant and recover, seed by seed."""
    parser = options(__doc__, runs=20)
    parser.add_argument("--only", metavar="WORD", help="cases whose name contains this")
    parser.add_argument("--scale", type=float, default=0.3, help="size of the continuous part of g")
    parser.add_argument("--restarts", type=int, default=0, help="further random starts of a search")
    chosen = parser.parse_args(words)
    use_threads(chosen.threads)
    cases = {n: c for n, c in _cases().items() if chosen.only is None or chosen.only in n}
    figures = []
    for name, (build, example) in cases.items():
        found = [
            _one(build, example, seed, chosen.scale, chosen.restarts) for seed in range(chosen.runs)
        ]
        figures.append({"name": name, "seeds": found})
    print(table(HEAD, [_row(one["name"], one["seeds"]) for one in figures]), end="\n\n")
    write(chosen.json, "planted", chosen.threads, figures)


HEAD = ("", "parameters", "dimension", "recovered", "seconds", "slowest", "before", "worst left")


def _row(name: str, found: list[dict[str, Any]]) -> tuple[Any, ...]:
    good = sum(one["left"] <= CLOSE for one in found)
    return (
        name,
        found[0]["parameters"],
        found[0]["dimension"],
        f"{good} of {len(found)}",
        f"{median([one['seconds'] for one in found]):.2f}",
        f"{max(one['seconds'] for one in found):.2f}",
        f"{median([one['before'] for one in found]):.2f}",
        f"{max(one['left'] for one in found):.1e}",
    )


def _cases() -> dict[str, tuple[Callable[[], Any], Any]]:
    """Name, maker of the model, and an example."""
    import torch
    from torch import nn

    from isthmus.testing.zoo import entry, resnet20

    def wide() -> nn.Module:
        sizes = (784, 512, 512, 512, 10)
        layers: list[nn.Module] = []
        for n, m in pairwise(sizes):
            layers += [nn.Linear(n, m), nn.ReLU()]
        return nn.Sequential(*layers[:-1])

    def vgg11() -> nn.Module:
        """VGG-11 with batch norm for images of 32x32, a quarter of the usual width."""
        layers: list[nn.Module] = []
        channels = 3
        for width in (16, "pool", 32, "pool", 64, 64, "pool", 128, 128, "pool", 128, 128):
            if width == "pool":
                layers.append(nn.MaxPool2d(2))
                continue
            layers += [
                nn.Conv2d(channels, int(width), 3, padding=1),
                nn.BatchNorm2d(int(width)),
                nn.ReLU(),
            ]
            channels = int(width)
        head = [nn.Flatten(), nn.Linear(channels * 4, 128), nn.ReLU(), nn.Linear(128, 10)]
        return nn.Sequential(*layers, *head)

    images = torch.zeros(2, 3, 32, 32)
    return {
        "MLP 6-8-7-4": (entry("mlp").build, entry("mlp").example()),
        "VGG of the zoo": (entry("vgg").build, entry("vgg").example()),
        "VGG-11, width 16": (vgg11, images),
        "ResNet-20, width 16": (lambda: resnet20(16), images),
        "MLP 784-512-512-512-10": (wide, torch.zeros(2, 784)),
    }


def _one(
    build: Callable[[], Any], example: Any, seed: int, scale: float, restarts: int
) -> dict[str, Any]:
    """One seed: its model, its element, and what is left of it."""
    import torch

    from isthmus.alignment import WeightMatching, align
    from isthmus.discovery import discover
    from isthmus.ground import norm, params_of
    from isthmus.testing.zoo import randomise

    torch.manual_seed(seed)
    model = randomise(build(), seed)
    symmetry = discover(model, example)
    a = params_of(model)
    b = symmetry.act(symmetry.sample(seed=1000 + seed, scale=scale), a)
    method = WeightMatching(restarts=restarts)
    seconds, fit = timed(lambda: align(b, to=a, symmetry=symmetry, method=method, seed=seed))
    size = norm(a)
    return {
        "parameters": sum(t.numel() for t in a.values()),
        "dimension": symmetry.lie_dim,
        "seconds": seconds,
        "before": fit.before / size,
        "left": fit.after / size,
    }

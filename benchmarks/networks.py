"""The networks that are matched: seeded, at random or trained, the same for every library."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


def network(net: str, seed: int) -> Any:
    """One of the networks."""
    import torch

    torch.manual_seed(seed)
    made = wide_resnet() if net == "wrn" else mlp()
    return _trained(made, seed) if net == "trained" else made.eval()


def mlp() -> Any:
    """784-512-512-512-10, ReLU."""
    from torch import nn

    layers: list[nn.Module] = []
    for n, m in pairwise((784, 512, 512, 512, 10)):
        layers += [nn.Linear(n, m), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def _trained(model: Any, seed: int) -> Any:
    """After two epochs on Fashion-MNIST; kept under ``.trained/`` for all workers."""
    import torch

    place = HERE / ".trained" / f"mlp-{seed}.pt"
    if not place.exists():
        from isthmus.testing.datasets import load
        from isthmus.testing.training import train

        data = load("fashion-mnist")
        train(model, data.x_train.flatten(1), data.y_train, epochs=2, batch=128, lr=1e-3, seed=seed)
        place.parent.mkdir(exist_ok=True)
        torch.save(model.state_dict(), place)
    model.load_state_dict(torch.load(place, weights_only=True))
    return model.eval()


def wide_resnet(depth: int = 22, factor: int = 4) -> Any:
    """Zagoruyko and Komodakis 2016, with group norm of one group in place of batch norm."""
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self, inner: int, outer: int, stride: int) -> None:
            super().__init__()
            self.norm1, self.norm2 = nn.GroupNorm(1, inner), nn.GroupNorm(1, outer)
            self.conv1 = nn.Conv2d(inner, outer, 3, stride, 1, bias=False)
            self.conv2 = nn.Conv2d(outer, outer, 3, 1, 1, bias=False)
            same = inner == outer
            self.skip = nn.Identity() if same else nn.Conv2d(inner, outer, 1, stride, bias=False)

        def forward(self, x: Any) -> Any:
            y = torch.relu(self.norm1(x))
            return self.skip(y) + self.conv2(torch.relu(self.norm2(self.conv1(y))))

    widths = (16, *(16 * factor * 2**k for k in range(3)))
    blocks = [
        Block(widths[k] if i == 0 else widths[k + 1], widths[k + 1], 2 if i == 0 and k else 1)
        for k in range(3)
        for i in range((depth - 4) // 6)
    ]
    first = nn.Conv2d(3, 16, 3, padding=1, bias=False)
    head = [nn.GroupNorm(1, widths[-1]), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(first, *blocks, *head, nn.Linear(widths[-1], 10))

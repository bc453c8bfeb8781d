"""The image models that `vision` and `many` align: trained once, kept under ``.trained/``.

``mlp``: 784-512-512-512-10 on Fashion-MNIST; ``cnn``: two convolutions with BatchNorm and two
linear layers on the same; ``resnet20``: on 10,000 images of CIFAR-10; ``resnet20-small`` and
``resnet20x4-small``: widths x1 and x4 on the same images at 16x16 pixels (means of 2x2), the
largest that two cores train in minutes.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Recipe:
    """How a kind of model is made: built, fed, trained; and on how many images it is looked at."""

    build: Callable[[], Any]
    data: str
    images: int
    epochs: int
    shown: int
    pixels: int = 28

    @property
    def colour(self) -> bool:
        """Pictures of things that may be mirrored and shifted."""
        return self.data == "cifar10"


def _mlp(*hidden: int) -> Any:
    from torch import nn

    layers: list[nn.Module] = [nn.Flatten()]
    for inputs, outputs in pairwise((784, *hidden)):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(hidden[-1], 10))


def _cnn() -> Any:
    from torch import nn

    layers: list[nn.Module] = []
    for inputs, outputs in ((1, 32), (32, 64)):
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs)]
        layers += [nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(
        *layers, nn.Flatten(), nn.Linear(64 * 7 * 7, 128), nn.ReLU(), nn.Linear(128, 10)
    )


def _resnet20(width: int) -> Any:
    from isthmus.testing.zoo import resnet20

    return resnet20(width)


RECIPES = {
    "mlp": Recipe(partial(_mlp, 512, 512, 512), "fashion-mnist", 60000, 5, 2000),
    "mlp-256": Recipe(partial(_mlp, 256, 256), "fashion-mnist", 60000, 5, 10000),
    "mlp-512": Recipe(partial(_mlp, 512, 512), "fashion-mnist", 60000, 5, 10000),
    "cnn": Recipe(_cnn, "fashion-mnist", 20000, 3, 1000),
    "resnet20": Recipe(partial(_resnet20, 16), "cifar10", 10000, 6, 1000, 32),
    "resnet20-small": Recipe(partial(_resnet20, 16), "cifar10", 10000, 4, 1000, 16),
    "resnet20x4-small": Recipe(partial(_resnet20, 64), "cifar10", 10000, 4, 400, 16),
}


@cache
def pictures(data: str, pixels: int, part: str) -> tuple[Any, Any, str]:
    """Images ``(N, channels, pixels, pixels)`` of mean 0 and deviation 1, labels, the version."""
    import torch.nn.functional as F

    from isthmus.testing import datasets

    found = datasets.load(data)
    middle, width = found.x_train[:10000].mean(), found.x_train[:10000].std()
    x, y = (found.x_train, found.y_train) if part == "train" else (found.x_test, found.y_test)
    x = x if x.dim() == 4 else x.unsqueeze(1)
    if x.shape[-1] > pixels:
        x = F.avg_pool2d(x, x.shape[-1] // pixels)
    return (x - middle) / width, y, f"{found.name} ({found.version})"


def trained(kind: str, seed: int, batch: int = 100) -> Any:
    """A trained model, from ``.trained/`` if it is there.

    Adam for the MLP, SGD with momentum for the others, both with one cycle of the learning rate.
    """
    import torch
    import torch.nn.functional as F

    from isthmus.ground import load, params_of, save
    from isthmus.testing.training import seeded

    recipe = RECIPES[kind]
    place = HERE / ".trained" / f"{kind}-{seed}-{recipe.images}x{recipe.epochs}.safetensors"
    model = seeded(recipe.build, seed)
    if place.exists():
        model.load_state_dict(load(place))
        return model.eval()
    x, y, _ = pictures(recipe.data, recipe.pixels, "train")
    x, y = x[: recipe.images], y[: recipe.images]
    if kind.startswith("resnet"):
        model = model.to(memory_format=torch.channels_last)
    generator = torch.Generator().manual_seed(seed)
    optimiser, rate = _optimiser(kind, model)
    total = recipe.epochs * -(-len(x) // batch)
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, rate, total, pct_start=0.2, cycle_momentum=False
    )
    begin = time.perf_counter()
    model.train()
    for epoch in range(1, recipe.epochs + 1):
        spent = 0.0
        for index in torch.randperm(len(x), generator=generator).split(batch):
            inputs = _varied(x[index], generator) if recipe.colour else x[index]
            optimiser.zero_grad(set_to_none=True)
            loss = F.cross_entropy(model(inputs), y[index])
            loss.backward()
            optimiser.step()
            cycle.step()
            spent += loss.item() * len(index) / len(x)
        passed = time.perf_counter() - begin
        print(f"{kind} {seed}: epoch {epoch}, loss {spent:.3f}, {passed:.0f} s", file=sys.stderr)
    place.parent.mkdir(exist_ok=True)
    save(params_of(model), place)
    return model.eval()


def _optimiser(kind: str, model: Any) -> tuple[Any, float]:
    """With its highest rate."""
    import torch

    if kind.startswith("mlp"):
        return torch.optim.Adam(model.parameters()), 1e-3
    return (
        torch.optim.SGD(model.parameters(), momentum=0.9, nesterov=True, weight_decay=5e-4),
        0.05 if kind == "cnn" else 0.1,
    )


def _varied(x: Any, generator: Any) -> Any:
    """Each picture mirrored or not; all moved by the same few pixels, black coming in."""
    import torch
    import torch.nn.functional as F

    mirrored = torch.rand(len(x), generator=generator) < 0.5
    x = torch.where(mirrored[:, None, None, None], x.flip(-1), x)
    reach = x.shape[-1] // 8
    down, right = torch.randint(2 * reach + 1, (2,), generator=generator).tolist()
    wide = F.pad(x, (reach,) * 4)
    return wide[..., down : down + x.shape[-1], right : right + x.shape[-1]].contiguous()


if __name__ == "__main__":
    for arguments in sys.argv[1:]:
        trained(arguments.split(":")[0], int(arguments.split(":")[1]))

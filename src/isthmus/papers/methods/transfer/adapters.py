"""Perceptrons with adapters, and the laws of their factors."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.func import functional_call

from isthmus.algebra import Space, Symmetry
from isthmus.algebra.groups import GeneralLinear
from isthmus.alignment import canonical, distance
from isthmus.ground import Params, double
from isthmus.merging import ProductAverage, merge
from isthmus.papers.methods.merging.networks import apart
from isthmus.papers.tasks import Task


class Adapted(nn.Module):
    """A linear layer that stays as it is, and an adapter: ``W x + b + B A x``; B begins at zero."""

    def __init__(self, inputs: int, outputs: int, rank: int) -> None:
        super().__init__()
        self.base = nn.Linear(inputs, outputs).requires_grad_(False)
        self.down = nn.Linear(inputs, rank, bias=False)
        self.up = nn.Linear(rank, outputs, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(n, inputs) to (n, outputs)."""
        out: Tensor = self.base(x) + self.up(self.down(x))
        return out


def adapted(widths: tuple[int, ...], rank: int) -> nn.Sequential:
    """A perceptron whose layers have adapters."""
    layers: list[nn.Module] = [nn.Flatten()]
    for n, m in pairwise(widths):
        layers += [Adapted(n, m, rank), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def linear(space: Space) -> bool:
    """Whether all of GL acts on a space."""
    return isinstance(space.group, GeneralLinear)


def products(params: Mapping[str, Tensor]) -> Params:
    """What each adapter adds to its layer, in float64."""
    return {
        n: params[f"{n}.up.weight"].double() @ params[f"{n}.down.weight"].double()
        for n in _layers(params)
    }


def dimensions_off(whole: Symmetry, params: Params) -> float:
    """By how many dimensions the group of the adapters differs from GL(r) for each."""
    ranks = [params[f"{n}.up.weight"].shape[1] for n in _layers(params)]
    found = sum(space.group.lie_dim for space in whole.spaces.values() if linear(space))
    return float(abs(found - sum(rank**2 for rank in ranks)))


def laws(task: Task, symmetry: Symmetry, params: Params) -> tuple[list[float], float]:
    """Adapters moved by GL(r): function, canonical form, distance, merged products.

    Returns:
        By how much each law is missed, and how far outputs are off where A alone is doubled.
    """
    one, model, x = double(params), task.fresh().double(), task.x_test[:100].double()

    def outputs(of: Params) -> Params:
        with torch.no_grad():
            return {"": functional_call(model, of, (x,))}

    right = outputs(one)
    moved = [symmetry.act(symmetry.sample(k), one) for k in range(3)]
    forms = [canonical(of, symmetry) for of in (one, moved[0])]
    merged = merge(moved, ProductAverage(symmetry))
    doubled = {n: 2 * t if "down" in n else t for n, t in one.items()}
    return [
        apart(outputs(moved[0]), right),
        max(apart(forms[1], forms[0]), _unbalanced(forms[0])),
        distance(one, moved[0], symmetry=symmetry).total.relative,
        apart(outputs(merged), right),
    ], apart(outputs(doubled), right)


def _unbalanced(params: Params) -> float:
    """How far the Gram matrices of both factors are from the singular values of the product."""
    worst = 0.0
    for name, product in products(params).items():
        up, down = (params[f"{name}.{side}.weight"] for side in ("up", "down"))
        values = torch.diag(torch.linalg.svdvals(product)[: up.shape[1]].flip(0))
        for gram in (up.mT @ up, down @ down.mT):
            order = gram.diagonal().argsort()
            worst = max(worst, apart({"": gram[order][:, order]}, {"": values}))
    return worst


def _layers(params: Mapping[str, Tensor]) -> list[str]:
    return [n.removesuffix(".up.weight") for n in params if n.endswith(".up.weight")]

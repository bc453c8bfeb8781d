"""Theorem 3.1 of Entezari et al. (2022): two networks at their start, matched, against width."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call

from isthmus.algebra.groups import Permutation
from isthmus.alignment import align
from isthmus.discovery import discover
from isthmus.ground import Params, lerp, params_of
from isthmus.testing.training import seeded

_TS = (0.25, 0.5, 0.75)


class AtStart(nn.Module):
    """``h^-1/2 Σ v_i relu(u_i·x)``: u uniform in ±d^-1/2 as the theorem has it, v in ±1.

    The theorem has ``v`` in ±h^-1/2 and no factor: the same function. In this form a unit's two
    parts count alike where units are matched by their weights.
    """

    def __init__(self, inputs: int, width: int, low: float = -1.0) -> None:
        super().__init__()
        self.up = nn.Linear(inputs, width, bias=False)
        self.down = nn.Linear(width, 1, bias=False)
        nn.init.uniform_(self.up.weight, low * inputs**-0.5, inputs**-0.5)
        nn.init.uniform_(self.down.weight, -1, 1)
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        """``(samples, inputs)`` to ``(samples, 1)``."""
        out: Tensor = self.down(torch.relu(self.up(x)))
        return out / math.sqrt(self.down.in_features)


def gaps(inputs: int, width: int, samples: int, seed: int) -> tuple[float, float]:
    """Matched and unmatched: how far outputs on the line are from the mix of the ends'.

    The mean over inputs of length ``√inputs``, the largest over t.
    """
    model = AtStart(inputs, width)
    a, b = (params_of(seeded(lambda: AtStart(inputs, width), 2 * seed + k)) for k in (0, 1))
    x = torch.randn(samples, inputs, generator=torch.Generator().manual_seed(seed)).double()
    x = x / x.norm(dim=1, keepdim=True) * inputs**0.5
    symmetry = discover(model, x[:2]).restrict(Permutation)
    fit = align(b, to=a, symmetry=symmetry).params
    return _gap(model, a, fit, x), _gap(model, a, b, x)


def _gap(model: nn.Module, a: Mapping[str, Tensor], b: Params, x: Tensor) -> float:
    ends = functional_call(model, dict(a), x), functional_call(model, b, x)
    return max(
        float((functional_call(model, lerp(a, b, t), x) - torch.lerp(*ends, t)).abs().mean())
        for t in _TS
    )


def product_law(inputs: int, width: int, seed: int) -> float:
    """How far the gap is from ``-t(1 - t) h^-1/2 Σ Δv_i Δu_i·x`` where every unit is active.

    There, with positive weights and inputs, the activation is the identity, and the law exact;
    relative to the outputs.
    """
    model = AtStart(inputs, width, 0.0)
    a, b = (params_of(seeded(lambda: AtStart(inputs, width, 0.0), 2 * seed + k)) for k in (0, 1))
    x = torch.rand(20, inputs, generator=torch.Generator().manual_seed(seed)).double()
    ends = functional_call(model, a, x), functional_call(model, b, x)
    du, dv = (b[name] - a[name] for name in ("up.weight", "down.weight"))
    worst = 0.0
    for t in _TS:
        found = functional_call(model, lerp(a, b, t), x) - torch.lerp(*ends, t)
        law = -t * (1 - t) * (x @ du.mT) @ dv.mT / width**0.5
        worst = max(worst, float((found - law).abs().max()))
    return worst / float(ends[0].abs().max())

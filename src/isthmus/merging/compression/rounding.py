"""quantised: a model that computes with rounded numbers, at whatever parameters it is given."""

from __future__ import annotations

import copy
from collections.abc import Collection
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isthmus.ground import BadInput, UnknownName, closest


@final
class RoundedLinear(nn.Linear):
    """A linear layer that rounds its weights, and what it reads, whenever it is run.

    Parameters keep their names and are not changed. Gradients pass straight through the rounding
    (Bengio et al. 2013), so that what made the weights can be learned.

    Attributes:
        weights: Bits of a weight; None leaves them. So ``activations``, of what is read.
    """

    weights: int | None
    activations: int | None

    @classmethod
    def of(cls, layer: nn.Linear, weights: int | None, activations: int | None) -> RoundedLinear:
        """The same layer, sharing its parameters."""
        out = cls(layer.in_features, layer.out_features, layer.bias is not None, device="meta")
        out.weight, out.bias = layer.weight, layer.bias
        out.weights, out.activations = weights, activations
        out.training = layer.training
        return out

    def forward(self, x: Tensor) -> Tensor:
        """``(..., in)`` to ``(..., out)``."""
        return F.linear(rounded(x, self.activations), rounded(self.weight, self.weights), self.bias)


def rounded(x: Tensor, bits: int | None) -> Tensor:
    """Each row (along the last axis) on an even grid of its own, symmetric about zero.

    The grid has ``2^bits - 1`` values, ``0, ±s, ±2s, ...`` up to the row's largest entry; every
    entry goes to the nearest. The gradient is that of the identity.
    """
    if bits is None:
        return x
    levels = 2 ** (bits - 1) - 1
    step: Tensor = (
        x.detach().abs().amax(-1, keepdim=True).clamp_min(torch.finfo(x.dtype).tiny) / levels
    )
    grid = (x.detach() / step).round() * step
    out: Tensor = x + (grid - x.detach())
    return out


def quantised(
    model: nn.Module,
    weights: int | None = 4,
    activations: int | None = None,
    *,
    but: Collection[str] = (),
) -> nn.Module:
    """A copy of ``model`` in which every ``nn.Linear`` computes with rounded numbers.

    Round to nearest: each output's weights on a grid of their own, each token's activations on one
    of theirs (QuaRot, Ashkboos et al. 2024, with nothing calibrated). The parameters have the same
    names and are rounded only in the computation, so ``Loss(quantised(model), ...)`` takes any
    Params of the model: those as trained, or moved by a `basis_change`. `LossDescent` on that loss
    learns the rotation, as SpinQuant (Liu et al. 2024) does. Embeddings, norms, and what attention
    multiplies inside stay exact.

    Args:
        model: Not changed.
        weights: Bits of a weight, at least 2; None leaves weights as they are.
        activations: Bits of what a layer reads; so None.
        but: Names of linear modules that stay exact, such as the head.

    Raises:
        BadInput: Fewer than 2 bits; or the model has no ``nn.Linear`` to round.
        UnknownName: ``but`` names no linear module.
    """
    for bits in (weights, activations):
        if bits is not None and bits < 2:
            raise BadInput(f"{bits} bits, expected at least 2", "give 2 or more, or None for all")
    twin = copy.deepcopy(model)
    chosen = _chosen(twin, but)
    # A layer of several names stays one.
    made = {id(one): RoundedLinear.of(one, weights, activations) for one in chosen.values()}
    if "" in chosen:
        return made[id(twin)]
    for name, layer in chosen.items():
        twin.set_submodule(name, made[id(layer)])
    return twin


def _chosen(model: nn.Module, but: Collection[str]) -> dict[str, nn.Linear]:
    """The linear modules that are rounded, under all of their names."""
    every = model.named_modules(remove_duplicate=False)
    layers = {name: one for name, one in every if type(one) is nn.Linear}
    for name in but:
        if name not in layers:
            near = closest(name, layers)
            remedy = f"did you mean {near!r}?" if near else f"use some of {', '.join(layers)}"
            raise UnknownName(f"the model has no linear module {name!r}", remedy)
    chosen = {name: one for name, one in layers.items() if name not in but}
    if not chosen:
        raise BadInput(
            "the model has no linear module to round", "give one with torch.nn.Linear layers"
        )
    return chosen

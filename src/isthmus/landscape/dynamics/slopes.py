"""Gradient and Hessian products of a `Loss`, by parameters chosen by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from isthmus.ground import NotFinite
from isthmus.landscape.differentiable import DifferentiableStatistics
from isthmus.landscape.evaluation.samples import length
from isthmus.landscape.loss import Loss
from isthmus.landscape.running import evaluation_mode, pair, place, run, tensors, weights_for


def gradient(loss: Loss, params: Mapping[str, Tensor], names: Iterable[str]) -> dict[str, Tensor]:
    """The gradient of the mean loss over all samples by the parameters ``names``.

    Raises:
        NotFinite: The loss is not finite.
    """
    held = {name: params[name].detach().clone().requires_grad_() for name in names}
    total = {name: torch.zeros_like(tensor) for name, tensor in held.items()}
    for share, value in _shares(loss, {**params, **held}):
        found = torch.autograd.grad(value, list(held.values()), allow_unused=True)
        _add(total, found, share)
    return total


def hessian_times(
    loss: Loss, params: Mapping[str, Tensor], vector: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """The Hessian of the mean loss by the parameters that ``vector`` names, times it.

    Raises:
        NotFinite: The loss is not finite.
    """
    held = {name: params[name].detach().clone().requires_grad_() for name in vector}
    total = {name: torch.zeros_like(tensor) for name, tensor in held.items()}
    leaves = list(held.values())
    for share, value in _shares(loss, {**params, **held}):
        slopes = torch.autograd.grad(value, leaves, create_graph=True, allow_unused=True)
        used = [(s, v) for s, v in zip(slopes, vector.values(), strict=True) if s is not None]
        along = torch.stack([(slope * part.to(slope)).sum() for slope, part in used]).sum()
        if along.requires_grad:  # else the loss is linear in them
            _add(total, torch.autograd.grad(along, leaves, allow_unused=True), share)
    return total


def _add(total: Mapping[str, Tensor], found: Iterable[Tensor | None], share: float) -> None:
    for sum_, part in zip(total.values(), found, strict=True):
        if part is not None:
            sum_.add_(part, alpha=share)


def _shares(loss: Loss, params: Mapping[str, Tensor]) -> Iterator[tuple[float, Tensor]]:
    """(share of all samples, mean loss) of every batch, differentiable."""
    batches = [pair(batch, index) for index, batch in enumerate(loss.batches)]
    sizes = [length(*batch) or len(tensors(batch[0])[0]) for batch in batches]
    weights = weights_for(loss.model, params, loss.dtype, loss.device)
    device = next(iter(weights.values())).device
    written_out = sdpa_kernel(SDPBackend.MATH)  # fused attention has no second derivative
    with evaluation_mode(loss.model), torch.enable_grad(), written_out, DifferentiableStatistics():
        for size, batch in zip(sizes, batches, strict=True):
            inputs, targets = place(batch, device, loss.dtype)
            value = loss.criterion(run(loss.model, weights, inputs), targets)
            if not bool(torch.isfinite(value)):
                raise NotFinite(
                    f"the loss is {value.item()}", "start from params at which it is finite"
                )
            yield size / sum(sizes), value

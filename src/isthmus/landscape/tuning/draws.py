"""Gradients of single samples, for targets drawn from the model itself.

Their second moment is the Fisher matrix; where the criterion is that of an exponential family
(cross entropy, squared error) it is also the Gauss-Newton matrix of the loss (Martens 2014).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from isthmus.ground import BadInput, Params
from isthmus.landscape.evaluation.samples import cut
from isthmus.landscape.loss import Loss
from isthmus.landscape.running import evaluation_mode, pair, place, run, tensors, weights_for


def trained(loss: Loss, params: Mapping[str, Tensor]) -> list[str]:
    """The names of the parameters that a training of the loss's model moves."""
    return [name for name, _ in loss.model.named_parameters() if name in params]


def drawn_gradients(
    loss: Loss, params: Mapping[str, Tensor], samples: int | None = None, seed: int = 0
) -> Iterator[Params]:
    """For each sample the gradient of its loss, its target drawn from what the model predicts.

    A sample of many classes (the tokens of a text) has the mean of their losses: the gradient is
    multiplied by the root of their number, which makes its square the mean of theirs.

    Args:
        loss: The task; its targets count by their type and shape alone.
        params: Where.
        samples: The first so many; None means all.
        seed: Of the drawing.

    Raises:
        BadInput: The targets are neither classes nor values of the outputs' shape.
    """
    generator = torch.Generator().manual_seed(seed)
    held = {n: params[n].detach().clone().requires_grad_() for n in trained(loss, params)}
    weights = weights_for(loss.model, {**params, **held}, loss.dtype, loss.device)
    device = next(iter(weights.values())).device
    with evaluation_mode(loss.model):
        for inputs, targets in _singles(loss, samples):
            x, y = place((inputs, targets), device, loss.dtype)
            with torch.enable_grad():
                outputs = run(loss.model, weights, x)
                value = loss.criterion(outputs, _drawn(loss, outputs.detach(), y, generator))
                found = torch.autograd.grad(value, list(held.values()), allow_unused=True)
            scale = y.numel() ** 0.5 if not y.is_floating_point() else 1.0
            yield {
                n: torch.zeros_like(t) if g is None else g * scale
                for (n, t), g in zip(held.items(), found, strict=True)
            }


def _singles(loss: Loss, samples: int | None) -> Iterator[tuple[Any, Any]]:
    """Batches of one sample each."""
    left = samples
    for index, batch in enumerate(loss.batches):
        inputs, targets = pair(batch, index)
        for k in range(len(tensors(inputs)[0])):
            if left == 0:
                return
            left = None if left is None else left - 1
            yield cut(inputs, slice(k, k + 1)), cut(targets, slice(k, k + 1))


def _drawn(loss: Loss, outputs: Any, targets: Any, generator: torch.Generator) -> Tensor:
    """Targets from the distribution of which the criterion is the negative logarithm.

    Classes from the softmax of the outputs, over dimension 1 or, where that does not fit, the last;
    values from a Gaussian around them, as wide as the criterion ``c ‖f - y‖²`` says: ``1 / 2c``.
    """
    shape = tuple(outputs.shape) if isinstance(outputs, Tensor) else ()
    if isinstance(targets, Tensor) and len(shape) > 1 and not targets.is_floating_point():
        for axis in (1, -1):
            scores = outputs.movedim(axis, -1)
            if scores.shape[:-1] == targets.shape:
                chances = scores.softmax(-1).flatten(0, -2).cpu()
                drawn = torch.multinomial(chances, 1, generator=generator)
                return drawn.reshape(targets.shape).to(targets)
    if isinstance(targets, Tensor) and shape == tuple(targets.shape) and shape:
        noise = torch.randn(shape, generator=generator, dtype=outputs.dtype).to(outputs)
        steepness = loss.criterion(outputs + noise, outputs) / noise.square().sum()
        values: Tensor = outputs + noise * (2 * steepness).rsqrt()
        return values
    raise BadInput(
        f"targets cannot be drawn from outputs of shape {shape}",
        "give classes of the outputs' scores, or values of the outputs' shape, as targets",
    )

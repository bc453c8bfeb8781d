"""tune: learn a second task from the parameters of a first."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

import torch
from torch import Tensor, nn

from isthmus.ground import BadInput, NotFinite, Params, params_of
from isthmus.landscape.loss import Loss
from isthmus.landscape.running import Batch, evaluation_mode, pair, place, run, weights_for
from isthmus.landscape.tuning.elastic import ElasticPenalty
from isthmus.landscape.tuning.flat import FlatDirections
from isthmus.landscape.tuning.projected import Projected

Optimise: TypeAlias = "Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]"
"""Makes an optimiser of parameters."""


def adam(parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """Adam with a step size of 0.001."""
    return torch.optim.Adam(parameters, lr=1e-3)


def tune(
    params: Mapping[str, Tensor],
    second: Loss,
    keep: FlatDirections | ElasticPenalty | None = None,
    *,
    optimiser: Optimise = adam,
    epochs: int = 3,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Params:
    """Train on from ``params`` on a second task, and keep to what the first task leaves free.

    The model runs as it is evaluated: without dropout, and BatchNorm with the statistics that it
    has, which otherwise would be lost to the first task whatever the weights do.

    Args:
        params: Where the first task was learned.
        second: The second task; a step is one of its batches.
        keep: Directions that every step is projected onto, a penalty that is added to the loss, or
            None to tune freely.
        optimiser: Makes it, of the parameters of a copy of the model.
        epochs: Passes over the batches, each in another order.
        seed: Of that order.
        progress: Called with (epochs done, epochs).

    Raises:
        BadInput: ``epochs`` is not positive, or the data do not fit the model.
        NotFinite: The loss is not finite any more.
        UnknownName, ShapeMismatch: The params are not of this model.
    """
    if epochs < 1:
        raise BadInput(f"epochs is {epochs}, expected at least 1", "give a positive number")
    model = _loaded(second, params)
    steps = optimiser(model.parameters())
    if isinstance(keep, FlatDirections):
        steps = Projected(steps, model, keep)
    batches = [pair(batch, index) for index, batch in enumerate(second.batches)]
    generator = torch.Generator().manual_seed(seed)
    with evaluation_mode(model), torch.enable_grad():
        for epoch in range(epochs):
            for index in torch.randperm(len(batches), generator=generator).tolist():
                steps.zero_grad()
                value = _value(second, model, batches[index])
                if isinstance(keep, ElasticPenalty):
                    value = value + keep(model)
                if not bool(torch.isfinite(value)):
                    raise NotFinite(
                        f"the loss became {value.item()}", "take smaller steps, or a weaker penalty"
                    )
                value.backward()  # type: ignore[no-untyped-call]
                steps.step()
            if progress is not None:
                progress(epoch + 1, epochs)
    return params_of(model)


def _loaded(second: Loss, params: Mapping[str, Tensor]) -> nn.Module:
    """A copy of the model that holds the params."""
    weights = weights_for(second.model, params, second.dtype, second.device)
    model = copy.deepcopy(second.model)
    device = next(iter(weights.values())).device
    model.to(device=device, dtype=second.dtype)
    held = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    with torch.no_grad():
        for name, tensor in held.items():
            tensor.copy_(weights[name])
    return model


def _value(second: Loss, model: nn.Module, batch: Batch) -> Tensor:
    """The loss on a batch."""
    device = next(model.parameters()).device
    inputs, targets = place(batch, device, second.dtype)
    value: Tensor = second.criterion(run(model, {}, inputs), targets)
    return value

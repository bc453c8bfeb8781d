"""The data in steps of as many samples as a memory budget allows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from isthmus.ground import BadInput, Params
from isthmus.landscape.loss import Loss
from isthmus.landscape.running import Inputs, pair, place, run, tensors

_TENSORS = 24
"""Tensors of the size of the largest in the model that a step holds at once, at most about."""


def steps(loss: Loss, weights: Params, memory: float) -> Iterator[tuple[Inputs, Any, int]]:
    """Inputs, targets and samples of every step, on the device of the weights, in float64.

    Raises:
        BadInput: There are no samples, or the data do not fit the model.
    """
    device = next((t.device for t in weights.values()), torch.device("cpu"))
    step, found = 0, False
    for index, batch in enumerate(loss.batches):
        inputs, targets = place(pair(batch, index), device, torch.float64)
        every = tensors(inputs) + tensors(targets)
        total = len(every[0]) if every and every[0].dim() else 1
        if any(t.shape[:1] != (total,) for t in every):
            yield inputs, targets, total
            found = True
            continue
        if total and not step:
            largest = _largest(loss, weights, cut(inputs, 0, 1))
            step = max(1, int(memory / (_TENSORS * 8 * largest)))
        for start in range(0, total, step or 1):
            stop = min(start + step, total)
            yield cut(inputs, start, stop), cut(targets, start, stop), stop - start
    if not (step or found):
        raise BadInput("no samples to bound the loss on", "give at least one batch")


def cut(tree: Any, start: int, stop: int) -> Any:
    """Samples ``start`` to ``stop`` of every tensor in ``tree``."""
    if isinstance(tree, Tensor):
        return tree[start:stop]
    if isinstance(tree, Mapping):
        return {name: cut(item, start, stop) for name, item in tree.items()}
    if isinstance(tree, tuple | list):
        return tuple(cut(item, start, stop) for item in tree)
    return tree


def _largest(loss: Loss, weights: Params, sample: Inputs) -> int:
    """The numbers in the largest tensor that the model makes of one sample."""
    meter = _Meter()
    with torch.no_grad(), meter:
        run(loss.model, weights, sample)
    return max(1, meter.largest)


class _Meter(TorchDispatchMode):
    """Watches how large tensors become; views of parameters do not count."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.largest = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """No: nothing is compiled here, and to skip the compiler is first to import it."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if not func.is_view:
            self.largest = max([self.largest, *(t.numel() for t in tensors([made]))])
        return made

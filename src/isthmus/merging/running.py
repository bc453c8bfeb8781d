"""Running a model: what its modules give on data, and a copy that stands at Params."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from isthmus.landscape.running import Batch, evaluation_mode, pair, run, weights_for


def watch(
    model: nn.Module,
    params: Mapping[str, Tensor],
    batches: Iterable[Batch],
    modules: Mapping[str, nn.Module],
    note: Callable[[str, Tensor], None],
) -> None:
    """Run ``model`` at ``params`` over ``batches``; ``note`` each output, in the order of running.

    Outputs that are no floating-point tensors are passed over. Further calls of a module on a
    batch are numbered: ``name (2)``.

    Raises:
        BadInput: The model cannot take a batch.
        UnknownName: The Params are not of this model; so ShapeMismatch.
    """
    weights, calls = weights_for(model, params), Counter[str]()

    def hook(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def look(module: nn.Module, args: Any, output: Any) -> None:
            if isinstance(output, Tensor) and output.is_floating_point():
                calls[name] += 1
                note(name if calls[name] == 1 else f"{name} ({calls[name]})", output)

        return look

    with ExitStack() as stack, torch.no_grad(), evaluation_mode(model):
        for name, module in modules.items():
            stack.callback(module.register_forward_hook(hook(name)).remove)
        for index, batch in enumerate(batches):
            calls.clear()
            run(model, weights, pair(batch, index)[0])


def standing(model: nn.Module, params: Mapping[str, Tensor]) -> nn.Module:
    """A copy of ``model`` with these Params.

    Raises:
        UnknownName: They are not of this model; so ShapeMismatch.
    """
    weights_for(model, params)
    twin = copy.deepcopy(model)
    twin.load_state_dict(dict(params), strict=False)  # tied names are left out, and follow
    return twin

"""Trunks: the first layers of every model, and the merged model on the mean of their features."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from isthmus.discovery.capture import Example, as_inputs
from isthmus.ground import BadInput
from isthmus.landscape.modules import modules_of
from isthmus.landscape.running import evaluation_mode, shape_text, tensors
from isthmus.merging.average import Average
from isthmus.merging.running import standing


@final
class Trunks(nn.Module):
    """Preserve-first merging that keeps the first layers of all models (Qu and Horvath 2025).

    Every end runs up to the module ``at``; what it gives there is averaged, and the merged model
    goes on from the mean. All that comes later must read the input through that module alone: this
    is tested on the example. Where ``at`` is the first layer that is merged, a linear map or a
    convolution, that is the variant whose layer reads the features of all ends side by side, each
    with the weights of its own model.

    Costs as much as the merged model and the trunks together, its own first layers, which do not
    count, included. A module like any other: it may be trained, saved and moved.

    Args:
        model: The module whose architecture the Params have; copied.
        ends: The models that were merged, aligned.
        merged: The merged model.
        at: The name of a module that returns a tensor.
        example: Inputs of two samples at least.
        weights: As they were merged with; None weighs all the same.

    Raises:
        BadInput: ``at`` does not run, or gives no tensor; or later layers see the input past it; or
            the weights are not one for each end.
        UnknownName: There is no such module, or Params are not of the model; so ShapeMismatch.
    """

    def __init__(
        self,
        model: nn.Module,
        ends: Sequence[Mapping[str, Tensor]],
        merged: Mapping[str, Tensor],
        at: str,
        example: Example,
        weights: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        modules_of(model, [at])
        Average(weights)
        self.at = at
        self.shares = list(weights or [1.0] * len(ends))
        if len(self.shares) != len(ends) or not ends:
            raise BadInput(
                f"{len(self.shares)} weights for {len(ends)} ends, expected one each",
                "give at least one end, and as many weights as ends, or none for equal ones",
            )
        self.trunks = nn.ModuleList(standing(model, end) for end in ends)
        self.rest = standing(model, merged)
        self._require_cut(example)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The outputs of the merged model on the mean of the features."""
        total = math.fsum(self.shares)
        found = [self._features(trunk, args, kwargs) for trunk in self.trunks]
        mean = sum(f * (w / total) for f, w in zip(found, self.shares, strict=True))
        return self._onwards(mean, args, kwargs)

    def _features(self, trunk: nn.Module, args: Any, kwargs: Any) -> Tensor:
        """What ``at`` gives there; all that comes after it is not run."""

        def stop(module: nn.Module, given: Any, output: Any) -> None:
            raise _Reached(output)

        handle = trunk.get_submodule(self.at).register_forward_hook(stop)
        try:
            trunk(*args, **kwargs)
        except _Reached as reached:
            if isinstance(reached.output, Tensor):
                return reached.output
            found = f"gives a {type(reached.output).__name__}"
        else:
            found = "does not run"
        finally:
            handle.remove()
        raise BadInput(f"module {self.at!r} {found}", "name one that runs and returns a tensor")

    def _onwards(self, features: Any, args: Any, kwargs: Any) -> Any:
        """The merged model where ``at`` gives ``features``."""
        handle = self.rest.get_submodule(self.at).register_forward_hook(lambda *_: features)
        try:
            return self.rest(*args, **kwargs)
        finally:
            handle.remove()

    def _require_cut(self, example: Example) -> None:
        """Other inputs past the same features must not be seen."""
        shown = tensors(example)
        if not shown or any(one.dim() == 0 or len(one) < 2 for one in shown):
            raise BadInput(
                f"the example has shape {shape_text(example)}, expected two samples at least",
                "give more, so that it shows whether later layers see the input past the features",
            )
        others = tree_map_only(Tensor, lambda one: one.roll(1, 0), example)
        with torch.no_grad(), evaluation_mode(self):
            features = self._features(self.trunks[0], *as_inputs(example))
            one, two = (
                tensors([self._onwards(features, *as_inputs(given))]) for given in (example, others)
            )
        if not all(torch.equal(x, y) for x, y in zip(one, two, strict=True)):
            raise BadInput(
                f"layers after {self.at!r} see the input past it",
                "name a module through which all goes that later layers read, as a whole block",
            )


class _Reached(Exception):
    """The forward pass has come to the features."""

    def __init__(self, output: Any) -> None:
        super().__init__()
        self.output = output

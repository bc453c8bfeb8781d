"""Pleas: units matched in part, then each layer fitted to what the models compute."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import torch
from torch import Tensor, nn

from isthmus.algebra import Symmetry
from isthmus.ground import BadInput, Params, double, matrices
from isthmus.landscape.running import evaluation_mode, pair, run, weights_for
from isthmus.merging.features.common import CommonUnits, Passage
from isthmus.merging.features.grouping import paired
from isthmus.merging.features.merger import AbstractFeatureMerger, Rows, WideBatches
from isthmus.merging.features.unfolding import columns, fits, unfolded
from isthmus.merging.features.zipping import grouped
from isthmus.merging.repairs.layers import Layer, Layers

LARGEST = 2**24
"""How many numbers the inputs of a layer may hold at once, one column for each output."""


@final
@dataclass(frozen=True, eq=False)
class Pleas(AbstractFeatureMerger):
    """Units paired, then every layer refitted by least squares (Nasery et al. 2024, PLeaS).

    In each space the units of both models are paired by the largest sum of correlations. Given a
    wider module (``into``), pairs that are least alike are kept apart, so many that its width is
    filled: twice the width keeps all. Then each linear map and convolution, in the order in which
    they run, is fitted: of ``Σ |W z - h|² + λ |W - W_0|²``, z being what the merged model gives it,
    h the mean of what the models' matched units show behind it, and W_0 its merge by the mean, the
    least. The source is known by its title alone: all but "partial permutation matching, then least
    squares" is reconstructed.

    Args:
        model: As of `AbstractFeatureMerger`; so ``symmetry`` and ``into``.
        batches: Also so; they are read once for each layer.
        ridge: λ, relative to the mean square of a layer's inputs; positive. What the data do not
            show stays as it is in W_0.

    Raises:
        BadInput: The ridge is not positive; on a call, as `AbstractFeatureMerger`.
    """

    ridge: float = 1e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.ridge > 0:
            raise BadInput(f"ridge is {self.ridge}, expected a positive number", "give 1e-3, say")

    def __call__(self, models: Sequence[Mapping[str, Tensor]]) -> Params:
        """The merged Params."""
        common = self.common(models)
        merged = common.target.canonical(double(common.merged()))
        module = self.into[0] if self.into is not None else self.model
        known = Layers(module, WideBatches(self.batches))
        ends = tuple((self.model, end) for end in common.canonical())
        for name in known.order(merged, None):
            if f"{name}.weight" in merged and fits(known.modules[name]):
                given = (*ends, (module, merged))
                merged = self._fitted(common, name, given, merged)
        return common.settled(merged)

    def _passages(self, rows: Mapping[str, list[Rows]], target: Symmetry) -> list[Passage]:
        return grouped(rows, target, paired)

    def _fitted(
        self,
        common: CommonUnits,
        name: str,
        given: Sequence[tuple[nn.Module, Mapping[str, Tensor]]],
        merged: Params,
    ) -> Params:
        """``merged`` with one layer that fits best."""
        layer: Any = given[-1][0].get_submodule(name)
        square: Tensor | None = None
        cross: Tensor | None = None
        for *ends, own in _calls(given, name, WideBatches(self.batches)):
            missing = _mean(common, name, layer, ends) - _rows(layer, own.output)
            seen = columns(layer, own.given)
            here, there = seen @ seen.mT, _grouped(layer, missing) @ seen.mT
            square = here if square is None else square + here
            cross = there if cross is None else cross + there
        if square is None or cross is None:
            return merged
        mean = square.diagonal(dim1=-2, dim2=-1).mean(-1)[..., None, None].clamp_min(1e-300)
        damped = square + self.ridge * mean * torch.eye(square.shape[-1], dtype=square.dtype)
        change = (cross @ matrices.inverse(damped)).flatten(0, 1)
        return _added(merged, name, change)


def _mean(common: CommonUnits, name: str, layer: Layer, ends: Sequence[_Call]) -> Tensor:
    """The mean of what matched units show behind a layer, ``(channels, samples)``."""
    total, count = torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    for number, call in enumerate(ends):
        part, units = common.channels(f"{name}.weight", number, _rows(layer, call.output))
        total, count = total + part, count + units
    return total / count.clamp_min(1)


class _Call(NamedTuple):
    """What a layer was given on a batch, and what it gave."""

    given: Tensor
    output: Tensor


def _calls(
    given: Sequence[tuple[nn.Module, Mapping[str, Tensor]]], name: str, batches: Any
) -> Iterator[list[_Call]]:
    """Of every model, what one layer does, call by call, few samples at a time."""
    layer: Any = given[-1][0].get_submodule(name)
    for index, batch in enumerate(batches):
        inputs = pair(batch, index)[0]
        found = [_watched(model, params, name, inputs) for model, params in given]
        for calls in zip(*found, strict=True):
            size = max(1, LARGEST // max(1, unfolded(layer, calls[-1].output)))
            parts = [(call.given.split(size), call.output.split(size)) for call in calls]
            yield from (
                [_Call(*one) for one in row]
                for row in zip(*(zip(*part, strict=True) for part in parts), strict=True)
            )


def _watched(model: nn.Module, params: Mapping[str, Tensor], name: str, inputs: Any) -> list[_Call]:
    calls: list[_Call] = []

    def look(module: nn.Module, args: Any, output: Any) -> None:
        calls.append(_Call(args[0].double(), output.double()))

    with ExitStack() as stack, torch.no_grad(), evaluation_mode(model):
        hook: Callable[[], None] = model.get_submodule(name).register_forward_hook(look).remove
        stack.callback(hook)
        run(model, weights_for(model, params, torch.float64), inputs)
    return calls


def _rows(layer: Layer, output: Tensor) -> Tensor:
    """``(channels, samples)``."""
    return output.movedim(-1 if isinstance(layer, nn.Linear) else 1, 0).flatten(1)


def _grouped(layer: Layer, rows: Tensor) -> Tensor:
    """``(groups, channels of each, samples)``."""
    groups = 1 if isinstance(layer, nn.Linear) else layer.groups
    return rows.reshape(groups, -1, rows.shape[1])


def _added(params: Params, name: str, change: Tensor) -> Params:
    """A layer changed: the last column is that of the bias, if there is one."""
    weight, bias = params[f"{name}.weight"], params.get(f"{name}.bias")
    found = {**params}
    if bias is not None:
        found[f"{name}.bias"] = (bias.double() + change[:, -1]).to(bias.dtype)
        change = change[:, :-1]
    found[f"{name}.weight"] = (weight.double() + change.reshape(weight.shape)).to(weight.dtype)
    return found

"""Renormalise: REPAIR and RESCALE (Jordan et al. 2023), for networks without norms.

Where two models are averaged, what their units say interferes: activations of the middle vary less
than those of the ends, and the less the deeper. REPAIR gives each channel of each layer the mean
and standard deviation that it has at the ends, interpolated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, final

import torch
from torch import Tensor, nn

from isthmus.ground import BadInput, Params, aliases
from isthmus.landscape.running import Batch, evaluation_mode, pair, run, weights_for

_Layer = nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d


@final
@dataclass(frozen=True, eq=False)
class Renormalise:
    """Weights and biases of every layer scaled and shifted, channel by channel, the last excepted.

    Layers are linear maps and convolutions, taken in the order in which they run, each after those
    before it are repaired. One without a bias is only scaled; one that shares its weight with
    another, and one that a norm follows, need no such repair: leave them out of ``layers``.

    Args:
        model: The module whose architecture the Params have.
        batches: Pairs (inputs, targets); targets are ignored. Read once for each layer.
        ends: The models that were merged, aligned.
        weights: As they were merged with; None weighs all the same.
        shift: Whether means are set too (REPAIR); else only standard deviations (RESCALE).
        layers: Names of modules; None means all but the last.

    Raises:
        BadInput: On a call: a name is no layer, or a layer does not run.
    """

    model: nn.Module
    batches: Iterable[Batch]
    ends: Sequence[Mapping[str, Tensor]] = field(repr=False)
    weights: Sequence[float] | None = None
    shift: bool = True
    layers: Sequence[str] | None = None

    def __post_init__(self) -> None:
        if iter(self.batches) is self.batches:  # a generator would be empty the second time
            object.__setattr__(self, "batches", tuple(self.batches))

    def __call__(self, params: Mapping[str, Tensor]) -> Params:
        """``params`` repaired."""
        shares = self.weights or [1.0] * len(self.ends)
        order = self._order(params)
        goals = [self._moments(end, order) for end in self.ends]
        found = {name: tensor.clone() for name, tensor in params.items()}
        for name in order:
            wanted = _mixed([goal[name] for goal in goals], shares)
            self._repair(found, name, wanted)
        return found

    def _repair(self, params: Params, name: str, wanted: tuple[Tensor, Tensor]) -> None:
        mean, deviation = self._moments(params, [name])[name]
        # A unit that never changes stays as it is.
        ratio = torch.where(deviation > 1e-12, wanted[1] / deviation.clamp_min(1e-12), 1.0)
        weight = params[f"{name}.weight"]
        rows = ratio.reshape(-1, *[1] * (weight.dim() - 1))
        params[f"{name}.weight"] = (weight.double() * rows).to(weight.dtype)
        bias = params.get(f"{name}.bias")
        if bias is not None:
            kept, added = (mean, wanted[0]) if self.shift else (0.0, 0.0)
            params[f"{name}.bias"] = ((bias.double() - kept) * ratio + added).to(bias.dtype)

    @property
    def _modules(self) -> dict[str, _Layer]:
        """The layers by name, that of a tied weight left out."""
        tied = {*aliases(self.model), *aliases(self.model).values()}
        found = {n: m for n, m in self.model.named_modules() if isinstance(m, _Layer)}
        return {n: m for n, m in found.items() if f"{n}.weight" not in tied}

    def _order(self, params: Mapping[str, Tensor]) -> list[str]:
        """The layers to repair, in the order in which they run."""
        known = self._modules
        for name in self.layers or ():
            if name not in known:
                raise BadInput(
                    f"{name!r} is no linear map or convolution with a weight of its own",
                    f"name some of {', '.join(known)}",
                )
        ran = list(self._moments(params, list(known), first=True))
        if self.layers is None:
            return ran[:-1]
        if missing := [name for name in self.layers if name not in ran]:
            raise BadInput(f"{missing[0]!r} does not run on these data", "leave it out")
        return [name for name in ran if name in self.layers]

    def _moments(
        self, params: Mapping[str, Tensor], names: Sequence[str], first: bool = False
    ) -> dict[str, tuple[Tensor, Tensor]]:
        """Mean and standard deviation of each channel of the outputs of layers, by name."""
        sums: dict[str, tuple[int, Tensor, Tensor]] = {}

        def note(name: str, output: Tensor) -> None:
            last = isinstance(self._modules[name], nn.Linear)
            rows = output.double().movedim(-1 if last else 1, 0).flatten(1)
            count, total, squares = sums.get(name, (0, torch.zeros(()), torch.zeros(())))
            sums[name] = (
                count + rows.shape[1],
                total + rows.sum(1),
                squares + rows.square().sum(1),
            )

        weights = weights_for(self.model, params)
        with ExitStack() as stack, torch.no_grad(), evaluation_mode(self.model):
            for name in names:
                hook = self._modules[name].register_forward_hook(_noting(note, name))
                stack.callback(hook.remove)
            for index, batch in enumerate(self.batches):
                run(self.model, weights, pair(batch, index)[0])
                if first:
                    break
        return {
            name: (total / count, (squares / count - (total / count).square()).clamp_min(0).sqrt())
            for name, (count, total, squares) in sums.items()
        }


def _noting(note: Any, name: str) -> Any:
    def hook(module: nn.Module, args: Any, output: Tensor) -> None:
        note(name, output)

    return hook


def _mixed(
    moments: Sequence[tuple[Tensor, Tensor]], shares: Sequence[float]
) -> tuple[Tensor, Tensor]:
    """The weighted means of means and of deviations."""
    total = sum(shares)
    mean = torch.stack([m * w for (m, _), w in zip(moments, shares, strict=True)]).sum(0) / total
    each = torch.stack([s * w for (_, s), w in zip(moments, shares, strict=True)])
    return mean, each.sum(0) / total

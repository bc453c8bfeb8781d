"""Layers: the linear maps and convolutions of a model, and the moments of what they give."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import torch
from torch import Tensor, nn

from isthmus.ground import BadInput, aliases
from isthmus.landscape.running import Batch
from isthmus.merging.running import watch

Layer = nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d


class Moments(NamedTuple):
    """Mean and standard deviation of each channel, ``(channels,)``, in float64."""

    mean: Tensor
    deviation: Tensor


@dataclass(frozen=True, eq=False)
class Layers:
    """The layers of ``model`` while it runs over ``batches``, which are read for each question."""

    model: nn.Module
    batches: Iterable[Batch]

    @property
    def modules(self) -> dict[str, Layer]:
        """By name, those that share their weight with another left out."""
        tied = {*aliases(self.model), *aliases(self.model).values()}
        found = {n: m for n, m in self.model.named_modules() if isinstance(m, Layer)}
        return {n: m for n, m in found.items() if f"{n}.weight" not in tied}

    def order(self, params: Mapping[str, Tensor], chosen: Sequence[str] | None) -> list[str]:
        """The names of layers, all or those chosen, in the order in which they run.

        Raises:
            BadInput: A name is no layer, or it does not run.
        """
        known = self.modules
        for name in chosen or ():
            if name not in known:
                raise BadInput(
                    f"{name!r} is no linear map or convolution with a weight of its own",
                    f"name some of {', '.join(known)}",
                )
        ran: list[str] = []
        first = islice(self.batches, 1)
        watch(self.model, params, first, known, lambda name, _: ran.append(name))
        ran = [name for name in ran if name in known]  # without further calls
        if chosen is None:
            return ran
        if missing := [name for name in chosen if name not in ran]:
            raise BadInput(f"{missing[0]!r} does not run on these data", "leave it out")
        return [name for name in ran if name in chosen]

    def moments(
        self,
        params: Mapping[str, Tensor],
        names: Sequence[str],
        seen: Callable[[str, Tensor], Tensor] = lambda name, rows: rows,
    ) -> dict[str, Moments]:
        """Of the outputs of layers by name, over samples, positions and calls.

        ``seen`` may make other rows of what a layer gives, ``(channels, samples)``.
        """
        known = self.modules
        sums: dict[str, tuple[int, Tensor, Tensor]] = {}

        def note(call: str, output: Tensor) -> None:
            name = call if call in known else call.rpartition(" ")[0]  # a further call
            last = isinstance(known[name], nn.Linear)
            rows = seen(name, output.double().movedim(-1 if last else 1, 0).flatten(1))
            count, total, squares = sums.get(name, (0, torch.zeros(()), torch.zeros(())))
            sums[name] = (
                count + rows.shape[1],
                total + rows.sum(1),
                squares + rows.square().sum(1),
            )

        watch(self.model, params, self.batches, {name: known[name] for name in names}, note)
        return {
            name: Moments(
                total / count, (squares / count - (total / count).square()).clamp_min(0).sqrt()
            )
            for name, (count, total, squares) in sums.items()
        }

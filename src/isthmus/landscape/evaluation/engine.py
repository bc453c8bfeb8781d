"""Running a model at many points on the same data: batches outside, points inside."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from isthmus.ground import BadInput
from isthmus.landscape.evaluation.memory import Footprint, Watch, step_size
from isthmus.landscape.evaluation.ranks import ALONE, Ranks
from isthmus.landscape.evaluation.samples import cut, length
from isthmus.landscape.evaluation.sharing import Sharing
from isthmus.landscape.running import Batch, Inputs, evaluation_mode, pair, place, run, tensors

_PROBE = 4
"""Samples on which a model is weighed."""


@dataclass(frozen=True)
class Step:
    """What a model gives at one point for some samples of a batch."""

    point: int
    batch: int
    start: int
    samples: int
    outputs: Any
    targets: Any


Told: TypeAlias = "Callable[[float], None]"
"""Called with the share of the work that is done."""


@dataclass(frozen=True, eq=False)
class Engine:
    """How a model is run at many points: in which steps, with how much memory, by whom.

    Args:
        model: The module.
        dtype: That of the inputs; None leaves theirs.
        micro_batch: Samples a step; None chooses.
        memory: Bytes for results; see `isthmus.landscape.Loss`.
        ranks: The processes that share the samples.
        divisible: Whether what is computed from outputs and targets of some samples follows from
            what it is for each of them; where it does not, batches stay whole.
    """

    model: nn.Module
    dtype: torch.dtype | None = None
    micro_batch: int | None = None
    memory: int = 2**30
    ranks: Ranks = ALONE
    divisible: Callable[[Any, Any, int], bool] = lambda outputs, targets, samples: True
    _footprints: dict[Any, Footprint | None] = field(default_factory=dict, init=False, repr=False)
    _contiguous: set[bool] = field(default_factory=set, init=False, repr=False)

    def over(
        self,
        points: Sequence[Mapping[str, Tensor]],
        batches: Iterable[Batch],
        visit: Callable[[Step], None],
        told: Told,
    ) -> None:
        """Visit every step of every batch at every point, without gradients, in evaluation mode.

        Args:
            points: Complete weights (`running.weights_for`), all on one device.
            batches: Pairs (inputs, targets).
            visit: Called with every step.
            told: Called after it.

        Raises:
            BadInput: The data do not fit the model.
        """
        device = next((t.device for t in points[0].values()), torch.device("cpu"))
        count = len(batches) if isinstance(batches, Sized) else None
        watched = len(points) > 1
        sharing = Sharing(points if watched else (), self.memory // 4)
        with torch.no_grad(), evaluation_mode(self.model), closing(sharing):
            for index, batch in enumerate(batches):
                inputs, targets = place(pair(batch, index), device, self.dtype)
                parts = list(self._parts(points[0], inputs, targets, index))
                for number, (start, size, part, wanted) in enumerate(parts):
                    laid = self._laid(part)
                    sharing.begin(laid)
                    watched = watched and self._worth_watching(part, size)
                    for point, weights in enumerate(points):
                        mode = sharing.at(point) if watched else nullcontext()
                        outputs = self._run(weights, part, laid, mode)
                        visit(Step(point, index, start, size, outputs, wanted))
                        watched = watched and (point > 0 or sharing.worth)
                        if count:
                            done = number + (point + 1) / len(points)
                            told((index + done / len(parts)) / count)

    def _parts(
        self, weights: Mapping[str, Tensor], inputs: Inputs, targets: Any, index: int
    ) -> Iterator[tuple[int, int, Inputs, Any]]:
        """(start, samples, inputs, targets) of the steps of this process on a batch."""
        total = length(inputs, targets)
        if total is None:  # it cannot be cut
            if self.ranks.part(1, index) == slice(0, 1):
                yield 0, len((tensors(inputs) or tensors(targets))[0]), inputs, targets
            return
        own = self.ranks.part(total, index)
        step = self.micro_batch or self._step(weights, inputs, targets, total)
        for start in range(own.start, own.stop, step):
            part = slice(start, min(start + step, own.stop))
            whole = part == slice(0, total)
            given = (inputs, targets) if whole else (cut(inputs, part), cut(targets, part))
            yield start, part.stop - part.start, *given

    def _step(self, weights: Mapping[str, Tensor], inputs: Inputs, targets: Any, total: int) -> int:
        """Samples a step, from what a few of them need; learned once for inputs of this shape."""
        held = tensors(inputs)
        key = _shape(inputs)
        if total <= _PROBE or not held:
            return max(1, total)
        if key not in self._footprints:
            few = slice(_PROBE)
            part = self._laid(cut(inputs, few))
            self._footprints[key] = self._weighed(weights, part, cut(targets, few))
        found = self._footprints[key]
        return total if found is None else step_size(found, self.memory, held[0].device.type)

    def _weighed(
        self, weights: Mapping[str, Tensor], inputs: Inputs, targets: Any
    ) -> Footprint | None:
        """What a sample needs; None where a few samples do not tell, or batches stay whole."""
        try:
            with Watch((*weights.values(), *tensors(inputs))) as watch:
                outputs = run(self.model, weights, inputs)
            if not self.divisible(outputs, targets, _PROBE):
                return None
        except BadInput:  # the whole batch will say what is wrong
            return None
        each = (watch.largest / _PROBE, watch.peak / _PROBE, watch.work / _PROBE)
        return Footprint(*each, watch.operators)

    def _worth_watching(self, inputs: Inputs, samples: int) -> bool:
        """Whether work may be shared on a step; so too where it was never weighed."""
        found = self._footprints.get(_shape(inputs))
        return found is None or found.worth_watching(samples)

    def _laid(self, inputs: Inputs) -> Inputs:
        """Images channels last, where the model has convolutions and allows that."""
        if (
            not self._contiguous
            and isinstance(inputs, Tensor)
            and inputs.dim() == 4
            and any(isinstance(module, nn.Conv2d) for module in self.model.modules())
        ):
            return inputs.contiguous(memory_format=torch.channels_last)
        return inputs

    def _run(
        self,
        weights: Mapping[str, Tensor],
        given: Inputs,
        laid: Inputs,
        mode: AbstractContextManager[object],
    ) -> Any:
        """The model's outputs on inputs as they are laid or, where it cannot take that, given."""
        try:
            if laid is given or not self._contiguous:
                with mode:
                    return run(self.model, weights, laid)
        except BadInput:  # as for a `view` that wants the usual order; remembered if that helps
            if laid is given:
                raise
        outputs = run(self.model, weights, given)
        self._contiguous.add(True)
        return outputs


def _shape(inputs: Inputs) -> Any:
    """What inputs are like, whatever the number of samples."""
    return tuple((tensor.shape[1:], tensor.dtype) for tensor in tensors(inputs))

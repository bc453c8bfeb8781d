"""The loss of a model as a function of its Params, on fixed data."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, final

import torch
from torch import Tensor, nn

from isthmus.ground import BadInput, Params, Result
from isthmus.landscape.running import (
    Batch,
    Inputs,
    evaluation_mode,
    pair,
    place,
    run,
    said,
    shape_text,
    tensors,
    weights_for,
)
from isthmus.landscape.statistics import recompute_statistics as recompute

Criterion: TypeAlias = "Callable[[Any, Any], Any]"
"""Outputs and targets to their mean over the samples, a scalar."""

Progress: TypeAlias = "Callable[[int, int], None]"
"""Called with how many steps are done and how many there are."""

_IMAGES = 100
"""Images a step: the fastest on a CPU (feasibility.md, section 6)."""


@final
@dataclass(frozen=True)
class Evaluation(Result):
    """The loss and the metrics at one point, as means over ``samples`` samples."""

    loss: float
    metrics: Mapping[str, float] = field(default_factory=dict)
    samples: int = 0

    @property
    def finite(self) -> bool:
        """Whether the loss is a number: a diverged model has infinity or NaN."""
        return math.isfinite(self.loss)

    def __str__(self) -> str:
        words = [f"loss {self.loss:.4g}" + ("" if self.finite else " (not finite)")]
        words += [f"{name} {value:.4g}" for name, value in self.metrics.items()]
        return ", ".join(words) + f" on {self.samples} samples"


@final
@dataclass(frozen=True, eq=False)
class Loss:
    """``loss(params)``: the mean of ``criterion`` over the samples of ``batches``.

    The model is only run, in evaluation mode and without gradients: it keeps its weights and its
    mode. Batches count by their samples, and sums are kept in float64.

    Args:
        model: The module whose architecture is evaluated; its weights do not matter.
        batches: Pairs (inputs, targets), inputs a tensor, a tuple or a mapping of arguments. A data
            loader is read anew at every evaluation; give one that does not shuffle or augment.
        criterion: Outputs and targets to their mean over the samples.
        metrics: Further means by name; None means the accuracy where the targets are class indices.
        dtype: Compute in this dtype, as float64 for an exact comparison; None keeps the params'.
        micro_batch: Samples a step; None chooses (100 images for a convolutional net on a CPU, else
            the whole batch).

    Raises:
        BadInput: There are no batches, or ``micro_batch`` is not positive.
    """

    model: nn.Module
    batches: Iterable[Batch]
    criterion: Criterion
    metrics: Mapping[str, Criterion] | None = None
    dtype: torch.dtype | None = None
    micro_batch: int | None = None
    _contiguous: set[bool] = field(default_factory=set, init=False, repr=False)

    def __post_init__(self) -> None:
        if iter(self.batches) is self.batches:  # a generator would be empty the second time
            object.__setattr__(self, "batches", tuple(self.batches))
        if isinstance(self.batches, Sequence) and not self.batches:
            raise BadInput("no batches to compute the loss on", "give at least one batch")
        if self.micro_batch is not None and self.micro_batch < 1:
            raise BadInput(
                f"micro_batch is {self.micro_batch}, expected at least 1",
                "give a positive number, or None to choose one",
            )

    def __call__(self, params: Mapping[str, Tensor]) -> float:
        """The mean loss at ``params``; infinity or NaN where the model gives that.

        Raises:
            BadInput: The data do not fit the model or the criterion.
            UnknownName: ``params`` are not of this model; so ShapeMismatch.
        """
        return self._evaluate(params, {}).loss

    def metrics_at(self, params: Mapping[str, Tensor]) -> dict[str, float]:
        """The metrics at ``params``. Raises as a call."""
        return dict(self.evaluate(params).metrics)

    def evaluate(self, params: Mapping[str, Tensor]) -> Evaluation:
        """Loss and metrics at ``params``, in one pass over the data. Raises as a call."""
        return self._evaluate(params, self.metrics)

    def along(
        self,
        path: Callable[[float], Mapping[str, Tensor]],
        ts: Iterable[float],
        recompute_statistics: Iterable[Batch] | None = None,
        progress: Progress | None = None,
    ) -> list[Evaluation]:
        """Loss and metrics at each of the points ``path(t)``.

        Args:
            path: t to Params.
            ts: Where to look.
            recompute_statistics: Batches on which the BatchNorm statistics of every point are
                estimated first; None takes those that the path gives.
            progress: Called with (points done, points) after each.
        """
        places = list(ts)
        again = recompute_statistics
        if again is not None and iter(again) is again:
            again = tuple(again)
        found = []
        for done, t in enumerate(places, 1):
            params: Mapping[str, Tensor] = path(t)
            if again is not None:
                params = recompute(self.model, params, again, self.dtype)
            found.append(self.evaluate(params))
            if progress is not None:
                progress(done, len(places))
        return found

    def _evaluate(
        self, params: Mapping[str, Tensor], metrics: Mapping[str, Criterion] | None
    ) -> Evaluation:
        weights = weights_for(self.model, params, self.dtype)
        device = next((t.device for t in weights.values()), torch.device("cpu"))
        sums: dict[str, list[Tensor]] = {}
        sizes: list[int] = []
        with torch.no_grad(), evaluation_mode(self.model):
            for index, batch in enumerate(self.batches):
                inputs, targets = place(pair(batch, index), device, self.dtype)
                for part, wanted in self._parts(inputs, targets):
                    outputs = self._run(weights, part)
                    sizes.append(len((tensors(part) or tensors(wanted))[0]))
                    for name, value in self._scores(outputs, wanted, metrics).items():
                        sums.setdefault(name, []).append(value)
        if not sum(sizes):
            raise BadInput("no samples to compute the loss on", "give at least one batch")
        means = {name: _mean(values, sizes) for name, values in sums.items()}
        return Evaluation(means.pop(""), means, sum(sizes))

    def _scores(
        self, outputs: Any, targets: Any, metrics: Mapping[str, Criterion] | None
    ) -> dict[str, Tensor]:
        """The loss, under the empty name, and the metrics of one step."""
        try:
            loss = torch.as_tensor(self.criterion(outputs, targets))
        except (RuntimeError, TypeError, ValueError, IndexError) as error:
            raise BadInput(
                f"the criterion cannot compare outputs of shape {shape_text(outputs)} with targets "
                f"of shape {shape_text(targets)}: {said(error)}",
                "give targets, or a criterion, that fit the model's outputs",
            ) from error
        if loss.numel() != 1:
            raise BadInput(
                f"the criterion gives shape {tuple(loss.shape)}, expected one number",
                "let it return the mean over the samples",
            )
        if metrics is None:
            axis = _class_axis(outputs, targets)
            metrics = {} if axis is None else {"accuracy": lambda o, t: _accuracy(o, t, axis)}
        scores = {n: torch.as_tensor(metric(outputs, targets)) for n, metric in metrics.items()}
        return {"": loss.reshape(())} | scores

    def _parts(self, inputs: Inputs, targets: Any) -> list[tuple[Inputs, Any]]:
        """A batch in steps of ``micro_batch`` samples."""
        every = tensors(inputs) + tensors(targets)
        step = self.micro_batch
        if step is None and self._images(inputs) and every[0].device.type == "cpu":
            step = _IMAGES
        total = len(every[0]) if every and every[0].dim() else 0
        if step is None or step >= total or any(t.shape[:1] != (total,) for t in every):
            return [(inputs, targets)]
        starts = range(0, total, step)
        return [(_cut(inputs, a, a + step), _cut(targets, a, a + step)) for a in starts]

    def _images(self, inputs: Inputs) -> bool:
        """Whether a convolutional net gets images (N, channels, height, width)."""
        return (
            isinstance(inputs, Tensor)
            and inputs.dim() == 4
            and any(isinstance(module, nn.Conv2d) for module in self.model.modules())
        )

    def _run(self, weights: Params, inputs: Inputs) -> Any:
        """The model's outputs; channels last, where it has convolutions and allows that."""
        if self._contiguous or not isinstance(inputs, Tensor) or not self._images(inputs):
            return run(self.model, weights, inputs)
        try:
            return run(self.model, weights, inputs.contiguous(memory_format=torch.channels_last))
        except BadInput:  # as for a `view` that wants the usual order; remembered if that helps
            outputs = run(self.model, weights, inputs)
            self._contiguous.add(True)
            return outputs


def _mean(values: Sequence[Tensor], sizes: Sequence[int]) -> float:
    """The mean of ``values`` weighted by ``sizes``, in float64."""
    wide = [float(value) for value in torch.stack([v.detach() for v in values]).tolist()]
    if not all(map(math.isfinite, wide)):
        return sum(wide)
    return math.fsum(value * n for value, n in zip(wide, sizes, strict=True)) / sum(sizes)


def _cut(tree: Any, start: int, stop: int) -> Any:
    """Samples ``start`` to ``stop`` of every tensor in ``tree``."""
    if isinstance(tree, Tensor):
        return tree[start:stop]
    if isinstance(tree, Mapping):
        return {name: _cut(item, start, stop) for name, item in tree.items()}
    if isinstance(tree, tuple | list):
        return tuple(_cut(item, start, stop) for item in tree)
    return tree


def _class_axis(outputs: Any, targets: Any) -> int | None:
    """The dimension of ``outputs`` that holds the scores of the classes which ``targets`` index.

    None where this is no classification. As in `cross_entropy` it is the first after the samples
    where that fits, else the last.
    """
    if not isinstance(outputs, Tensor) or not isinstance(targets, Tensor):
        return None
    whole = not targets.is_floating_point() and targets.dtype != torch.bool
    if not whole or outputs.dim() != targets.dim() + 1 or outputs.dim() < 2:
        return None
    shape = tuple(outputs.shape)
    axes = (1, outputs.dim() - 1)
    fits = (d for d in axes if shape[:d] + shape[d + 1 :] == tuple(targets.shape))
    return next(fits, None)


def _accuracy(outputs: Tensor, targets: Tensor, axis: int) -> Tensor:
    """The share of targets at which the largest score lies."""
    return (outputs.argmax(axis) == targets).double().mean()

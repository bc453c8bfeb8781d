"""BatchNorm statistics for given Params, re-estimated on data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from isthmus.ground import BadInput, Params
from isthmus.landscape.evaluation.ranks import ALONE, Ranks
from isthmus.landscape.running import Batch, evaluation_mode, pair, place, run, weights_for


def recompute_statistics(
    model: nn.Module,
    params: Mapping[str, Tensor],
    batches: Iterable[Batch],
    dtype: torch.dtype | None = None,
    ranks: Ranks = ALONE,
) -> Params:
    """``params`` with the running mean and variance of every BatchNorm estimated on ``batches``.

    Interpolated weights do not have the statistics that were averaged beside them: without this,
    a BatchNorm network between two others computes nonsense (REPAIR, Jordan et al. 2023). Each
    batch counts the same (momentum None); only the BatchNorms are in training mode, so dropout
    stays off. ``num_batches_tracked`` becomes the number of batches. The rest of ``params`` and the
    model are left as they are.

    Args:
        model: The module; where it has no BatchNorm with statistics, ``params`` come back as given.
        params: Its parameters and buffers.
        batches: Pairs (inputs, targets); targets are ignored.
        dtype: Compute in this dtype; the statistics come back in their own.
        ranks: Processes among which the batches are split, whole; all get the same.

    Raises:
        BadInput: There are no batches, or the model cannot take one.
        UnknownName: ``params`` are not of this model; so ShapeMismatch.
    """
    norms = _norms(model)
    if not norms:
        return dict(params)
    result = dict(params)
    for name in norms:
        for part, start in (("running_mean", 0), ("running_var", 1), ("num_batches_tracked", 0)):
            key = f"{name}.{part}" if name else part
            if key in params:
                result[key] = torch.full_like(params[key], start)
    # The forward passes write into the fresh tensors, and into nothing of the caller's.
    weights = weights_for(model, result, dtype)
    device = next(iter(weights.values())).device
    own = 0
    with torch.no_grad(), evaluation_mode(model), _estimating(norms.values()):
        for index, batch in enumerate(batches):
            if index % ranks.count == ranks.rank:
                run(model, weights, place(pair(batch, index)[0], device, dtype))
                own += 1
    fresh = {key: weights[key].cpu() for key in result if result[key] is not params[key]}
    every = ranks.gather((own, fresh))
    count = sum(batches for batches, _ in every)
    if not count:
        raise BadInput("no batches to estimate the statistics on", "give at least one batch")
    return result | {key: _joined(key, every, count).to(params[key]) for key in fresh}


def _joined(key: str, every: Sequence[tuple[int, Params]], count: int) -> Tensor:
    """A statistic over the batches of all processes: their sum where it counts, else their mean."""
    if len(every) == 1 or key.endswith("num_batches_tracked"):
        return torch.stack([found[key] for _, found in every]).sum(0)
    return torch.stack([found[key] * (own / count) for own, found in every]).sum(0)


def _norms(model: nn.Module) -> dict[str, _BatchNorm]:
    """The BatchNorm modules that keep statistics, by name."""
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, _BatchNorm) and isinstance(module.running_mean, Tensor)
    }


@contextmanager
def _estimating(norms: Iterable[_BatchNorm]) -> Iterator[None]:
    """The given modules in training mode with a cumulative average; restored afterwards."""
    found = [(norm, norm.training, norm.momentum) for norm in norms]
    try:
        for norm, _, _ in found:
            norm.training, norm.momentum = True, None
        yield
    finally:
        for norm, mode, momentum in found:
            norm.training, norm.momentum = mode, momentum

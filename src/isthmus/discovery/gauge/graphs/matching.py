"""Matching: which entry of one vector meets which of another in a sum."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from isthmus.discovery.gauge.graphs.labels import ABSENT, varies


def matched(target: Tensor, source: Tensor, shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """For each entry of the target, the one entry of the source that it meets everywhere."""
    for dim in reversed(range(target.dim())):
        if not varies(target, dim) and not varies(source, dim):
            target, source = target.narrow(dim, 0, 1), source.narrow(dim, 0, 1)
    flat, wanted = target.flatten(), source.flatten()
    if bool((flat == ABSENT).any() & (wanted[flat == ABSENT] != ABSENT).any()):
        return None
    take = torch.full((math.prod(shape),), ABSENT)
    here = flat != ABSENT
    take[flat[here]] = wanted[here]
    if not torch.equal(take[flat[here]], wanted[here]):
        return None
    return completed(take, torch.isin(torch.arange(len(take)), flat), shape)


def completed(take: Tensor, known: Tensor, shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """Rows that do not occur here (positions further on) go with the others, if these agree."""
    if not bool(known.all()):
        if len(shape) < 2:
            return None
        rows, there = take.view(shape[0], -1), known.view(shape[0], -1)
        first = rows[there.all(1)][:1]
        if not len(first) or bool((there.any(1) & (rows != first).any(1)).any()):
            return None
        take = first.expand(shape[0], -1).flatten()
    return tuple(take.tolist())

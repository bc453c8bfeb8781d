"""Inputs and targets by samples, which the first dimension of every tensor counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from isthmus.landscape.running import Batch, tensors


def cut(tree: Any, part: slice | Tensor) -> Any:
    """The samples ``part``, a run or their numbers, of every tensor in ``tree``."""
    if isinstance(tree, Tensor):
        return tree[part.to(tree.device) if isinstance(part, Tensor) else part]
    if isinstance(tree, Mapping):
        return {name: cut(item, part) for name, item in tree.items()}
    return tuple(cut(item, part) for item in tree) if isinstance(tree, tuple | list) else tree


def drawn(batch: Batch, samples: int | None, generator: torch.Generator) -> Batch:
    """So many samples of a batch, at random; all where None are asked for or there are no more."""
    if samples is None or samples >= (count := len(tensors(batch)[0])):
        return batch
    index = torch.randperm(count, generator=generator)[:samples]
    return cut(batch[0], index), cut(batch[1], index)


def length(*trees: Any) -> int | None:
    """How many samples there are, if all tensors have one number of them."""
    sizes = {tensor.shape[:1] for tree in trees for tensor in tensors(tree)}
    return next(iter(sizes))[0] if len(sizes) == 1 and torch.Size() not in sizes else None

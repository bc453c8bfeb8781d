"""Inputs and targets by samples, which the first dimension of every tensor counts."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from isthmus.landscape.running import tensors


def cut(tree: Any, part: slice) -> Any:
    """The samples ``part`` of every tensor in ``tree``."""
    if isinstance(tree, Tensor):
        return tree[part]
    if isinstance(tree, dict):
        return {name: cut(item, part) for name, item in tree.items()}
    return tuple(cut(item, part) for item in tree) if isinstance(tree, tuple | list) else tree


def length(*trees: Any) -> int | None:
    """How many samples there are, if all tensors have one number of them."""
    sizes = {tensor.shape[:1] for tree in trees for tensor in tensors(tree)}
    return next(iter(sizes))[0] if len(sizes) == 1 and torch.Size() not in sizes else None

"""`--data`: a public data set by name, a file with `x` and `y`, or a factory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from isthmus.cli.inputs.factories import call_factory
from isthmus.ground.errors import BadInput
from isthmus.testing import datasets
from isthmus.testing.datasets import Dataset

_RETURNS = "return a Dataset, (x, y), or (x, y, x_test, y_test) as tensors"


def load_data(spec: str) -> Dataset:
    """The data set that `spec` names.

    Raises:
        BadInput: There is no such data set, file or factory, or what it holds is no data set.
    """
    if Path(spec).suffix in (".npz", ".safetensors"):
        return datasets.from_file(spec)
    if ":" in spec:
        return _from_factory(spec)
    if spec in datasets.names():
        return datasets.load(spec)
    raise BadInput(
        f"there is no data set called {spec!r}",
        f"use one of {', '.join(datasets.names())}, a .npz or .safetensors file with x and y, or "
        "pkg.module:factory",
    )


def _from_factory(spec: str) -> Dataset:
    value: Any = call_factory(spec, "--data")
    if isinstance(value, Dataset):
        return value
    tensors = tuple(value) if isinstance(value, tuple | list) else ()
    if len(tensors) not in (2, 4) or not all(isinstance(part, Tensor) for part in tensors):
        raise BadInput(f"--data {spec}: the factory returned a {type(value).__name__}", _RETURNS)
    split = len(tensors) == 4
    x, y, x_test, y_test = tensors if split else tensors * 2
    if len(x) != len(y) or len(x_test) != len(y_test) or not len(x) or not len(x_test):
        raise BadInput(f"--data {spec}: {len(x)} inputs but {len(y)} targets", "give one for each")
    version = "factory with a test part" if split else "factory without a test part"
    return Dataset(spec, version, x, y, x_test, y_test, ())


def thinned(data: Dataset, samples: int | None, seed: int) -> Dataset:
    """At most `samples` samples of each part of `data`, drawn at random, in their order."""
    generator = torch.Generator().manual_seed(seed)

    def some(count: int) -> Tensor:
        wanted = count if samples is None else min(samples, count)
        return torch.randperm(count, generator=generator)[:wanted].sort().values

    train, test = some(len(data.x_train)), some(len(data.x_test))
    if len(train) == len(data.x_train) and len(test) == len(data.x_test):
        return data
    return replace(
        data,
        version=f"{data.version}; {samples} samples of a part at most",
        x_train=data.x_train[train],
        y_train=data.y_train[train],
        x_test=data.x_test[test],
        y_test=data.y_test[test],
    )

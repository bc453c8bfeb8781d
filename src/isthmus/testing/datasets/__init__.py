"""Small public data sets, found locally or downloaded with a checked digest.

A data set is looked for in ``$ISTHMUS_DATA``, then in the cache (``$XDG_CACHE_HOME/isthmus``,
else ``~/.cache/isthmus``), one folder for each: ``mnist``, ``fashion_mnist``, ``cifar10``,
``tinyshakespeare``. What is in neither is downloaded from its public source into the cache.
``digits`` come with scikit-learn, and ``sentences`` are made here.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from isthmus.ground.errors import BadInput, MissingExtra
from isthmus.testing.datasets.cifar10 import load_cifar10
from isthmus.testing.datasets.dataset import Dataset, rank_in_class
from isthmus.testing.datasets.files import from_file
from isthmus.testing.datasets.sources import fetch
from isthmus.testing.datasets.text import load_sentences, load_tinyshakespeare

__all__ = ["Dataset", "batches", "from_file", "load", "names"]

_DIGITS = tuple("0123456789")
_FASHION = (
    "T-shirt/top",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)


def load(name: str) -> Dataset:
    """The data set called ``name``: one of ``names()``.

    Raises:
        BadInput: The name is unknown, or the file is damaged or out of reach.
        MissingExtra: An optional package is needed and not installed.
    """
    loaders: dict[str, Callable[[], Dataset]] = {
        "digits": _digits,
        "mnist": lambda: _idx_images("mnist", "mnist", _DIGITS),
        "fashion-mnist": lambda: _idx_images("fashion-mnist", "fashion_mnist", _FASHION),
        "cifar10": load_cifar10,
        "tinyshakespeare": load_tinyshakespeare,
        "sentences": load_sentences,
    }
    if name not in loaders:
        known = ", ".join(loaders)
        raise BadInput(f"there is no data set called {name!r}", f"use one of {known}")
    return loaders[name]()


def names() -> tuple[str, ...]:
    """The names that ``load`` knows."""
    return ("digits", "mnist", "fashion-mnist", "cifar10", "tinyshakespeare", "sentences")


def batches(x: Tensor, y: Tensor, size: int) -> list[tuple[Tensor, Tensor]]:
    """Consecutive batches of ``size`` samples; the last may have fewer."""
    if size < 1:
        raise BadInput(f"the batch size is {size}", "use a batch size of 1 or more")
    if len(x) != len(y):
        raise BadInput(f"{len(x)} inputs but {len(y)} targets", "give one target for each input")
    return list(zip(torch.split(x, size), torch.split(y, size), strict=True))


def _digits() -> Dataset:
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise MissingExtra(
            "the digits data set comes with scikit-learn, which is missing",
            "pip install 'isthmus[data]'",
        ) from None
    bunch = load_digits()
    x = torch.from_numpy(bunch.images).float() / 16
    y = torch.from_numpy(bunch.target).long()
    test = rank_in_class(y) % 5 == 4
    version = "scikit-learn's 1,797; every fifth of a class is test data"
    return Dataset("digits", version, x[~test], y[~test], x[test], y[test], _DIGITS)


def _idx_images(name: str, folder: str, classes: tuple[str, ...]) -> Dataset:
    def part(stem: str) -> tuple[Tensor, Tensor]:
        images = _idx(fetch(folder, f"{stem}-images-idx3-ubyte.gz"))
        return images.float() / 255, _idx(fetch(folder, f"{stem}-labels-idx1-ubyte.gz")).long()

    return Dataset(name, "published, md5 checked", *part("train"), *part("t10k"), classes)


def _idx(packed: bytes) -> Tensor:
    """Unpack the idx format: two zero bytes, type 8 (uint8), dimensions, sizes, values."""
    raw = gzip.decompress(packed)
    sizes = np.frombuffer(raw, ">u4", count=raw[3], offset=4)
    values = np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3])
    return torch.from_numpy(values.reshape([int(size) for size in sizes]).copy())

"""CIFAR-10: the published lossless batches, or a smaller lossy file."""

from __future__ import annotations

import codecs
import io
import pickle
import tarfile
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isthmus.ground.errors import BadInput, MissingExtra
from isthmus.testing.datasets.dataset import Dataset, rank_in_class
from isthmus.testing.datasets.files import read_npz
from isthmus.testing.datasets.sources import checked, fetch, roots

_CIFAR10 = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)


def load_cifar10() -> Dataset:
    """The lossless batches (folder or archive) if there are any, else the lossy file.

    What is in neither place is downloaded: the lossless archive.
    """
    for root in roots():
        folder = root / "cifar10"
        if (unpacked := folder / "cifar-10-batches-py").is_dir():
            return _lossless(partial(_from_folder, unpacked))
        if (folder / "cifar-10-python.tar.gz").exists():
            break
        if (lossy := folder / "cifar10_jpeg75.npz").exists():
            return _lossy(lossy)
    packed = fetch("cifar10", "cifar-10-python.tar.gz")
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        return _lossless(partial(_from_archive, archive))


def _from_folder(folder: Path, name: str) -> bytes:
    if not (folder / name).is_file():
        raise BadInput(f"{folder} has no {name}", "unpack cifar-10-python.tar.gz again")
    return (folder / name).read_bytes()


def _from_archive(archive: tarfile.TarFile, name: str) -> bytes:
    member = archive.extractfile(f"cifar-10-batches-py/{name}")
    return b"" if member is None else member.read()


def _lossless(read: Callable[[str], bytes]) -> Dataset:
    """The published python batches; every one is checked before it is unpickled."""

    def part(*files: str) -> tuple[Tensor, Tensor]:
        x, y = [], []
        for file in files:
            raw = checked(read(file), "cifar10", file, f"cifar-10-batches-py/{file}")
            content = _NumpyOnly(io.BytesIO(raw), encoding="latin1").load()
            x.append(torch.from_numpy(np.array(content["data"], np.uint8)).view(-1, 3, 32, 32))
            y.append(torch.tensor(content["labels"]))
        return torch.cat(x).float() / 255, torch.cat(y)

    train = part(*(f"data_batch_{index}" for index in range(1, 6)))
    version = "published python batches, lossless, md5 checked"
    return Dataset("cifar10", version, *train, *part("test_batch"), _CIFAR10)


class _NumpyOnly(pickle.Unpickler):
    """Unpickles arrays, containers and numbers; any other global is an error."""

    def find_class(self, module: str, name: str) -> Any:
        known = {
            ("multiarray", "_reconstruct"): np.zeros(0).__reduce__()[0],
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): lambda code, *_: np.dtype(code),
            ("_codecs", "encode"): codecs.encode,
        }
        if (found := known.get((module.rsplit(".", 1)[-1], name))) is None:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed")
        return found


def _lossy(path: Path) -> Dataset:
    try:
        pictures = import_module("PIL.Image")
    except ImportError:
        remedy = "pip install pillow, or put cifar-10-python.tar.gz beside it"
        raise MissingExtra(f"{path} holds JPEG images and Pillow is missing", remedy) from None
    arrays = read_npz(path)

    def part(prefix: str, per_class: int) -> tuple[Tensor, Tensor]:
        y = torch.from_numpy(arrays[f"{prefix}_label"].astype(np.int64))
        if torch.bincount(y).tolist() != [per_class] * 10:
            raise BadInput(f"{path} does not hold {per_class} images a class", "replace the file")
        ends = np.cumsum(arrays[f"{prefix}_len"].astype(np.int64))
        packed = np.split(arrays[f"{prefix}_jpeg"], ends[:-1])
        decoded = [np.asarray(pictures.open(io.BytesIO(one.tobytes()))) for one in packed]
        x = torch.from_numpy(np.stack(decoded)).permute(0, 3, 1, 2).float() / 255
        order = torch.argsort(rank_in_class(y), stable=True)
        return x[order].contiguous(), y[order]

    version = "LOSSY: JPEG quality 75, reordered so that classes alternate"
    return Dataset("cifar10", version, *part("train", 5000), *part("test", 1000), _CIFAR10)

"""The user's own data: ``x`` and ``y`` in a .npz or .safetensors file."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from isthmus.ground.errors import BadInput
from isthmus.testing.datasets.dataset import Dataset


def from_file(path: str | Path) -> Dataset:
    """Read ``x`` and ``y`` (and ``x_test``, ``y_test`` if present) from .npz or .safetensors.

    Floating data become float32, whole numbers int64, unscaled. Without a test part the same
    samples serve as training and as test data. Pickled objects are refused.
    """
    path = Path(path)
    arrays = _read_arrays(path)
    for name in ("x", "y"):
        if name not in arrays:
            found = ", ".join(sorted(arrays)) or "nothing"
            raise BadInput(f"{path} has no array {name!r} (found: {found})", "store both x and y")
    split = "x_test" in arrays and "y_test" in arrays
    pairs = [("x", "y"), ("x_test", "y_test") if split else ("x", "y")]
    x, y, x_test, y_test = (_plain(arrays[name], name, path) for pair in pairs for name in pair)
    for inputs, targets, part in ((x, y, "x and y"), (x_test, y_test, "x_test and y_test")):
        if inputs.ndim == 0 or targets.ndim == 0 or not 0 < len(inputs) == len(targets):
            shapes = f"{tuple(inputs.shape)} and {tuple(targets.shape)}"
            raise BadInput(f"{part} in {path} have shapes {shapes}", "store one y for every x")
    whole = not y.is_floating_point()
    count = 1 + max(int(y.max()), int(y_test.max())) if whole else 0
    version = "file with a test part" if split else "file without a test part: tested on all of it"
    return Dataset(path.name, version, x, y, x_test, y_test, tuple(map(str, range(count))))


def _read_arrays(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise BadInput(f"there is no file {path}", "give the path of a .npz or .safetensors file")
    if path.suffix == ".npz":
        return read_npz(path)
    if path.suffix != ".safetensors":
        kind = path.suffix or "no suffix"
        raise BadInput(f"{path} is not a data file ({kind})", "use .npz or .safetensors")
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return dict(load_file(path))
    except SafetensorError as error:
        raise BadInput(f"cannot read {path}: {error}", "write it again with safetensors") from None


def read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """Every array of an archive; pickled objects are refused."""
    try:
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            if isinstance(archive, np.ndarray):
                raise ValueError("it is a single array without a name")
            return {name: archive[name] for name in archive.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        remedy = "write it again with numpy.savez, numbers only"
        raise BadInput(f"cannot read {path}: {error}", remedy) from None


def _plain(values: Any, name: str, path: Path) -> Tensor:
    """An array as float32 or int64; complex, text and non-finite values are refused."""
    array = values if isinstance(values, Tensor) else None
    if array is None:
        if values.dtype.kind not in "fiub":
            raise BadInput(f"{name} in {path} has type {values.dtype}", "store numbers")
        array = torch.from_numpy(values.astype(np.float32 if values.dtype.kind == "f" else "i8"))
    tensor = array.float() if array.is_floating_point() else array.long()
    if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
        raise BadInput(f"{name} in {path} has infinite or undefined values", "remove those samples")
    return tensor

"""Checkpoints: Params from a file or a folder of shards, and back. Code in one is never run."""

from __future__ import annotations

import json
import pickle
import re
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from isthmus.ground.errors import BadCheckpoint, BadInput
from isthmus.ground.params import Params, check
from isthmus.ground.writing import StrPath, atomic_write, cannot_write, refuse_existing

_PICKLES = (".pt", ".pth", ".bin")
_INDEX = ".safetensors.index.json"
_WRAPPERS = ("state_dict", "model")
_AGAIN = "copy or download it again"
_RESAVE = "save it again with torch.save(model.state_dict(), ...) or as safetensors"


def load(
    path: StrPath,
    *,
    like: Mapping[str, Tensor] | None = None,
    aliases: Mapping[str, str] | None = None,
) -> Params:
    """The Params in a checkpoint, on the CPU.

    Args:
        path: A `.safetensors` file; a folder with an index of shards or one `.safetensors` file,
            or the index itself; a `.pt`, `.pth` or `.bin` file that holds a state dict, plain or
            under "state_dict" or "model" (weights only: code in it is refused, not run).
        like: Params that the result must agree with (see `check`); it then has their order.
        aliases: Further names of tied tensors that `check` may drop.

    Raises:
        BadCheckpoint: It is missing, damaged or unsafe, or is not a dict of tensors.
        UnknownName: It disagrees with `like`; so ShapeMismatch, DtypeMismatch and NotFinite.
    """
    source = Path(path)
    params = _read(source)
    return params if like is None else check(params, like, aliases=aliases, source=str(source))


def _read(path: Path) -> Params:
    if path.is_dir():
        return _read(_entry(path))
    if not path.exists():
        raise BadCheckpoint(f"{path}: no such file or folder", "check the path")
    if path.name.endswith(_INDEX):
        return _read_shards(path)
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    if path.suffix in _PICKLES:
        return _read_pickle(path)
    raise BadCheckpoint(
        f"{path}: unknown suffix {path.suffix!r}",
        f"give a folder or a file that ends in .safetensors, {', '.join(_PICKLES)}",
    )


def _entry(folder: Path) -> Path:
    """The file of a folder to start from: its index of shards, or its only safetensors file."""
    for pattern in (f"model{_INDEX}", f"*{_INDEX}", "model.safetensors", "*.safetensors"):
        found = sorted(folder.glob(pattern))
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(file.name for file in found[:3])
            raise BadCheckpoint(
                f"{folder}: {len(found)} files match {pattern} ({names}), expected one",
                "give the path of the one to read",
            )
    raise BadCheckpoint(
        f"{folder}: no .safetensors file and no index of shards in this folder",
        "give the path of a checkpoint",
    )


def _read_safetensors(path: Path, names: Iterable[str] | None = None) -> Params:
    """All tensors of one file, or those called `names`."""
    try:
        with safe_open(path, framework="pt") as file:
            there = list(file.keys())
            wanted = there if names is None else list(names)
            missing = set(wanted).difference(there)
            if not missing:
                return {name: file.get_tensor(name) for name in wanted}
    except (SafetensorError, OSError, ValueError) as error:
        raise BadCheckpoint(f"{path}: not a whole safetensors file ({error})", _AGAIN) from error
    raise BadCheckpoint(
        f"{path}: the index puts {min(missing)!r} into this shard, which does not hold it", _AGAIN
    )


def _read_shards(index: Path) -> Params:
    shards: dict[str, list[str]] = {}
    for name, shard in _weight_map(index).items():
        shards.setdefault(shard, []).append(name)
    for shard, names in shards.items():
        if Path(shard).name != shard:
            raise BadCheckpoint(
                f"{index}: shard {shard!r} lies outside the folder",
                "keep the shards beside the index",
            )
        if not (index.parent / shard).is_file():
            raise BadCheckpoint(
                f"{index}: shard {shard!r} ({len(names)} tensors) is missing from the folder",
                "download that shard",
            )
    parts = [_read_safetensors(index.parent / shard, names) for shard, names in shards.items()]
    return {name: tensor for part in parts for name, tensor in part.items()}


def _weight_map(index: Path) -> dict[str, str]:
    """Tensor name to shard name, as the index says."""
    try:
        data = json.loads(index.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadCheckpoint(f"{index}: not readable as JSON ({error})", _AGAIN) from error
    table = data.get("weight_map") if isinstance(data, dict) else None
    if not isinstance(table, dict) or not all(isinstance(shard, str) for shard in table.values()):
        raise BadCheckpoint(f'{index}: no "weight_map" of tensor names to shards', _AGAIN)
    return table


def _read_pickle(path: Path) -> Params:
    try:
        with warnings.catch_warnings(action="ignore"):  # what matters about a file is said below
            data = torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # a damaged file makes torch.load raise nearly anything
        code = re.search(r"GLOBAL (\S+)", str(error))
        if code:
            raise BadCheckpoint(
                f"{path}: holds more than tensors ({code[1]}), which would run code; not loaded",
                _RESAVE,
            ) from error
        remedy = _RESAVE if isinstance(error, pickle.UnpicklingError) else _AGAIN
        reason = " ".join([type(error).__name__, *str(error).split(". ")[0].split()])
        raise BadCheckpoint(f"{path}: not a readable checkpoint ({reason})", remedy) from error
    return _state_dict(data, path)


def _state_dict(data: Any, path: Path) -> Params:
    """The dict of tensors in what a pickle held, detached."""
    for wrapper in _WRAPPERS:
        if isinstance(data, dict) and isinstance(data.get(wrapper), dict):
            data = data[wrapper]
    if not isinstance(data, dict):
        raise BadCheckpoint(
            f"{path}: has type {type(data).__name__}, expected a dict of tensors", _RESAVE
        )
    for name, value in data.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise BadCheckpoint(
                f"{path}: entry {name!r} has type {type(value).__name__}, expected a tensor",
                _RESAVE,
            )
    return {name: tensor.detach() for name, tensor in data.items()}


def save(
    params: Mapping[str, Tensor],
    path: StrPath,
    *,
    force: bool = False,
    metadata: Mapping[str, str] | None = None,
    inputs: Iterable[StrPath] = (),
) -> None:
    """`params` in one file, whole or not at all.

    Args:
        params: What is written; devices, views and shared memory do not matter.
        path: A `.safetensors`, `.pt` or `.pth` file.
        force: Replace an existing file.
        metadata: Words to store beside the tensors; safetensors only.
        inputs: Files and folders that this run read, never overwritten even with `force`.

    Raises:
        BadInput: The suffix is unknown, `metadata` is given for a pickle, or the format cannot
            hold a tensor (meta tensors; complex128 in safetensors).
        OutputExists: `path` exists and `force` is false, or it is one of `inputs`.
        CannotWrite: The system refuses, as for a full disk.
    """
    target = Path(path)
    _check_format(target, metadata)
    refuse_existing(target, force, inputs=inputs)
    tensors, words = _separate(params), None if metadata is None else dict(metadata)

    def write(file: Path) -> None:
        if target.suffix == ".safetensors":
            save_file(tensors, file, metadata=words)
        else:
            with file.open("wb") as handle:
                torch.save(tensors, handle)

    try:
        atomic_write(target, write)
    except KeyError as error:
        raise BadInput(
            f"{target}: safetensors has no dtype {error}", "convert it or write a .pt file"
        ) from error
    except (SafetensorError, RuntimeError) as error:
        raise _from_writer(target, error) from error


def _check_format(path: Path, metadata: Mapping[str, str] | None) -> None:
    if path.suffix not in (".safetensors", ".pt", ".pth"):
        raise BadInput(
            f"{path}: unknown suffix {path.suffix!r}", "end it in .safetensors, .pt or .pth"
        )
    if metadata and path.suffix != ".safetensors":
        raise BadInput(
            f"{path}: metadata has no place in a {path.suffix} file", "write a .safetensors file"
        )


def _separate(params: Mapping[str, Tensor]) -> Params:
    """`params` on the CPU, contiguous, each tensor with memory of its own and nothing beside it."""
    seen: set[int] = set()
    result: Params = {}
    for name, tensor in params.items():
        if tensor.is_meta:
            raise BadInput(f"{name!r} is a meta tensor, without numbers", "load the weights first")
        value = tensor.detach().cpu().contiguous()
        storage = value.untyped_storage()
        if storage.data_ptr() in seen or storage.nbytes() != value.numel() * value.element_size():
            value = value.clone()
        seen.add(value.untyped_storage().data_ptr())
        result[name] = value
    return result


def _from_writer(path: Path, error: Exception) -> BaseException:
    """What stopped a serialiser: the system's own error or an interrupt, where it hides one."""
    if isinstance(error.__context__, KeyboardInterrupt):
        return error.__context__
    if isinstance(error.__context__, OSError):
        return cannot_write(path, error.__context__)
    number = re.search(r"os error (\d+)", str(error))
    return cannot_write(path, OSError(int(number[1]), "") if number else error)

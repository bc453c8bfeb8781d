"""Models from a ``.pt2`` file of ``torch.export.save``, refused where loading could run code.

``torch.export.load`` unpickles whatever a file says is pickled, loads compiled libraries, looks up
functions by name and evaluates symbolic sizes as Python. So the file is read first, and only one
that holds plain tensors and operators of PyTorch is loaded.
"""

from __future__ import annotations

import copy
import io
import json
import re
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import fx, nn

from isthmus.cli.inputs.examples import Example
from isthmus.ground.errors import BadInput

_FILES = re.compile(
    r"archive_(format|version)|byteorder|\.data/\w+|(\.data/)?serialization_id|models/model\.json|"
    r"data/(weights|constants)/(weight|tensor)_\d+|extra/.*|"
    r"data/(weights|constants)/model_(weights|constants)_config\.json|"
    r"data/sample_inputs/model\.pt"
)
_OPERATOR = re.compile(r"torch\.ops\.(aten|prims)\.(\w+)\.([a-zA-Z]\w*)")
_OTHERS = frozenset(
    {f"torch.ops.higher_order.wrap_with_{name}" for name in ("set_grad_enabled", "autocast")}
    | {f"torch.sym_{name}" for name in ("int", "float", "max", "min", "not", "sum")}
    | {
        f"_operator.{name}"
        for name in "getitem add sub mul truediv floordiv mod neg pow eq ne lt le gt ge".split()  # noqa: SIM905
    }
)
_SYMBOLS = (
    r"Symbol\('\w+'(, (positive|integer|nonnegative|real)=True)*\)|[suz]\d+|\d+|int_oo|oo"
    r"|True|False|Integer|Add|Mul|Pow|Mod|PythonMod|FloorDiv|CleanDiv|Max|Min|Eq|Ne|Lt|Le|Gt|Ge|And|Or|Not"
)
_SIZE = re.compile(rf"({_SYMBOLS}|[-+*/%(),<>=!&|~\s])*")
_CONTAINERS = frozenset({None, "builtins.tuple", "builtins.list", "builtins.dict"})


def from_export(path: Path) -> tuple[nn.Module, Callable[[], Example] | None]:
    """The module of an exported program, and its stored example if there is one.

    Raises:
        BadInput: the file is missing or damaged, or holds something that loading would run.
    """
    if not path.is_file():
        raise BadInput(f"--model: there is no file {path}", "check the path")
    try:
        _check(path)
        program = torch.export.load(path)
        module = program.module()
    except BadInput:
        raise
    except Exception as error:
        raise BadInput(
            f"{path} cannot be loaded: {error}",
            "save it with torch.export.save of this version of PyTorch",
        ) from error
    stored = program.example_inputs
    example = None
    if stored and (stored[0] or stored[1]) and not (stored[0] and stored[1]):
        example = lambda: tuple(stored[0]) or dict(stored[1])  # noqa: E731
    return _usable(module), example


def _usable(module: fx.GraphModule) -> fx.GraphModule:
    """An exported module that can be copied and set to evaluation, as it already is."""
    for name in ("train", "eval"):
        module.__dict__.pop(name, None)
    hidden = {name: part._non_persistent_buffers_set for name, part in module.named_modules()}

    def copied(self: fx.GraphModule, memo: dict[int, Any]) -> fx.GraphModule:
        # A copy of a graph module forgets which of its buffers are not part of its state.
        made = fx.GraphModule.__deepcopy__(self, memo)
        for name, part in made.named_modules():
            part._non_persistent_buffers_set = copy.copy(hidden.get(name, set()))
        return _usable(made)

    module.__dict__["__deepcopy__"] = types.MethodType(copied, module)
    return module


def _check(path: Path) -> None:
    """Raise unless loading the file can only make tensors and a graph of PyTorch's operators."""
    from torch.export.pt2_archive._package import PT2ArchiveReader

    with PT2ArchiveReader(str(path)) as archive:
        names = archive.get_file_names()
        for name in names:
            if not _FILES.fullmatch(name):
                raise _refused(path, f"it holds {name}")
        for kind in ("weights", "constants"):
            text = archive.read_string(f"data/{kind}/model_{kind}_config.json")
            for entry, told in json.loads(text)["config"].items():
                plain = not told.get("use_pickle", True) and told.get("tensor_meta")
                if not plain or not re.fullmatch(r"(weight|tensor)_\d+", told["path_name"]):
                    raise _refused(path, f"{entry} is stored as a pickle or an object")
        _check_inputs(path, archive.read_bytes("data/sample_inputs/model.pt"))
        _check_graph(path, json.loads(archive.read_bytes("models/model.json")))


def _check_inputs(path: Path, data: bytes) -> None:
    if data:
        try:
            torch.load(io.BytesIO(data), weights_only=True)
        except Exception as error:
            raise _refused(path, "its example inputs are more than tensors") from error


def _check_graph(path: Path, model: Any) -> None:
    for key, value in _entries(model):
        if key == "target" and isinstance(value, str) and not _harmless(value):
            raise _refused(path, f"it calls {value}")
        if key == "expr_str" and not _SIZE.fullmatch(str(value)):
            raise _refused(path, f"a size is {value!r}")
        if key in ("in_spec", "out_spec") and isinstance(value, str) and value:
            for inner, kind in _entries(json.loads(value)):
                if inner == "__enum__" or (inner == "type" and kind not in _CONTAINERS):
                    raise _refused(path, f"an input or output is a {kind}")
        if key in ("as_custom_obj", "as_opaque"):
            raise _refused(path, "it holds an object of a class")


def _harmless(target: str) -> bool:
    """Whether a call is one of PyTorch's tensor operators: not of files, not of TorchScript."""
    if target in _OTHERS:
        return True
    match = _OPERATOR.fullmatch(target)
    if match is None or "file" in match[2]:
        return False
    overload = "" if match[3] == "default" else f".{match[3]}"
    return bool(torch._C._dispatch_has_kernel(f"{match[1]}::{match[2]}{overload}"))


def _entries(data: Any) -> Iterator[tuple[str, Any]]:
    """Every key with its value, at all depths."""
    if isinstance(data, dict):
        for key, value in data.items():
            yield key, value
            yield from _entries(value)
    elif isinstance(data, list):
        for value in data:
            yield from _entries(value)


def _refused(path: Path, found: str) -> BadInput:
    return BadInput(
        f"{path} is not loaded, because that could run code: {found}",
        "export a module that takes and returns tensors, or give file.py:factory",
    )

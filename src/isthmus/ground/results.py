"""Results: frozen dataclasses that print well, turn into plain data and show in a notebook."""

from __future__ import annotations

import dataclasses
import html
import math
from collections.abc import Mapping, Sequence, Set
from enum import Enum
from pathlib import PurePath
from typing import Any

import numpy as np
from torch import Tensor


class Result:
    """Mixin of a frozen dataclass: `str`, `to_json` and `_repr_html_` from its fields.

    A field declared with `field(metadata={"json": False})` (whole Params, a model) stays out.

    Example:
        >>> @dataclasses.dataclass(frozen=True)
        ... class Fit(Result):
        ...     after: float
        >>> Fit(after=0.5).to_json()
        {'after': 0.5}
    """

    __slots__ = ()

    def to_json(self) -> dict[str, Any]:
        """The fields as plain data, ready for `json.dumps(..., allow_nan=False)`."""
        return {name: plain(value) for name, value in _shown(self).items()}

    def __str__(self) -> str:
        fields = {name: _brief(value) for name, value in _shown(self).items()}
        width = max(map(len, fields), default=0)
        rows = [f"  {name:<{width}}  {text}" for name, text in fields.items()]
        return "\n".join([type(self).__name__, *rows])

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


def plain(value: Any) -> Any:
    """`value` as JSON knows data: dicts, lists, strings, finite numbers, booleans and None.

    Tensors and arrays become nested lists, paths and dtypes strings, non-finite floats the strings
    "nan", "inf" and "-inf", complex numbers [real, imaginary], enumerations their name; a dataclass
    becomes its fields, an object with `to_json` what that says, and anything else its `str`.
    """
    if isinstance(value, Enum):
        return value.name
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, complex):
        return [plain(value.real), plain(value.imag)]
    if isinstance(value, Tensor):
        return plain(value.detach().cpu().tolist())
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    return _plain_structure(value)


def _plain_structure(value: Any) -> Any:
    if isinstance(value, type):
        return value.__name__
    if callable(getattr(value, "to_json", None)):
        return plain(value.to_json())
    if dataclasses.is_dataclass(value):
        return {name: plain(item) for name, item in _shown(value).items()}
    if isinstance(value, Mapping):
        return {_key(key): plain(item) for key, item in value.items()}
    if isinstance(value, Set):
        return sorted((plain(item) for item in value), key=str)
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | PurePath):
        return [plain(item) for item in value]
    return str(value)


def _key(key: Any) -> str:
    return key.name if isinstance(key, Enum) else str(key)


def _shown(value: Any) -> dict[str, Any]:
    """The fields of a dataclass that are not declared with `metadata={"json": False}`."""
    fields = [field for field in dataclasses.fields(value) if field.metadata.get("json", True)]
    return {field.name: getattr(value, field.name) for field in fields}


def _brief(value: Any) -> str:
    """`value` in a few words, for one line of a result."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Tensor | np.ndarray):
        return f"{type(value).__name__} {tuple(value.shape)}"
    if isinstance(value, Mapping):
        return f"{len(value)} entries"
    if isinstance(value, list | tuple) and len(value) > 6:
        return f"{len(value)} values"
    return str(value).replace("\n", "\n    ")

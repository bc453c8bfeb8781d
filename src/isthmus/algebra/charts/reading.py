"""Reading: dataclasses from plain data, every field checked against its annotation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields as dataclass_fields
from typing import Any, get_args, get_origin, get_type_hints

from isthmus.algebra.charts.vectors import Hop, Layout
from isthmus.ground.errors import BadInput


def built(kind: type[Any], fields: Mapping[str, object], where: str) -> Any:
    """A dataclass from plain data, each field checked against its annotation."""
    hints = get_type_hints(kind)
    wanted = [field.name for field in dataclass_fields(kind)]
    if set(fields) != set(wanted):
        raise unreadable(f"{where} has the fields {sorted(fields)}, expected {sorted(wanted)}")
    return kind(**{name: checked(fields[name], hints[name], where) for name in wanted})


def checked(value: object, hint: Any, where: str) -> Any:
    """A value of an annotated type: numbers, strings, None, layouts, hops, and tuples of these."""
    if hint is Layout or hint is Hop:
        return built(hint, named(value, where), where)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    inner = get_args(hint)
    if not inner:
        if type(value) is hint:
            return value
        raise unreadable(f"{where} holds {value!r}, expected {getattr(hint, '__name__', hint)}")
    if get_origin(hint) is tuple:
        values = listed(value, where)
        each = inner[:1] * len(values) if inner[-1] is ... else inner
        if len(each) != len(values):
            raise unreadable(f"{where} holds {len(values)} values, expected {len(each)}")
        return tuple(checked(v, h, where) for v, h in zip(values, each, strict=True))
    if value is None and type(None) in inner:
        return None
    return checked(value, next(one for one in inner if one is not type(None)), where)


def listed(value: object, where: str) -> Sequence[object]:
    """A list."""
    if not isinstance(value, (list, tuple)):
        raise unreadable(f"{where} is {type(value).__name__}, expected a list")
    return value


def named(value: object, where: str) -> Mapping[str, object]:
    """Values by names."""
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise unreadable(f"{where} is {type(value).__name__}, expected named values")
    return value


def unreadable(what: str) -> BadInput:
    """What is raised."""
    return BadInput(f"cannot read the chart: {what}", "give what Symmetry.to_json wrote")

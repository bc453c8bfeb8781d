"""Symmetries as plain data, there and back."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from isthmus.algebra.charts import Chart
from isthmus.algebra.groups import Group
from isthmus.algebra.reps import Rep
from isthmus.algebra.spaces import WORDS, Reason, Space
from isthmus.ground.errors import BadInput, closest

if TYPE_CHECKING:
    from isthmus.algebra.symmetry import Symmetry

REMEDY = "give what Symmetry.to_json wrote, or `isthmus discover --json`"
_MOTIONS = {word: motion for motion, word in WORDS.items()}


def to_json(symmetry: Symmetry) -> dict[str, Any]:
    """Plain data for `json.dumps`; `from_json` reads it back."""
    return {
        "lie_dim": symmetry.lie_dim,
        "log_components": _counted(symmetry.log_components),
        "spaces": {
            name: {
                "size": space.size,
                "group": str(space.group),
                "definition": _group_data(space.group),
                "over": list(space.over),
                "lie_dim": symmetry.copies(name) * space.group.lie_dim,
                "log_components": _counted(symmetry.copies(name) * space.group.log_components),
                "why": [_reason_data(reason) for reason in space.why],
            }
            for name, space in symmetry.spaces.items()
        },
        "reps": {name: rep.text(symmetry.spaces) for name, rep in symmetry.reps.items()},
        "aliases": dict(symmetry.aliases),
        "warnings": list(symmetry.warnings),
        "pinned": {
            name: [[_reason_data(reason) for reason in axis] for axis in axes]
            for name, axes in symmetry.pinned.items()
        },
        "chart": symmetry.chart.to_json(),
    }


def _counted(log: float) -> float | str:
    """JSON has no infinity: the word stands for it."""
    return log if math.isfinite(log) else "infinite"


def _group_data(group: Group) -> dict[str, Any]:
    """The class of a group and its fields, which may be groups."""
    fields = dataclasses.fields(group)  # type: ignore[arg-type]  # every concrete group is one
    values = {field.name: getattr(group, field.name) for field in fields}
    shown = {k: _group_data(v) if isinstance(v, Group) else v for k, v in values.items()}
    return {"class": type(group).__name__, **shown}


def _reason_data(reason: Reason) -> dict[str, Any]:
    return {
        "operator": reason.operator,
        "lost": [word for motion, word in WORDS.items() if motion in reason.lost],
        "module": reason.module,
        "source": reason.source,
        "line": reason.line,
    }


def from_json(kind: type[Symmetry], data: object) -> Symmetry:
    """The inverse of `to_json`; what it does not know is passed over.

    Raises:
        BadInput: the data are not those of a symmetry; says where.
    """
    whole = _mapping(data, "the data")
    spaces: dict[str, Space] = {}
    for name, entry in _mapping(_get(whole, "spaces", "the data"), "spaces").items():
        spaces[name] = _space(name, entry, spaces)
    reps = {}
    for name, text in _mapping(_get(whole, "reps", "the data"), "reps").items():
        reps[name] = _rep(name, text, spaces)
    for name, rep in reps.items():
        _check_absorbed(name, rep, reps)
    aliases = _mapping(whole.get("aliases", {}), "aliases")
    for name, kept in aliases.items():
        if _text(kept, f"the alias {name!r}") not in reps:
            raise BadInput(f"the alias {name!r} stands for {kept!r}, which has no rep", REMEDY)
    warnings = _sequence(whole.get("warnings", []), "warnings")
    pinned = _mapping(whole.get("pinned", {}), "pinned")
    return kind(
        spaces,
        reps,
        dict(aliases),
        tuple(_text(text, "a warning") for text in warnings),
        chart=_chart(whole.get("chart")),
        pinned={name: _pins(name, axes, reps) for name, axes in pinned.items()},
    )


def _chart(data: object) -> Chart:
    """The chart; symmetries written without one have none."""
    return Chart.from_json(_mapping(data, "the chart")) if data is not None else Chart()


def _space(name: str, entry: object, known: Mapping[str, Space]) -> Space:
    where = f"the space {name!r}"
    fields = _mapping(entry, where)
    group = _group(_get(fields, "definition", where), where)
    size = _get(fields, "size", where)
    if size != group.size:
        raise BadInput(f"{where} has size {size!r}, its group {group} acts on {group.size}", REMEDY)
    over = tuple(_text(outer, f"what indexes {where}") for outer in _sequence(
        fields.get("over", []), f"over of {where}"))  # fmt: skip
    for outer in over:
        if outer not in known:
            raise BadInput(f"{where} is over {outer!r}, which is not a space before it", REMEDY)
    why = _sequence(fields.get("why", []), f"why of {where}")
    return Space(name, group.size, group, over, tuple(_reason(reason, where) for reason in why))


def _group(data: object, where: str) -> Group:
    fields = dict(_mapping(data, f"the group of {where}"))
    called = _text(fields.pop("class", None), f"the class of the group of {where}")
    kinds = {kind.__name__: kind for kind in _kinds(Group)}  # type: ignore[type-abstract]
    if called not in kinds:
        near = closest(called, kinds)
        remedy = f"did you mean {near!r}?" if near else f"use one of {', '.join(sorted(kinds))}"
        raise BadInput(f"{where} has a group of the unknown class {called!r}", remedy)
    kind = kinds[called]
    made: dict[str, Any] = {}
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        if field.name not in fields and field.default is not dataclasses.MISSING:
            continue
        value = _get(fields, field.name, f"the group of {where}")
        made[field.name] = _parameter(field, value, where)
    return kind(**made)


def _kinds(kind: type[Group]) -> Iterator[type[Group]]:
    """All groups that are there: the concrete classes, which are dataclasses."""
    for below in kind.__subclasses__():
        if "__dataclass_fields__" in vars(below):
            yield below
        yield from _kinds(below)


def _parameter(field: dataclasses.Field[Any], value: object, where: str) -> Any:
    """One field of a group, checked against its annotation."""
    if field.type in ("Group", Group):
        return _group(value, where)
    # bool is an int to Python, and not to us.
    if field.type in ("bool", bool):
        fits = isinstance(value, bool)
    elif field.type in ("int", int):
        least = 1 if field.name in ("size", "blocks") else 0
        fits = isinstance(value, int) and not isinstance(value, bool) and value >= least
    else:
        value = tuple(value) if isinstance(value, list) else value
        fits = isinstance(value, (int, float, str, tuple))
    if not fits:
        raise BadInput(f"{where} has a group with {field.name} {value!r}", REMEDY)
    return value


def _rep(name: str, text: object, spaces: Mapping[str, Space]) -> Rep:
    said = _text(text, f"the rep of {name}")
    try:
        return Rep.parse(said, spaces)
    except BadInput as error:
        raise BadInput(f"the rep of {name}: {error.cause}", error.remedy) from error


def _check_absorbed(name: str, rep: Rep, reps: Mapping[str, Rep]) -> None:
    for part in rep.absorbed:
        if part.source not in reps:
            raise BadInput(f"the rep of {name} sums {part.source!r}, which has no rep", REMEDY)


def _pins(name: str, data: object, reps: Mapping[str, Rep]) -> tuple[tuple[Reason, ...], ...]:
    where = f"pinned of {name}"
    axes = _sequence(data, where)
    if name not in reps or len(axes) != len(reps[name].axes):
        raise BadInput(f"{where} has {len(axes)} axes, which its rep has not", REMEDY)
    return tuple(tuple(_reason(one, where) for one in _sequence(axis, where)) for axis in axes)


def _reason(data: object, where: str) -> Reason:
    fields = _mapping(data, f"a reason of {where}")
    words = _sequence(fields.get("lost", []), f"a reason of {where}")
    lost = [_text(word, f"a lost motion of {where}") for word in words]
    if unknown := [word for word in lost if word not in _MOTIONS]:
        known = ", ".join(_MOTIONS)
        raise BadInput(f"{where} lost {unknown[0]!r}, which is no motion", f"use {known}")
    texts = [_text(fields.get(key, ""), f"{key} of a reason of {where}")
             for key in ("module", "source", "line")]  # fmt: skip
    operator = _text(_get(fields, "operator", f"a reason of {where}"), f"an operator of {where}")
    return Reason(operator, frozenset(_MOTIONS[word] for word in lost), *texts)


def _get(data: Mapping[str, Any], key: str, where: str) -> Any:
    if key not in data:
        raise BadInput(f"{where} has no {key!r}", REMEDY)
    return data[key]


def _mapping(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise BadInput(f"{where}: found {type(value).__name__}, expected an object", REMEDY)
    return value


def _sequence(value: object, where: str) -> Sequence[Any]:
    if not isinstance(value, (list, tuple)):
        raise BadInput(f"{where}: found {type(value).__name__}, expected a list", REMEDY)
    return value


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise BadInput(f"{where}: found {type(value).__name__}, expected text", REMEDY)
    return value

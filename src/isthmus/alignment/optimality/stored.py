"""What a certificate is about, as data: elements there and back, and digests of parameters."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from isthmus.algebra.elements import Element
from isthmus.algebra.groups import Motion, Moves, Value
from isthmus.algebra.symmetry import Symmetry
from isthmus.ground.errors import BadInput, NotAMember
from isthmus.ground.results import plain

REMEDY = "give what `isthmus align --certify --json` or Certificate.to_json wrote"


def digest(params: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, dtypes, shapes and the bytes of the numbers."""
    found = hashlib.sha256()
    for name in sorted(params):
        tensor = params[name].detach().cpu().contiguous()
        found.update(f"{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        found.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def symmetry_digest(symmetry: Symmetry) -> str:
    """SHA-256 of the group and its action; who bounded it does not count."""
    data = symmetry.to_json()
    spaces = {
        name: {key: space[key] for key in ("definition", "over")}
        for name, space in data["spaces"].items()
    }
    return seal({"spaces": spaces, "reps": data["reps"], "chart": data["chart"]})


def seal(data: Mapping[str, Any]) -> str:
    """SHA-256 of plain data."""
    text = json.dumps(plain(data), sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def element_from_json(symmetry: Symmetry, data: object) -> Element:
    """The inverse of `Element.to_json`.

    Raises:
        BadInput: the data are not those of an element: a space is missing, a shape is wrong.
        NotAMember: a value is not in the group of its space.
    """
    if not isinstance(data, Mapping) or set(data) != set(symmetry.spaces):
        raise BadInput("the element does not say what it does in each space", REMEDY)
    values: dict[str, Value] = {}
    for name, space in symmetry.spaces.items():
        value = _like(space.group.identity(symmetry.batch(name)), data[name], name)
        wrong = _why_not(symmetry, name, value)
        if wrong is not None:
            raise NotAMember(f"the element in {name} is not in {space.group}: {wrong}", REMEDY)
        values[name] = value
    return Element(symmetry, values)


def _like(one: Value, data: object, name: str) -> Value:
    """Data in the form of a value of the group."""
    if isinstance(one, Tensor):
        return _tensor(one, data, name)
    if isinstance(one, Moves):
        given = data if isinstance(data, Mapping) else {}
        parts = zip(Moves._fields, one, strict=True)
        return Moves(*(_tensor(p, given[n], name) if n in given else p for n, p in parts))
    if not isinstance(data, list) or len(data) != len(one):
        raise BadInput(f"the element in {name} has another form than expected", REMEDY)
    return type(one)(*(_like(p, part, name) for p, part in zip(one, data, strict=True)))


def _tensor(like: Tensor, data: object, name: str) -> Tensor:
    try:
        found = torch.tensor(data, dtype=like.dtype)
    except (TypeError, ValueError, RuntimeError) as error:
        raise BadInput(f"the element in {name} is not made of numbers", REMEDY) from error
    if found.shape != like.shape:
        shapes = f"{tuple(found.shape)}, expected {tuple(like.shape)}"
        raise BadInput(f"the element in {name} has the shape {shapes}", REMEDY)
    return found


def _why_not(symmetry: Symmetry, name: str, value: Value) -> str | None:
    group = symmetry.spaces[name].group
    if isinstance(value, Moves):
        order = torch.arange(group.size).expand_as(value.perm)
        if not torch.equal(value.perm.sort(-1).values, order):
            return "not a permutation"
        if Motion.SWAP not in group.motions and not torch.equal(value.perm, order):
            return "units are swapped"
        odd = (value.signs.abs() != 1).any() or not torch.isfinite(value.logs).all()
        return "a sign other than 1 and -1, or a scale that is not finite" if bool(odd) else None
    dense = group.matrix(value, group.natural)
    if not bool(torch.isfinite(dense).all()):
        return "a number that is not finite"
    flat = dense.reshape(-1, *dense.shape[-2:])
    return next((wrong for one in flat if (wrong := group.why_not(one)) is not None), None)

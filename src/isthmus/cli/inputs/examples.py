"""`--example`: inputs by shape and type, such as `1x784`, `2x3x32x32:float` or `ids=1x16:int`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor, nn

from isthmus.ground.errors import BadInput, closest
from isthmus.testing.datasets import Dataset

Example: TypeAlias = "tuple[Tensor, ...] | dict[str, Tensor]"

_DTYPES = {
    "float": torch.float32,
    "double": torch.float64,
    "half": torch.float16,
    "bfloat16": torch.bfloat16,
    "int": torch.int64,
    "bool": torch.bool,
}
_PART = re.compile(r"((?P<name>\w+)=)?(?P<shape>\d+(x\d+)*)(:(?P<dtype>\w+))?")
_HOW = "write sizes joined by x, then a type if it is not float: 1x784, 2x3x32x32:float, 1x16:int"
_FROM_DATA = 4  # samples: more only costs time, one may hide the batch dimension


def parse_example(spec: str) -> Example:
    """The inputs that `spec` describes: floats are random, whole numbers and booleans zero.

    Several inputs are joined by commas; with names (`ids=1x16:int,mask=1x16:bool`) they are passed
    by keyword.

    Raises:
        BadInput: `spec` is not of this form.
    """
    generator = torch.Generator().manual_seed(0)
    parts = [_parse_part(part.strip(), spec, generator) for part in spec.split(",")]
    names = [name for name, _ in parts if name is not None]
    if not names:
        return tuple(tensor for _, tensor in parts)
    if len(set(names)) != len(parts):
        raise BadInput(
            f"--example {spec!r} names some inputs and not others, or one twice",
            "name all of them once, or none",
        )
    return {name: tensor for name, tensor in parts if name is not None}


def _parse_part(part: str, spec: str, generator: torch.Generator) -> tuple[str | None, Tensor]:
    match = _PART.fullmatch(part)
    if match is None:
        raise BadInput(f"cannot read {part!r} in --example {spec!r}", _HOW)
    dtype_name = match["dtype"] or "float"
    if dtype_name not in _DTYPES:
        near = closest(dtype_name, _DTYPES)
        raise BadInput(
            f"unknown type {dtype_name!r} in --example {spec!r}",
            f"did you mean {near!r}?" if near else f"use one of {', '.join(_DTYPES)}",
        )
    shape = [int(size) for size in match["shape"].split("x")]
    dtype = _DTYPES[dtype_name]
    if dtype.is_floating_point:
        return match["name"], torch.randn(shape, generator=generator).to(dtype)
    return match["name"], torch.zeros(shape, dtype=dtype)


def example_for(
    spec: str | None, data: Dataset | None, own: Callable[[], Example] | None = None
) -> Example:
    """The inputs to capture a model with: those of `spec`, else a few samples of `data`.

    Without either, those that the model's own source describes (`own`).

    Raises:
        BadInput: There are none.
    """
    if spec is not None:
        return parse_example(spec)
    if data is not None:
        return (data.x_train[:_FROM_DATA],)
    if own is None:
        raise BadInput("neither --example nor --data is given", f"give --example; {_HOW}")
    return own()


def placed(example: Example, module: nn.Module) -> Example:
    """The inputs, on the meta device where the model's parameters are there."""
    if not any(parameter.is_meta for parameter in module.parameters()):
        return example
    if isinstance(example, dict):
        return {name: value.to("meta") for name, value in example.items()}
    return tuple(value.to("meta") for value in example)

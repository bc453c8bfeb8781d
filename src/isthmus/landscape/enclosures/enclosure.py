"""Enclosures: tensors that depend on one variable s in [-1, 1], affinely but for a remainder."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from inspect import signature
from typing import Any

import torch
from torch import Tensor

from isthmus.ground import UnknownOperator
from isthmus.landscape.enclosures.rounding import SLACK, TINY, room
from isthmus.landscape.enclosures.table import mutates, rule_for


class Enclosure(Tensor):
    """A tensor x(s) with |x(s) - centre - s·slope| <= radius, number by number, s in [-1, 1].

    It stands for a tensor wherever torch takes one, so any module runs on it: every operator is
    answered by its rule (`table`), else by the rules of the operators that torch makes it of, else
    refused. It must be used under ``torch.inference_mode()``: only there do operators arrive whole.

    Args:
        centre: Float64, of the shape of x.
        slope: The same; None is zero.
        radius: The same, not negative, and infinity or NaN where nothing is known; None where the
            affine part is exact but for rounding of `SLACK` times its size.

    Attributes:
        shared: Whether it is a view or was viewed: then nothing may be written into it.
    """

    centre: Tensor
    slope: Tensor | None
    radius: Tensor | None
    shared: bool

    @staticmethod
    def __new__(
        cls, centre: Tensor, slope: Tensor | None = None, radius: Tensor | None = None
    ) -> Enclosure:
        """A wrapper that shows the shape, strides and dtype of ``centre``."""
        made: Enclosure = Tensor._make_wrapper_subclass(
            cls, centre.shape, centre.stride(), dtype=centre.dtype, device=centre.device
        )
        return made

    def __init__(
        self, centre: Tensor, slope: Tensor | None = None, radius: Tensor | None = None
    ) -> None:
        self.centre, self.slope, self.radius, self.shared = centre, slope, radius, False

    @cached_property
    def extent(self) -> Tensor:
        """A bound of the affine part's absolute value."""
        return self.centre.abs() if self.slope is None else self.centre.abs() + self.slope.abs()

    @property
    def error(self) -> Tensor:
        """The radius as a tensor."""
        return SLACK * self.extent + TINY if self.radius is None else self.radius

    @property
    def tilt(self) -> Tensor:
        """The slope as a tensor."""
        return torch.zeros_like(self.centre) if self.slope is None else self.slope

    def range(self) -> tuple[Tensor, Tensor]:
        """The least and the largest value that x(s) can have, rounded outwards."""
        reach = self.error if self.slope is None else self.slope.abs() + self.error
        reach = (1 + room()) * reach + room() * self.centre.abs()
        return self.centre - reach, self.centre + reach

    def __repr__(self, **_: Any) -> str:  # type: ignore[override]
        return f"Enclosure{tuple(self.shape)}"

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Down to the operators, without turning what comes back into enclosures."""
        with torch._C.DisableTorchFunctionSubclass():
            return func(*args, **(kwargs or {}))

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """By the operator's rule, else by its parts, else refused."""
        options = dict(kwargs or {})
        rule = rule_for(func)
        if rule is None:
            made = func.decompose(*args, **options)
            if made is NotImplemented:
                raise _refusal(func, "there is no enclosure for it")
            return made
        try:
            signature(rule).bind(*args, **options)
        except TypeError:
            raise _refusal(func, "its enclosure does not know these options") from None
        found = rule(*args, **options)
        return _write(func, args[0], found) if mutates(func) else found


def lift(value: Any, like: Tensor) -> Enclosure:
    """``value`` as an enclosure: a plain tensor or number is exact."""
    if isinstance(value, Enclosure):
        return value
    return Enclosure(torch.as_tensor(value, dtype=torch.float64, device=like.device))


def _write(func: Any, target: Any, found: Enclosure) -> Enclosure:
    """``found`` in the place of ``target``, for an operator that works in place."""
    if not isinstance(target, Enclosure):
        raise _refusal(func, "it writes into a tensor that does not depend on the parameters")
    if target.shared or target.shape != found.shape:
        raise _refusal(func, "it writes into a view")
    target.__dict__.pop("extent", None)
    target.centre, target.slope, target.radius = found.centre, found.slope, found.radius
    return target


def _refusal(func: Any, reason: str) -> UnknownOperator:
    name = func.overloadpacket.__name__
    return UnknownOperator(
        f"cannot bound the loss through the operator {name!r}: {reason}",
        f"write the model, or the criterion, without {name!r}, or use a sampled barrier",
    )

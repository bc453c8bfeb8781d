"""Symmetry: a group for every hidden space, a rep for every parameter."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

import torch
from torch import Tensor

from isthmus.algebra import elements, freedom, printing, serial, subgroups
from isthmus.algebra.charts import Chart
from isthmus.algebra.elements import Element
from isthmus.algebra.groups import (
    Group,
    Value,
)
from isthmus.algebra.groups.base import Motion
from isthmus.algebra.reps import Block, Rep
from isthmus.algebra.spaces import Reason, Space
from isthmus.ground.errors import ShapeMismatch, UnknownName

Params: TypeAlias = "dict[str, Tensor]"


@dataclass(frozen=True)
class Symmetry:
    """The parameter-symmetry group of a model, with its action.

    Attributes:
        spaces: every hidden space with its group, outer spaces before those they index.
        reps: one rep for every entry of the state dict.
        aliases: names of tied weights and the name under which each is kept.
        warnings: what discovery could not type, and what that cost.
        chart: leads from parameters to the coordinates that the reps are of.
        pinned: for each axis of a parameter, who pinned what of it is fixed.
    """

    spaces: Mapping[str, Space]
    reps: Mapping[str, Rep]
    aliases: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    pinned: Mapping[str, tuple[tuple[Reason, ...], ...]] = field(
        default_factory=dict, compare=False
    )
    chart: Chart = field(default_factory=Chart)

    def batch(self, name: str) -> tuple[int, ...]:
        """The sizes of the spaces that index this one."""
        return tuple(self.spaces[outer].size for outer in self.spaces[name].over)

    def copies(self, name: str) -> int:
        """How many group elements the space holds: one, or one per value of its outer spaces."""
        return math.prod(self.batch(name))

    @property
    def lie_dim(self) -> int:
        """The dimension of the group that acts."""
        return sum(self.copies(n) * s.group.lie_dim for n, s in self.spaces.items())

    @property
    def log_components(self) -> float:
        """The natural logarithm of the number of connected components of the group."""
        return sum(self.copies(n) * s.group.log_components for n, s in self.spaces.items())

    def identity(self) -> Element:
        """The neutral element."""
        return elements.identity(self)

    def sample(self, seed: int | torch.Generator = 0, scale: float = 0.3) -> Element:
        """A random element of the whole group: swaps, signs, scales, rotations, shears."""
        return elements.sample(self, seed, scale)

    def act(self, g: Element, params: Mapping[str, Tensor]) -> Params:
        """The moved parameters: other weights, same function. New tensors; the input is kept.

        Raises:
            UnknownName: a parameter is missing, or one is not of this model.
            ShapeMismatch: a parameter has another shape than the rep says.
            BadInput: the element is of another symmetry, such as a restricted one.
        """
        self.check(params)
        elements.check(self, g)
        return self.parameters(self.act_all(g, self.coordinates(params)), params)

    def canonical(self, params: Mapping[str, Tensor]) -> Params:
        """The parameters in the gauge: gains 1, free shifts 0, means taken out; same function.

        Raises:
            UnknownName, ShapeMismatch: as `act`.
        """
        self.check(params)
        return self.parameters(self.chart.settled(self.coordinates(params)), params)

    def coordinates(self, params: Mapping[str, Tensor]) -> Params:
        """The coordinates on which the group acts linearly; float64 where the chart mixes them."""
        if not self.chart.steps:
            return self.linearised(params)
        wide = {n: t.double() if t.is_floating_point() else t for n, t in params.items()}
        self.chart.enter(wide)
        return self._offset(wide, back=False)

    def parameters(self, coordinates: Mapping[str, Tensor], like: Mapping[str, Tensor]) -> Params:
        """Back from `coordinates`, with the order and dtypes of ``like``, sharing no memory."""
        out = self.linearised(coordinates, back=True)
        return {name: _own(out[name].to(given.dtype), given) for name, given in like.items()}

    def act_all(self, g: Element, params: Mapping[str, Tensor]) -> Params:
        """Act on some of the parameters, in linear coordinates (`linearised`)."""
        return {name: self.act_on(name, g.values, tensor) for name, tensor in params.items()}

    def linearised(self, params: Mapping[str, Tensor], *, back: bool = False) -> Params:
        """The coordinates in which the action is linear; with ``back``, the parameters at some.

        The chart's steps, then offsets added. Half precision becomes float32: exactness needs
        more than it holds.
        """
        out = {name: _single(tensor) for name, tensor in params.items()}
        if not back:
            return self._offset(self.chart.to(out), back=False)
        return self.chart.back(self._offset(out, back=True))

    def _offset(self, out: Params, *, back: bool) -> Params:
        sign = -1 if back else 1
        for name, rep in self.reps.items():
            if name not in out or not (rep.offset or rep.absorbed):
                continue
            added = out[name] + sign * rep.offset
            for part in rep.absorbed:
                source = out[part.source]
                added = added + sign * part.centre * source.flatten(1).sum(1)
            out[name] = added
        return out

    def act_on(self, name: str, values: Mapping[str, Value], tensor: Tensor) -> Tensor:
        """Act on one parameter in linear coordinates (`linearised`).

        Spaces that are missing from ``values`` stay as they are.
        """
        rep = self.reps[name]
        if not any(space in values for space in rep.spaces):
            return tensor.clone()
        if len(rep.blocks) == 1:
            only = rep.blocks[0]
            return self._act_block(only, values, tensor.reshape(only.shape)).reshape(tensor.shape)
        out = tensor.clone()
        for block in rep.blocks:
            block.write(out, self._act_block(block, values, block.read(tensor)))
        return out

    def _act_block(self, block: Block, values: Mapping[str, Value], x: Tensor) -> Tensor:
        place = {f.space: d for d, f in enumerate(block.factors) if f.space is not None}
        for name in self._order(place):
            if name not in values:
                continue
            space = self.spaces[name]
            over = [place[outer] for outer in space.over]
            for dim, factor in enumerate(block.factors):
                if factor.space == name:
                    x = space.group.act(values[name], x, dim, factor.character, over)
        return x

    def _order(self, names: Mapping[str, int]) -> list[str]:
        return sorted(names, key=self._rank.__getitem__)

    @cached_property
    def _rank(self) -> dict[str, int]:
        return {name: k for k, name in enumerate(self.spaces)}

    def check(self, params: Mapping[str, Tensor]) -> None:
        """Raise unless ``params`` has exactly this symmetry's names and shapes."""
        shapes = self.shapes
        for name in shapes:
            if name not in params:
                raise UnknownName(
                    f"parameter {name!r} is missing", "pass the whole state dict of the model"
                )
        for name, tensor in params.items():
            if name not in shapes:
                near = difflib.get_close_matches(name, shapes, 1)
                hint = f"did you mean {near[0]!r}?" if near else "pass the model's own state dict"
                raise UnknownName(f"unknown parameter {name!r}", hint)
            if tuple(tensor.shape) != shapes[name]:
                raise ShapeMismatch(
                    f"{name} has shape {tuple(tensor.shape)}, expected {shapes[name]}",
                    "use a checkpoint of the architecture that was discovered",
                )

    @cached_property
    def essential(self) -> Symmetry:
        """The part that acts on essential parameters, as a symmetry of the coordinates."""
        return freedom.essential(self)

    def settling(self, a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> dict[str, Value]:
        """The values of free spaces that bring coordinates ``b`` into the gauge of ``a``."""
        return freedom.settling(self, a, b)

    @cached_property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """The shape of every parameter."""
        return self.chart.shapes or {name: rep.shape for name, rep in self.reps.items()}

    def restrict(self, to: type[Group] | Callable[[Space], bool] | Sequence[Motion]) -> Symmetry:
        """A subgroup: by group class, by a predicate on spaces, or by the motions allowed.

        A space that the predicate turns down keeps only the identity.
        """
        return subgroups.restrict(self, to)

    def lift(self, g: Element) -> Element:
        """An element of a subgroup of this symmetry, as an element of the whole."""
        return subgroups.lift(self, g)

    def occurrences(self, space: str) -> list[tuple[str, Block, int]]:
        """Where a space acts: parameter, block, and dimension among the block's factors."""
        found = []
        for name, rep in self.reps.items():
            for block in rep.blocks:
                found += [(name, block, d) for d, f in enumerate(block.factors) if f.space == space]
        return found

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return serial.to_json(self)

    @classmethod
    def from_json(cls, data: object) -> Symmetry:
        """The inverse of `to_json`.

        Raises:
            BadInput: the data are not those of a symmetry; says where.
        """
        return serial.from_json(cls, data)

    def table(self) -> str:
        """All spaces and all reps, one row for each parameter."""
        return printing.table(self)

    def __str__(self) -> str:
        return printing.summary(self)

    def __format__(self, spec: str) -> str:
        return self.table() if spec == "full" else format(str(self), spec)

    def _repr_html_(self) -> str:
        return printing.markup(self)


def _single(tensor: Tensor) -> Tensor:
    """Half precision as float32, anything else as it is."""
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


def _own(tensor: Tensor, given: Tensor) -> Tensor:
    """A tensor that shares no memory with the caller's."""
    shared = tensor.untyped_storage().data_ptr() == given.untyped_storage().data_ptr()
    return tensor.clone() if shared else tensor

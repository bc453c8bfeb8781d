"""The field's forms: axes-to-permutation mappings and matched permutations, read and written.

After Ainsworth et al. 2023 (Git Re-Basin): a mapping says for each axis of each parameter which
permutation it feels, or None; a match gives an index array for each permutation, and is applied as
``w[perm]`` along the axis, which is what `Moves.perm` says too. The form knows one permutation for
each axis and nothing else; what it cannot say is said here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from isthmus.algebra.elements import Element
from isthmus.algebra.groups import AbstractMonomial, Character, Motion, Moves, Permutation
from isthmus.algebra.reps import Rep
from isthmus.algebra.spaces import Axis, Factor, Space, Term, leaves
from isthmus.algebra.symmetry import Symmetry
from isthmus.ground.errors import BadInput, ShapeMismatch, UnknownName, closest
from isthmus.ground.results import Result

Mapped: TypeAlias = "dict[str, tuple[str | None, ...]]"
"""For each parameter the name of a permutation, or None, for each of its axes."""


@dataclass(frozen=True)
class Axes(Result):
    """A symmetry's permutations as a mapping.

    Attributes:
        mapping: of axes to permutations. Its permutations are a subgroup of the symmetry.
        unsaid: the spaces whose permutations the form cannot express, and where and why; in the
            mapping they stay as they are.
    """

    mapping: Mapped
    unsaid: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """One line for each parameter, then what is left out."""
        lines = [f"{name}: {axes}" for name, axes in self.mapping.items()]
        return "\n".join(lines + [f"left out: {n}: {why}" for n, why in self.unsaid.items()])


def to_axes(symmetry: Symmetry) -> Axes:
    """The permutations of a symmetry as a mapping of axes.

    Signs, scales, rotations and changes of basis have no place in the form and are left out
    silently, as `symmetry.restrict(Permutation)` does; permutations that it cannot express are
    named in ``unsaid``: those of an axis that is a product or a concatenation (heads; a flattened
    image), and those that differ from head to head.

    Raises:
        BadInput: the symmetry is folded: it moves coordinates, not the parameters themselves.
    """
    if symmetry.chart.steps:
        raise BadInput(
            "the symmetry acts on folded coordinates, the mapping on parameters as they are",
            'discover(model, example, gauge="asis")',
        )
    swaps = symmetry.restrict(Permutation)
    moving = {n for n, space in swaps.spaces.items() if Motion.SWAP in space.group.motions}
    unsaid: dict[str, str] = {}
    for name, rep in swaps.reps.items():
        for k, axis in enumerate(rep.axes):
            for space, why in _inexpressible(axis, swaps, moving).items():
                unsaid.setdefault(space, f"axis {k} of {name} is {why}")
    said = moving - set(unsaid)
    mapping = {n: tuple(_name(axis, said) for axis in rep.axes) for n, rep in swaps.reps.items()}
    return Axes(mapping, unsaid)


def _inexpressible(axis: Axis, symmetry: Symmetry, moving: set[str]) -> dict[str, str]:
    """The moving spaces of an axis that is not one of them as a whole, with the reason."""
    found = [f.space for f in leaves(axis) if f.space in moving]
    out = {}
    for space in dict.fromkeys(str(one) for one in found):
        if symmetry.spaces[space].over:
            out[space] = f"permuted by {space} for each {' '.join(symmetry.spaces[space].over)}"
        elif not _whole(axis):
            kind = "a product" if all(isinstance(t, Factor) for t in axis) else "a concatenation"
            out[space] = f"{kind} of which {space} permutes a part"
    return out


def _whole(axis: Axis) -> bool:
    """Whether an axis is one factor, but for factors of size one."""
    large = [term for term in axis if term.size > 1]
    return len(large) <= 1 and all(isinstance(term, Factor) for term in large)


def _name(axis: Axis, said: set[str]) -> str | None:
    return next((f.space for f in leaves(axis) if f.space in said), None)


def from_axes(
    mapping: Mapping[str, Sequence[str | None]],
    shapes: Mapping[str, Sequence[int]],
    *,
    flattened: bool = False,
) -> Symmetry:
    """A mapping of axes as a symmetry, of permutations only.

    Whether they are symmetries of a model is for `verify` to say.

    Args:
        mapping: for each parameter the permutation of each axis, or None.
        shapes: of the parameters; those that the mapping leaves out stay fixed.
        flattened: read an axis that is several times as long as its permutation as flattened,
            permutation first: ``(channel height width)`` before a linear layer.

    Raises:
        UnknownName: the mapping names a parameter without a shape.
        ShapeMismatch: a parameter has another number of axes than are mapped, or one permutation
            stands on axes of different sizes.
    """
    sizes: dict[str, int] = {}
    for name, axes in mapping.items():
        if name not in shapes:
            near = closest(name, shapes)
            hint = f"did you mean {near!r}?" if near else "give the shapes of all parameters"
            raise UnknownName(f"the mapping has {name!r}, which has no shape", hint)
        if len(axes) != len(shapes[name]):
            raise ShapeMismatch(
                f"{name} has {len(shapes[name])} axes, and the mapping {len(axes)}",
                "map each axis to a permutation or None",
            )
        for perm, size in zip(axes, shapes[name], strict=True):
            if perm is not None:
                sizes[perm] = min(size, sizes.get(perm, size))
    spaces = {perm: Space(perm, size, Permutation(size)) for perm, size in sizes.items()}
    reps = {}
    for name, shape in shapes.items():
        axes = mapping.get(name, (None,) * len(shape))
        reps[name] = Rep.of(
            [_axis(name, *of, sizes, flattened) for of in zip(axes, shape, strict=True)]
        )
    return Symmetry(spaces, reps)


def _axis(
    name: str, perm: str | None, size: int, sizes: Mapping[str, int], flattened: bool
) -> tuple[Term, ...]:
    if perm is None:
        return (Factor(size),)
    times, left = divmod(size, sizes[perm])
    if left or (times > 1 and not flattened):
        remedy = (
            f"pass flattened=True to read it as ({perm} {times})"
            if not left
            else "give permutations of different sizes different names"
        )
        raise ShapeMismatch(f"{perm} permutes {sizes[perm]}, and {size} in {name}", remedy)
    character = Character()
    one = Factor(sizes[perm], perm, character)
    return (one, Factor(times)) if times > 1 else (one,)


def to_permutations(element: Element) -> dict[str, Tensor]:
    """The permutations of an element by space: index arrays, applied as ``w[perm]``.

    Raises:
        BadInput: the element does something else as well, which would be lost.
    """
    out: dict[str, Tensor] = {}
    for name, space in element.symmetry.spaces.items():
        value, group = element.values[name], space.group
        if space.over or not isinstance(group, AbstractMonomial):
            if group.is_identity(value):
                continue
        elif group.is_identity(Moves(group.identity().perm, value.signs, value.logs)):
            if group.swaps:
                out[name] = value.perm.clone()
            continue
        raise BadInput(
            f"the element in {space} {group.moves(value)}, which is not one permutation",
            "align with symmetry.restrict(Permutation), or keep element.to_json()",
        )
    return out


def from_permutations(
    symmetry: Symmetry, permutations: Mapping[str, Tensor | np.ndarray[Any, Any] | Sequence[int]]
) -> Element:
    """The element that permutes some spaces and leaves the others as they are.

    Raises:
        UnknownName: no such space.
        BadInput: the space cannot be permuted as a whole, or the array is not a permutation.
    """
    values = dict(symmetry.identity().values)
    for name, given in permutations.items():
        if name not in symmetry.spaces:
            near = closest(name, symmetry.spaces)
            hint = f"did you mean {near!r}?" if near else f"use {', '.join(symmetry.spaces)}"
            raise UnknownName(f"no space is called {name!r}", hint)
        space = symmetry.spaces[name]
        if not isinstance(space.group, AbstractMonomial) or not space.group.swaps or space.over:
            raise BadInput(f"{space} does not take one permutation", "leave it out")
        perm = indices(given, f"the array of {name}")
        if not torch.equal(perm.sort().values, torch.arange(space.size)):
            raise BadInput(
                f"the array of {name} is not a permutation of 0 to {space.size - 1}",
                "give for each new place the old one, as in w[perm]",
            )
        one = space.group.identity()
        values[name] = Moves(perm, one.signs, one.logs)
    return Element(symmetry, values)


def indices(given: object, what: str) -> Tensor:
    """A list of whole numbers as a tensor.

    Raises:
        BadInput: it is something else.
    """
    try:
        found = torch.as_tensor(given)
    except (TypeError, ValueError, RuntimeError):
        found = torch.zeros(())
    if found.dim() != 1 or found.is_floating_point() or found.dtype is torch.bool:
        raise BadInput(f"{what} is not a list of indices", "give for each new place the old one")
    return found.to(torch.int64)

"""Work that does not depend on t, done once: a mode that watches a model run at point after point.

What the model computes from its inputs and from tensors that stand still along the path is the
same at every point: it is kept. An operator bilinear in its arguments, as ``x Wᵀ``, with one that
is known so and one that moves in few directions, ``W = W_0 + Σ c_k V_k``, gives
``x W_0ᵀ + Σ c_k x V_kᵀ``: the products are kept, and a point costs their sum. Nothing is assumed of
the model or of the path: each operator is judged as it runs, by the tensors that it is given.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from isthmus.landscape.evaluation.trajectories import Trajectories, Trajectory
from isthmus.landscape.running import tensors

_aten = torch.ops.aten


@dataclass(frozen=True)
class _Product:
    """Where a bilinear operator has its factors and the term it adds; what it is without that."""

    left: int
    right: int
    added: int | None
    bare: Callable[..., Tensor]


_PRODUCTS: dict[Any, _Product] = {
    _aten.mm.default: _Product(0, 1, None, _aten.mm.default),
    _aten.bmm.default: _Product(0, 1, None, _aten.bmm.default),
    _aten.addmm.default: _Product(1, 2, 0, _aten.mm.default),
    _aten.baddbmm.default: _Product(1, 2, 0, _aten.bmm.default),
    _aten.convolution.default: _Product(0, 1, 2, _aten.convolution.default),
}

_DEPTH = 16
"""Multiplications for one output that cost about as much as adding one direction (measured)."""
WATCHING = 1e6
"""Multiplications that cost about as much as watching one operator (measured)."""
_LEAST = 1e7
"""A product of fewer multiplications is not worth finding out how its factors move."""


@dataclass(frozen=True, eq=False)
class _Known:
    """A tensor of which it can be told how it moves, as long as nobody writes to it."""

    tensor: Tensor
    version: tuple[int, int]
    still: bool
    tell: Callable[[], Trajectory | None]
    """Asked where it matters, which is seldom."""


class Sharing(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While this is on, what a model runs at one point after another on the same inputs is shared.

    Args:
        points: The weights at every point, by name: the very tensors that the model runs with.
        room: Bytes that may be kept; what does not fit is computed at every point.
    """

    def __init__(self, points: Sequence[Mapping[str, Tensor]], room: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._trajectories = Trajectories(points)
        self._written: Counter[int] = Counter()
        self._names = {id(t): (n, self._version(t)) for point in points for n, t in point.items()}
        self._room = room
        self._point = 0
        self._asked: Counter[Any] = Counter()
        self.begin(())

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """False: nothing is compiled here, and to skip it torch would import its compiler."""
        return False

    def begin(self, inputs: Any) -> None:
        """From now on the model runs on these inputs; what was kept is forgotten."""
        self._left = self._room
        self._saved = self._watched = 0.0
        self._kept: dict[Any, tuple[Any, list[tuple[int, int]]]] = {}
        self._known: dict[int, _Known] = {}
        for tensor in tensors(inputs):
            self._note(tensor)

    def close(self) -> None:
        """Let go of the points and of all that was kept."""
        self.begin(())
        self._names.clear()
        self._trajectories = Trajectories(())

    def at(self, point: int) -> Sharing:
        """This mode, for a run at the point of this number."""
        self._point = point
        self._asked = Counter()
        return self

    @property
    def worth(self) -> bool:
        """Asked after the first point: whether what was kept is more work than the watching."""
        return self._saved > WATCHING * self._watched

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Run one operator, or take its result from what was kept."""
        kwargs = kwargs or {}
        self._watched += 1
        if func._schema.is_mutable:
            for tensor in (*tensors(args), *tensors(kwargs)):  # any of them: to know less is safe
                self._written[_storage(tensor)] += 1
            return func(*args, **kwargs)
        if torch.Tag.nondeterministic_seeded in func.tags:
            return func(*args, **kwargs)
        if func in _PRODUCTS and not kwargs:
            made = self._product(func, args)
            if made is not None:
                return made
        given = (*tensors(args), *tensors(kwargs))
        known = [self._of(tensor) for tensor in given]
        if any(one is None for one in known):
            return func(*args, **kwargs)
        if _is_view(func):
            return self._view(func, args, kwargs, known[0] if len(known) == 1 else None)
        if all(one.still for one in known if one is not None):
            return self._still(func, args, kwargs, handed=True)
        return func(*args, **kwargs)

    def _of(self, tensor: Tensor) -> _Known | None:
        """What is known of a tensor; nothing where it was written to since."""
        known = self._known.get(id(tensor))
        if known is None and id(tensor) in self._names:
            name, version = self._names[id(tensor)]
            still = self._trajectories.still(name)
            known = _Known(tensor, version, still, partial(self._trajectories.of, name))
            self._known[id(tensor)] = known
        return known if known is not None and known.version == self._version(tensor) else None

    def _version(self, tensor: Tensor) -> tuple[int, int]:
        """Changes with every write, while this is on or off: torch counts those in views apart."""
        return tensor._version, self._written[_storage(tensor)]

    def _note(self, tensor: Tensor) -> None:
        """Note that a tensor stands still."""
        if id(tensor) not in self._known:
            path = Trajectory(tensor)
            self._known[id(tensor)] = _Known(tensor, self._version(tensor), True, lambda: path)

    def _still(self, func: Any, args: Any, kwargs: Any, handed: bool = False) -> Any:
        """The result of an operator whose arguments all stand still: kept, if there is room.

        What is handed to the model is handed out once in a run: equal results may be written to.
        """
        key: tuple[Any, ...] = (func, self._key(args), self._key(kwargs))
        if handed:
            self._asked[key] += 1
            key += (self._asked[key],)
        made, versions = self._kept.get(key, (None, [(-1, -1)]))
        if versions == [self._version(tensor) for tensor in tensors(made)]:
            return made
        made = func(*args, **kwargs)
        outputs = tensors(made)
        view = _is_view(func)
        size = 0 if view else sum(t.numel() * t.element_size() for t in outputs)
        if size <= self._left:
            self._left -= size
            self._kept[key] = made, [self._version(tensor) for tensor in outputs]
            self._saved += 0 if view else work(func, args, outputs)
            for tensor in outputs:
                self._note(tensor)
        return made

    def _key(self, tree: Any) -> Any:
        """Arguments as a key: tensors, which stand still, by what they are equal to."""
        if isinstance(tree, Tensor):
            known = self._of(tree)
            path = known and known.tell()
            return id(path.origin if path else tree)
        if isinstance(tree, Mapping):
            return tuple((name, self._key(item)) for name, item in tree.items())
        if isinstance(tree, tuple | list):
            return tuple(self._key(item) for item in tree)
        return type(tree), str(tree)

    def _view(self, func: Any, args: Any, kwargs: Any, known: _Known | None) -> Any:
        """A view, made anew as torch wants it, and noted to move as what it looks at."""
        made = func(*args, **kwargs)

        def tell(place: int) -> Trajectory | None:
            path = known.tell() if known is not None else None
            if known is None or path is None:
                return None

            def seen(tensor: Tensor) -> Tensor:
                self._note(tensor)
                there = self._still(func, *_with((args, kwargs), known.tensor, tensor))
                return tensors(there)[place]

            directions = tuple(seen(direction) for direction in path.directions)
            return Trajectory(seen(path.origin), directions, path.coefficients)

        if known is not None:
            for place, out in enumerate(tensors(made)):
                told = cache(partial(tell, place))
                self._known[id(out)] = _Known(out, known.version, known.still, told)
        return made

    def _product(self, func: Any, args: tuple[Any, ...]) -> Tensor | None:
        """A product of what stands still with what moves, as a sum of products that are kept."""
        product = _PRODUCTS[func]
        if _depth(func, args) * _outputs(func, args) < _LEAST:
            return None
        left, right = self._of(args[product.left]), self._of(args[product.right])
        if left is None or right is None or left.still == right.still:
            return None
        moving, place = (right, product.right) if left.still else (left, product.left)
        path = moving.tell()
        if path is None or _depth(func, args) < _DEPTH * len(path.directions):
            return None

        def times(factor: Tensor) -> Tensor:
            self._note(factor)
            given = [*args[:place], factor, *args[place + 1 :]]
            if product.added is not None:
                given = given[1:] if product.added == 0 else [*given[:2], None, *given[3:]]
            made: Tensor = self._still(product.bare, tuple(given), {})
            return made

        terms = [times(part) for part in (path.origin, *path.directions)]
        if any(self._of(term) is None for term in terms):
            return None
        weights = path.coefficients[self._point]
        out = torch.add(terms[0], terms[1], alpha=weights[0])
        for term, weight in zip(terms[2:], weights[1:], strict=True):
            out.add_(term, alpha=weight)
        added = None if product.added is None else args[product.added]
        if added is not None:
            out.add_(added.reshape(1, -1, *[1] * (out.dim() - 2)) if product.added == 2 else added)
        return out


def _storage(tensor: Tensor) -> int:
    """Which memory a tensor lies in; sparse ones count as one."""
    return tensor.untyped_storage()._cdata if tensor.layout is torch.strided else 0


def _with(tree: Any, old: Tensor, new: Tensor) -> Any:
    """``tree`` with one tensor replaced by another."""
    if isinstance(tree, Mapping):
        return {name: _with(item, old, new) for name, item in tree.items()}
    if isinstance(tree, tuple | list):
        return type(tree)(_with(item, old, new) for item in tree)
    return new if tree is old else tree


def _is_view(func: Any) -> bool:
    """Whether what an operator gives lies in the memory of what it takes."""
    return any(out.alias_info is not None for out in func._schema.returns)


def _depth(func: Any, args: tuple[Any, ...]) -> int:
    """Multiplications for each number that a product gives."""
    product = _PRODUCTS[func]
    if product.bare is _aten.convolution.default:
        return int(args[1][0].numel())
    return int(args[product.left].shape[-1])


def _outputs(func: Any, args: tuple[Any, ...]) -> int:
    """About how many numbers a product gives."""
    product = _PRODUCTS[func]
    left, right = args[product.left], args[product.right]
    if product.bare is _aten.convolution.default:
        return int(left.numel() // left.shape[1] * right.shape[0])
    return int(left.numel() // left.shape[-1] * right.shape[-1])


def work(func: Any, args: Any, outputs: Sequence[Tensor]) -> float:
    """About how many multiplications an operator is."""
    depth = _depth(func, args) if func in _PRODUCTS else 1
    return depth * sum(tensor.numel() for tensor in outputs)

"""The rule table: one typing rule per operator, and the context that a rule is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, TypeVar

from isthmus.discovery.indices import Index
from isthmus.discovery.program import Op, Program, Ref
from isthmus.discovery.tensor import Tensor
from isthmus.discovery.typing import Typing


@dataclass
class Call:
    """One operator call, as a rule sees it: its typed arguments and the typing to talk to."""

    op: Op
    typing: Typing
    values: dict[str, Tensor]
    program: Program

    def tensor(self, name: str) -> Tensor:
        """An argument that is a tensor."""
        value = self.op.arguments[name]
        assert isinstance(value, Ref), f"{self.op.target}: {name} is {value!r}, not a tensor"
        return self._read(value)

    def raw(self, value: Any) -> Tensor:
        """A tensor with what its integers mean. The rule must see to it."""
        assert isinstance(value, Ref), f"{self.op.target}: {value!r} is not a tensor"
        return self.values[value.name]

    def plain(self, value: Any) -> Tensor:
        """A tensor whose values are read as numbers: where they name coordinates, those stay."""
        tensor = self.raw(value)
        if tensor.meaning is None:
            return tensor
        if isinstance(tensor.meaning, Index) or tensor.meaning.cumulated:
            self.typing.pin(tensor.meaning.space)
        return replace(tensor, meaning=None)

    def _read(self, ref: Ref) -> Tensor:
        tensor = self.plain(ref)
        return tensor if tensor.fill is None else self.typing.filled(tensor)

    def optional(self, name: str) -> Tensor | None:
        """An argument that may be left out, or be a number."""
        value = self.op.arguments.get(name)
        return self._read(value) if isinstance(value, Ref) else None

    def tensors(self, name: str) -> list[Tensor]:
        """An argument that is a list of tensors."""
        return [self._read(v) for v in self.op.arguments[name] if isinstance(v, Ref)]

    def get(self, name: str, default: Any = None) -> Any:
        """An argument that is not a tensor."""
        value = self.op.arguments.get(name)
        return default if value is None else value

    def dim(self, name: str, ndim: int) -> int:
        """A dimension, counted from the front."""
        return int(self.op.arguments[name]) % max(ndim, 1)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The shape of the (first) result."""
        return self.op.shapes[0].sizes

    def make(self, axes: list[Any], index: int = 0) -> Tensor:
        """A result with these axes."""
        return Tensor(axes, self.op.shapes[index].dtype)


Rule: TypeAlias = Callable[[Call], "Tensor | list[Tensor]"]

RULES: dict[str, Rule] = {}


Typed = TypeVar("Typed", bound=Rule)


def rule(*targets: str) -> Callable[[Typed], Typed]:
    """Enter a function as the typing rule of these operators (names without overload)."""

    def enter(function: Typed) -> Typed:
        for target in targets:
            RULES[target] = function
        return function

    return enter

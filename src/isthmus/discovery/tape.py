"""The tape: operators as they are written down, and which tensor has which name.

A tensor is known by its identity. Where memory is written, the tensor has a new name from then on;
other views of that memory become out of date, and are a mixture if they are read again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from isthmus.discovery.calls import kept_names, name_of, shape_of
from isthmus.discovery.program import OVERWRITTEN, PLAIN, READ, Op, Program, Ref, Shape

Geometry: TypeAlias = "tuple[int, tuple[int, ...], tuple[int, ...], torch.dtype]"

LOOKS = frozenset({"resolve_conj", "resolve_neg"})
"""What ``tolist`` and ``numpy`` call before they read memory behind the dispatcher's back."""


@dataclass
class Tape:
    """What has been written down: operators, and which tensor has which name."""

    model: nn.Module
    given: list[Any]
    ops: list[Op] = field(default_factory=list)
    path: list[str] = field(default_factory=list)
    shapes: dict[str, Shape] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    inputs: list[str] = field(default_factory=list)
    constants: list[str] = field(default_factory=list)
    read: list[str] = field(default_factory=list)
    names: dict[int, str] = field(default_factory=dict)
    stale: dict[int, list[str]] = field(default_factory=dict)
    alive: dict[int, list[Tensor]] = field(default_factory=dict)
    count: int = 0

    def __post_init__(self) -> None:
        kept = kept_names(self.model)
        for target, tensor in self.model.state_dict(keep_vars=True).items():
            if isinstance(tensor, Tensor) and id(tensor) not in self.names:
                name = self._fresh("p_" + target.replace(".", "_"))
                self._know(tensor, name)
                self.shapes[name] = shape_of(tensor)
                self.parameters[name] = kept[target]
        self.aliases = {n: k for n, k in kept.items() if n != k}
        for value in self.given:
            if isinstance(value, Tensor) and id(value) not in self.names:
                name = self._fresh("input")
                self._know(value, name)
                self.shapes[name] = shape_of(value)
                self.inputs.append(name)

    def _fresh(self, word: str) -> str:
        self.count += 1
        return f"{word}_{self.count}"

    def _know(self, tensor: Tensor, name: str) -> None:
        """Give a tensor a name, and keep it, so that no other gets its identity."""
        if id(tensor) not in self.names:
            self.alive.setdefault(_storage(tensor), []).append(tensor)
        self.names[id(tensor)] = name
        self.stale.pop(id(tensor), None)

    def name(self, tensor: Tensor, source: str = "") -> str:
        """The name of a tensor's present value."""
        if id(tensor) not in self.names:
            self._meet(tensor, source)
        if id(tensor) in self.stale:
            written = [Ref(n) for n in self.stale[id(tensor)]]
            self._overwritten(tensor, [Ref(self.names[id(tensor)]), *written], source)
        return self.names[id(tensor)]

    def _meet(self, tensor: Tensor, source: str) -> None:
        """A tensor that no operator made: another view of a known one, or a constant."""
        others = self.alive.get(_storage(tensor), [])
        same = next((o for o in others if _geometry(o) == _geometry(tensor)), None)
        if same is not None:
            name = self.name(same, source)
            self._know(tensor, name)
        elif others:
            self._overwritten(tensor, [Ref(self.name(o, source)) for o in list(others)], source)
        else:
            name = self._fresh("constant")
            self._know(tensor, name)
            self.shapes[name] = shape_of(tensor)
            self.constants.append(name)

    def _overwritten(self, tensor: Tensor, sources: list[Ref], source: str) -> None:
        """A tensor whose memory was written through another view: a mixture of these."""
        name = self._fresh("overwritten")
        self._append(OVERWRITTEN, None, {"sources": sources}, (name,), (shape_of(tensor),), source)
        self._know(tensor, name)

    def _append(
        self,
        target: str,
        overload: Any,
        arguments: Mapping[str, Any],
        outputs: tuple[str, ...],
        shapes: tuple[Shape, ...],
        source: str,
    ) -> None:
        module = self.path[-1] if self.path else ""
        self.ops.append(Op(target, overload, arguments, outputs, shapes, module, source))

    def refer(self, arguments: Mapping[str, Any], source: str) -> dict[str, Any]:
        """The arguments with tensors as references, before the call changes any."""
        return {k: self._value(v, source) for k, v in arguments.items()}

    def _value(self, value: Any, source: str) -> Any:
        if isinstance(value, Tensor):
            return Ref(self.name(value, source))
        if isinstance(value, (list, tuple)):
            return [self._value(v, source) for v in value]
        return value

    def write(
        self,
        func: torch._ops.OpOverload,
        arguments: Mapping[str, Any],
        read: dict[str, Any],
        result: Any,
        source: str,
    ) -> None:
        """Write down a call that was made."""
        target = name_of(func)
        made = [t for t in tree_leaves(result) if isinstance(t, Tensor)]
        if (not made and not func._schema.is_mutable) or target in LOOKS:
            self._look(target, func, read, source)
        if not made and not func._schema.is_mutable:
            return
        names = tuple(self._fresh(target) for _ in made)
        self._append(target, func, read, names, tuple(shape_of(t) for t in made), source)
        changed = _written(func, arguments)
        for tensor, name in zip(made, names, strict=True):
            self._know(tensor, name)
        for tensor in changed:
            if not any(tensor is t for t in made):
                # It writes elsewhere than into its result: no rule knows of that.
                self._overwritten(tensor, list(_refs(read)), source)
            self._spread(tensor)

    def _spread(self, tensor: Tensor) -> None:
        """The other views of memory that was written: renamed if equal, else out of date."""
        name = self.names[id(tensor)]
        for other in self.alive.get(_storage(tensor), []):
            if other is tensor:
                continue
            if _geometry(other) == _geometry(tensor):
                self._know(other, name)
            else:
                self.stale.setdefault(id(other), []).append(name)

    def _look(
        self, target: str, func: torch._ops.OpOverload, read: dict[str, Any], source: str
    ) -> None:
        """Python reads a value, unless the operator tells only shapes and kinds."""
        if target in PLAIN or not any(_refs(read)):
            return
        word = "tolist" if target in LOOKS else target
        self._append(READ, func, {"operator": word, **read}, (), (), source)
        where = f"{word} at {source}" if source else word
        if where not in self.read:
            self.read.append(where)

    def program(self, outputs: list[str], model: str, why: str) -> Program:
        """Everything, with what the path left unread held fixed: another path may read it."""
        used = {ref.name for op in self.ops for ref in op.refs()} | set(outputs)
        unread = [name for name in self.parameters if name not in used]
        for name in unread:
            word = {"operator": "a path that this example does not take", "self": Ref(name)}
            self._append(READ, None, word, (), (), "")
        note = (
            f"torch.export cannot trace {model} ({why}); recorded the path of this example instead"
        )
        if self.read:
            note += ": the symmetry holds for inputs on which these take the same values: "
            note += ", ".join(self.read)
        if unread:
            some = ", ".join(self.parameters[name] for name in unread[:4])
            more = f" and {len(unread) - 4} more" if len(unread) > 4 else ""
            note += f"; not read, so fixed: {some}{more}"
        return Program(
            tuple(self.ops),
            self.parameters,
            tuple(self.inputs),
            tuple(self.constants),
            tuple(outputs),
            self.shapes,
            self.aliases,
            notes=(note,),
        )


def _refs(value: Any) -> Iterator[Ref]:
    if isinstance(value, Ref):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _refs(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _refs(inner)


def _written(func: torch._ops.OpOverload, arguments: Mapping[str, Any]) -> list[Tensor]:
    """The arguments into which an operator writes."""
    found: list[Tensor] = []
    for formal in func._schema.arguments:
        if formal.alias_info is not None and formal.alias_info.is_write:
            found += [t for t in tree_leaves(arguments[formal.name]) if isinstance(t, Tensor)]
    return found


def _storage(tensor: Tensor) -> int:
    """Which memory a tensor lies in; tensors without any have one of their own."""
    try:
        return int(tensor.untyped_storage()._cdata)
    except (NotImplementedError, RuntimeError):
        return -id(tensor)


def _geometry(tensor: Tensor) -> Geometry:
    try:
        return int(tensor.storage_offset()), tuple(tensor.shape), tensor.stride(), tensor.dtype
    except (NotImplementedError, RuntimeError):
        return -id(tensor), tuple(tensor.shape), (), tensor.dtype

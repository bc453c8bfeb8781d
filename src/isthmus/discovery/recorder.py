"""The recorder: a `Program` of the path that one example takes, where export cannot trace.

Operators are seen where export sees them, before they are taken apart: a linear layer, attention
and norms stay whole. Real tensors flow, so Python may read values. What is read is written down as
an operator `READ`, which pins: then no motion changes the value, and the path stays the same.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn
from torch._dispatch.python import enable_python_dispatcher
from torch._subclasses.schema_check_mode import SchemaCheckMode
from torch.utils._pytree import tree_flatten, tree_leaves

from isthmus.discovery.calls import bind
from isthmus.discovery.program import Program
from isthmus.discovery.tape import Tape


def record(model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], why: str) -> Program:
    """Run a model, already in evaluation mode, and write down what it does.

    Args:
        model: it is not changed; buffers that it writes are put back.
        args: positional inputs, real tensors.
        kwargs: keyword inputs.
        why: what export said, for the program's note.
    """
    args, named = torch.utils._pytree.tree_map_only(Tensor, Tensor.clone, (args, dict(kwargs)))
    tape = Tape(model, tree_leaves((args, named)))
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    try:
        with (
            torch.no_grad(),
            _following(model, tape.path),
            enable_python_dispatcher(),
            _Recorder(tape),
        ):
            returned = model(*args, **named)
    finally:
        with torch.no_grad():
            for name, buffer in model.named_buffers():
                if name in before and before[name].shape == buffer.shape:
                    buffer.copy_(before[name])
    results = [leaf for leaf in tree_flatten(returned)[0] if isinstance(leaf, Tensor)]
    return tape.program([tape.name(result) for result in results], type(model).__name__, why)


@contextmanager
def _following(model: nn.Module, path: list[str]) -> Iterator[None]:
    """Keep ``path`` at the names of the modules that are running."""
    hooks = []
    for name, module in model.named_modules():
        hooks.append(module.register_forward_pre_hook(_entering(path, name)))
        hooks.append(module.register_forward_hook(lambda *_: _left(path), always_call=True))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _entering(path: list[str], name: str) -> Any:
    def hook(*_: Any) -> None:
        path.append(name)

    return hook


def _left(path: list[str]) -> None:
    path.pop()


class _Recorder(SchemaCheckMode):  # type: ignore[no-untyped-call]
    """Shows every operator to a tape. Pre-dispatch modes are a closed family in torch: this is
    one by name only, and shares nothing with its base but the place where it is called."""

    def __init__(self, tape: Tape) -> None:
        super().__init__()
        self._dispatch_key = torch._C.DispatchKey.PreDispatch
        self.tape = tape

    def __torch_dispatch__(
        self,
        func: torch._ops.OpOverload,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Write the call down, and make it."""
        arguments = bind(func, args, kwargs or {})
        source = _line()
        read = self.tape.refer(arguments, source)
        result = func(*args, **(kwargs or {}))
        self.tape.write(func, arguments, read, result, source)
        return result


_OWN = str(Path(__file__).parent)
_TORCH = str(Path(torch.__file__).parent)


def _line() -> str:
    """The innermost line that is neither torch's nor ours."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith((_OWN, _TORCH)) and not file.startswith("<"):
            return f"{Path(file).name}:{frame.f_lineno}"
        frame = frame.f_back
    return ""

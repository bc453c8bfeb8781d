"""Computing in float64 models that cast to float32 inside (norms, rotary tables)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode


class DoublePrecision(TorchFunctionMode):
    """While active, every cast to single or half precision casts to double instead."""

    NARROW = frozenset({torch.float32, torch.float16, torch.bfloat16})

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Replace dtypes in the call."""
        if func in (Tensor.float, Tensor.half, Tensor.bfloat16):
            return args[0].double()
        wide = [self._wide(a) for a in args]
        named = {k: self._wide(v) for k, v in (kwargs or {}).items()}
        return func(*wide, **named)

    def _wide(self, value: Any) -> Any:
        return torch.float64 if isinstance(value, torch.dtype) and value in self.NARROW else value

"""Computing in float64 models that cast to float32 inside (norms, rotary tables, experts)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

NEGLIGIBLE = 2.3e-16
"""An epsilon below float64's rounding of one. BERT's 1e-12 is felt: embeddings as it draws them
have mean squares below 1e-3."""


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
        if func is getattr(torch, "_grouped_mm", None) and wide[0].dtype is torch.float64:
            return grouped_product(*wide, **named)
        return func(*wide, **named)

    def _wide(self, value: Any) -> Any:
        return torch.float64 if isinstance(value, torch.dtype) and value in self.NARROW else value


def grouped_product(
    a: Tensor,
    b: Tensor,
    offs: Tensor | None = None,
    bias: Tensor | None = None,
    out_dtype: torch.dtype | None = None,
) -> Tensor:
    """``torch._grouped_mm`` in any precision: its kernels know none above float32.

    ``offs`` says where each group ends: along the rows of ``a`` (rows, k) for ``b`` (groups, k, n),
    along the columns of ``b`` (k, columns) for ``a`` (groups, m, k), and along the sum where both
    are matrices. Without it, a batched product. Rows after the last group are zero.
    """
    if offs is None:
        out = a @ b
    else:
        ends = offs.tolist()
        pieces = [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]
        if a.dim() == 2 and b.dim() == 3:
            made = [a[rows] @ b[k] for k, rows in enumerate(pieces)]
            out = torch.cat([*made, a.new_zeros(a.shape[0] - ends[-1], b.shape[-1])])
        elif a.dim() == 3 and b.dim() == 2:
            made = [a[k] @ b[:, columns] for k, columns in enumerate(pieces)]
            out = torch.cat([*made, b.new_zeros(a.shape[1], b.shape[1] - ends[-1])], dim=1)
        else:
            out = torch.stack([a[:, middle] @ b[middle] for middle in pieces])
    out = out if bias is None else out + bias
    return out if out_dtype is None else out.to(out_dtype)

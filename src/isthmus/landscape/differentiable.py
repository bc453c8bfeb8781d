"""BatchNorm in evaluation mode with gradients into its running statistics, which torch refuses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode


class DifferentiableStatistics(TorchFunctionMode):
    """Inside, `torch.nn.functional.batch_norm` with given statistics is plain arithmetic."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Every call passes here; all but that one as it is."""
        if func is F.batch_norm and kwargs is not None and not kwargs["training"]:
            x, mean, variance = args
            return _normalised(x, mean, variance, kwargs["weight"], kwargs["bias"], kwargs["eps"])
        return func(*args, **(kwargs or {}))


def _normalised(
    x: Tensor, mean: Tensor, variance: Tensor, gain: Tensor | None, bias: Tensor | None, eps: float
) -> Tensor:
    """``(x - mean) / √(variance + eps)``, times gain, plus bias; channels in dimension 1."""
    shape = (1, -1, *[1] * (x.dim() - 2))
    slope = (variance + eps).rsqrt()
    if gain is not None:
        slope = slope * gain
    level = -mean * slope if bias is None else bias - mean * slope
    return x * slope.reshape(shape) + level.reshape(shape)

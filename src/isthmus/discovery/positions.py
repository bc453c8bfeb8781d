"""Positions: what operators do along fixed axes, along which other spaces may vary.

An expert's hidden units may be permuted by one permutation for each expert, even where the experts
stay; and at each token by that of the expert which the token has chosen. That holds as long as
nothing takes the units of one position for those of another. A tensor in the books (`number`) that
has the units but not the positions says that they may not vary.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from isthmus.discovery.families import products
from isthmus.discovery.indices import COPIES, CUTS, SAME
from isthmus.discovery.nodes import ZERO, Occurrence, Terms
from isthmus.discovery.program import Op
from isthmus.discovery.tensor import Tensor
from isthmus.discovery.typing import Typing

POSITIONWISE = SAME | COPIES | CUTS | frozenset({
    "add", "sub", "rsub", "mul", "div", "floor_divide", "remainder", "fmod", "addcmul", "lerp",
    "maximum", "minimum", "where", "masked_fill", "clamp", "eq", "ne", "lt", "le", "gt", "ge",
    "pow", "relu", "gelu", "silu", "sigmoid", "tanh", "softplus", "prelu", "glu", "dropout",
    "linear", "mm", "bmm", "matmul", "dot", "mv", "addmm", "baddbmm", "addmv", "bilinear",
    "einsum", "scaled_dot_product_attention", "_scaled_dot_product_attention_math",
    "transformers.grouped_mm_fallback", "_grouped_mm", "softmax", "log_softmax", "_softmax",
    "_log_softmax", "_safe_softmax", "layer_norm", "native_layer_norm", "rms_norm",
    "_fused_rms_norm", "batch_norm", "_native_batch_norm_legit_no_training", "group_norm",
    "native_group_norm", "instance_norm", "sum", "mean", "nansum", "amax", "amin", "max", "min",
    "logsumexp", "any", "all", "prod", "linalg_vector_norm", "norm", "var", "std", "var_mean",
    "std_mean", "topk", "sort", "argsort", "argmax", "argmin", "median", "mode", "kthvalue",
    "index", "_unsafe_index", "index_select", "embedding", "gather", "take_along_dim", "scatter",
    "scatter_add", "scatter_reduce", "index_add", "index_put", "one_hot", "cat", "stack",
    "concat", "concatenate", "repeat", "slice_scatter", "select_scatter", "type_as", "copy",
    "isthmus.rotary", "isthmus.mean_of_squares",
})  # fmt: skip
"""Operators that take no position of an axis for another: what they move, they name (`mixed`)."""


def positionwise(op: Op) -> bool:
    """Whether a fixed axis of an operand and of the result are position by position the same.

    Of an operator that is not known here it is not assumed: nothing may vary along fixed axes.
    """
    pointwise = torch.Tag.pointwise in getattr(op.overload, "tags", ())
    return pointwise or op.target.rstrip("_") in POSITIONWISE or op.target in POSITIONWISE


def joint(typing: Typing, a: Sequence[Terms], b: Sequence[Terms]) -> None:
    """Two tensors are multiplied before a sum: what varies must do so along all axes at once."""
    typing.number(Tensor([*a, *b], torch.float32))


def loosen(typing: Typing, tensor: Tensor) -> None:
    """Positions along fixed axes are mixed or moved: nothing may vary along them."""
    for leaves in () if tensor.inert else products(tensor.axes):
        kept = [leaf for leaf in leaves if leaf.motions]
        if len(kept) < len(leaves):
            freed = Tensor([[Occurrence(n, False, ZERO)] for n in kept], tensor.dtype)
            typing.number(freed)
            typing.loosened.add(id(freed))

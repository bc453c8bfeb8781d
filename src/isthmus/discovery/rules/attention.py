"""Attention (mathematics.md 4.4): scores contract queries with keys, weights mix values."""

from __future__ import annotations

from isthmus.discovery.nodes import Terms, size_of
from isthmus.discovery.rules.broadcast import sum_of
from isthmus.discovery.rules.contraction import matrix_product
from isthmus.discovery.rules.table import Call, rule
from isthmus.discovery.tensor import Tensor
from isthmus.discovery.typing import Typing


@rule("scaled_dot_product_attention", "_scaled_dot_product_attention_math")
def attention(call: Call) -> Tensor:
    """softmax(q kᵀ / √d + mask) v, heads and batch in front."""
    typing = call.typing
    query, key, value = (call.tensor(n) for n in ("query", "key", "value"))
    typing.hint(query.axes[-1], "key")
    typing.hint(value.axes[-1], "value")
    if len(query.axes) > 2:
        typing.hint(query.axes[-3], "head")
    if call.get("enable_gqa", False):
        key, value = _share(typing, query, key), _share(typing, query, value)
    flipped = Tensor([*key.axes[:-2], key.axes[-1], key.axes[-2]], key.dtype)
    scores = Tensor(matrix_product(typing, query, flipped), query.dtype)
    mask = call.optional("attn_mask")
    if mask is not None:
        scores = Tensor(sum_of(typing, scores, mask), scores.dtype)
    if call.get("is_causal", False):
        typing.pin(scores.axes[-1])
        typing.pin(scores.axes[-2])
    typing.mixed(scores.axes, [len(scores.axes) - 1])
    typing.commute(scores)
    for axis in scores.axes:
        typing.still(axis)
    return call.make(matrix_product(typing, scores, value))


def _share(typing: Typing, query: Tensor, key: Tensor) -> Tensor:
    """Grouped queries: a key head serves as many query heads as there are in its group."""
    heads, shared = size_of(query.axes[-3]), size_of(key.axes[-3])
    repeated: Terms = [*key.axes[-3], *typing.repeated(heads // shared)]
    return Tensor([*key.axes[:-3], repeated, *key.axes[-2:]], key.dtype)

"""Small networks composed at random from the vocabulary of operators, for tests of discovery.

from isthmus.testing.composed import OPERATORS, compose, draw

net, example, text = compose(OPERATORS, *draw(OPERATORS, seed=0))
"""

from __future__ import annotations

from isthmus.testing.composed.blocks import (
    cell,
    cross_attention,
    experts,
    gate,
    grouped_attention,
    linear_attention,
    low_rank,
    residual,
    rotary,
    self_attention,
)  # fmt: skip
from isthmus.testing.composed.elementwise import (
    activation,
    add,
    divide,
    homogeneous,
    in_place,
    larger,
    masked,
    multiply,
    spread,
)  # fmt: skip
from isthmus.testing.composed.layers import (
    again,
    channel_norm,
    convolution,
    linear,
    norm,
    parameter,
    transposed_weight,
)  # fmt: skip
from isthmus.testing.composed.mixing import contraction, scores, softmax, total
from isthmus.testing.composed.network import SHAPES, Composed, Step, compose, draw
from isthmus.testing.composed.pictures import (
    any_convolution,
    constants,
    normalised,
    picture,
    pieces,
    pool,
    resize,
    shuffle,
    windows,
)  # fmt: skip
from isthmus.testing.composed.structure import (
    chunks,
    concatenate,
    copies,
    cut,
    join_view,
    other_view,
    pick,
    positional,
    split_view,
    stack,
    stride,
    swap_axes,
)  # fmt: skip

__all__ = ["OPERATORS", "SHAPES", "Composed", "Step", "compose", "draw"]

OPERATORS = (
    linear, activation, linear, add, multiply, concatenate, cut, split_view, join_view, norm,
    softmax, again, homogeneous, swap_axes, total, transposed_weight, larger, masked, stack,
    stride, pick, chunks, other_view, spread, channel_norm, parameter, convolution, scores,
    contraction, positional, copies, divide, in_place, rotary, self_attention, grouped_attention,
    cross_attention, gate, residual, cell, low_rank, experts, linear_attention, any_convolution,
    pool, resize, shuffle, windows, picture, normalised, constants, pieces,
)  # fmt: skip
"""The vocabulary. New operators go to the end: kept examples name theirs by place."""

"""Whether the units of a space are alone until they are read, or meet in an operator before."""

from __future__ import annotations

import torch

from isthmus.algebra import Symmetry
from isthmus.algebra.groups.base import Motion
from isthmus.algebra.spaces import Reason, Space

APART = frozenset(
    {
        "conv1d",
        "conv2d",
        "conv3d",
        "max_pool1d",
        "max_pool2d",
        "max_pool3d",
        "hardswish",
        "prelu",
        "glu",
        "lstm",
        "gru",
        "rnn_tanh",
        "rnn_relu",
    }
)
"""Operators that bound the group of a space one unit at a time, beside all that torch calls
pointwise. A convolution does where it is depthwise or grouped; else it only reads."""

CHANNELS = frozenset({"batch_norm", "instance_norm"})
"""Norms of each channel by itself: over channels they forbid rotations, over positions they do not.
"""


def meeting(symmetry: Symmetry, space: Space) -> tuple[Reason, ...]:
    """Who brings units of the space together: a norm, a softmax, a sum without weights.

    An operator that is not known counts as one that does.
    """
    outer = any(space.name in other.over for other in symmetry.spaces.values())
    return tuple(reason for reason in space.why if reason.lost and not _apart(reason, outer))


def _apart(reason: Reason, outer: bool) -> bool:
    """Whether it treats each unit by itself; ``outer``: a unit is made of units itself."""
    name = reason.operator.split()[0].removesuffix("_")
    if name == "scaled_dot_product_attention":
        return outer  # heads, each with features of its own; over tokens it is a softmax
    if name in CHANNELS:
        return Motion.TURN in reason.lost
    packet = getattr(torch.ops.aten, name, None) if name.isidentifier() else None
    if name in APART or packet is None:
        return name in APART
    return any(
        torch.Tag.pointwise in getattr(packet, overload).tags for overload in packet.overloads()
    )

"""Tiny random instances of the architectures of transformers, made from their configs alone."""

from __future__ import annotations

from isthmus.testing.zoo.entry import Entry
from isthmus.testing.zoo.hugging_face import (
    decoders,
    encoders,
    experts,
    pairs,
    recurrent,
    small,
    small_encoders,
    vision,
)

__all__ = ["entries"]


def entries() -> tuple[Entry, ...]:
    """Every architecture, family by family."""
    families = (decoders, experts, encoders, pairs, vision, recurrent, small, small_encoders)
    return tuple(one for family in families for one in family.entries())

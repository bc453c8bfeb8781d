"""A zoo of small models, each a plain PyTorch module as a user would write it.

from isthmus.testing.zoo import entry, randomise, run

lstm = entry("lstm_classifier")
output = run(randomise(lstm.build(), seed=0), lstm.example())
"""

from __future__ import annotations

from functools import cache

from isthmus.ground.errors import BadInput, closest
from isthmus.testing.zoo import (
    attention,
    convolutional,
    dense,
    hugging_face,
    language,
    sequence,
)
from isthmus.testing.zoo.convolutional import resnet20
from isthmus.testing.zoo.dense import mlp_with
from isthmus.testing.zoo.entry import Entry, Inputs, as_dtype, randomise, run

__all__ = [
    "Entry",
    "Inputs",
    "as_dtype",
    "entry",
    "mlp_with",
    "peers15",
    "randomise",
    "resnet20",
    "run",
    "zoo",
]


@cache
def zoo() -> tuple[Entry, ...]:
    """Every model, always in the same order."""
    parts = (dense, convolutional, sequence, attention, language, hugging_face)
    return tuple(one for part in parts for one in part.entries())


def entry(name: str) -> Entry:
    """The model called ``name``.

    Raises:
        BadInput: There is none; the message names the most similar one, or all.
    """
    known = {one.name: one for one in zoo()}
    if name not in known:
        like = closest(name, known)
        remedy = f"did you mean {like!r}?" if like else f"use one of {', '.join(known)}"
        raise BadInput(f"the zoo has no {name!r}", remedy)
    return known[name]


def peers15() -> tuple[Entry, ...]:
    """The fifteen models on which the peer survey ran every other tool."""
    return tuple(one for one in zoo() if "peers15" in one.tags)

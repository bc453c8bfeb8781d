"""The learned curves that the command line knows, by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from isthmus.ground import BadInput, closest
from isthmus.landscape import (
    AbstractPath,
    Bezier,
    ElasticBand,
    Loss,
    NaturalSpline,
    PolygonalChain,
    Training,
    bend,
)

_SHAPES: dict[str, Callable[[int], Any]] = {
    "bezier": Bezier,
    "polygon": PolygonalChain,
    "spline": NaturalSpline,
    "elastic": lambda bends: ElasticBand(bends=bends, most=max(15, bends)),
}
_ALIGNED = "aligned-"

CURVES = (*_SHAPES, *(f"{_ALIGNED}{name}" for name in _SHAPES))
"""Their names: from A to B, then from A to aligned B."""


def listed(text: str, known: Sequence[str], unknown: str, empty: str) -> list[str]:
    """The names in ``text``, joined by commas, each once.

    Raises:
        BadInput: One is not known (``unknown``, then its name), or there is none (``empty``).
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in known:
            near = closest(name, known)
            raise BadInput(
                f"{unknown} {name!r}",
                f"did you mean {near!r}?" if near else f"use some of {', '.join(known)}",
            )
    if not names:
        raise BadInput(empty, f"use some of {', '.join(known)}")
    return list(dict.fromkeys(names))


def base(name: str) -> str:
    """The path that a curve begins as; any other path is its own."""
    return name if name not in CURVES else "aligned" if name.startswith(_ALIGNED) else "line"


def shape_of(name: str, bends: int) -> Any:
    """The shape of a curve of this name."""
    return _SHAPES[name.removeprefix(_ALIGNED)](bends)


@dataclass(frozen=True)
class Bending:
    """How the command line trains curves.

    Args:
        loss: With batches as large as a step wants.
        steps: Of every curve.
        bends: Of every curve; an elastic band begins with as many images.
        rate: Adam's.
        seed: Fixes the run.
        folder: Where the states of the trainings are kept, to go on later; None keeps none.
    """

    loss: Loss
    steps: int
    bends: int
    rate: float
    seed: int
    folder: Path | None

    def __call__(
        self, name: str, path: AbstractPath, progress: Callable[[int, int], None]
    ) -> AbstractPath:
        """The curve of this name, trained from ``path``."""
        training = Training(optimiser=self._adam)
        if self.folder is not None:
            training = replace(training, checkpoint=self.folder / f"{name}.pt")
        shape = shape_of(name, self.bends)
        return bend(path, self.loss, shape, self.steps, self.seed, training, progress)

    def _adam(self, tensors: Sequence[Tensor]) -> torch.optim.Optimizer:
        return torch.optim.Adam(tensors, lr=self.rate, fused=True)

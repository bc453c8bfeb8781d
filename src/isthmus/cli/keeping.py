"""Options of `isthmus tune` that choose how the first task is kept, as objects; its two tasks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Annotated

import torch
import typer
from torch import Tensor

from isthmus.cli.inputs import load_data
from isthmus.ground import BadInput
from isthmus.landscape import (
    DiagonalFisher,
    ElasticPenalty,
    FlatDirections,
    LayerInputs,
    Loss,
    LowRankFisher,
)
from isthmus.testing.datasets import Dataset


class Keep(StrEnum):
    """How the first task is kept."""

    NONE = "none"
    EWC = "ewc"
    LOW_RANK = "low-rank"
    ORTHOGONAL = "orthogonal"
    FLAT = "flat"


KeepOption = Annotated[
    Keep,
    typer.Option(
        "--keep",
        help="flat: steps that the first task's layers do not see; orthogonal: steps off its "
        "steepest directions; low-rank: a penalty along these; ewc: a penalty on each parameter.",
    ),
]
ShareOption = Annotated[
    float, typer.Option("--share", help="flat: how much of the inputs of each layer is held.")
]
RankOption = Annotated[
    int, typer.Option("--rank", min=1, help="low-rank, orthogonal: how many directions are held.")
]
StrengthOption = Annotated[
    float, typer.Option("--strength", min=0, help="ewc, low-rank: weight of the penalty.")
]


def keeper(
    keep: Keep,
    first: Loss,
    params: Mapping[str, Tensor],
    share: float,
    rank: int,
    strength: float,
    seed: int,
) -> FlatDirections | ElasticPenalty | None:
    """The object that ``keep`` names, made from the first task."""
    if keep is Keep.NONE:
        return None
    if keep is Keep.FLAT:
        return LayerInputs.of(first, params, share)
    if keep is Keep.EWC:
        return ElasticPenalty(params, DiagonalFisher.of(first, params, seed=seed), strength)
    steep = LowRankFisher.of(first, params, rank, seed=seed)
    return steep if keep is Keep.ORTHOGONAL else ElasticPenalty(params, steep, strength)


def two_tasks(data: str, second: str | None, classes: str | None) -> tuple[Dataset, Dataset]:
    """The first task and the second: two data sets, or two sets of classes of one.

    Raises:
        BadInput: Not exactly one of ``second`` and ``classes`` is given, or a task has no samples.
    """
    if (second is None) == (classes is None):
        found = "neither --second nor" if second is None else "both --second and"
        raise BadInput(
            f"{found} --classes is given",
            "give one: another data set, or the classes of --data that are the first task",
        )
    first = load_data(data)
    if classes is None:
        return first, load_data(str(second))
    wanted = _classes(classes)
    return _part(first, wanted, True), _part(first, wanted, False)


def _classes(text: str) -> Tensor:
    """Class numbers from words such as ``0-4`` and ``0,2,7-9``."""
    found: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part)
        if match is None:
            raise BadInput(f"cannot read {part!r} in --classes {text!r}", "write 0-4 or 0,2,7-9")
        found += range(int(match[1]), int(match[2] or match[1]) + 1)
    return torch.tensor(found)


def _part(data: Dataset, classes: Tensor, inside: bool) -> Dataset:
    """The samples that are of these classes, or of all others."""
    train, test = (torch.isin(y, classes) == inside for y in (data.y_train, data.y_test))
    if data.y_train.dim() != 1 or not bool(train.any()) or not bool(test.any()):
        what = "these" if inside else "other"
        raise BadInput(f"the data have no samples of {what} classes", "choose others for --classes")
    return replace(
        data,
        version=f"{data.version}; {'' if inside else 'not '}classes {classes.tolist()}",
        x_train=data.x_train[train],
        y_train=data.y_train[train],
        x_test=data.x_test[test],
        y_test=data.y_test[test],
    )

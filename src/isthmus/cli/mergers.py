"""Options of `isthmus merge` that choose how models are merged, as objects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from torch import Tensor

import isthmus.merging as merging
from isthmus.ground import BadInput


class Merger(StrEnum):
    """How checkpoints are merged."""

    AVERAGE = "average"
    SLERP = "slerp"
    KARCHER = "karcher"
    SOUP = "soup"
    ARITHMETIC = "arithmetic"
    TIES = "ties"
    DARE = "dare"
    PCB = "pcb"
    ZIPIT = "zipit"
    CCA = "cca"
    PLEAS = "pleas"


class After(StrEnum):
    """What is done to a merged model."""

    NONE = "none"
    STATISTICS = "statistics"
    RENORMALISE = "renormalise"


NEEDS_BASE = (Merger.ARITHMETIC, Merger.TIES, Merger.DARE, Merger.PCB)
BY_FEATURES = (Merger.ZIPIT, Merger.CCA, Merger.PLEAS)

MergerOption = Annotated[
    Merger,
    typer.Option(
        "--method",
        help="average; slerp (two) and karcher: on spheres; soup: greedy, by the loss on --data; "
        "arithmetic, ties, dare (then ties) and pcb: of task vectors, with --base; zipit, cca and "
        "pleas (two): by what units show on --data.",
    ),
]
BaseOption = Annotated[
    Path | None,
    typer.Option("--base", metavar="FILE", help="What the checkpoints were fine-tuned from."),
]
AlignOption = Annotated[
    bool | None,
    typer.Option(
        "--align/--no-align",
        help="Align weights first; left out: unless there is a --base, or the method aligns by "
        "what units show, which --no-align forbids.",
    ),
]
ScaleOption = Annotated[
    float | None,
    typer.Option("--scale", help="Of task vectors; left out: 0.4 of arithmetic, else 1."),
]
KeepOption = Annotated[
    float,
    typer.Option("--keep", help="ties, dare, pcb: the share of each task vector that counts."),
]
WithinOption = Annotated[
    float,
    typer.Option("--within", help="zipit: the share of units that may be merged within a model."),
]
DropOption = Annotated[float, typer.Option("--drop", help="dare: the share that is dropped.")]
AfterOption = Annotated[
    After | None,
    typer.Option(
        "--repair",
        help="statistics: recompute BatchNorm statistics; renormalise: REPAIR, for models without "
        "norms. Left out: statistics where the model has BatchNorm.",
    ),
]


def merger(
    method: Merger,
    base: Mapping[str, Tensor] | None,
    scale: float | None,
    keep: float,
    drop: float,
    seed: int,
    loss: Callable[[], Callable[[Mapping[str, Tensor]], float]],
) -> merging.AbstractMerger:
    """The object that ``method`` names, none by features; ``loss`` makes one on data, for soups.

    Raises:
        BadInput: A base is given and not used, or is missing.
    """
    if (method in NEEDS_BASE) != (base is not None):
        raise BadInput(
            f"--method {method.value} "
            + ("needs the base of all checkpoints" if base is None else "has no use for a base"),
            "give --base FILE" if base is None else "leave --base out, or use --method ties",
        )
    if base is not None:
        if method is Merger.ARITHMETIC:
            return merging.TaskArithmetic(base, 0.4 if scale is None else scale)
        if method is Merger.PCB:
            return merging.PcbMerging(base, keep, 1.0 if scale is None else scale)
        ties = merging.Ties(base, keep, 1.0 if scale is None else scale)
        return merging.Dare(ties, drop, seed) if method is Merger.DARE else ties
    if method is Merger.SOUP:
        return merging.GreedySoup(loss())
    if method is Merger.SLERP:
        return merging.Slerp()
    return merging.KarcherMean() if method is Merger.KARCHER else merging.Average()

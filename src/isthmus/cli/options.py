"""Options that several verbs share, each with its one meaning and its help text."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Split(StrEnum):
    """The part of the data that a loss is measured on."""

    TRAIN = "train"
    TEST = "test"


class Unknown(StrEnum):
    """What is done about an operator without a typing rule."""

    PIN = "pin"
    RAISE = "raise"


class Gauge(StrEnum):
    """Whether redundant parameters are folded away before the group is sought."""

    FOLDED = "folded"
    ASIS = "asis"


class Method(StrEnum):
    """How the element that aligns two checkpoints is searched for."""

    WEIGHT = "weight"
    ACTIVATION = "activation"
    COVARIANCE = "covariance"


class Repair(StrEnum):
    """What is done to a merged model."""

    NONE = "none"
    STATISTICS = "statistics"


CheckpointA = Annotated[Path, typer.Argument(metavar="A", help="The checkpoint aligned to.")]
CheckpointB = Annotated[Path, typer.Argument(metavar="B", help="The checkpoint that is moved.")]
MODEL_HELP = (
    "file.py:factory or pkg.module:factory, a callable that returns the module; a Hugging Face "
    "folder with its config.json; or a .pt2 file of torch.export."
)
_MODEL = typer.Option("--model", metavar="MODEL", help=MODEL_HELP)
ModelOption = Annotated[str, _MODEL]
ModelOrSymmetryOption = Annotated[str | None, _MODEL]
SymmetryOption = Annotated[
    Path | None,
    typer.Option(
        "--symmetry",
        metavar="FILE",
        help="Instead of --model: what `isthmus discover --json FILE` wrote of it.",
    ),
]
ExampleOption = Annotated[
    str | None,
    typer.Option(
        "--example",
        metavar="SPEC",
        help="The model's input: 1x784, 2x3x32x32:float, 1x16:int, ids=1x16:int. "
        "Left out, a few samples of --data, or what a folder or .pt2 file says itself.",
    ),
]
_DATA_HELP = (
    "digits, mnist, fashion-mnist, cifar10, tinyshakespeare, sentences, a .npz or .safetensors "
    "file with x and y, or pkg.module:factory."
)
DataOption = Annotated[str | None, typer.Option("--data", metavar="DATA", help=_DATA_HELP)]
NeededDataOption = Annotated[str, typer.Option("--data", metavar="DATA", help=_DATA_HELP)]
JsonOption = Annotated[
    str | None,
    typer.Option(
        "--json",
        metavar="FILE",
        help='The result as data; "-" is standard output, and text then goes to standard error.',
    ),
]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace outputs that exist.")]
SeedOption = Annotated[int, typer.Option("--seed", help="Fixes the run.")]
RestartsOption = Annotated[
    int, typer.Option("--restarts", min=0, help="Further random starts that the matching tries.")
]
CertifyOption = Annotated[
    bool,
    typer.Option(
        "--certify",
        help="Prove how far from optimal the alignment can be; `recheck` reads it from the JSON.",
    ),
]
MethodOption = Annotated[
    Method,
    typer.Option(
        "--method",
        help="weight: nearest weights; activation: units that do the same on --data; covariance: "
        "weights in the metric of what they are multiplied with on --data.",
    ),
]
PointsOption = Annotated[int, typer.Option("--points", min=2, help="Points on every path.")]
BatchOption = Annotated[int, typer.Option("--batch-size", min=1, help="Samples in one batch.")]
SamplesOption = Annotated[
    int | None,
    typer.Option(
        "--samples",
        min=1,
        help="Measure on at most this many samples of each part of the data, drawn at random.",
    ),
]
RepairOption = Annotated[
    Repair | None,
    typer.Option(
        "--repair",
        help="statistics: recompute BatchNorm statistics of averaged models. "
        "Left out: done where the model has BatchNorm.",
    ),
]

"""`isthmus connect`: the main job. Align, measure every path, merge, write the report."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer
from torch import nn

from isthmus.alignment import WeightMatching
from isthmus.cli import screen
from isthmus.cli.app import Outcome, verb
from isthmus.cli.inputs import (
    claim,
    example_for,
    load_checkpoint,
    load_data,
    load_model,
    provenance,
    thinned,
)
from isthmus.cli.options import (
    BatchOption,
    CertifyOption,
    CheckpointA,
    CheckpointB,
    ExampleOption,
    ForceOption,
    JsonOption,
    ModelOption,
    NeededDataOption,
    PointsOption,
    Repair,
    RepairOption,
    RestartsOption,
    SamplesOption,
    SeedOption,
)
from isthmus.cli.showing import show_connection, show_warnings
from isthmus.report import Connection, Settings, protect, require_report, write_folder
from isthmus.report import connect as connect_params
from isthmus.testing.datasets import Dataset, batches


@verb
def connect(
    a: CheckpointA,
    b: CheckpointB,
    model: ModelOption,
    data: NeededDataOption,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The folder for result, checkpoints, report.")
    ],
    example: ExampleOption = None,
    points: PointsOption = 25,
    seed: SeedOption = 0,
    restarts: RestartsOption = 0,
    batch_size: BatchOption = 1000,
    samples: SamplesOption = None,
    repair: RepairOption = None,
    certify: CertifyOption = False,
    surface: Annotated[
        int,
        typer.Option("--surface", min=0, help="Places a side of a map of the plane; 0: no map."),
    ] = 0,
    json: JsonOption = None,
    force: ForceOption = False,
) -> Outcome:
    """Connect two checkpoints: align B to A, measure every path, merge, write a report."""
    require_report()
    claim(output, force=force, folder=True)
    protect(output, force=force, inputs=[a, b])
    module = load_model(model)
    dataset = thinned(load_data(data), samples, seed)
    words = provenance(
        command=shlex.join(["isthmus", *sys.argv[1:]]), data=str(dataset), inputs=[a, b]
    )
    settings = Settings(
        method=WeightMatching(restarts=restarts),
        points=points,
        certify=certify,
        surface=surface,
        repair=None if repair is None else repair is Repair.STATISTICS,
        seed=seed,
    )
    connection = run(module, (a, b), dataset, settings, example, batch_size, words)
    show_warnings(connection.symmetry)
    write_folder(connection, output, force=force, inputs=[a, b])
    show_connection(connection)
    screen.say(f"wrote {output}; open {output / 'report.html'}")
    return Outcome(connection.to_json())


def run(
    module: nn.Module,
    checkpoints: tuple[Path, Path],
    data: Dataset,
    settings: Settings,
    example: str | None,
    batch_size: int,
    words: dict[str, str],
) -> Connection:
    """Load, check and connect two checkpoints, with a progress bar."""
    a, b = (load_checkpoint(path, module) for path in checkpoints)
    with screen.progress("connect") as step:
        return connect_params(
            module,
            a,
            b,
            example=example_for(example, data),
            test=batches(data.x_test, data.y_test, batch_size),
            train=batches(data.x_train, data.y_train, batch_size),
            settings=settings,
            progress=step,
            provenance=words,
        )

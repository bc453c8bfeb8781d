"""`isthmus teleport`: a checkpoint moved along its orbit, to a steeper or a flatter point."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

import isthmus.discovery as discovery
from isthmus.cli import screen
from isthmus.cli.app import Outcome, verb
from isthmus.cli.inputs import (
    CHECKPOINT,
    claim,
    example_for,
    load_checkpoint,
    load_data,
    load_model,
    thinned,
)
from isthmus.cli.options import (
    BatchOption,
    ExampleOption,
    ForceOption,
    JsonOption,
    ModelOption,
    NeededDataOption,
    SamplesOption,
    SeedOption,
)
from isthmus.cli.showing import show_warnings
from isthmus.ground import save
from isthmus.landscape import Flattest, Loss, Steepest
from isthmus.landscape import teleport as move
from isthmus.report.measuring import criterion
from isthmus.testing.datasets import batches


class Toward(StrEnum):
    """What a point of the orbit is judged by."""

    STEEPEST = "steepest"
    FLATTEST = "flattest"


@verb
def teleport(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="Where to begin.")],
    model: ModelOption,
    data: NeededDataOption,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The moved checkpoint: .safetensors, .pt.")
    ],
    toward: Annotated[
        Toward,
        typer.Option(
            "--toward",
            help="steepest: the largest gradient; flattest: the least trace of the Hessian.",
        ),
    ] = Toward.STEEPEST,
    steps: Annotated[int, typer.Option("--steps", min=1, help="Steps on the group.")] = 10,
    rate: Annotated[
        float,
        typer.Option("--rate", min=0, help="How far one goes, in log-scales: steps * rate in all."),
    ] = 0.1,
    probes: Annotated[
        int, typer.Option("--probes", min=1, help="flattest: random vectors for each estimate.")
    ] = 4,
    example: ExampleOption = None,
    samples: SamplesOption = 1000,
    seed: SeedOption = 0,
    batch_size: BatchOption = 500,
    json: JsonOption = None,
    force: ForceOption = False,
) -> Outcome:
    """Move a checkpoint along its orbit: the same function, a better place to train on from."""
    claim(output, force=force, inputs=[checkpoint], endings=CHECKPOINT)
    module = load_model(model)
    params = load_checkpoint(checkpoint, module)
    dataset = thinned(load_data(data), samples, seed)
    symmetry = discovery.discover(module, example_for(example, dataset), gauge="asis")
    show_warnings(symmetry)
    loss = Loss(module, batches(dataset.x_train, dataset.y_train, batch_size), criterion, {})
    objective = Steepest() if toward is Toward.STEEPEST else Flattest(probes, seed)
    with screen.progress("teleport") as step:
        found = move(
            params, loss, symmetry, objective, steps, rate, partial(step, "along the orbit")
        )
    save(found.params, output, force=force, inputs=[checkpoint])
    screen.say(f"toward the {toward.value} point: {found}")
    screen.say(f"wrote {output}")
    return Outcome({"toward": toward.value, **found.to_json(), "output": str(output)})

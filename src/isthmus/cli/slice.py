"""`isthmus slice`: the loss on a plane through checkpoints, its sublevel sets at every level."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Annotated

import typer
from torch import nn

import isthmus.alignment as alignment
import isthmus.discovery as discovery
from isthmus.cli import screen
from isthmus.cli.app import Outcome, verb
from isthmus.cli.inputs import (
    Example,
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
    Repair,
    RepairOption,
    SamplesOption,
    SeedOption,
    Split,
)
from isthmus.cli.showing import show_warnings
from isthmus.ground import BadInput, Params
from isthmus.landscape import Loss, ranks
from isthmus.report.measuring import criterion, has_statistics
from isthmus.report.topology import require_pillow, stages, write_slice
from isthmus.testing.datasets import batches
from isthmus.topology.sampling import take_slice
from isthmus.topology.slices import Sublevels, sublevels

_NAMES = ("A", "B", "C")


@verb
def slice(
    checkpoints: Annotated[
        list[Path],
        typer.Argument(metavar="A [B [C]]", help="One, two or three checkpoints of the plane."),
    ],
    model: ModelOption,
    data: NeededDataOption,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The folder for page, pictures and result.")
    ],
    align: Annotated[
        bool, typer.Option("--align", help="With two: the third is B aligned to A.")
    ] = False,
    steps: Annotated[int, typer.Option("--steps", min=2, help="Places a side.")] = 25,
    margin: Annotated[
        float, typer.Option("--margin", min=0, help="How far beyond the models, in extents.")
    ] = 0.25,
    reach: Annotated[
        float,
        typer.Option("--reach", min=0, help="How far along random directions, in filter norms."),
    ] = 1.0,
    diagonal: Annotated[
        bool, typer.Option("--diagonal", help="Places at a corner are neighbours too: 8, not 4.")
    ] = False,
    split: Annotated[Split, typer.Option("--split", help="The part of the data.")] = Split.TEST,
    samples: SamplesOption = None,
    example: ExampleOption = None,
    seed: SeedOption = 0,
    batch_size: BatchOption = 1000,
    repair: RepairOption = None,
    json: JsonOption = None,
    force: ForceOption = False,
) -> Outcome:
    """Map the loss on a plane through checkpoints: components and loops of {loss ≤ level}.

    Where there are fewer than three, random directions from A take their place. Under torchrun,
    the processes share the samples.
    """
    require_pillow()
    claim(output, force=force, folder=True)
    if len(checkpoints) > 3 or (align and len(checkpoints) != 2):
        raise BadInput(
            f"{len(checkpoints)} checkpoints{' with --align' if align else ''}",
            "give one, two or three; two with --align",
        )
    module = load_model(model)
    models = [load_checkpoint(path, module) for path in checkpoints]
    dataset = thinned(load_data(data), samples, seed)
    names = [*_NAMES[: len(models)], *["B′"] * align]
    wanted = has_statistics(module) if repair is None else repair is Repair.STATISTICS
    train = list(batches(dataset.x_train, dataset.y_train, batch_size))
    test = list(batches(dataset.x_test, dataset.y_test, batch_size))
    with ranks() as processes, screen.progress("slice") as step:
        if align:
            step("aligning", 0, steps * steps)
            models.append(_aligned(models, module, example_for(example, dataset), seed))
        surface = take_slice(
            Loss(module, train if split is Split.TRAIN else test, criterion, {}, ranks=processes),
            models,
            steps=steps,
            margin=margin,
            reach=reach,
            seed=seed,
            recompute_statistics=train[:5] if wanted else None,
            progress=partial(step, "the loss on the plane"),
        )
        found = sublevels(surface, diagonal)
        if processes.first:
            write_slice(found, output, names, force=force, inputs=checkpoints)
    passes = _passes(found, names)
    _show(found, passes)
    screen.say(f"wrote {output}; open {output / 'slice.html'}")
    return Outcome({split.value: found.to_json(), "passes": passes})


def _aligned(models: Sequence[Params], module: nn.Module, example: Example, seed: int) -> Params:
    symmetry = discovery.discover(module, example)
    show_warnings(symmetry)
    return alignment.align(models[1], to=models[0], symmetry=symmetry, seed=seed).params


def _passes(found: Sublevels, names: Sequence[str]) -> dict[str, float | None]:
    """For every two models the level at which they are in one component; None if never."""
    marked = zip(names, found.surface.corners, strict=True)
    levels = {f"{a}, {b}": found.pass_level(here, there)
              for (a, here), (b, there) in combinations(marked, 2)}  # fmt: skip
    return {pair: level if level < float("inf") else None for pair, level in levels.items()}


def _show(found: Sublevels, passes: dict[str, float | None]) -> None:
    screen.say(str(found))
    rows = [
        (f"{level:.4g}", str(components), str(loops))
        for level in stages(found)
        for components, loops in [found.counts(level)]
    ]
    screen.table("Sublevel sets of the slice", ("loss up to", "components", "loops"), rows)
    if passes:
        joined = [
            (pair, "never" if level is None else f"{level:.4g}") for pair, level in passes.items()
        ]
        screen.table("In one component", ("models", "from loss"), joined)

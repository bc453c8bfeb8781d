"""`isthmus barrier`: how far the loss rises on chosen paths between two checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from torch import Tensor, nn

import isthmus.alignment as alignment
import isthmus.discovery as discovery
from isthmus.cli import screen
from isthmus.cli.app import Outcome, verb
from isthmus.cli.curves import CURVES, Bending, base, listed
from isthmus.cli.inputs import Example, example_for, load_checkpoint, load_data, load_model
from isthmus.cli.options import (
    BatchOption,
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
    SeedOption,
    Split,
)
from isthmus.cli.showing import show_barriers, show_warnings
from isthmus.ground import Params
from isthmus.landscape import (
    AbstractPath,
    Barrier,
    Bootstrap,
    Line,
    Loss,
    OrbitPath,
    Refinement,
    ranks,
)
from isthmus.landscape import barrier as measure
from isthmus.report.measuring import criterion, has_statistics
from isthmus.testing.datasets import Dataset, batches

_PATHS = ("line", "aligned", "orbit", *CURVES)
_PATHS_HELP = (
    "Some of line, aligned, orbit, and the curves that are trained first: bezier, polygon, spline, "
    "elastic, or aligned-bezier and so on to aligned B; joined by commas."
)


@verb
def barrier(
    a: CheckpointA,
    b: CheckpointB,
    model: ModelOption,
    data: NeededDataOption,
    paths: Annotated[str, typer.Option("--paths", help=_PATHS_HELP)] = "line,aligned",
    split: Annotated[Split, typer.Option("--split", help="The part of the data.")] = Split.TEST,
    points: PointsOption = 25,
    example: ExampleOption = None,
    seed: SeedOption = 0,
    restarts: RestartsOption = 0,
    batch_size: BatchOption = 1000,
    repair: RepairOption = None,
    refine: Annotated[
        bool, typer.Option("--refine", help="Look closer around the highest point.")
    ] = False,
    interval: Annotated[
        bool, typer.Option("--interval", help="Bootstrap the barrier over samples.")
    ] = False,
    steps: Annotated[int, typer.Option("--steps", min=1, help="Training steps of a curve.")] = 2000,
    bends: Annotated[int, typer.Option("--bends", min=1, help="Points between its ends.")] = 1,
    step_size: Annotated[
        int, typer.Option("--step-size", min=1, help="Training samples in one such step.")
    ] = 128,
    rate: Annotated[float, typer.Option("--rate", min=0.0, help="Its learning rate.")] = 1e-3,
    keep: Annotated[
        Path | None,
        typer.Option("--keep", metavar="DIR", help="Keep the training here, and go on from there."),
    ] = None,
    json: JsonOption = None,
    force: ForceOption = False,
) -> Outcome:
    """Measure the barrier on paths from A to B, with or without aligning B first.

    Under torchrun, the processes share the samples.
    """
    names = listed(paths, _PATHS, "--paths knows no path", "--paths names no path")
    module = load_model(model)
    start, end = load_checkpoint(a, module), load_checkpoint(b, module)
    dataset = load_data(data)
    wanted = has_statistics(module) if repair is None else repair is Repair.STATISTICS
    statistics = batches(dataset.x_train, dataset.y_train, batch_size)[:5] if wanted else None
    method = alignment.WeightMatching(restarts=restarts)
    training = Loss(module, batches(dataset.x_train, dataset.y_train, step_size), criterion)
    with ranks() as processes, screen.progress("barrier") as step:
        loss = Loss(module, _batches(dataset, split, batch_size), criterion, ranks=processes)
        # Every process trains the same curve; one of them keeps it.
        kept = keep if processes.first else None
        bending = Bending(training, steps, bends, rate, seed, kept)
        step("aligning", 0, points * len(names))
        lines = _paths(names, start, end, module, example_for(example, dataset), method, seed)
        look = partial(
            measure,
            loss,
            points=points,
            refine=Refinement() if refine else None,
            interval=Bootstrap(seed=seed) if interval else None,
        )
        found = _measured(names, lines, bending, look, statistics, step)
    show_barriers({split.value: found})
    return Outcome({split.value: {name: value.to_json() for name, value in found.items()}})


def _measured(
    names: Sequence[str],
    lines: Mapping[str, AbstractPath],
    bending: Bending,
    look: Callable[..., Barrier],
    statistics: Sequence[tuple[Tensor, Tensor]] | None,
    step: screen.Step,
) -> dict[str, Barrier]:
    """The barrier on every path, curves trained before."""
    found = {}
    for number, name in enumerate(names):

        def train(done: int, total: int, name: str = name) -> None:
            step(f"training the {name} path", done, total)

        def tell(done: int, total: int, name: str = name, number: int = number) -> None:
            step(f"the {name} path", number * total + done, total * len(names))

        path = lines[base(name)]
        path = bending(name, path, train) if name in CURVES else path
        again = None if name == "orbit" else statistics
        found[name] = look(path, recompute_statistics=again, progress=tell)
    return found


def _batches(dataset: Dataset, split: Split, size: int) -> list[tuple[Tensor, Tensor]]:
    parts = {
        Split.TRAIN: (dataset.x_train, dataset.y_train),
        Split.TEST: (dataset.x_test, dataset.y_test),
    }
    return list(batches(*parts[split], size))


def _paths(
    names: Sequence[str],
    a: Params,
    b: Params,
    module: nn.Module,
    example: Example,
    method: alignment.WeightMatching,
    seed: int,
) -> dict[str, AbstractPath]:
    """The paths that are asked for or bent; B is aligned only if one needs it."""
    if {base(name) for name in names} == {"line"}:
        return {"line": Line(a, b)}
    symmetry = discovery.discover(module, example)
    show_warnings(symmetry)
    fit = alignment.align(b, to=a, symmetry=symmetry, method=method, seed=seed)
    return {
        "line": Line(a, b),
        "aligned": Line(a, fit.params),
        "orbit": OrbitPath(symmetry, fit.element, b).reversed(),
    }

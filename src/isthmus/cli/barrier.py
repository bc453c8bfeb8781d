"""`isthmus barrier`: how far the loss rises on chosen paths between two checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from torch import Tensor, nn

import isthmus.alignment as alignment
import isthmus.discovery as discovery
from isthmus.cli import screen
from isthmus.cli.app import Outcome, verb
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
from isthmus.ground import BadInput, Params, closest
from isthmus.landscape import AbstractPath, Line, Loss, OrbitPath, ranks
from isthmus.landscape import barrier as measure
from isthmus.report.measuring import criterion, has_statistics
from isthmus.testing.datasets import Dataset, batches

_PATHS = ("line", "aligned", "orbit")


@verb
def barrier(
    a: CheckpointA,
    b: CheckpointB,
    model: ModelOption,
    data: NeededDataOption,
    paths: Annotated[
        str, typer.Option("--paths", help="Some of line, aligned, orbit, joined by commas.")
    ] = "line,aligned",
    split: Annotated[Split, typer.Option("--split", help="The part of the data.")] = Split.TEST,
    points: PointsOption = 25,
    example: ExampleOption = None,
    seed: SeedOption = 0,
    restarts: RestartsOption = 0,
    batch_size: BatchOption = 1000,
    repair: RepairOption = None,
    json: JsonOption = None,
    force: ForceOption = False,
) -> Outcome:
    """Measure the barrier on paths from A to B, with or without aligning B first.

    Under torchrun, the processes share the samples.
    """
    names = _names(paths)
    module = load_model(model)
    start, end = load_checkpoint(a, module), load_checkpoint(b, module)
    dataset = load_data(data)
    wanted = has_statistics(module) if repair is None else repair is Repair.STATISTICS
    statistics = batches(dataset.x_train, dataset.y_train, batch_size)[:5] if wanted else None
    method = alignment.WeightMatching(restarts=restarts)
    found = {}
    with ranks() as processes, screen.progress("barrier") as step:
        loss = Loss(module, _batches(dataset, split, batch_size), criterion, ranks=processes)
        step("aligning", 0, points * len(names))
        lines = _paths(names, start, end, module, example_for(example, dataset), method, seed)
        for number, (name, path) in enumerate(lines.items()):

            def tell(done: int, _: int, name: str = name, number: int = number) -> None:
                step(f"the {name} path", number * points + done, points * len(names))

            again = None if name == "orbit" else statistics
            found[name] = measure(loss, path, points, again, tell)
    show_barriers({split.value: found})
    return Outcome({split.value: {name: value.to_json() for name, value in found.items()}})


def _names(paths: str) -> list[str]:
    names = [name.strip() for name in paths.split(",") if name.strip()]
    for name in names:
        if name not in _PATHS:
            near = closest(name, _PATHS)
            raise BadInput(
                f"--paths knows no path {name!r}",
                f"did you mean {near!r}?" if near else f"use some of {', '.join(_PATHS)}",
            )
    if not names:
        raise BadInput("--paths names no path", f"use some of {', '.join(_PATHS)}")
    return list(dict.fromkeys(names))


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
    """The paths asked for; B is aligned only if one needs it."""
    if set(names) == {"line"}:
        return {"line": Line(a, b)}
    symmetry = discovery.discover(module, example)
    show_warnings(symmetry)
    fit = alignment.align(b, to=a, symmetry=symmetry, method=method, seed=seed)
    every: dict[str, AbstractPath] = {
        "line": Line(a, b),
        "aligned": Line(a, fit.params),
        "orbit": OrbitPath(symmetry, fit.element, b).reversed(),
    }
    return {name: every[name] for name in names}

"""`isthmus merge`: two or more checkpoints moved until all meet, and averaged."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from torch import nn

import isthmus.alignment as alignment
import isthmus.discovery as discovery
import isthmus.merging as merging
from isthmus.algebra import Symmetry
from isthmus.cli import screen
from isthmus.cli.app import Outcome, verb
from isthmus.cli.inputs import (
    claim,
    example_for,
    load_checkpoint,
    load_checkpoints,
    load_data,
    load_model,
    load_symmetry,
    require_one,
)
from isthmus.cli.options import (
    BatchOption,
    DataOption,
    ExampleOption,
    ForceOption,
    JsonOption,
    ModelOrSymmetryOption,
    Repair,
    RepairOption,
    RestartsOption,
    SeedOption,
    SymmetryOption,
)
from isthmus.cli.showing import show_warnings
from isthmus.ground import BadInput, save
from isthmus.report.measuring import has_statistics
from isthmus.testing.datasets import Dataset, batches


@verb
def merge(
    checkpoints: Annotated[
        list[Path],
        typer.Argument(metavar="A B ...", help="Two to a hundred; the first stays as it is."),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The merged checkpoint: .safetensors, .pt.")
    ],
    model: ModelOrSymmetryOption = None,
    symmetry: SymmetryOption = None,
    example: ExampleOption = None,
    data: DataOption = None,
    seed: SeedOption = 0,
    restarts: RestartsOption = 0,
    repair: RepairOption = None,
    batch_size: BatchOption = 1000,
    json: JsonOption = None,
    force: ForceOption = False,
) -> Outcome:
    """Average checkpoints of one architecture after aligning them all, as the first lies."""
    if len(checkpoints) < 2:
        raise BadInput(f"{len(checkpoints)} checkpoint to merge", "give at least two")
    claim(output, force=force, inputs=checkpoints)
    require_one(model, symmetry)
    method = alignment.WeightMatching(restarts=restarts)
    with screen.progress("merge") as step:
        step("reading the graph", 0, len(checkpoints) + 1)
        if symmetry is not None:
            group, repairer = _unrepaired(load_symmetry(symmetry), repair), None
            loaded = load_checkpoints(checkpoints, group)
        else:
            module = load_model(str(model))
            wanted = has_statistics(module) if repair is None else repair is Repair.STATISTICS
            dataset = load_data(data) if data else None
            repairer = _repairer(module, dataset, batch_size) if wanted else None
            loaded = [load_checkpoint(path, module) for path in checkpoints]
            group = discovery.discover(module, example_for(example, dataset))
        step("aligning all", len(loaded), len(loaded) + 1)
        fits = alignment.align_all(loaded, symmetry=group, method=method, seed=seed)
        step("averaging", len(loaded), len(loaded) + 1)
        merged = merging.merge(fits.params, method=merging.Average(), repair=repairer)
    save(merged, output, force=force, inputs=checkpoints)
    show_warnings(group)
    rows = [
        {
            "checkpoint": str(path),
            "before": float(fits.before[0, number]),
            "after": float(fits.after[0, number]),
        }
        for number, path in enumerate(checkpoints[1:], 1)
    ]
    for row in rows:
        screen.say(f"{row['checkpoint']}: distance {row['before']:.6g}, aligned {row['after']:.6g}")
    screen.say(f"wrote {output}, the average of {len(loaded)}")
    found = {
        "aligned": rows,
        "before": fits.before.tolist(),
        "after": fits.after.tolist(),
        "certificate": fits.certificate.to_json(),
        "repaired": repairer is not None,
        "output": str(output),
    }
    return Outcome(found)


def _unrepaired(symmetry: Symmetry, repair: Repair | None) -> Symmetry:
    """The symmetry, if nothing asks for statistics to be recomputed, which needs the model.

    Raises:
        BadInput: Something does.
    """
    statistics = any(name.endswith("running_var") for name in symmetry.reps)
    if repair is Repair.STATISTICS or (statistics and repair is None):
        raise BadInput(
            "BatchNorm statistics need the model to be recomputed with",
            "give --model instead of --symmetry, or --repair none to average them as they are",
        )
    return symmetry


def _repairer(
    module: nn.Module, data: Dataset | None, batch_size: int
) -> merging.RecomputeStatistics:
    """Recomputes BatchNorm statistics on training data.

    Raises:
        BadInput: There are no data.
    """
    if data is None:
        raise BadInput(
            "BatchNorm statistics need data to be recomputed on",
            "give --data, or --repair none to average the statistics as they are",
        )
    return merging.RecomputeStatistics(module, batches(data.x_train, data.y_train, batch_size))

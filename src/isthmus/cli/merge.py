"""`isthmus merge`: two or more checkpoints moved until all meet, and averaged."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import isthmus.alignment as alignment
import isthmus.merging as merging
from isthmus.algebra import Symmetry
from isthmus.cli import screen
from isthmus.cli.app import Outcome, verb
from isthmus.cli.inputs import CHECKPOINT, claim, load_data, load_model, load_with_symmetry
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
from isthmus.testing.datasets import batches


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
    claim(output, force=force, inputs=checkpoints, endings=CHECKPOINT)
    method = alignment.WeightMatching(restarts=restarts)
    with screen.progress("merge") as step:
        step("reading the graph", 0, len(checkpoints) + 1)
        loaded, group = load_with_symmetry(checkpoints, model, symmetry, example, data)
        repairer = _repairer(group, model, data, repair, batch_size)
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


def _repairer(
    symmetry: Symmetry, model: str | None, data: str | None, repair: Repair | None, batch_size: int
) -> merging.RecomputeStatistics | None:
    """Recomputes BatchNorm statistics on training data, where there are any or it is asked for.

    Raises:
        BadInput: The model or the data are missing.
    """
    there = any(name.endswith("running_var") for name in symmetry.reps)
    if not (there if repair is None else repair is Repair.STATISTICS):
        return None
    if model is None or data is None:
        lacks, gives = (
            ("the model", "--model instead of --symmetry") if model is None else ("data", "--data")
        )
        raise BadInput(
            f"BatchNorm statistics need {lacks} to be recomputed",
            f"give {gives}, or --repair none to average them as they are",
        )
    known = load_data(data)
    return merging.RecomputeStatistics(
        load_model(model), batches(known.x_train, known.y_train, batch_size)
    )

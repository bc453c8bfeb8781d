"""`isthmus tune`: a checkpoint learns a second task and keeps the first."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import torch
import typer

from isthmus.cli import screen
from isthmus.cli.app import Outcome, verb
from isthmus.cli.inputs import CHECKPOINT, claim, load_checkpoint, load_model, thinned
from isthmus.cli.keeping import (
    Keep,
    KeepOption,
    RankOption,
    ShareOption,
    StrengthOption,
    keeper,
    two_tasks,
)
from isthmus.cli.options import (
    BatchOption,
    ForceOption,
    JsonOption,
    ModelOption,
    NeededDataOption,
    SamplesOption,
    SeedOption,
)
from isthmus.ground import save
from isthmus.landscape import Evaluation, Loss
from isthmus.landscape import tune as learn
from isthmus.report.measuring import criterion
from isthmus.testing.datasets import Dataset, batches


@verb
def tune(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="Learned the first.")],
    model: ModelOption,
    data: NeededDataOption,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The tuned checkpoint: .safetensors, .pt.")
    ],
    second: Annotated[
        str | None, typer.Option("--second", metavar="DATA", help="The second task.")
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            "--classes",
            metavar="0-4",
            help="Instead of --second: these classes of --data are the first task, all others the "
            "second.",
        ),
    ] = None,
    keep: KeepOption = Keep.FLAT,
    share: ShareOption = 0.98,
    rank: RankOption = 50,
    strength: StrengthOption = 100.0,
    epochs: Annotated[int, typer.Option("--epochs", min=1, help="Passes over the second.")] = 3,
    rate: Annotated[float, typer.Option("--lr", min=0, help="The step size of Adam.")] = 1e-3,
    samples: SamplesOption = None,
    seed: SeedOption = 0,
    batch_size: BatchOption = 64,
    json: JsonOption = None,
    force: ForceOption = False,
) -> Outcome:
    """Learn a second task from a checkpoint, where the first one's loss is flat."""
    claim(output, force=force, inputs=[checkpoint], endings=CHECKPOINT)
    module = load_model(model)
    params = load_checkpoint(checkpoint, module)
    tasks = [thinned(one, samples, seed) for one in two_tasks(data, second, classes)]
    learned, new = (
        Loss(module, batches(one.x_train, one.y_train, batch_size), criterion) for one in tasks
    )
    with screen.progress("tune") as step:
        step("looking at the first task", 0, epochs)
        kept = keeper(keep, learned, params, share, rank, strength, seed)
        found = learn(
            params,
            new,
            kept,
            optimiser=partial(torch.optim.Adam, lr=rate),
            epochs=epochs,
            seed=seed,
            progress=partial(step, "the second task"),
        )
    save(found, output, force=force, inputs=[checkpoint])
    scores = {
        name: {"before": score(params), "after": score(found)}
        for name, one in zip(("first", "second"), tasks, strict=True)
        for score in [_scored(module, one).evaluate]
    }
    _show(scores)
    if kept is not None:
        screen.say(str(kept))
    screen.say(f"wrote {output}")
    plain = {n: {when: one.to_json() for when, one in row.items()} for n, row in scores.items()}
    return Outcome({"keep": keep.value, "tasks": plain, "output": str(output)})


def _scored(module: torch.nn.Module, task: Dataset) -> Loss:
    """The loss on the test data of a task."""
    return Loss(module, batches(task.x_test, task.y_test, 1000), criterion)


def _show(scores: dict[str, dict[str, Evaluation]]) -> None:
    """Both tasks, before and after."""
    names = list(scores["first"]["before"].metrics)
    columns = ["task", *(f"{w} {n}" for w in ("before", "after") for n in ("loss", *names))]
    rows = [
        [task, *(f"{x:.4f}" for one in row.values() for x in (one.loss, *one.metrics.values()))]
        for task, row in scores.items()
    ]
    screen.table("Test data", columns, rows)

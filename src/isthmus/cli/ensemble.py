"""`isthmus ensemble`: members made from one checkpoint, scored beside an ensemble of all given."""

from __future__ import annotations

import json as json_format
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from torch import Tensor, nn

import isthmus.discovery as discovery
import isthmus.merging as merging
from isthmus.algebra import Symmetry
from isthmus.cli import screen
from isthmus.cli.app import Outcome, verb
from isthmus.cli.inputs import (
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
from isthmus.ground import Params, atomic_write, save
from isthmus.landscape import Loss, Training
from isthmus.report.measuring import criterion
from isthmus.testing.datasets import Dataset, batches


class Made(StrEnum):
    """How members are made."""

    ORBIT = "orbit"
    DATA = "data"
    CURVE = "curve"
    SIMPLEX = "simplex"
    TRAINED = "trained"


@verb
def ensemble(
    checkpoints: Annotated[
        list[Path],
        typer.Argument(
            metavar="CHECKPOINT...",
            help="The model that members are made from; with more, all together are scored beside.",
        ),
    ],
    model: ModelOption,
    data: NeededDataOption,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The folder for the members and the scores.")
    ],
    members: Annotated[
        Made,
        typer.Option(
            "--members",
            help="orbit: the same function (no gain); data: hidden units mixed, readers refitted; "
            "curve: points of a learned curve between two copies; simplex: of a region of low loss "
            "around the model; trained: trained on, from points of its orbit.",
        ),
    ] = Made.TRAINED,
    count: Annotated[int, typer.Option("--count", min=1, help="Members besides the model.")] = 4,
    steps: Annotated[
        int, typer.Option("--steps", min=1, help="Of every training: of a member, or the curve.")
    ] = 500,
    rate: Annotated[float, typer.Option("--rate", min=0, help="Adam's.")] = 1e-3,
    size: Annotated[
        float, typer.Option("--size", min=0, help="How far members move along the group.")
    ] = 0.3,
    samples: SamplesOption = None,
    example: ExampleOption = None,
    seed: SeedOption = 0,
    batch_size: BatchOption = 100,
    json: JsonOption = None,
    force: ForceOption = False,
) -> Outcome:
    """Make members of an ensemble from one checkpoint, and score what they predict together.

    Members are made on the training data and scored on the test data.
    """
    claim(output, force=force, folder=True)
    module = load_model(model)
    models = [load_checkpoint(path, module) for path in checkpoints]
    dataset = thinned(load_data(data), samples, seed)
    workshop = _Workshop(module, dataset, example, (steps, rate, size, batch_size))
    test = Loss(module, list(batches(dataset.x_test, dataset.y_test, 1000)), criterion)
    with screen.progress("ensemble") as step:
        step(f"making {count} members ({members.value})", 0, 2)
        made = workshop.maker(members)(models[0], count, seed)
        step("scoring", 1, 2)
        found = {
            "model": merging.Ensemble(test, models[:1]).evaluate(),
            members.value: merging.Ensemble(test, [models[0], *made.params]).evaluate(),
        }
        if len(models) > 1:
            found["all checkpoints"] = merging.Ensemble(test, models).evaluate()
    outcome = {"cost": made.cost.to_json(), **{name: s.to_json() for name, s in found.items()}}
    _write(output, made.params, outcome, force, checkpoints)
    _show(found)
    screen.say(f"{made}; wrote {output}")
    return Outcome(outcome)


@dataclass(frozen=True)
class _Workshop:
    """What makers need: the model, training data, options."""

    module: nn.Module
    dataset: Dataset
    example: str | None
    options: tuple[int, float, float, int]

    @cached_property
    def symmetry(self) -> Symmetry:
        return discovery.discover(self.module, example_for(self.example, self.dataset))

    def maker(self, members: Made) -> merging.AbstractMaker:
        """Of this name."""
        steps, rate, size, batch_size = self.options
        shown = list(batches(self.dataset.x_train, self.dataset.y_train, batch_size))
        loss = Loss(self.module, shown, criterion)

        def adam(tensors: Sequence[Tensor]) -> torch.optim.Optimizer:
            return torch.optim.Adam(tensors, lr=rate)

        training = Training(optimiser=adam)
        known: dict[Made, Callable[[], merging.AbstractMaker]] = {
            Made.ORBIT: lambda: merging.OrbitMembers(self.symmetry, size),
            Made.DATA: lambda: merging.DataSymmetryMembers(
                self.module, self.dataset.x_train, self.symmetry, size
            ),
            Made.CURVE: lambda: merging.CurveMembers(
                loss, merging.OrbitMembers(self.symmetry, size), steps, training=training
            ),
            Made.SIMPLEX: lambda: merging.SimplexMembers(loss, steps=steps, training=training),
            Made.TRAINED: lambda: merging.TrainedMembers(
                loss, steps, merging.OrbitMembers(self.symmetry, size), training
            ),
        }
        return known[members]()


def _write(
    folder: Path,
    members: Sequence[Params],
    outcome: Mapping[str, Any],
    force: bool,
    inputs: Sequence[Path],
) -> None:
    """Members, then the scores: where these are, all is there, and no member of an earlier run."""
    for k, member in enumerate(members, 1):
        save(member, _place(folder, k), force=force, inputs=inputs)
    late = len(members) + 1
    while (old := _place(folder, late)).exists() and not any(map(old.samefile, inputs)):
        old.unlink()
        late += 1
    text = json_format.dumps(outcome, indent=2, allow_nan=False)
    atomic_write(folder / "ensemble.json", text + "\n")


def _place(folder: Path, member: int) -> Path:
    return folder / f"member-{member}.safetensors"


def _show(found: Mapping[str, merging.EnsembleScores]) -> None:
    names = tuple(next(iter(found.values())).ensemble.metrics)
    rows = [
        (
            name,
            f"{len(scores.members)}",
            f"{scores.loss:.4g}",
            *(f"{scores.ensemble.metrics[metric]:.4g}" for metric in names),
            f"{scores.disagreement:.2%}",
        )
        for name, scores in found.items()
    ]
    screen.table("On test data", ("", "members", "loss", *names, "disagreement"), rows)

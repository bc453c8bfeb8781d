"""`isthmus transport`: the layers of two checkpoints as measures of neurons."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

import isthmus.alignment as alignment
import isthmus.transport as transports
from isthmus.algebra import Symmetry
from isthmus.cli import screen
from isthmus.cli.app import Outcome, verb
from isthmus.cli.inputs import load_data, load_model, load_with_symmetry, thinned
from isthmus.cli.options import (
    CheckpointA,
    CheckpointB,
    DataOption,
    ExampleOption,
    ForceOption,
    JsonOption,
    ModelOrSymmetryOption,
    SamplesOption,
    SeedOption,
    SymmetryOption,
)
from isthmus.cli.showing import show_warnings
from isthmus.ground import BadInput
from isthmus.ground.params import Params
from isthmus.testing.datasets import batches


class Lengths(StrEnum):
    """How long units are when they are compared."""

    BALANCED = "balanced"
    UNIT_NORM = "unit-norm"
    ASIS = "asis"


class Metric(StrEnum):
    """What distances between units are."""

    WEIGHTS = "weights"
    DATA = "data"


_FORMS: dict[Lengths, alignment.Form | None] = {
    Lengths.BALANCED: alignment.Balanced(),
    Lengths.UNIT_NORM: alignment.UnitNorm(),
    Lengths.ASIS: None,
}


@verb
def transport(
    a: CheckpointA,
    b: CheckpointB,
    model: ModelOrSymmetryOption = None,
    symmetry: SymmetryOption = None,
    model_b: Annotated[
        str | None,
        typer.Option("--model-b", metavar="MODEL", help="Of B, where it has other widths."),
    ] = None,
    example: ExampleOption = None,
    data: DataOption = None,
    samples: SamplesOption = 1000,
    metric: Annotated[
        Metric,
        typer.Option(
            help="weights: Euclidean. data: the mean square of how much two units differ on --data."
        ),
    ] = Metric.WEIGHTS,
    form: Annotated[
        Lengths,
        typer.Option(
            help="How long units with scales are: balanced: the least norm of the orbit; "
            "unit-norm: what goes into a unit has norm 1; asis: as they are."
        ),
    ] = Lengths.BALANCED,
    epsilon: Annotated[
        float | None,
        typer.Option(help="Entropic plans, of this weight over the mean cost; left out, exact."),
    ] = None,
    repetitions: Annotated[
        int,
        typer.Option(min=0, help="Samples at each width for the fitted exponent; 0 leaves it out."),
    ] = 5,
    seed: SeedOption = 0,
    json: JsonOption = None,
    force: ForceOption = False,
) -> Outcome:
    """Measure the layers of A and B as clouds of neurons: distances, dimensions, rates."""
    if repetitions == 1:
        raise BadInput("--repetitions 1 has no interval", "give 0, or 2 and more")
    solver = transports.Exact() if epsilon is None else transports.Entropic(epsilon)
    measuring = transports.Measuring(form=_FORMS[form], solver=solver, repetitions=repetitions)
    with screen.progress("transport") as step:
        step("reading the graph", 0, 3)
        one, two, group, other = _models((a, b), (model, model_b), symmetry, example, data)
        step("reading the data", 1, 3)
        seen = _on_data(model, data, samples, seed, metric)
        step("measuring layers", 2, 3)
        found = transports.layer_distances(
            one,
            two,
            symmetry=group,
            other=other,
            measuring=measuring,
            data=seen,
            seed=seed,
        )
    show_warnings(group)
    for table in found.tables:
        screen.table(table.title, table.head, table.rows)
        screen.say(table.words + "\n")
    return Outcome(found.to_json())


def _models(
    paths: tuple[Path, Path],
    models: tuple[str | None, str | None],
    symmetry: Path | None,
    example: str | None,
    data: str | None,
) -> tuple[Params, Params, Symmetry, Symmetry | None]:
    """Both checkpoints, the symmetry of the first, and that of the second if it has its own."""
    (a, b), (model, model_b) = paths, models
    if model_b is None:
        (one, two), group = load_with_symmetry([a, b], model, symmetry, example, data)
        return one, two, group, None
    (one,), group = load_with_symmetry([a], model, symmetry, example, data)
    (two,), other = load_with_symmetry([b], model_b, None, example, data)
    return one, two, group, other


def _on_data(
    model: str | None, data: str | None, samples: int | None, seed: int, metric: Metric
) -> transports.OnData | None:
    """The model and its data, where both are given."""
    if model is None or data is None:
        if metric is Metric.DATA:
            raise BadInput(
                "--metric data runs the model on data, and --model or --data is missing",
                "give both, or leave --metric out",
            )
        return None
    known = thinned(load_data(data), samples, seed)
    runs = batches(known.x_train, known.y_train, 100)
    return transports.OnData(load_model(model), runs, metric is Metric.DATA)

"""`isthmus charges`: what gradient flow conserves, of a checkpoint or along a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from isthmus.cli import screen
from isthmus.cli.app import Outcome, verb
from isthmus.cli.inputs import (
    example_for,
    load,
    load_checkpoint,
    load_data,
    names_of,
)
from isthmus.cli.options import DataOption, ExampleOption, ForceOption, JsonOption, ModelOption
from isthmus.cli.showing import show_warnings
from isthmus.discovery import discover
from isthmus.ground import BadInput
from isthmus.landscape import Charges, Decay
from isthmus.landscape import charges as charges_of


@verb
def charges(
    checkpoints: Annotated[
        list[Path],
        typer.Argument(metavar="CHECKPOINT ...", help="One, or several of a training in order."),
    ],
    model: ModelOption,
    data: DataOption = None,
    example: ExampleOption = None,
    rate: Annotated[
        float | None, typer.Option("--lr", min=0, help="The step size of SGD, to predict decay.")
    ] = None,
    weight_decay: Annotated[
        float, typer.Option("--weight-decay", min=0, help="Of SGD: what charges shrink by.")
    ] = 0.0,
    momentum: Annotated[float, typer.Option("--momentum", min=0, help="Of SGD.")] = 0.0,
    steps: Annotated[
        int | None,
        typer.Option("--steps", min=1, help="How many steps lie between two checkpoints."),
    ] = None,
    json: JsonOption = None,
    force: ForceOption = False,
) -> Outcome:
    """Show what gradient flow conserves in a checkpoint; of several, how it drifts or decays."""
    decay = None if rate is None else Decay(rate, weight_decay, momentum)
    if decay is None and (weight_decay or momentum):
        raise BadInput("a decay cannot be predicted without a step size", "give --lr")
    named = load(model)
    params = [load_checkpoint(path, named.module) for path in checkpoints]
    given = load_data(data) if data and not example else None
    symmetry = discover(named.module, example_for(example, given, named.example), gauge="asis")
    show_warnings(symmetry)
    trained = [n for n, _ in named.module.named_parameters() if n in params[0]]
    found = [charges_of(symmetry, one, trained) for one in params]
    if not found[0].values:
        raise BadInput(
            "this model has no scales or shears among what is trained, so no charges",
            "charges need a rectifier, attention, or layers with nothing between them",
        )
    screen.say(str(found[0]))
    data_out: dict[str, Any] = {"charges": [one.to_json()["values"] for one in found]}
    if decay is not None:
        screen.say(str(decay))
        data_out["half_life"] = decay.to_json() | {"steps": _finite(decay.half_life)}
    if len(found) > 1:
        data_out["drift"] = _drifts(found, names_of(checkpoints), decay, steps)
    return Outcome(data_out)


def _drifts(
    found: Sequence[Charges], names: Sequence[str], decay: Decay | None, steps: int | None
) -> list[dict[str, Any]]:
    """Show how the charges of each space went on."""
    rows = []
    predicted = decay is not None and steps is not None
    for k, (one, name) in enumerate(zip(found[1:], names[1:], strict=True), 1):
        expected = decay.after(steps * k) if decay is not None and steps is not None else None
        for space, apart in found[0].apart(one).items():
            rows.append(
                {
                    "checkpoint": name,
                    "space": space,
                    "drift": apart,
                    "left": _left(found[0].values, one.values, space),
                    "predicted": expected,
                }
            )
    head = ["checkpoint", "space", "drift", "share left", *["predicted"] * predicted]
    shown = [
        [str(r["checkpoint"]), str(r["space"]), f"{r['drift']:.3g}", f"{r['left']:.4f}"]
        + [f"{r['predicted']:.4f}" for _ in range(predicted)]
        for r in rows
    ]
    screen.table(f"Charges since {names[0]}", head, shown)
    return rows


def _left(first: Mapping[str, Any], last: Mapping[str, Any], space: str) -> float:
    """The share of a space's charges that is left: their part along those at first."""
    one, two = first[space].flatten(), last[space].flatten()
    return float((one @ two) / (one @ one)) if bool(one.any()) else 0.0


def _finite(value: float) -> float | None:
    return value if value < float("inf") else None

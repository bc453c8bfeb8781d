"""`isthmus canonical`: the representative of a checkpoint's orbit."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

import isthmus.alignment as alignment
from isthmus.cli import screen
from isthmus.cli.app import Outcome, verb
from isthmus.cli.inputs import CHECKPOINT, claim, load_with_symmetry
from isthmus.cli.options import (
    DataOption,
    ExampleOption,
    ForceOption,
    JsonOption,
    ModelOrSymmetryOption,
    SymmetryOption,
)
from isthmus.cli.showing import show_warnings
from isthmus.ground import save
from isthmus.ground.params import norm


class Form(StrEnum):
    """How long units are."""

    BALANCED = "balanced"
    UNIT_NORM = "unit-norm"


_FORMS: dict[Form, alignment.Form] = {
    Form.BALANCED: alignment.Balanced(),
    Form.UNIT_NORM: alignment.UnitNorm(),
}


@verb
def canonical(
    checkpoint: Annotated[
        Path, typer.Argument(metavar="CHECKPOINT", help="What is brought there.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The canonical checkpoint: .safetensors, .pt.")
    ],
    model: ModelOrSymmetryOption = None,
    symmetry: SymmetryOption = None,
    example: ExampleOption = None,
    data: DataOption = None,
    form: Annotated[
        Form,
        typer.Option(
            help="balanced: the least norm of the orbit. unit-norm: what goes into a unit with a "
            "scale has norm 1."
        ),
    ] = Form.BALANCED,
    keep_order: Annotated[
        bool, typer.Option("--keep-order", help="Settle scales only; units stay in their places.")
    ] = False,
    json: JsonOption = None,
    force: ForceOption = False,
) -> Outcome:
    """Bring a checkpoint to the canonical form of its orbit: other weights, the same function."""
    claim(output, force=force, inputs=[checkpoint], endings=CHECKPOINT)
    with screen.progress("canonical") as step:
        step("reading the graph", 0, 2)
        (params,), group = load_with_symmetry([checkpoint], model, symmetry, example, data)
        step("balancing", 1, 2)
        found = alignment.canonical(params, group, _FORMS[form], ordered=not keep_order)
    save(found, output, force=force, inputs=[checkpoint])
    show_warnings(group)
    before, after = norm(params), norm(found)
    screen.say(f"norm {before:.6g} before, {after:.6g} in the {form.value} form")
    screen.say(f"wrote {output}")
    return Outcome(
        {
            "form": form.value,
            "ordered": not keep_order,
            "norm_before": before,
            "norm_after": after,
            "output": str(output),
        }
    )

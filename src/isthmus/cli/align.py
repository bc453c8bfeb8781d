"""`isthmus align`: B moved along its symmetry group as close to A as it gets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import isthmus.alignment as alignment
from isthmus.cli import screen
from isthmus.cli.app import Outcome, verb
from isthmus.cli.inputs import claim, load_with_symmetry
from isthmus.cli.options import (
    CheckpointB,
    DataOption,
    ExampleOption,
    ForceOption,
    JsonOption,
    ModelOrSymmetryOption,
    RestartsOption,
    SeedOption,
    SymmetryOption,
)
from isthmus.cli.showing import show_alignment, show_warnings
from isthmus.ground import save


@verb
def align(
    b: CheckpointB,
    to: Annotated[Path, typer.Option("--to", metavar="A", help="The checkpoint aligned to.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The aligned checkpoint: .safetensors, .pt.")
    ],
    model: ModelOrSymmetryOption = None,
    symmetry: SymmetryOption = None,
    example: ExampleOption = None,
    data: DataOption = None,
    seed: SeedOption = 0,
    restarts: RestartsOption = 0,
    json: JsonOption = None,
    force: ForceOption = False,
) -> Outcome:
    """Align checkpoint B to checkpoint A: other weights, the same function as B."""
    claim(output, force=force, inputs=[b, to])
    with screen.progress("align") as step:
        step("reading the graph", 0, 2)
        (target, source), group = load_with_symmetry([to, b], model, symmetry, example, data)
        step("matching", 1, 2)
        method = alignment.WeightMatching(restarts=restarts)
        fit = alignment.align(source, to=target, symmetry=group, method=method, seed=seed)
    save(fit.params, output, force=force, inputs=[b, to])
    show_warnings(group)
    show_alignment(fit)
    screen.say(f"wrote {output}")
    found = {
        "before": fit.before,
        "after": fit.after,
        "certificate": fit.certificate.to_json(),
        "moved": fit.element.moved,
        "output": str(output),
    }
    return Outcome(found)

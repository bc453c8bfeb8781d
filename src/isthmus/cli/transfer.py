"""`isthmus transfer`: what one checkpoint learned in a fine-tuning, brought into another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import isthmus.merging as merging
from isthmus.cli import screen
from isthmus.cli.align import matcher
from isthmus.cli.app import Outcome, verb
from isthmus.cli.inputs import CHECKPOINT, claim, load_with_symmetry
from isthmus.cli.options import (
    DataOption,
    ExampleOption,
    ForceOption,
    JsonOption,
    Method,
    MethodOption,
    ModelOrSymmetryOption,
    RestartsOption,
    SamplesOption,
    SeedOption,
    SymmetryOption,
)
from isthmus.cli.showing import show_alignment, show_warnings
from isthmus.ground import save


@verb
def transfer(
    fine: Annotated[Path, typer.Argument(metavar="FINE", help="The base after a fine-tuning.")],
    base: Annotated[Path, typer.Option("--base", metavar="A", help="Where the fine-tuning began.")],
    to: Annotated[
        Path, typer.Option("--to", metavar="B", help="What is to learn the same: not changed.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="B with it added: .safetensors, .pt.")
    ],
    model: ModelOrSymmetryOption = None,
    symmetry: SymmetryOption = None,
    example: ExampleOption = None,
    data: DataOption = None,
    method: MethodOption = Method.WEIGHT,
    scale: Annotated[
        float, typer.Option("--scale", help="How much of what was learned is added.")
    ] = 1.0,
    samples: SamplesOption = None,
    seed: SeedOption = 0,
    restarts: RestartsOption = 0,
    json: JsonOption = None,
    force: ForceOption = False,
) -> Outcome:
    """Add to B what A learned on its way to FINE, moved by what aligns A to B."""
    files = [fine, base, to]
    claim(output, force=force, inputs=files, endings=CHECKPOINT)
    with screen.progress("transfer") as step:
        step("reading the graph", 0, 2)
        (tuned, start, target), group = load_with_symmetry(files, model, symmetry, example, data)
        step("matching", 1, 2)
        way = matcher(method, model, data, samples, seed, restarts)
        found = merging.transfer(
            tuned, start, to=target, symmetry=group, method=way, scale=scale, seed=seed
        )
    save(found.params, output, force=force, inputs=files)
    show_warnings(group)
    show_alignment(found.alignment)
    screen.say(f"task vector of length {found.vector:.6g}, {found.moved:.6g} as moved")
    screen.say(str(found.certificate))
    screen.say(f"wrote {output}")
    return Outcome({**found.to_json(), "output": str(output)})

"""`isthmus align`: B moved along its symmetry group as close to A as it gets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import isthmus.alignment as alignment
import isthmus.discovery as discovery
from isthmus.cli import screen
from isthmus.cli.app import Outcome, verb
from isthmus.cli.inputs import claim, example_for, load_checkpoint, load_data, load_model
from isthmus.cli.options import (
    CheckpointB,
    DataOption,
    ExampleOption,
    ForceOption,
    JsonOption,
    ModelOption,
    RestartsOption,
    SeedOption,
)
from isthmus.cli.showing import show_alignment, show_warnings
from isthmus.ground import save


@verb
def align(
    b: CheckpointB,
    to: Annotated[Path, typer.Option("--to", metavar="A", help="The checkpoint aligned to.")],
    model: ModelOption,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The aligned checkpoint: .safetensors, .pt.")
    ],
    example: ExampleOption = None,
    data: DataOption = None,
    seed: SeedOption = 0,
    restarts: RestartsOption = 0,
    json: JsonOption = None,
    force: ForceOption = False,
) -> Outcome:
    """Align checkpoint B to checkpoint A: other weights, the same function as B."""
    claim(output, force=force, inputs=[b, to])
    module = load_model(model)
    target, source = load_checkpoint(to, module), load_checkpoint(b, module)
    inputs = example_for(example, load_data(data) if data and not example else None)
    with screen.progress("align") as step:
        step("reading the graph", 0, 2)
        symmetry = discovery.discover(module, inputs)
        step("matching", 1, 2)
        method = alignment.WeightMatching(restarts=restarts)
        fit = alignment.align(source, to=target, symmetry=symmetry, method=method, seed=seed)
    save(fit.params, output, force=force, inputs=[b, to])
    show_warnings(symmetry)
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

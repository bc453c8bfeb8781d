"""`isthmus certify`: a proved bound of the barrier on the line between two checkpoints."""

from __future__ import annotations

from typing import Annotated

import typer
from torch import nn

import isthmus.alignment as alignment
import isthmus.discovery as discovery
from isthmus.cli import screen
from isthmus.cli.app import Outcome, verb
from isthmus.cli.inputs import Example, example_for, load_checkpoint, load_data, load_model, thinned
from isthmus.cli.options import (
    BatchOption,
    CheckpointA,
    CheckpointB,
    ExampleOption,
    ForceOption,
    JsonOption,
    ModelOption,
    NeededDataOption,
    SamplesOption,
    SeedOption,
    Split,
)
from isthmus.cli.showing import show_warnings
from isthmus.ground import Certificate, Params
from isthmus.landscape import Line, Loss
from isthmus.landscape import certify as prove
from isthmus.report.measuring import criterion
from isthmus.testing.datasets import batches

AlignOption = Annotated[bool, typer.Option("--align", help="Align B to A first.")]
BelowOption = Annotated[
    float | None, typer.Option("--below", help="Exit 1 unless the barrier is proved to be below.")
]
ToleranceOption = Annotated[
    float, typer.Option("--tolerance", min=0, help="How near the bound shall come, in loss.")
]
RelativeOption = Annotated[
    float,
    typer.Option("--relative", min=0, help="So as a share of the barrier; the larger counts."),
]
WorkOption = Annotated[int, typer.Option("--work", min=16, help="The most intervals to bound.")]
MemoryOption = Annotated[
    float, typer.Option("--memory", min=0, help="Megabytes that one step may take, about.")
]


@verb
def certify(
    a: CheckpointA,
    b: CheckpointB,
    model: ModelOption,
    data: NeededDataOption,
    align: AlignOption = False,
    below: BelowOption = None,
    split: Annotated[Split, typer.Option("--split", help="The part of the data.")] = Split.TEST,
    samples: SamplesOption = None,
    tolerance: ToleranceOption = 1e-3,
    relative: RelativeOption = 0.0,
    work: WorkOption = 1024,
    memory: MemoryOption = 30.0,
    example: ExampleOption = None,
    seed: SeedOption = 0,
    batch_size: BatchOption = 1000,
    json: JsonOption = None,
    force: ForceOption = False,
) -> Outcome:
    """Prove how high the barrier on the line from A to B can be, at every t; exit 1 if not."""
    module = load_model(model)
    start, end = load_checkpoint(a, module), load_checkpoint(b, module)
    dataset = thinned(load_data(data), samples, seed)
    x, y = (
        (dataset.x_train, dataset.y_train)
        if split is Split.TRAIN
        else (dataset.x_test, dataset.y_test)
    )
    loss = Loss(module, batches(x, y, batch_size), criterion, {})
    with screen.progress("certify") as step:
        if align:
            step("aligning", 0, work)
            end = _aligned(start, end, module, example_for(example, dataset), seed)
        found = prove(
            loss,
            Line(start, end),
            tolerance,
            relative,
            work=work,
            memory=memory * 1e6,
            progress=lambda done, most: step("bounding intervals", done, most),
        )
    _show(found)
    holds = bool(found) and (below is None or found.evidence["upper"] < below)
    return Outcome({split.value: found.to_json()}, holds)


def _aligned(a: Params, b: Params, module: nn.Module, example: Example, seed: int) -> Params:
    symmetry = discovery.discover(module, example)
    show_warnings(symmetry)
    return alignment.align(b, to=a, symmetry=symmetry, seed=seed).params


def _show(found: Certificate) -> None:
    """The claim, then what it rests on."""
    facts = found.evidence
    screen.say(f"{found.verdict.name}: {found.claim}")
    screen.say(
        f"it reaches {facts['lower']:.4g} at t = {facts['at']:.3g}; "
        f"{facts['bounded']} intervals bounded on {facts['samples']} samples"
    )
    if not facts["reached"]:
        screen.say(
            "the bound is further from that than --tolerance asks; more --work brings it nearer"
        )

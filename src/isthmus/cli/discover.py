"""`isthmus discover`: the symmetry of an architecture as a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import isthmus.discovery as discovery
from isthmus.cli import screen
from isthmus.cli.app import Outcome, verb
from isthmus.cli.inputs import claim, example_for, load_data, load_model
from isthmus.cli.options import (
    DataOption,
    ExampleOption,
    ForceOption,
    JsonOption,
    ModelOption,
    SeedOption,
    Unknown,
)
from isthmus.cli.showing import show_symmetry
from isthmus.ground.writing import atomic_write
from isthmus.report import network_svg


@verb
def discover(
    model: ModelOption,
    example: ExampleOption = None,
    data: DataOption = None,
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Test the group on random elements; exit 1 if it fails."),
    ] = False,
    explain: Annotated[
        str | None,
        typer.Option(
            "--explain", metavar="NAME", help="Why this space has its group, or a parameter is so."
        ),
    ] = None,
    draw: Annotated[
        Path | None,
        typer.Option(
            "--draw", metavar="FILE", help="A picture of the network and its spaces: .svg."
        ),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Every parameter, also those of repeated blocks.")
    ] = False,
    unknown: Annotated[
        Unknown,
        typer.Option(
            "--unknown",
            help="An operator without a rule: pin what it touches and warn, or refuse the model.",
        ),
    ] = Unknown.PIN,
    seed: SeedOption = 0,
    json: JsonOption = None,
    force: ForceOption = False,
) -> Outcome:
    """Discover the symmetry group of a model: the type of every parameter."""
    if draw is not None:
        claim(draw, force=force)
    module = load_model(model)
    inputs = example_for(example, load_data(data) if data and not example else None)
    with screen.progress("discover") as step:
        step("reading the graph", 0, 2)
        symmetry = discovery.discover(
            module, inputs, unknown="raise" if unknown is Unknown.RAISE else "pin"
        )
        step("verifying", 1, 2)
        certificate = discovery.verify(symmetry, module, inputs, seed=seed) if verify else None
    show_symmetry(symmetry, full=full)
    found = dict(symmetry.to_json())
    if explain is not None:
        found["explanation"] = discovery.explain(symmetry, explain)
        screen.say(found["explanation"])
    if draw is not None:
        order = discovery.parameter_order(module, inputs)
        atomic_write(draw, network_svg(symmetry, order))
        screen.say(f"wrote {draw}")
    if certificate is not None:
        found["certificate"] = certificate.to_json()
        screen.say(str(certificate))
    return Outcome(found, certificate is None or certificate.verdict.name in ("PROVED", "TESTED"))

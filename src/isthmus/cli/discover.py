"""`isthmus discover`: the symmetry of an architecture as a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import isthmus.discovery as discovery
from isthmus.algebra.symmetry import Symmetry
from isthmus.cli import screen
from isthmus.cli.app import Outcome, verb
from isthmus.cli.inputs import claim, example_for, load, load_data, placed
from isthmus.cli.options import (
    MODEL_HELP,
    DataOption,
    ExampleOption,
    ForceOption,
    Gauge,
    JsonOption,
    SeedOption,
    Unknown,
)
from isthmus.cli.showing import show_symmetry
from isthmus.discovery.completeness import Completeness
from isthmus.ground.certificates import Certificate
from isthmus.ground.errors import BadInput
from isthmus.ground.writing import atomic_write
from isthmus.report import network_svg


@verb
def discover(
    place: Annotated[
        str | None, typer.Argument(metavar="MODEL", help="The same as --model.", show_default=False)
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="MODEL", help=MODEL_HELP + " Weights are not needed."),
    ] = None,
    example: ExampleOption = None,
    data: DataOption = None,
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Test the group on random elements; exit 1 if it fails."),
    ] = False,
    complete: Annotated[
        bool,
        typer.Option(
            "--complete",
            help="Count the directions that leave the function alone, and those of the group; "
            "exit 1 if one of the group's is not among them.",
        ),
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
    gauge: Annotated[
        Gauge,
        typer.Option(
            "--gauge",
            help="The largest group, with gains, biases and means that are held twice folded; or "
            "what acts on all parameters as they are.",
        ),
    ] = Gauge.FOLDED,
    seed: SeedOption = 0,
    json: JsonOption = None,
    force: ForceOption = False,
) -> Outcome:
    """Discover the symmetry group of a model: the type of every parameter."""
    if (place is None) == (model is None):
        raise BadInput("a model is needed, once", "give it first, or as --model")
    if draw is not None:
        claim(draw, force=force, endings=(".svg",))
    named = load(model or place or "", values=verify or complete)
    given = load_data(data) if data and not example else None
    inputs = placed(example_for(example, given, named.example), named.module)
    with screen.progress("discover") as step:
        step("reading the graph", 0, 3)
        symmetry = discovery.discover(
            named.module,
            inputs,
            gauge="asis" if gauge is Gauge.ASIS else "folded",
            unknown="raise" if unknown is Unknown.RAISE else "pin",
        )
        step("verifying", 1, 3)
        certificate = (
            discovery.verify(symmetry, named.module, inputs, seed=seed) if verify else None
        )
        step("counting", 2, 3)
        counted = (
            discovery.completeness(symmetry, named.module, inputs, seed=seed) if complete else None
        )
    show_symmetry(symmetry, full=full)
    outcome = _told(symmetry, explain, certificate, counted)
    if draw is not None:
        order = discovery.parameter_order(named.module, inputs)
        atomic_write(draw, network_svg(symmetry, order))
        screen.say(f"wrote {draw}")
    return outcome


def _told(
    symmetry: Symmetry,
    explain: str | None,
    certificate: Certificate | None,
    counted: Completeness | None,
) -> Outcome:
    """What was asked beside the table, said and noted; whether all of it holds."""
    found = dict(symmetry.to_json())
    if explain is not None:
        found["explanation"] = discovery.explain(symmetry, explain)
        screen.say(found["explanation"])
    if certificate is not None:
        found["certificate"] = certificate.to_json()
        screen.say(str(certificate))
    if counted is not None:
        found["completeness"] = counted.to_json()
        screen.say(str(counted))
    tested = certificate is None or certificate.verdict.name in ("PROVED", "TESTED")
    return Outcome(found, tested and (counted is None or counted.sound))

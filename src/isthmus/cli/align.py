"""`isthmus align`: B moved along its symmetry group as close to A as it gets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import isthmus.alignment as alignment
from isthmus.alignment.data.activations import ActivationMatching
from isthmus.alignment.data.covariance import CovarianceMatching
from isthmus.cli import screen
from isthmus.cli.app import Outcome, verb
from isthmus.cli.inputs import CHECKPOINT, claim, load_data, load_model, load_with_symmetry, thinned
from isthmus.cli.options import (
    CertifyOption,
    CheckpointB,
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
from isthmus.ground import BadInput, save
from isthmus.testing.datasets import batches


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
    method: MethodOption = Method.WEIGHT,
    samples: SamplesOption = None,
    seed: SeedOption = 0,
    restarts: RestartsOption = 0,
    certify: CertifyOption = False,
    json: JsonOption = None,
    force: ForceOption = False,
) -> Outcome:
    """Align checkpoint B to checkpoint A: other weights, the same function as B."""
    claim(output, force=force, inputs=[b, to], endings=CHECKPOINT)
    with screen.progress("align") as step:
        step("reading the graph", 0, 2)
        (target, source), group = load_with_symmetry([to, b], model, symmetry, example, data)
        step("matching", 1, 2)
        way = matcher(method, model, data, samples, seed, restarts)
        fit = alignment.align(source, to=target, symmetry=group, method=way, seed=seed)
        if certify:
            fit = fit.certify(source, to=target)
    save(fit.params, output, force=force, inputs=[b, to])
    show_warnings(group)
    show_alignment(fit)
    if certify:
        screen.say(str(fit.certificate))
    screen.say(f"wrote {output}")
    found = {
        "before": fit.before,
        "after": fit.after,
        "certificate": fit.certificate.to_json(),
        "moved": fit.element.moved,
        "output": str(output),
    }
    return Outcome(found)


def matcher(
    method: Method,
    model: str | None,
    data: str | None,
    samples: int | None,
    seed: int,
    restarts: int,
) -> alignment.Matcher:
    """The method as an object with its options."""
    if method is Method.WEIGHT:
        return alignment.WeightMatching(restarts=restarts)
    if model is None or data is None:
        raise BadInput(
            f"--method {method} runs the model on data, and --model or --data is missing",
            "give both, or leave --method out to align by weights alone",
        )
    known = thinned(load_data(data), samples, seed)
    runs = list(batches(known.x_train, known.y_train, 500))
    if method is Method.ACTIVATION:
        return ActivationMatching(load_model(model), runs)
    return CovarianceMatching(load_model(model), runs)

"""`isthmus factors`: what each part of the group adds to merging two checkpoints."""

from __future__ import annotations

import isthmus.alignment as alignment
import isthmus.discovery as discovery
import isthmus.merging as merging
from isthmus.cli import screen
from isthmus.cli.app import Outcome, verb
from isthmus.cli.inputs import example_for, load_checkpoint, load_data, load_model, thinned
from isthmus.cli.options import (
    BatchOption,
    CheckpointA,
    CheckpointB,
    ExampleOption,
    ForceOption,
    JsonOption,
    ModelOption,
    NeededDataOption,
    PointsOption,
    Repair,
    RepairOption,
    RestartsOption,
    SamplesOption,
    SeedOption,
)
from isthmus.cli.showing import show_warnings
from isthmus.landscape import Loss
from isthmus.report.measuring import criterion, has_statistics
from isthmus.testing.datasets import batches


@verb
def factors(
    a: CheckpointA,
    b: CheckpointB,
    model: ModelOption,
    data: NeededDataOption,
    points: PointsOption = 25,
    samples: SamplesOption = None,
    example: ExampleOption = None,
    seed: SeedOption = 0,
    restarts: RestartsOption = 0,
    batch_size: BatchOption = 1000,
    repair: RepairOption = None,
    json: JsonOption = None,
    force: ForceOption = False,
) -> Outcome:
    """Align B to A by ever larger subgroups, and merge them at every stage.

    Permutations, then signs, rotations, scales, shears and shifts added. Barriers are of the
    training data, merged models are scored on the test data.
    """
    module = load_model(model)
    one, two = (load_checkpoint(path, module) for path in (a, b))
    dataset = thinned(load_data(data), samples, seed)
    train = list(batches(dataset.x_train, dataset.y_train, batch_size))
    test = list(batches(dataset.x_test, dataset.y_test, batch_size))
    wanted = has_statistics(module) if repair is None else repair is Repair.STATISTICS
    with screen.progress("factors") as step:
        step("aligning by ever larger subgroups", 0, 1)
        symmetry = discovery.discover(module, example_for(example, dataset))
        found = merging.factors(
            one,
            two,
            Loss(module, train, criterion),
            symmetry,
            test=Loss(module, test, criterion),
            method=alignment.WeightMatching(restarts=restarts),
            points=points,
            seed=seed,
            statistics=train[:5] if wanted else None,
        )
    show_warnings(symmetry)
    names = tuple(found.ends[0].metrics)
    rows = [
        (
            stage.added,
            f"{stage.lie_dim}",
            *(f"{x:.4g}" for x in (stage.distance, stage.barrier.height, stage.merged.loss)),
            *(f"{stage.merged.metrics[name]:.4g}" for name in names),
        )
        for stage in found.stages
    ]
    head = ("added", "dimension", "distance", "barrier", "merged loss", *names)
    screen.table("What each part of the group adds", head, rows)
    for name, end in zip("AB", found.ends, strict=True):
        screen.say(f"{name}: {end}")
    return Outcome(found.to_json())

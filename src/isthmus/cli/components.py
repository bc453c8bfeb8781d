"""`isthmus components`: a census of checkpoints, and which of them low paths join."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import torch
import typer
from torch import nn

import isthmus.discovery as discovery
import isthmus.topology as topology
from isthmus.algebra import Symmetry
from isthmus.alignment import WeightMatching
from isthmus.cli import screen
from isthmus.cli.app import Outcome, verb
from isthmus.cli.curves import CURVES, base, listed, shape_of
from isthmus.cli.inputs import (
    Example,
    example_for,
    load_checkpoint,
    load_data,
    load_model,
    names_of,
    thinned,
)
from isthmus.cli.options import (
    BatchOption,
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
    Split,
)
from isthmus.cli.showing import show_warnings
from isthmus.landscape import Bootstrap, Loss, Training, ranks
from isthmus.report import short
from isthmus.report.measuring import criterion, has_statistics
from isthmus.report.topology import require_pillow, write_trees
from isthmus.testing.datasets import batches

_CONNECTORS = ("line", "aligned", "orbit", *CURVES)
_CONNECTORS_HELP = (
    "What is tried for a pair, in order, until it is joined: some of line, aligned, orbit (the two "
    "are one solution in other coordinates), and the curves that are trained first: bezier, "
    "polygon, spline, elastic, or aligned-bezier and so on; joined by commas."
)


@verb
def components(
    checkpoints: Annotated[list[Path], typer.Argument(metavar="A B ...", help="Two or more.")],
    model: ModelOption,
    data: NeededDataOption,
    level: Annotated[
        float | None,
        typer.Option("--level", help="Joined is what no higher loss parts; left out, all heights."),
    ] = None,
    connector: Annotated[str, typer.Option("--connector", help=_CONNECTORS_HELP)] = "line,aligned",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            help="Keep every pair here, and go on from there; with pictures of the merge trees.",
        ),
    ] = None,
    split: Annotated[Split, typer.Option("--split", help="The part of the data.")] = Split.TEST,
    samples: SamplesOption = None,
    points: PointsOption = 25,
    interval: Annotated[
        bool, typer.Option("--interval/--no-interval", help="Bootstrap heights over samples.")
    ] = True,
    all_pairs: Annotated[
        bool, typer.Option("--all-pairs", help="Also those that are known to be joined.")
    ] = False,
    example: ExampleOption = None,
    seed: SeedOption = 0,
    restarts: RestartsOption = 0,
    batch_size: BatchOption = 1000,
    repair: RepairOption = None,
    steps: Annotated[int, typer.Option("--steps", min=1, help="Training steps of a curve.")] = 2000,
    bends: Annotated[int, typer.Option("--bends", min=1, help="Points between its ends.")] = 1,
    step_size: Annotated[
        int, typer.Option("--step-size", min=1, help="Training samples in one such step.")
    ] = 128,
    rate: Annotated[float, typer.Option("--rate", min=0.0, help="Its learning rate.")] = 1e-3,
    json: JsonOption = None,
    force: ForceOption = False,
) -> Outcome:
    """Count the components that sampled minima are in, in parameter space and up to symmetry.

    Under torchrun, the processes share the pairs.
    """
    names = listed(connector, _CONNECTORS, "--connector knows no", "--connector names none")
    if output is not None:
        require_pillow()
    module = load_model(model)
    minima = [load_checkpoint(path, module) for path in checkpoints]
    dataset = thinned(load_data(data), samples, seed)
    train = (dataset.x_train, dataset.y_train)
    measured = train if split is Split.TRAIN else (dataset.x_test, dataset.y_test)
    bent = partial(
        topology.Bent,
        steps=steps,
        training=Training(optimiser=partial(torch.optim.Adam, lr=rate, fused=True)),
        loss=Loss(module, batches(*train, step_size), criterion),
    )
    made = [_made(name, bent, bends, WeightMatching(restarts=restarts)) for name in names]
    wanted = has_statistics(module) if repair is None else repair is Repair.STATISTICS
    with ranks() as processes, screen.progress("components") as step:
        step("reading the graph", 0, 1)
        census = topology.components(
            minima,
            Loss(module, batches(*measured, batch_size), criterion),
            level=level,
            symmetry=_symmetry(names, module, example_for(example, dataset)),
            connector=topology.Chain(tuple(made)),
            sampling=topology.PathSampling(
                points=points,
                interval=Bootstrap(seed=seed) if interval else None,
                recompute_statistics=batches(*train, batch_size)[:5] if wanted else None,
            ),
            all_pairs=all_pairs,
            names=names_of(checkpoints),
            folder=output,
            force=force,
            seed=seed,
            ranks=processes,
            progress=partial(step, "pairs"),
        )
        if output is not None and processes.first:
            _draw(census, output / "pictures")
    _show(census)
    if output is not None:
        screen.say(f"wrote {output}; open {output / 'pictures' / 'trees.html'}")
    return Outcome(census.to_json())


def _made(
    name: str, bent: Callable[..., topology.Bent], bends: int, method: WeightMatching
) -> topology.Connector:
    """The connector of this name."""
    if name == "orbit":
        return topology.SameOrbit(method)
    between = bent(shape_of(name, bends)) if name in CURVES else topology.Straight()
    return topology.Aligned(between, method) if base(name) == "aligned" else between


def _symmetry(names: Sequence[str], module: nn.Module, example: Example) -> Symmetry | None:
    """The model's symmetry, if a connector needs it."""
    if all(base(name) == "line" for name in names):
        return None
    symmetry = discovery.discover(module, example)
    show_warnings(symmetry)
    return symmetry


def _show(census: topology.Census) -> None:
    """The components and the uncertain pairs in tables, what they say, and the merge trees."""
    screen.say(census.headline + "\n")
    if census.level is not None:
        space, prediction = census.components(), census.prediction()
        screen.table("Components", *_components(census, space))
        if space.uncertain:
            screen.table("Uncertain pairs", *_uncertain(census, up_to_symmetry=False))
        if census.kept is not None and census.solutions().uncertain:
            screen.table("Uncertain up to symmetry", *_uncertain(census, up_to_symmetry=True))
        for line in census.estimates:
            screen.say(line)
        if prediction is not None:
            screen.say(str(prediction))
    screen.say(census.drawn)


def _draw(census: topology.Census, folder: Path) -> None:
    """The merge trees as a page and pictures; those of the census's earlier runs are replaced."""
    trees = {"in parameter space": census.tree}
    if census.kept is not None:
        trees["up to symmetry"] = census.solution_tree
    notes = census.headline.splitlines()
    write_trees(trees, folder, census.names, notes=notes, level=census.level, force=True)


def _components(
    census: topology.Census, space: topology.Clusters
) -> tuple[list[str], list[tuple[str, ...]]]:
    """Columns and rows: one for each component."""
    columns = ["minima", "how many", "lowest loss"]
    rows: list[tuple[str, ...]] = [
        (census.named(one), str(len(one)), short(min(census.births[k] for k in one)))
        for one in space.members
    ]
    if census.kept is None:
        return columns, rows
    solutions = census.solutions().members
    place = [next(k for k, s in enumerate(solutions, 1) if one[0] in s) for one in space.members]
    return [*columns, "solution"], [(*row, str(k)) for row, k in zip(rows, place, strict=True)]


def _uncertain(
    census: topology.Census, *, up_to_symmetry: bool
) -> tuple[list[str], list[tuple[str, ...]]]:
    """Columns and rows: one for each pair on which something depends."""
    clusters = census.solutions() if up_to_symmetry else census.components()
    rows: list[tuple[str, ...]] = []
    for meeting in census.meetings:
        best = meeting.best(up_to_symmetry)
        if best is not None and (meeting.a, meeting.b) in clusters.uncertain:
            pair = census.named((meeting.a, meeting.b))
            rows.append((pair, best.connector, *map(short, (best.height, best.low, best.high))))
    return ["pair", "connector", "highest loss", "from", "to"], rows

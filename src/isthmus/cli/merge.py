"""`isthmus merge`: two or more checkpoints moved until all meet, and merged."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import typer
from torch import nn

import isthmus.alignment as alignment
import isthmus.merging as merging
from isthmus.algebra import Symmetry
from isthmus.cli import screen
from isthmus.cli.app import Outcome, verb
from isthmus.cli.inputs import CHECKPOINT, claim, load_data, load_model, load_with_symmetry, thinned
from isthmus.cli.mergers import (
    BY_FEATURES,
    After,
    AfterOption,
    AlignOption,
    BaseOption,
    DropOption,
    KeepOption,
    Merger,
    MergerOption,
    ScaleOption,
    WithinOption,
    merger,
)
from isthmus.cli.options import (
    BatchOption,
    DataOption,
    ExampleOption,
    ForceOption,
    JsonOption,
    ModelOrSymmetryOption,
    RestartsOption,
    SamplesOption,
    SeedOption,
    SymmetryOption,
)
from isthmus.cli.showing import show_warnings
from isthmus.ground import BadInput, Params, save
from isthmus.landscape import Loss
from isthmus.landscape.running import Batch
from isthmus.report.measuring import criterion
from isthmus.testing.datasets import batches


@verb
def merge(
    checkpoints: Annotated[
        list[Path],
        typer.Argument(metavar="A B ...", help="Two to a hundred; the first stays as it is."),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The merged checkpoint: .safetensors, .pt.")
    ],
    model: ModelOrSymmetryOption = None,
    symmetry: SymmetryOption = None,
    example: ExampleOption = None,
    data: DataOption = None,
    method: MergerOption = Merger.AVERAGE,
    base: BaseOption = None,
    align: AlignOption = None,
    scale: ScaleOption = None,
    keep: KeepOption = 0.2,
    drop: DropOption = 0.9,
    within: WithinOption = 1.0,
    samples: SamplesOption = None,
    seed: SeedOption = 0,
    restarts: RestartsOption = 0,
    repair: AfterOption = None,
    batch_size: BatchOption = 1000,
    json: JsonOption = None,
    force: ForceOption = False,
) -> Outcome:
    """Merge checkpoints of one architecture after aligning them all, as the first lies."""
    if len(checkpoints) < 2:
        raise BadInput(f"{len(checkpoints)} checkpoint to merge", "give at least two")
    files = [*([base] if base else []), *checkpoints]
    claim(output, force=force, inputs=files, endings=CHECKPOINT)
    source = _Source(model, data, batch_size, samples, seed)
    with screen.progress("merge") as step:
        step("reading the graph", 0, len(files) + 1)
        loaded, group = load_with_symmetry(files, model, symmetry, example, data)
        chosen = repair or (After.STATISTICS if _has_statistics(group) else After.NONE)
        source.require(chosen, method)
        moved, found = loaded, {}
        if align if align is not None else base is None and method not in BY_FEATURES:
            step("aligning all", len(loaded), len(loaded) + 1)
            fits = alignment.align_all(
                loaded,
                symmetry=group,
                method=alignment.WeightMatching(restarts=restarts),
                seed=seed,
            )
            moved, found = list(fits.params), _alignment(fits, files)
        step("merging", len(loaded), len(loaded) + 1)
        start, models = (moved[0], moved[1:]) if base else (None, moved)
        way: merging.AbstractMerger
        if method in BY_FEATURES:
            way = source.by_features(method, group, align is not False, within, base)
        else:
            way = merger(method, start, scale, keep, drop, seed, source.loss)
        merged = merging.merge(models, method=way, repair=source.repairer(chosen, models, way))
    save(merged, output, force=force, inputs=files)
    show_warnings(group)
    for row in found.get("aligned", ()):
        screen.say(f"{row['checkpoint']}: distance {row['before']:.6g}, aligned {row['after']:.6g}")
    screen.say(f"wrote {output}, the {method.value} of {len(models)}")
    repaired = chosen is not After.NONE
    return Outcome(found | {"method": method.value, "repaired": repaired, "output": str(output)})


def _alignment(fits: alignment.Alignments, files: Sequence[Path]) -> dict[str, Any]:
    """How far apart all were, and are."""
    rows = [
        {
            "checkpoint": str(path),
            "before": float(fits.before[0, number]),
            "after": float(fits.after[0, number]),
        }
        for number, path in enumerate(files[1:], 1)
    ]
    return {
        "aligned": rows,
        "before": fits.before.tolist(),
        "after": fits.after.tolist(),
        "certificate": fits.certificate.to_json(),
    }


def _has_statistics(symmetry: Symmetry) -> bool:
    return any(name.endswith("running_var") for name in symmetry.reps)


@dataclass(frozen=True)
class _Source:
    """The model and the data, where a method or a repair needs them."""

    model: str | None
    data: str | None
    batch_size: int
    samples: int | None
    seed: int

    def require(self, repair: After, method: Merger) -> None:
        """Raise unless there is what they need."""
        wanting = {
            "BatchNorm statistics need": repair is After.STATISTICS,
            "--repair renormalise needs": repair is After.RENORMALISE,
            f"--method {method.value} needs": method in (Merger.SOUP, *BY_FEATURES),
        }
        for words in (words for words, wanted in wanting.items() if wanted):
            if self.model is None or self.data is None:
                lacks, gives = (
                    ("the model", "--model instead of --symmetry")
                    if self.model is None
                    else ("data", "--data")
                )
                way_out = ", or --repair none" if repair is not After.NONE else ""
                raise BadInput(f"{words} {lacks}", f"give {gives}{way_out}")

    def repairer(
        self, repair: After, models: Sequence[Params], way: merging.AbstractMerger
    ) -> merging.Repair | None:
        """What is applied to the merged model."""
        if repair is After.NONE:
            return None
        module, shown = self._given
        if repair is After.STATISTICS:
            return merging.RecomputeStatistics(module, shown)
        if isinstance(way, merging.AbstractFeatureMerger):
            return merging.MatchedMoments(module, shown, way.common(models))
        return merging.Renormalise(module, shown, models)

    def loss(self) -> Loss:
        """On training data, as tests stay unseen."""
        return Loss(*self._given, criterion, {})

    def by_features(
        self, method: Merger, symmetry: Symmetry, align: bool, within: float, base: Path | None
    ) -> merging.AbstractFeatureMerger:
        """The object that ``method`` names."""
        if base is not None:
            raise BadInput(f"--method {method.value} has no use for a base", "leave --base out")
        given = (*self._given, symmetry)
        if method is Merger.ZIPIT:
            return merging.ZipIt(*given, within=within, align=align)
        kind = merging.CcaMerge if method is Merger.CCA else merging.Pleas
        return kind(*given, align=align)

    @cached_property
    def _given(self) -> tuple[nn.Module, Iterable[Batch]]:
        """The model and training data, read once for the method and the repair."""
        known = thinned(load_data(str(self.data)), self.samples, self.seed)
        return load_model(str(self.model)), batches(known.x_train, known.y_train, self.batch_size)

"""What all ways of merging by features share: models, what their units show, and the merge."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from isthmus.algebra import Symmetry
from isthmus.algebra.groups import Motion
from isthmus.alignment import ActivationMatching
from isthmus.alignment.fusion.correspondence import check_correspondence
from isthmus.alignment.matching.problem import Problem
from isthmus.ground import BadInput, Params, double, params_of
from isthmus.landscape.running import Batch, pair, place
from isthmus.merging.features.common import CommonUnits, Passage
from isthmus.merging.mergers import AbstractMerger

Rows = tuple[bool, Tensor, Tensor]
"""Whether a place is dual, and what two models show there, ``(*over, n, directions)``."""


@dataclass(frozen=True, eq=False)
class AbstractFeatureMerger(AbstractMerger):
    """Merges two models by what their hidden units show on the same inputs.

    The second model is first aligned to the first by its activations (`ActivationMatching`): heads,
    signs, scales and rotations. Then units of spaces that can be permuted, and index no others, are
    brought into common units. Spaces that the data do not show stay aligned.

    Args:
        model: The module whose architecture the Params have; in evaluation mode.
        batches: Pairs (inputs, targets); targets are ignored.
        symmetry: Of the model.
        into: A module of other widths, and its symmetry, for a merged model that is wider than
            the two; None keeps their widths.
        align: Whether the second model is aligned; without, its units are compared as they are.

    Raises:
        BadInput: On a call: there are not two models, there are no batches, or widths do not fit.
        CaptureFailed: On a call: the model cannot be traced on a batch.
        UnknownName, ShapeMismatch: On a call: the Params are not of the symmetry.
    """

    model: nn.Module
    batches: Iterable[Batch]
    symmetry: Symmetry
    into: tuple[nn.Module, Symmetry] | None = field(default=None, kw_only=True)
    align: bool = field(default=True, kw_only=True)
    _seen: ActivationMatching = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if iter(self.batches) is self.batches:  # a generator would be empty the second time
            object.__setattr__(self, "batches", tuple(self.batches))
        seen = ActivationMatching(self.model, WideBatches(self.batches))
        object.__setattr__(self, "_seen", seen)

    def __call__(self, models: Sequence[Mapping[str, Tensor]]) -> Params:
        """The merged Params."""
        return self.common(models).merged()

    def common(self, models: Sequence[Mapping[str, Tensor]]) -> CommonUnits:
        """The common units of ``models``, and what leads there."""
        if len(models) != 2:
            raise BadInput(f"{len(models)} models, expected two", "merge them two by two")
        for params in models:
            self.symmetry.check(params)
        like, target = models[0], self.symmetry
        if self.into is not None:
            module, target = self.into
            check_correspondence(self.symmetry, target)
            dtypes = {name: t.dtype for name, t in models[0].items()}
            like = {n: t.to(dtypes[n]) for n, t in target.canonical(params_of(module)).items()}
        both = self._aligned(*models)
        passages = self._passages(self._rows(*both), target)
        _require_widths(self.symmetry, target, passages[0])
        return CommonUnits(both, (self.symmetry, self.symmetry), passages, target, like)

    def _aligned(self, a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> tuple[Params, Params]:
        """Both in float64, the second aligned."""
        one, two = double(a), double(b)
        if self.align:
            found = self._seen(one, two, self.symmetry, torch.Generator().manual_seed(0))
            two = self.symmetry.act(found.element, two)
        return one, two

    def _rows(self, a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> dict[str, list[Rows]]:
        """By space; those that are not seen are left out."""
        symmetry, one, two = self._seen.moments(a, b, self.symmetry).standins()
        problem = Problem(symmetry, one, two, symmetry.identity())
        moving = [n for n in self._moving() if n in symmetry.spaces]
        found = {n: [(c.dual, a, b) for c, a, b in problem.rows(n)] for n in moving}
        return {n: rows for n, rows in found.items() if rows}

    @abstractmethod
    def _passages(self, rows: Mapping[str, list[Rows]], target: Symmetry) -> list[Passage]:
        """One for each model.

        Args:
            rows: What is seen of each space that may move.
            target: Says how many common units there are.
        """

    def _moving(self) -> list[str]:
        """The spaces whose units may be permuted, none that index others."""
        spaces = self.symmetry.essential.spaces
        outer = {name for space in spaces.values() for name in space.over}
        return [
            name
            for name, space in spaces.items()
            if Motion.SWAP in space.group.motions and name not in outer
        ]


def _require_widths(symmetry: Symmetry, target: Symmetry, passage: Passage) -> None:
    """Raise where a space is of another width and has no passage."""
    for name, space in symmetry.essential.spaces.items():
        other = target.essential.spaces[name].size
        if space.size != other and name not in passage.natural:
            raise BadInput(
                f"space {name} has {other} units in the merged model and {space.size} in each "
                "model, and its units are not matched: nothing permutes them alone, or the data do "
                "not show them",
                "give one that is equally wide there",
            )


@dataclass(frozen=True, eq=False)
class WideBatches:
    """Batches whose floating inputs are in float64, as the models that are compared."""

    batches: Iterable[Batch]

    def __iter__(self) -> Iterator[Batch]:
        for index, batch in enumerate(self.batches):
            inputs, targets = pair(batch, index)
            yield place(inputs, torch.device("cpu"), torch.float64), targets

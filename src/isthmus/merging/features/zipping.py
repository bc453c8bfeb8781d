"""ZipIt!: units merged by how they correlate, across two models and within each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from isthmus.algebra import Symmetry
from isthmus.ground import BadInput, Params
from isthmus.merging.features.common import Passage
from isthmus.merging.features.grouping import correlation, zipped
from isthmus.merging.features.heads import heads_of
from isthmus.merging.features.merger import AbstractFeatureMerger, Rows


@final
@dataclass(frozen=True, eq=False)
class ZipIt(AbstractFeatureMerger):
    """Units of two models, side by side, merged greedily (Stoica et al. 2024, ZipIt!).

    In each space the 2n units of both models are merged, the pair that correlates most first, until
    n are left. A merged unit is the mean of its members (merge matrix M), and what reads any of
    them reads it (unmerge matrix U): ``W ← M diag(W_a, W_b) U``. Networks of different tasks may so
    keep what only one of them computes, and merge what each computes twice. Greedy order, M and U
    are the source's; that what was merged correlates with others as its lesser member does, times
    ``again``, is reconstructed.

    Args:
        model: As of `AbstractFeatureMerger`; so ``batches``, ``symmetry`` and ``into``.
        within: The share of a model's units that may be spent on merges within it. With 0 each
            unit of one model meets one of the other: the mean after a permutation. If only merges
            are left that this rules out, they are made all the same.
        again: The factor on correlations of what was merged already; 0 merges nothing twice.

    Raises:
        BadInput: A share is not in [0, 1]; on a call, as `AbstractFeatureMerger`.
    """

    within: float = 1.0
    again: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for word, share in (("within", self.within), ("again", self.again)):
            if not 0 <= share <= 1:
                raise BadInput(f"{word} is {share}, expected a share in [0, 1]", "give 0.5, say")

    def heads(
        self, models: Sequence[Mapping[str, Tensor]], shared: Sequence[str]
    ) -> tuple[Params, ...]:
        """Partial zipping: the merged trunk with the rest of each model, one Params for each.

        Args:
            models: Two.
            shared: Names of modules or parameters that are merged: the first layers. They are the
                same in all that is returned, so that a trunk may run once for all heads.

        Raises:
            BadInput: Units of a space are given both by what is shared and by what is not, or
                the merged model is of another width.
            UnknownName: No parameter has such a name.
        """
        return heads_of(self.common(models), shared)

    def _passages(self, rows: Mapping[str, list[Rows]], target: Symmetry) -> list[Passage]:
        def group(alike: Tensor, into: int) -> tuple[Tensor, Tensor]:
            return zipped(alike, into, self.within, self.again)

        return grouped(rows, target, group)


def grouped(
    rows: Mapping[str, list[Rows]],
    target: Symmetry,
    group: Callable[[Tensor, int], tuple[Tensor, Tensor]],
) -> list[Passage]:
    """Passages of members of groups, from correlations and how many groups there should be.

    Raises:
        BadInput: A space of the merged model is narrower than that of the models, or wider than
            both together.
    """
    found: tuple[dict[str, Tensor], dict[str, Tensor]] = ({}, {})
    for name, seen in rows.items():
        joint = [torch.cat([a, b], -2).double() for _, a, b in seen]
        alike = correlation(torch.stack([one @ one.mT for one in joint]).sum(0))
        units, into = alike.shape[-1] // 2, target.essential.spaces[name].size
        if not units <= into <= 2 * units:
            raise BadInput(
                f"space {name} has {into} units in the merged model, of {units} in each model",
                f"give one with {units} to {2 * units}",
            )
        each = [group(one, into) for one in alike.reshape(-1, 2 * units, 2 * units)]
        for members, of in zip(found, zip(*each, strict=True), strict=True):
            members[name] = torch.stack(of).reshape(*alike.shape[:-2], into, units)
    return [
        Passage(members, members, {name: one.sum(-1) for name, one in members.items()})
        for members in found
    ]

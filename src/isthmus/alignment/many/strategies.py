"""Strategies: which model is aligned to which, when there are more than two."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from isthmus.algebra.elements import Element
from isthmus.algebra.symmetry import Symmetry
from isthmus.alignment.matcher import Matcher
from isthmus.ground.errors import BadInput

Models = Sequence[Mapping[str, Tensor]]


@dataclass(frozen=True)
class Found:
    """What a strategy found.

    Attributes:
        elements: one per model, into common coordinates.
        reference: the model whose coordinates these are; its element is the identity.
        crossings: ``crossings[i][j]`` moves model i to model j, where that does not follow from
            ``elements``.
        evidence: how it was found.
        claim: what is known of how good the elements are.
    """

    elements: tuple[Element, ...]
    reference: int
    crossings: tuple[tuple[Element, ...], ...] | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)
    claim: str = "no change of one model in a single space was found that brings the models nearer"


class Strategy(Protocol):
    """A way to align many models: an object with its options."""

    def __call__(
        self, models: Models, symmetry: Symmetry, method: Matcher, generator: torch.Generator
    ) -> Found:
        """The elements that bring the models together."""
        ...


@dataclass(frozen=True)
class Star:
    """Every model is aligned to one of them, and to no other.

    Args:
        reference: the number of that model.
    """

    reference: int = 0

    def __call__(
        self, models: Models, symmetry: Symmetry, method: Matcher, generator: torch.Generator
    ) -> Found:
        """One alignment per model.

        Raises:
            BadInput: there is no model of that number.
        """
        check_reference(self.reference, models)
        elements = star(self.reference, models, symmetry, method, generator)
        return Found(elements, self.reference, evidence={"strategy": "Star"})


@dataclass(frozen=True)
class Pairwise:
    """Every pair is aligned by itself: as near as pairs get, but not consistent.

    Going round three models need not lead back to where one began; `Found.evidence` says by how
    much it does not, over at most 200 triples: the mean of ``|c·x - x| / |x|`` for the cycle c
    that starts and ends at model x, in the coordinates of the symmetry, and the largest. The
    elements into common coordinates are those to the first model.
    """

    def __call__(
        self, models: Models, symmetry: Symmetry, method: Matcher, generator: torch.Generator
    ) -> Found:
        """One alignment per pair; the way back is the inverse."""
        count = len(models)
        crossings = [[symmetry.identity() for _ in models] for _ in models]
        for i, j in itertools.combinations(range(count), 2):
            crossings[j][i] = method(models[i], models[j], symmetry, generator).element
            crossings[i][j] = ~crossings[j][i]
        triples = list(itertools.permutations(range(count), 3))
        picked = torch.randperm(len(triples), generator=generator)[:200].tolist()
        gaps = [_round_trip(models, crossings, triples[k]) for k in picked]
        evidence = {
            "strategy": "Pairwise",
            "inconsistency": math.fsum(gaps) / len(gaps) if gaps else 0.0,
            "largest_inconsistency": max(gaps, default=0.0),
            "triples": len(gaps),
        }
        elements = tuple(row[0] for row in crossings)
        return Found(elements, 0, tuple(tuple(row) for row in crossings), evidence)


def star(
    reference: int,
    models: Models,
    symmetry: Symmetry,
    method: Matcher,
    generator: torch.Generator,
) -> tuple[Element, ...]:
    """The elements that bring every model to one of them."""
    return tuple(
        symmetry.identity()
        if number == reference
        else method(models[reference], model, symmetry, generator).element
        for number, model in enumerate(models)
    )


def check_reference(reference: int, models: Models) -> None:
    """Raise unless the reference is the number of a model."""
    if not 0 <= reference < len(models):
        raise BadInput(
            f"reference {reference} for {len(models)} models",
            f"give a number from 0 to {len(models) - 1}",
        )


def _round_trip(
    models: Models, crossings: Sequence[Sequence[Element]], triple: tuple[int, int, int]
) -> float:
    """How far three alignments in a row leave a model from where it was, over its length."""
    i, j, k = triple
    cycle = crossings[k][i] @ crossings[j][k] @ crossings[i][j]
    start = cycle.symmetry.coordinates(models[i])
    wide = {n: t.double() for n, t in start.items() if t.is_floating_point()}
    moved = cycle.symmetry.act_all(cycle, wide)
    gap = sum(float((moved[n] - t).square().sum()) for n, t in wide.items())
    return math.sqrt(gap / (sum(float(t.square().sum()) for t in wide.values()) or 1.0))

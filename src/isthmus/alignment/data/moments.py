"""Moments of two models' activations, streamed: what every hidden space shows on the same inputs.

Values that feel the same spaces alike are pooled; each value counts by the share of its own size,
however large it is. Only first and second moments are kept, never samples.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from isthmus.algebra.reps import Block, Rep
from isthmus.algebra.spaces import Factor
from isthmus.algebra.symmetry import Params, Symmetry
from isthmus.ground.matrices import factor

Factors = tuple[Factor, ...]

LARGEST = 8192
"""Units in one value, at most: where two spaces meet in it, these are all pairs."""


@dataclass
class Place:
    """One value of the model: what is subtracted, its weight, and sums over its samples."""

    origin: Tensor
    weight: float
    total: Tensor
    samples: int = 0


@dataclass
class Moments:
    """Joint second moments of two models' activations, one matrix for each kind of place.

    A matrix is ``(2n, 2n)`` for a space with n units in all (of all heads, say): the units of
    the first model, then those of the second. Memory: these matrices, in float64.
    """

    symmetry: Symmetry
    places: dict[tuple[str, int], Place] = field(default_factory=dict)
    joint: dict[Factors, Tensor] = field(default_factory=dict)
    members: dict[Factors, dict[tuple[str, int], None]] = field(default_factory=dict)

    def add(self, reps: Mapping[str, Rep], a: Params, b: Params) -> None:
        """Take in a batch: the values of both models, by name."""
        for name, rep in reps.items():
            for k, block in enumerate(rep.blocks):
                moving = _moving(block)
                if moving:
                    pair = torch.cat([_rows(block, moving, of[name]) for of in (a, b)])
                    self._enter((name, k), tuple(block.factors[d] for d in moving), pair)

    def _enter(self, key: tuple[str, int], factors: Factors, pair: Tensor) -> None:
        if key not in self.places:
            # Sums are taken about the first batch's mean: a large mean would eat their digits.
            size = float(pair[: len(pair) // 2].double().square().sum())
            origin = pair.mean(1, keepdim=True)
            total = torch.zeros(len(pair), dtype=torch.float64)
            self.places[key] = Place(origin, 1 / size if size else 0.0, total)
        place = self.places[key]
        shifted = pair - place.origin
        place.total += shifted.sum(1).double()
        place.samples += pair.shape[1]
        moment = (shifted @ shifted.mT).double() * place.weight
        self.joint[factors] = self.joint[factors] + moment if factors in self.joint else moment
        self.members.setdefault(factors, {})[key] = None

    def covariance(self, factors: Factors) -> Tensor:
        """The centred joint moment of one kind of place."""
        out = self.joint[factors].clone()
        for key in self.members[factors]:
            place = self.places[key]
            out -= torch.outer(place.total, place.total) * (place.weight / place.samples)
        return out

    def standins(self) -> tuple[Symmetry, Params, Params]:
        """Two sets of stand-ins for all samples, with the same centred moments, and how they move.

        A tensor is ``(units, 2 units)``.
        """
        reps: dict[str, Rep] = {}
        one: Params = {}
        two: Params = {}
        for number, factors in enumerate(self.joint):
            rows = factor(self.covariance(factors))
            name, units = f"pool {number}", len(rows) // 2
            reps[name] = Rep.of([factors, (Factor(len(rows)),)])
            one[name], two[name] = rows[:units], rows[units:]
        return Symmetry(self.symmetry.spaces, reps), one, two

    def seen(self, space: str) -> tuple[frozenset[int], frozenset[int]]:
        """The families of scales and of signs of a space that some place feels."""
        felt = [f.character for fs in self.joint for f in fs if f.space == space]
        scales = frozenset(k for c in felt for k, e in enumerate(c.scales) if e)
        return scales, frozenset(k for c in felt for k, e in enumerate(c.flips) if e % 2)

    @property
    def spaces(self) -> frozenset[str]:
        """The spaces of which anything is seen."""
        return frozenset(str(f.space) for factors in self.joint for f in factors)


def _moving(block: Block) -> list[int]:
    """The dimensions on which spaces act; none where there is none, or too many units in all."""
    moving = [d for d, factor in enumerate(block.factors) if factor.space is not None]
    units = math.prod(block.factors[d].size for d in moving)
    return moving if units <= LARGEST else []


def _rows(block: Block, moving: list[int], value: Tensor) -> Tensor:
    """``(units, samples)``: all else that a value has counts as samples."""
    x = block.read(value).movedim(moving, list(range(len(moving))))
    return x.reshape(math.prod(x.shape[: len(moving)]), -1)

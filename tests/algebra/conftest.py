"""The groups that every law is tested on, and how to compare their elements."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from isthmus.algebra.groups import (
    Character,
    GeneralLinear,
    Group,
    Lattice,
    MeanOrthogonal,
    Monomial,
    Orthogonal,
    Permutation,
    PlaneRotation,
    PositiveScaling,
    SignedPermutation,
    Translation,
    Trivial,
    Wreath,
)

INSTANCES: tuple[Group, ...] = (
    Trivial(3),
    Permutation(4),
    SignedPermutation(3),
    SignedPermutation(2, flips=2),
    SignedPermutation(3, swaps=False),
    PositiveScaling(3),
    PositiveScaling(3, scales=2),
    Monomial(3),
    Monomial(3, flips=1),
    Monomial(3, scales=2, flips=2),
    Monomial(3, scales=1, flips=1, swaps=False),
    Monomial(2, scales=3),
    Orthogonal(1),
    Orthogonal(3),
    Orthogonal(4),
    MeanOrthogonal(3),
    MeanOrthogonal(4),
    PlaneRotation(),
    Translation(1),
    Translation(4),
    Lattice(1),
    Lattice(4),
    GeneralLinear(1),
    GeneralLinear(3),
    Wreath(Permutation(2), 3),
    Wreath(Orthogonal(2), 2),
    Wreath(GeneralLinear(2), 3),
    Wreath(Monomial(2, scales=2, flips=1), 2),
    Wreath(Wreath(Monomial(2), 2), 2),
)


@pytest.fixture(scope="session", params=INSTANCES, ids=str)
def group(request: pytest.FixtureRequest) -> Group:
    """Every group in turn."""
    return request.param


@pytest.fixture(scope="session")
def tools() -> type[Tools]:
    """What the law tests share."""
    return Tools


class Tools:
    """Comparing, sampling and picking elements."""

    instances = INSTANCES

    @staticmethod
    def rng(seed: int) -> torch.Generator:
        """A generator."""
        return torch.Generator().manual_seed(seed)

    @staticmethod
    def characters(group: Group) -> list[Character]:
        """Natural, dual, blind, and each family of scales and signs by itself, also squared."""
        natural = group.natural
        found = [natural, natural.inverse()]
        scales, flips = len(natural.scales), len(natural.flips)
        for k in range(scales):
            unit = tuple(int(j == k) for j in range(scales))
            for power in (1, 2, -1):
                found.append(Character(False, tuple(power * u for u in unit), (0,) * flips))
        for k in range(flips):
            found.append(Character(False, (0,) * scales, tuple(int(j == k) for j in range(flips))))
        if scales or flips:
            found.append(Character(False, (0,) * scales, (0,) * flips))
        return found

    @classmethod
    def matrices(cls, group: Group, g: Any) -> Tensor:
        """All matrices of an element, (characters, *batch, n, n): together they are faithful."""
        found = [group.matrix(g, character) for character in cls.characters(group)]
        return torch.stack(found)

    @classmethod
    def gap(cls, group: Group, g: Any, h: Any) -> float:
        """The largest difference of two elements in any matrix."""
        return float((cls.matrices(group, g) - cls.matrices(group, h)).abs().max())

    @staticmethod
    def pick(group: Group, g: Any, *index: int) -> Any:
        """One element of a batch."""
        return group.reindex(g, lambda part: part[index])

"""Connectors through the symmetry: across to the other's orbit, and home along it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor

from isthmus.alignment import Alignment, Matcher, WeightMatching, align
from isthmus.ground import BadInput, Disconnected, Params, norm
from isthmus.landscape import AbstractPath, OrbitPath
from isthmus.topology.census.connectors.connector import AbstractConnector, Straight
from isthmus.topology.census.terrain import Terrain

_EXACT, _SINGLE = 1e-8, 1e-5
"""How near an aligned model is to one of the same orbit, relative: in float64, and in less."""


@final
@dataclass(frozen=True)
class Aligned(AbstractConnector):
    """From a to g·b, the point of b's orbit that is nearest, and home to b along the orbit.

    The way home is exactly flat. It is continuous where g is in the identity component of the
    group; else it ends in a declared jump, by the discrete part of g, and the two are joined up to
    symmetry only. Where a is on the orbit itself there is nothing to cross, and the path is all on
    the orbit (`Crossing.one_orbit`).

    Args:
        between: How a and g·b are joined.
        method: How g is searched for.
    """

    between: AbstractConnector = field(default_factory=Straight)
    method: Matcher = field(default_factory=WeightMatching)

    @property
    def name(self) -> str:
        """That of ``between``, aligned."""
        return "aligned" if self.between == Straight() else f"aligned {self.between.name}"

    def path(
        self, a: Mapping[str, Tensor], b: Mapping[str, Tensor], terrain: Terrain
    ) -> AbstractPath:
        """From a to g·b to b.

        Raises:
            BadInput: No symmetry is given.
            Disconnected: As ``between``.
        """
        fit, home = _met(a, b, terrain, self)
        if _same(a, fit):
            return home
        return self.between.path(a, fit.params, terrain).then(home)


@final
@dataclass(frozen=True)
class SameOrbit(AbstractConnector):
    """The exact test whether b is a in other coordinates: the way along their one orbit.

    It is in parameter space where the element that moves the one to the other is in the identity
    component, else up to symmetry.

    Args:
        method: How the element is searched for. What it does not find is not there for the census.
    """

    method: Matcher = field(default_factory=WeightMatching)
    name = "orbit"

    def path(
        self, a: Mapping[str, Tensor], b: Mapping[str, Tensor], terrain: Terrain
    ) -> AbstractPath:
        """Along the orbit from a to b.

        Raises:
            BadInput: No symmetry is given.
            Disconnected: They are on two orbits, as far as the method finds.
        """
        fit, home = _met(a, b, terrain, self)
        if not _same(a, fit):
            raise Disconnected(
                f"not seen to be on one orbit: distance {fit.after:.3g} after alignment",
                "give a connector that leaves the orbit, as Aligned()",
            )
        return home


def _met(
    a: Mapping[str, Tensor],
    b: Mapping[str, Tensor],
    terrain: Terrain,
    connector: Aligned | SameOrbit,
) -> tuple[Alignment, AbstractPath]:
    """b moved to a, and the way back from there."""
    if terrain.symmetry is None:
        raise BadInput(
            f"connector {connector.name!r} needs a symmetry, and none is given",
            "give symmetry=isthmus.discover(model, example)",
        )
    fit = align(b, to=a, symmetry=terrain.symmetry, method=connector.method, seed=terrain.seed)
    return fit, OrbitPath(terrain.symmetry, fit.element, b).reversed()


def _same(a: Mapping[str, Tensor], fit: Alignment) -> bool:
    """Whether the aligned model is a, to the precision of its numbers."""
    return fit.after <= _precision(fit.params) * norm(a)


def _precision(params: Params) -> float:
    kinds = {tensor.dtype for tensor in params.values() if tensor.is_floating_point()}
    return _EXACT if kinds <= {torch.float64} else _SINGLE

"""OrbitTangent: the directions in which the function stays as it is, on every input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor

from isthmus.algebra import Symmetry
from isthmus.algebra.orbits import Orbit
from isthmus.ground import Params
from isthmus.landscape.tuning.flat import FlatDirections


@final
@dataclass(frozen=True, eq=False)
class OrbitTangent(FlatDirections):
    """The tangent of the orbit: flat for every task at once, so that no task can be learned there.

    The gradient of any loss has no part in it. It is what steps of momentum, weight decay or Adam
    waste, and what a distance between parameters should not count.

    Attributes:
        shapes: Of the parameters, by name.
        basis: ``(free, parameters)`` in float64, orthonormal rows.
    """

    shapes: Mapping[str, torch.Size] = field(repr=False, metadata={"json": False})
    basis: Tensor = field(repr=False, metadata={"json": False})

    @classmethod
    def of(cls, symmetry: Symmetry, params: Mapping[str, Tensor]) -> OrbitTangent:
        """At ``params``; takes memory for dimension times parameters.

        Raises:
            UnknownName, ShapeMismatch: The params are not of this symmetry's model.
        """
        symmetry.check(params)
        shapes = {n: t.shape for n, t in params.items() if t.is_floating_point()}
        tangent = Orbit(symmetry, params).tangent()
        turned, sizes, _ = torch.linalg.svd(tangent.T, full_matrices=False)
        kept = int((sizes > 1e-10 * sizes.max()).sum()) if len(sizes) else 0
        return cls(shapes, turned.T[:kept].contiguous())

    @property
    def free(self) -> int:
        """The dimension of the orbit."""
        return len(self.basis)

    @property
    def width(self) -> int:
        """The number of parameters."""
        return self.basis.shape[1]

    def project(self, vector: Mapping[str, Tensor]) -> Params:
        """The part along the orbit."""
        parts = [
            vector[n].flatten().to(self.basis) if n in vector else self.basis.new_zeros(s.numel())
            for n, s in self.shapes.items()
        ]
        inside = (self.basis @ torch.cat(parts)) @ self.basis
        found = dict(
            zip(
                self.shapes,
                torch.split(inside, [s.numel() for s in self.shapes.values()]),
                strict=True,
            )
        )
        return {n: found[n].view_as(t).to(t) if n in found else t for n, t in vector.items()}

"""Steering: a change of a group element in numbers that a gradient can turn.

Permutations and signs follow latent weights: what acts is the element that brings the moved model
nearest to them, and the gradient passes straight through (Bengio et al. 2013), as if the moved
model were the latent one (Ainsworth et al. 2023, section 3.3). Whatever is continuous (rotations,
planes, shears, scales, shifts) moves by exponentials from where it stands, so a step is a step on
the group, and its gradient a tangent.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from isthmus.algebra.elements import Element
from isthmus.algebra.groups import AbstractRotation, Group, Value
from isthmus.algebra.groups.matrix import AbstractMatrix
from isthmus.algebra.symmetry import Params, Symmetry
from isthmus.alignment.soft.overlap import Overlap


class Steering:
    """A change of all spaces, after an element.

    Attributes:
        latent: for each parameter that permutations and signs move, weights to follow; they begin
            halfway between both models.
        tangent: for each space with a continuous part, ``(*batch, lie_dim)``, zero between steps.
    """

    def __init__(self, symmetry: Symmetry, moved: Mapping[str, Tensor], overlap: Overlap) -> None:
        """At no change of ``moved``; ``overlap`` is that of the problem at the element."""
        self.symmetry, self.moved, self._overlap = symmetry, moved, overlap
        self.latent = {
            name: a.lerp(overlap.b[name], 0.5).requires_grad_() for name, a in overlap.a.items()
        }
        self.tangent = {
            name: torch.zeros(*symmetry.batch(name), lie_dim, dtype=torch.float64).requires_grad_()
            for name, space in symmetry.spaces.items()
            if (lie_dim := space.group.lie_dim)
        }
        self._moves = {n: k.group.identity(k.batch) for n, k in overlap.kinds.items()}
        self._held = dict(symmetry.identity().values)

    def coordinates(self) -> Params:
        """Those of the moved model, changed; gradients reach the latent weights and tangents."""
        values = {name: self._moving(name) for name in self.tangent}
        out: Params = {}
        for name, x in self.moved.items():
            y = self.symmetry.act_on(name, self._moves, x)
            if name in self.latent:
                y = y + (self.latent[name] - self.latent[name].detach()).to(y.dtype)
            out[name] = self.symmetry.act_on(name, values, y)
        return out

    def _moving(self, name: str) -> Value:
        group, tangent, held = self._group(name), self.tangent[name], self._held[name]
        if isinstance(group, AbstractMatrix):
            # To first order, which is all that a gradient at zero sees, and costs no exponential.
            return held + group.generator(tangent) @ held
        return group.compose(group.exp(tangent), held)

    def _group(self, name: str) -> Group:
        return self.symmetry.spaces[name].group

    def change(self) -> Element:
        """The element that the steering stands for."""
        values: dict[str, Value] = {}
        for name, held in self._held.items():
            group, moves = self._group(name), self._moves.get(name)
            # Products of rotations drift away from the group by rounding.
            exact = group.nearest(held) if isinstance(group, AbstractRotation) else held
            values[name] = exact if moves is None else group.compose(exact, moves)
        return Element(self.symmetry, values)

    @torch.no_grad()
    def settle(self) -> None:
        """After a step: permutations follow the latent weights, tangents are taken in."""
        overlap = self._overlap.toward(self.latent)
        for name, kind in overlap.kinds.items():
            self._moves[name] = kind.best(overlap.slope(name, self._moves))
        for name, tangent in self.tangent.items():
            group = self._group(name)
            self._held[name] = group.compose(group.exp(tangent), self._held[name])
            tangent.zero_()

"""Measure: finitely many atoms with masses, up to the signs that an atom may have."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from isthmus.ground.errors import BadInput, NotFinite, ShapeMismatch
from isthmus.ground.results import Result


@dataclass(frozen=True, eq=False)
class Measure(Result):
    """An empirical measure; all numbers float64.

    Attributes:
        atoms: one row for each, ``(n, d)``.
        masses: of the atoms, ``(n,)``, not negative, of sum 1; all equal where none are given.
        signs: what an atom may be multiplied with and count as the same: rows of ±1,
            ``(choices, d)``, of which the first is all 1. A unit behind an odd function has two.

    Raises:
        BadInput: there are no atoms, or a mass is negative or their sum is 0.
        NotFinite: an atom or a mass is NaN or infinite.
        ShapeMismatch: atoms are no matrix, or masses or signs do not go with them.
    """

    atoms: Tensor = field(metadata={"json": False})
    masses: Tensor = field(default_factory=lambda: torch.empty(0), metadata={"json": False})
    signs: Tensor = field(default_factory=lambda: torch.empty(0), metadata={"json": False})

    def __post_init__(self) -> None:
        atoms = self.atoms.detach().double()
        if atoms.dim() != 2:
            raise ShapeMismatch(f"atoms of shape {tuple(atoms.shape)}", "give one row for each")
        n, d = atoms.shape
        if not n:
            raise BadInput("a measure without atoms", "give at least one row")
        masses = self.masses.double() if self.masses.numel() else torch.ones(n).double()
        signs = self.signs.double() if self.signs.numel() else torch.ones(1, d).double()
        for word, tensor, shape in (("masses", masses, (n,)), ("signs", signs, (len(signs), d))):
            if tensor.shape != shape:
                raise ShapeMismatch(
                    f"{word} of shape {tuple(tensor.shape)} for atoms of shape {(n, d)}",
                    f"{word} of shape {shape} go with them",
                )
        if not bool(torch.isfinite(atoms).all() and torch.isfinite(masses).all()):
            raise NotFinite("an atom or a mass is NaN or infinite", "give finite numbers")
        if bool((masses < 0).any()) or not float(masses.sum()):
            raise BadInput("a mass is negative, or all are 0", "give masses of positive sum")
        for name, value in (("atoms", atoms), ("masses", masses / masses.sum()), ("signs", signs)):
            object.__setattr__(self, name, value)

    def __len__(self) -> int:
        return len(self.atoms)

    @property
    def dimension(self) -> int:
        """Of the space in which the atoms lie."""
        return self.atoms.shape[1]

    @property
    def uniform(self) -> bool:
        """Whether all masses are equal, to rounding."""
        return bool(self.masses.max() - self.masses.min() <= 1e-12 * self.masses.max())

    def some(self, index: Tensor) -> Measure:
        """The measure of some atoms, with their masses."""
        return Measure(self.atoms[index], self.masses[index], self.signs)

    def distinct(self) -> Measure:
        """The different atoms, each of the same mass: dead units, say, count once."""
        return Measure(torch.unique(self.atoms, dim=0), signs=self.signs)

    def to_json(self) -> dict[str, Any]:
        """Its sizes; atoms are tensors, and stay out."""
        return {"atoms": len(self), "dimension": self.dimension, "signs": len(self.signs)}

    def __str__(self) -> str:
        signs = "" if len(self.signs) == 1 else f", up to {len(self.signs)} signs"
        return f"{len(self)} atoms in {self.dimension} dimensions{signs}"


def squared_distances(one: Measure, other: Measure) -> Tensor:
    """``(n, m)``: the squared Euclidean distance of each pair, at the sign at which it is least.

    Differences are squared and summed as they are, so that equal atoms are at distance 0.

    Raises:
        ShapeMismatch: the atoms have other numbers of coordinates, or other signs.
    """
    if one.signs.shape != other.signs.shape or not torch.equal(one.signs, other.signs):
        raise ShapeMismatch(
            f"one measure has {one}, the other {other}",
            "compare measures of one space of models that are equally wide before it",
        )
    exact = "donot_use_mm_for_euclid_dist"
    found = [torch.cdist(one.atoms, s * other.atoms, compute_mode=exact) for s in one.signs]
    return torch.stack(found).amin(0).square()

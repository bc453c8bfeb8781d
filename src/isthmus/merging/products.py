"""ProductAverage: factors are merged by their products, which no change of basis alters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor
from torch.nn.functional import pad

from isthmus.algebra import Symmetry
from isthmus.algebra.groups import GeneralLinear
from isthmus.algebra.reps import Block
from isthmus.ground import BadInput, Params, double, matrices
from isthmus.merging.average import Average
from isthmus.merging.mergers import AbstractMerger

Place = tuple[str, Block, int]
"""A parameter, one of its blocks, and the factor of the block at which a space acts."""


@final
@dataclass(frozen=True, eq=False)
class ProductAverage(AbstractMerger):
    """Low-rank factors, such as adapters, merged by the mean of their products.

    An adapter ``ΔW = BA`` of rank r is the same for all ``(B g⁻¹, g A)``, so a mean of factors
    means nothing unless they are aligned, and is then still not the mean of what they do. Here, for
    each space with all of GL(r), the products ``BᵢAᵢ`` are averaged, and the nearest matrix of
    rank r (Eckart and Young 1936) is split evenly: ``B = U√S``, ``A = √S Vᵀ``. What the merged
    adapter does is the same wherever on their orbits under these groups the models were.

    Spaces are found through the symmetry, so queries and keys of heads are merged in this way too,
    with their biases, each head with that of its number. Of two such spaces that act on one
    parameter the smaller has its products averaged. All else is averaged in the gauge, and what no
    output depends on is the first model's; so other spaces are to be aligned before.

    Args:
        symmetry: Of the architecture.
        weights: One number per model, as in `isthmus.Average`.

    Raises:
        BadInput: The symmetry has no space with products; on a call, as `isthmus.Average`.
        UnknownName, ShapeMismatch: On a call: a model is not of the symmetry.
    """

    symmetry: Symmetry = field(repr=False)
    weights: Sequence[float] | None = None

    def __post_init__(self) -> None:
        Average(self.weights)
        if not self.factored():
            raise BadInput(
                "no space of the symmetry has two factors that any change of basis leaves equal",
                "give the symmetry of a model with adapters or attention, or use Average",
            )

    def __call__(self, models: Sequence[Mapping[str, Tensor]]) -> Params:
        """The merged Params."""
        for model in models:
            self.symmetry.check(model)
        each = [self.symmetry.coordinates(double(model)) for model in models]
        mean = Average(self.weights)(each)
        reps = self.symmetry.essential.reps
        merged = {n: t.clone() if n in reps else each[0][n] for n, t in mean.items()}
        shares = torch.tensor(self.weights or [1.0] * len(models), dtype=torch.float64)
        for name, sides in self.factored().items():
            written, read = (
                [torch.cat([_rows(one[p[0]], p, self._over(name, p)) for p in side], -1)
                 for one in each]
                for side in sides
            )  # fmt: skip
            first = [w * x for w, x in zip(shares / shares.sum(), written, strict=True)]
            for side, rows in zip(sides, _split(first, read), strict=True):
                self._write(name, side, rows, merged)
        return self.symmetry.parameters(merged, models[0])

    def factored(self) -> dict[str, tuple[list[Place], list[Place]]]:
        """The spaces that are merged by products: where each is written, and where it is read."""
        core = self.symmetry.essential
        spaces = [s for s in core.spaces.values() if isinstance(s.group, GeneralLinear)]
        found: dict[str, tuple[list[Place], list[Place]]] = {}
        taken: set[int] = set()
        for space in sorted(spaces, key=lambda one: one.size):
            places = core.occurrences(space.name)
            blocks = {id(block) for _, block, _ in places}
            read = [p for p in places if p[1].factors[p[2]].character.dual]
            written = [p for p in places if p not in read]
            if read and written and len(blocks) == len(places) and not blocks & taken:
                found[space.name] = (written, read)
                taken |= blocks
        return found

    def _over(self, name: str, place: Place) -> list[int]:
        """The dimensions of a block that index a space."""
        at = {f.space: d for d, f in enumerate(place[1].factors)}
        return [at[outer] for outer in self.symmetry.spaces[name].over]

    def _write(self, name: str, side: Sequence[Place], rows: Tensor, out: Params) -> None:
        """Rows ``(*over, n, features)`` put back where they came from."""
        for place in side:
            parameter, block, dim = place
            front = [*self._over(name, place), dim]
            shape = [size for d, size in enumerate(block.shape) if d not in front]
            count = torch.Size(shape).numel()
            part, rows = rows[..., :count], rows[..., count:]
            part = part.reshape(*part.shape[:-1], *shape)
            block.write(out[parameter], part.movedim(list(range(len(front))), front))


def _rows(tensor: Tensor, place: Place, over: list[int]) -> Tensor:
    """``(*over, n, features)``: one row per coordinate of the space."""
    _, block, dim = place
    front = [*over, dim]
    x = block.read(tensor).movedim(front, list(range(len(front))))
    return x.reshape(*x.shape[: len(front)], -1)


def _split(first: Sequence[Tensor], second: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Factors of n rows whose product is nearest to ``Σ firstᵢᵀ secondᵢ``, equally long.

    The sum itself, as wide as the layer, is never formed: it has rank ``n · len(first)`` at most.
    """
    size = first[0].shape[-2]
    (left, one), (right, two) = (
        matrices.triangular(torch.cat(list(side), -2).mT) for side in (first, second)
    )
    u, s, v = matrices.singular(one @ two.mT)
    kept = min(size, s.shape[-1])
    roots = s[..., :kept].sqrt().unsqueeze(-1)
    rows = [roots * (basis @ turn[..., :kept]).mT for basis, turn in ((left, u), (right, v.mT))]
    return pad(rows[0], (0, 0, 0, size - kept)), pad(rows[1], (0, 0, 0, size - kept))

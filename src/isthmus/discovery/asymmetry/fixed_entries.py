"""FixedEntries: a weight of which some entries are constants, others in every row."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from isthmus.ground import BadInput, ShapeMismatch


class FixedEntries(nn.Module):
    """``W' = M * W + (1 - M) * F``: a parametrization that keeps W where the mask M is 1.

    Two rows whose masks differ cannot change places: the one would need a constant where the other
    has a free number. Only the free entries are parameters, ``(rows, free entries of a row)``; M
    and F belong to the architecture, and are in no state dict.

    Source: Lim et al. 2024, W-asymmetric networks.

    Args:
        mask: Where entries are free, boolean, of the weight's shape; its first axis counts the
            rows. Every row has as many free entries as any other, and no two have the same.
        constants: F, of the same shape; only its entries outside the mask are used.

    Raises:
        BadInput: Two rows of the mask are equal, or one has more free entries than another, or
            all or none are free.
        ShapeMismatch: The constants have another shape than the mask.
    """

    places: Tensor
    constants: Tensor

    def __init__(self, mask: Tensor, constants: Tensor) -> None:
        super().__init__()
        if mask.shape != constants.shape:
            raise ShapeMismatch(
                f"the constants have shape {tuple(constants.shape)}, the mask {tuple(mask.shape)}",
                "give both in the weight's shape",
            )
        rows = mask.bool().flatten(1)
        _check(rows)
        self.shape = mask.shape
        places = rows.nonzero()[:, 1].view(len(rows), -1)
        self.register_buffer("places", places, persistent=False)
        self.register_buffer("constants", constants.flatten(1).clone(), persistent=False)

    def forward(self, free: Tensor) -> Tensor:
        """The whole weight, from its free entries."""
        return self.constants.scatter(1, self.places, free).view(self.shape)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """The free entries of a weight."""
        return weight.flatten(1).gather(1, self.places)

    @classmethod
    def drawn(
        cls, shape: torch.Size, fixed: int, spread: float, generator: torch.Generator
    ) -> FixedEntries:
        """A random mask with ``fixed`` entries out of every row, and Gaussian constants.

        Raises:
            BadInput: There are more rows than such masks.
        """
        rows, width = shape[0], shape[1:].numel()
        if not 0 < fixed < width or math.comb(width, fixed) < rows:
            raise BadInput(
                f"{rows} rows of {width} entries cannot each have {fixed} fixed at places of their "
                "own",
                "fix another share, or name only the layers that are wide enough (layers)",
            )
        mask = torch.ones(rows, width, dtype=torch.bool)
        again = torch.arange(rows)
        while len(again):
            drawn = torch.rand(len(again), width, generator=generator).argsort(1)[:, :fixed]
            mask[again] = torch.ones(len(again), width, dtype=torch.bool).scatter(1, drawn, False)
            again = _repeated(mask)
        constants = spread * torch.randn(rows, width, generator=generator)
        return cls(mask.view(shape), constants.view(shape))


def _check(rows: Tensor) -> None:
    free = rows.sum(1)
    if int(free.min()) != int(free.max()):
        raise BadInput(
            f"rows of the mask have {int(free.min())} to {int(free.max())} free entries",
            "leave as many free in every row",
        )
    if int(free[0]) in (0, rows.shape[1]):
        raise BadInput(
            f"{int(free[0])} of {rows.shape[1]} entries of every row are free",
            "fix some of them, and leave some free",
        )
    again = _repeated(rows)
    if len(again):
        twin = int((rows == rows[again[0]]).all(1).int().argmax())
        raise BadInput(
            f"rows {twin} and {int(again[0])} of the mask are equal: their units can change places",
            "give every row a mask of its own",
        )


def _repeated(rows: Tensor) -> Tensor:
    """The rows that an earlier one equals."""
    _, group = torch.unique(rows, dim=0, return_inverse=True)
    order = torch.argsort(group, stable=True)
    same = group[order][1:] == group[order][:-1]
    return order[1:][same].sort().values

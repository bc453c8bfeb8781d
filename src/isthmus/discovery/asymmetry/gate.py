"""FiGLU: an activation that no permutation commutes with."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from isthmus.ground import BadInput


class FiGLU(nn.Module):
    """``x * sigmoid(F x)`` with a fixed Gaussian matrix F: the σ-asymmetry of Lim et al. 2024.

    F mixes the units, so that no relabelling of them is a symmetry. It belongs to the architecture
    and is in no state dict: networks are compared that have the same F, made from the same seed.

    Args:
        features: Units.
        axis: Of the input that counts them: -1 after a linear layer, 1 for channels.
        spread: Standard deviation of the entries of F.
        seed: Of F.

    Raises:
        BadInput: Where it is run: the input has another number of units.
    """

    mix: Tensor

    def __init__(
        self, features: int, axis: int = -1, *, spread: float = 1.0, seed: int = 0
    ) -> None:
        super().__init__()
        self.axis = axis
        drawn = torch.randn(features, features, generator=torch.Generator().manual_seed(seed))
        self.register_buffer("mix", spread * drawn, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        if x.shape[self.axis] != len(self.mix):
            raise BadInput(
                f"FiGLU was made for {len(self.mix)} units and is given {x.shape[self.axis]}",
                "give it the number of units, and the axis that counts them",
            )
        mixed = torch.nn.functional.linear(x.movedim(self.axis, -1), self.mix)
        return x * torch.sigmoid(mixed).movedim(-1, self.axis)

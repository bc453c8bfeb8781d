"""How data are spread over clients that see different things."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from isthmus.ground import BadInput


def label_skewed(y: Tensor, clients: int, alpha: float = 0.5, seed: int = 0) -> list[Tensor]:
    """The samples of each client, where classes are spread unevenly (Hsu et al. 2019).

    For each class the shares of the clients are drawn from a Dirichlet distribution: the smaller
    its concentration, the fewer classes a client sees. Every sample is given once.

    Args:
        y: Class of each sample, ``(samples,)``.
        clients: How many.
        alpha: The concentration.
        seed: Fixes the shares and the order.

    Returns:
        Numbers of samples, ascending, for each client.

    Raises:
        BadInput: ``clients`` or ``alpha`` is not positive, or a client would get nothing.
    """
    if clients < 1 or not alpha > 0:
        raise BadInput(
            f"{clients} clients with concentration {alpha}", "give positive numbers, as 10 and 0.5"
        )
    generator = np.random.default_rng(seed)
    parts: list[list[Tensor]] = [[] for _ in range(clients)]
    for label in sorted(set(y.tolist())):
        held = (y == label).nonzero().flatten()
        held = held[torch.from_numpy(generator.permutation(len(held)))]
        shares = generator.dirichlet([alpha] * clients)
        ends = np.round(np.cumsum(shares)[:-1] * len(held)).astype(int).tolist()
        for part, rows in zip(parts, held.tensor_split(ends), strict=True):
            part.append(rows)
    found = [torch.cat(part).sort().values for part in parts]
    if not all(len(rows) for rows in found):
        raise BadInput(
            f"a client of {clients} would get none of {len(y)} samples",
            "take fewer clients, more samples, or a larger alpha",
        )
    return found

"""Git Re-Basin, weight matching (Ainsworth, Hayase and Srinivasa 2023, Algorithm 1)."""

from __future__ import annotations

import torch

from field.models import Axes, Matrices, Params, best, permuted, places, rows, sizes


def weight_matching(a: Params, b: Params, axes: Axes, *, seed: int = 0) -> Matrices:
    """Coordinate descent: one permutation after another by assignment, in random order.

    It ends after a pass in which none gains more than 1e-12.
    """
    generator = torch.Generator().manual_seed(seed)
    where = places(axes)
    perms = {perm: torch.arange(n) for perm, n in sizes(axes, a).items()}
    fixed = {(name, axis): rows(a[name], axis) for of in where.values() for name, axis in of}
    names, gained = list(where), True
    while gained:
        gained = False
        for k in torch.randperm(len(names), generator=generator).tolist():
            perm = names[k]
            score = torch.zeros(len(perms[perm]), len(perms[perm]))
            for name, axis in where[perm]:
                moved = rows(permuted(b, axes, perms, name, but=axis), axis)
                score.addmm_(fixed[name, axis], moved.T)
            found = best(score)
            before, after = (
                score.gather(1, p.unsqueeze(1)).double().sum() for p in (perms[perm], found)
            )
            gained = gained or bool(after > before + 1e-12)
            perms[perm] = found
    return perms

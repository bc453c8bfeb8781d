"""Grouping: the units of two models merged greedily, the most alike first (Stoica et al. 2024)."""

from __future__ import annotations

import torch
from torch import Tensor

from isthmus.ground.assignment import assignment


def correlation(covariance: Tensor) -> Tensor:
    """``(*batch, n, n)`` from a covariance; a unit that never changes correlates with none."""
    size = covariance.diagonal(dim1=-2, dim2=-1).clamp_min(0).sqrt()
    back = torch.where(size > 1e-12 * size.amax(-1, keepdim=True), 1 / size.clamp_min(1e-300), 0.0)
    return back.unsqueeze(-1) * covariance * back.unsqueeze(-2)


def zipped(alike: Tensor, into: int, within: float, again: float) -> tuple[Tensor, Tensor]:
    """Which units each of ``into`` groups holds.

    Args:
        alike: Correlations of the units of both models, ``(2n, 2n)``.
        into: How many groups are left in the end, from n to 2n.
        within: The share of the n units of each model that may be spent on merges within it.
        again: The factor on correlations of what was merged already; 0 merges nothing twice.

    Returns:
        Two tensors of zeros and ones, ``(into, n)``; groups in the order of their first unit.
    """
    units = len(alike) // 2
    greedy = _Greedy(alike, within * units, again)
    for _ in range(2 * units - into):
        greedy.merge()
    return _members(greedy.groups, units)


def paired(alike: Tensor, into: int) -> tuple[Tensor, Tensor]:
    """The pairing of the largest total correlation; the pairs least alike are kept apart.

    Args and returns are those of `zipped`: of n pairs, ``into - n`` are kept apart.
    """
    units = len(alike) // 2
    across = alike[:units, units:]
    partner = assignment(-across)
    worth = across[torch.arange(units), partner]
    apart = set(worth.argsort(stable=True)[: into - units].tolist())
    groups: list[list[int]] = []
    for k, j in enumerate(partner.tolist()):
        groups += [[k], [units + j]] if k in apart else [[k, units + j]]
    return _members(groups, units)


def _members(groups: list[list[int]], units: int) -> tuple[Tensor, Tensor]:
    out = torch.zeros(len(groups), 2 * units, dtype=torch.float64)
    for row, group in enumerate(sorted(groups, key=min)):
        out[row, group] = 1
    return out[:, :units].contiguous(), out[:, units:].contiguous()


class _Greedy:
    """Merges the two groups that are most alike, over and over.

    Only the largest entry of each row is looked at; rows that lose theirs are searched again.
    """

    def __init__(self, alike: Tensor, budget: float, again: float) -> None:
        self.total, self.again = len(alike), again
        self.alike = alike.clone().fill_diagonal_(-torch.inf)
        self.members: dict[int, list[int]] = {k: [k] for k in range(self.total)}
        first = torch.arange(self.total) < self.total // 2
        self.holds = torch.stack([first, ~first])
        self.budget = [budget, budget]
        self.done = torch.zeros(self.total, dtype=torch.bool)
        self._search(torch.arange(self.total))

    @property
    def groups(self) -> list[list[int]]:
        """Units, those of the second model counted on."""
        return list(self.members.values())

    def merge(self) -> None:
        """The next two."""
        if float(self.best.max()) == -torch.inf:
            # Only merges are left that were ruled out: fewer groups are wanted all the same.
            self.budget, self.done = [float(self.total)] * 2, torch.zeros_like(self.done)
            self._search(torch.arange(self.total))
        i = int(self.best.argmax())
        j = int(self.at[i])
        both = self.holds[:, i] & self.holds[:, j]
        had = self._open
        self.budget = [left - float(b) for left, b in zip(self.budget, both, strict=True)]
        self.members[i] += self.members.pop(j)
        self.holds[:, i] |= self.holds[:, j]
        row = torch.minimum(self.alike[i], self.alike[j])
        row[[i, j]] = -torch.inf
        row = torch.where(row.isinf(), row, row - (1 - self.again) * row.abs())
        self.alike[i], self.alike[:, i] = row, row
        self.alike[j], self.alike[:, j] = -torch.inf, -torch.inf
        self.done[i] = not self.again
        changed = (self.at == i) | (self.at == j)
        changed[[i, j]] = True
        every = torch.arange(self.total)
        self._search(every if had != self._open else every[changed], fresh=i)

    @property
    def _open(self) -> list[bool]:
        """Whether a model may still merge within itself."""
        return [left >= 1 for left in self.budget]

    def _search(self, rows: Tensor, fresh: int | None = None) -> None:
        """Find the best partner of these groups, and whether the new one is better for others."""
        if fresh is None:
            self.best = torch.full((self.total,), -torch.inf, dtype=torch.float64)
            self.at = torch.zeros(self.total, dtype=torch.long)
        self.best[rows], self.at[rows] = self._allowed(rows).max(1)
        if fresh is not None:
            values = self._allowed(torch.tensor([fresh]))[0]
            better = values > self.best
            self.best[better], self.at[better] = values[better], fresh

    def _allowed(self, rows: Tensor) -> Tensor:
        """Correlations, those ruled out at minus infinity."""
        out = self.alike[rows].clone()
        for holds, is_open in zip(self.holds, self._open, strict=True):
            if not is_open:
                out[holds[rows].unsqueeze(1) & holds] = -torch.inf
        out[self.done[rows]] = -torch.inf
        out[:, self.done] = -torch.inf
        return out

"""Permutations of hidden units that bring one chain of weights near another, with given signs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from isthmus.ground.assignment import assignment
from isthmus.topology.linear.fibre import Weights
from isthmus.topology.parity import parity_assignment, sign_of

Signs = Sequence[int | None]

TABLE = 600_000
"""So many pairs of permutations of neighbouring layers are tried; for more, layer by layer."""


@final
@dataclass(frozen=True)
class SignedMatch:
    """Permutations of the hidden layers, the distance they leave, and whether it is the least.

    Attributes:
        permutations: One index vector for each hidden layer: ``W_i → W_i[p_i][:, p_{i-1}]``.
        squared: ``‖a - P b‖²``.
        proved: Whether no other permutations of these signs leave less.
    """

    permutations: tuple[Tensor, ...]
    squared: float
    proved: bool


def permuted(weights: Sequence[Tensor], permutations: Sequence[Tensor]) -> Weights:
    """``(P_1 W_1, P_2 W_2 P_1⁻¹, …, W_L P_{L-1}⁻¹)``: the same product.

    Zhao et al. 2025, Proposition 5.2, has the inverses the other way round, which is for row
    vectors; on columns it changes the product.
    """
    moved = list(weights)
    for layer, p in enumerate(permutations):
        moved[layer], moved[layer + 1] = moved[layer][p], moved[layer + 1][:, p]
    return moved


@final
@dataclass(frozen=True, eq=False)
class Rearranged:
    """Weights of the same product, and what was done to their units.

    Attributes:
        weights: First layer first.
        done: By hidden layer, in words; empty where nothing was.
        proved: Whether no other permutations lead nearer.
    """

    weights: Weights
    done: tuple[str, ...]
    proved: bool


def rearranged(a: Sequence[Tensor], b: Sequence[Tensor], signs: Signs) -> Rearranged:
    """b with the units of its hidden layers permuted, by `signed_match`.

    A layer of one unit has no odd permutation: there the unit's sign is flipped.

    Args:
        a: The weights that b is to come near.
        b: Those whose units are moved.
        signs: For each hidden layer, by what the determinant of its frame is to be multiplied: +1,
            -1, or None where both will do.
    """
    flips = [sign == -1 and len(weight) == 1 for weight, sign in zip(b, signs, strict=False)]
    turned = list(b)
    for layer, flip in enumerate(flips):
        if flip:
            turned[layer], turned[layer + 1] = -turned[layer], -turned[layer + 1]
    rest = [None if flip else sign for flip, sign in zip(flips, signs, strict=True)]
    match = signed_match(a, turned, rest)
    done = []
    for p, flip in zip(match.permutations, flips, strict=True):
        count = int((p != torch.arange(len(p))).sum())
        moved = f"moves {count} of {len(p)} units" if count else ""
        done.append("flips the sign of its unit" if flip else moved)
    return Rearranged(permuted(turned, match.permutations), tuple(done), match.proved)


def signed_match(a: Sequence[Tensor], b: Sequence[Tensor], signs: Signs) -> SignedMatch:
    """The permutations of given signs after which b is nearest to a.

    Layer after layer of all permutations (dynamic programming along the chain) where they are few,
    which is proved best; else each layer in turn while the others rest, by `parity_assignment`,
    until nothing gets nearer.

    Args:
        a: The weights that stay.
        b: Those whose units are permuted.
        signs: For each hidden layer +1 or -1, or None where both will do.
    """
    sizes = [math.factorial(min(len(w), 20)) for w in a[:-1]]
    small = all(x * y <= TABLE for x, y in itertools.pairwise([1, *sizes, 1]))
    found = _by_table(a, b, signs) if small else _by_turns(a, b, signs)
    return SignedMatch(tuple(found), _squared(a, permuted(b, found)), small)


def _by_table(a: Sequence[Tensor], b: Sequence[Tensor], signs: Signs) -> list[Tensor]:
    """The best of all: overlaps add up along the chain."""
    outputs = torch.arange(len(a[-1])).unsqueeze(0)
    choices = [*(_all(len(w), sign) for w, sign in zip(a, signs, strict=False)), outputs]
    before, score = torch.arange(a[0].shape[1]).unsqueeze(0), torch.zeros(1, dtype=a[0].dtype)
    steps = []
    for x, y, here in zip(a, b, choices, strict=True):
        overlap = x.mT @ y[here]  # (choice, column of x, column of y)
        columns = torch.arange(x.shape[1])
        total = torch.stack([one[columns, before].sum(1) for one in overlap]) + score
        score, best = total.max(1)
        steps.append(best)
        before = here
    found: list[Tensor] = []
    at = 0
    for best, here in zip(steps[::-1], choices[::-1], strict=True):
        found.append(here[at])
        at = int(best[at])
    return found[:0:-1]


def _all(size: int, sign: int | None) -> Tensor:
    """All permutations of that sign, ``(count, size)``."""
    every = itertools.permutations(range(size))
    return torch.tensor([p for p in every if sign is None or sign_of(p) == sign])


def _by_turns(a: Sequence[Tensor], b: Sequence[Tensor], signs: Signs) -> list[Tensor]:
    """From the identity, each layer's best in turn; the signs are right after the first round."""
    found = [torch.arange(len(w)) for w in b[:-1]]
    least = math.inf
    while True:
        for layer, sign in enumerate(signs):
            found[layer] = _best_of_layer(a, b, found, layer, sign)
        squared = _squared(a, permuted(b, found))
        if squared >= least:
            return found
        least = squared


def _best_of_layer(
    a: Sequence[Tensor], b: Sequence[Tensor], found: Sequence[Tensor], layer: int, sign: int | None
) -> Tensor:
    """While the other layers rest; what there is stays where nothing is better."""
    rows = torch.arange(len(found[layer]))
    moved = permuted(b, [rows if k == layer else p for k, p in enumerate(found)])
    gain = a[layer] @ moved[layer].mT + a[layer + 1].mT @ moved[layer + 1]
    if sign is None:
        best = assignment(gain, maximise=True)
    else:
        best = parity_assignment(-gain, sign).permutation
    fits = sign is None or sign_of(found[layer]) == sign
    stays = fits and gain[rows, found[layer]].sum() >= gain[rows, best].sum()
    return found[layer] if stays else best


def _squared(a: Sequence[Tensor], b: Sequence[Tensor]) -> float:
    return sum(float((x - y).square().sum()) for x, y in zip(a, b, strict=True))

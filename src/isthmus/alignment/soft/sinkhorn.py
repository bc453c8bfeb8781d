"""Sinkhorn: permutations as limits of doubly stochastic matrices (after Peña et al. 2023).

`FrankWolfe` walks between vertices; here all matrices stay inside, positive everywhere, and grow
sharp as the steps grow. A step multiplies the entries by the exponential of the gradient of the
overlap and brings rows and columns back to sum 1 (mirror ascent with the entropy), in logarithms.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from isthmus.algebra.symmetry import Symmetry
from isthmus.alignment.matcher import Match
from isthmus.alignment.soft.climbing import refined
from isthmus.alignment.soft.overlap import Matrices, Overlap
from isthmus.alignment.soft.relaxed import SignedPermutations
from isthmus.alignment.weights import WeightMatching


@dataclass(frozen=True)
class Sinkhorn:
    """Maximise the overlap over doubly stochastic matrices of all spaces together, then descend.

    It starts from the answer of `WeightMatching`, moved most of the way to the mean of all
    permutations, and is never worse than that answer. Slower than `FrankWolfe`: every step needs
    dense products and the logarithms of all entries.

    Args:
        matching: gives the answer to start from, and the bounds of the descents.
        shares: for each round, the share of the best answer so far in the start; below 1.
        steps: of a round.
        temperatures: the first and the last; they fall geometrically. A step adds to the logarithms
            the gradient over its largest entry and over the temperature.
        normalisations: of rows and columns after a step.
    """

    matching: WeightMatching = field(default_factory=WeightMatching)
    shares: tuple[float, ...] = (0.02,)
    steps: int = 30
    temperatures: tuple[float, float] = (1.0, 0.1)
    normalisations: int = 5

    def __call__(
        self,
        a: Mapping[str, Tensor],
        b: Mapping[str, Tensor],
        symmetry: Symmetry,
        generator: torch.Generator,
    ) -> Match:
        """Search for the element; the objective never rises."""
        models = (a, b, symmetry, generator)
        return refined(models, self.matching, len(self.shares), self._climb)

    def _climb(self, overlap: Overlap, number: int) -> Matrices:
        logs = {n: spread_logs(kind, self.shares[number]) for n, kind in overlap.kinds.items()}
        matrices = {n: mixed(kind, logs[n]) for n, kind in overlap.kinds.items()}
        hot, cold = self.temperatures
        for step in range(self.steps):
            temperature = hot * (cold / hot) ** (step / max(self.steps - 1, 1))
            _, gradient = overlap.at(matrices)
            for name, kind in overlap.kinds.items():
                slope = torch.einsum("ce,e...->c...", kind.felt_signs, gradient[name])
                slope /= slope.abs().max().clamp_min(1e-30) * temperature
                logs[name] = normalised(logs[name] + slope, self.normalisations)
                matrices[name] = mixed(kind, logs[name])
        return matrices


def spread_logs(kind: SignedPermutations, share: float) -> Tensor:
    """Logarithms of weights of all pairs and signs, ``(choices, *batch, n, n)``.

    The identity has weight ``share`` more than the rest, which are equal. Where nothing is swapped
    there are no other pairs.
    """
    n, count = kind.group.size, len(kind.choices)
    eye = torch.eye(n)
    rest = torch.full((n, n), 1 / n) if kind.group.swaps else eye
    weights = ((1 - share) / count * rest).expand(count, *kind.batch, n, n).clone()
    weights[0] += share * eye
    return weights.log()


def mixed(kind: SignedPermutations, logs: Tensor) -> Tensor:
    """The relaxed value: what each parity feels of the mean over pairs and signs."""
    return torch.einsum("ce,c...->e...", kind.felt_signs, logs.exp())


def normalised(logs: Tensor, times: int) -> Tensor:
    """Rows and columns brought to sum 1 in turn, summed over the signs (Sinkhorn 1967)."""
    for _ in range(times):
        logs = logs - logs.logsumexp((0, -1), keepdim=True)
        logs = logs - logs.logsumexp((0, -2), keepdim=True)
    return logs

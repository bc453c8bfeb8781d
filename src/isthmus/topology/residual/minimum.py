"""The minimum of a linear residual network: blocks with a skip in series, and a last weight."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

import torch
from torch import Tensor

from isthmus.ground import BadInput, Certificate, ShapeMismatch, Verdict, matrices
from isthmus.landscape.paths import AbstractPath
from isthmus.topology.counts import ComponentCount, CountFactor, milnor_thom
from isthmus.topology.linear.fibre import Weights
from isthmus.topology.linear.permutations import rearranged
from isthmus.topology.linear.ways import nearest
from isthmus.topology.minima import RANK, AbstractMinimum, Label, Way
from isthmus.topology.residual.block import Block
from isthmus.topology.residual.paths import ResidualPath

THEOREM = (
    "the last weight follows from the blocks, each of which is any whose I ε + W_k ⋯ W_1 can be "
    "inverted: 1 + 2^(k-1) components for n = 1, 2 for n ≥ 2, 2^k where ε = 0 "
    "(Zhao et al. 2025, Proposition 4.3, for n = 1 and k = 2); blocks multiply (Proposition 3.5)"
)
BOUND = (
    "a real algebraic set of degree d in N variables has at most d (2 d - 1)^(N - 1) components "
    "(Milnor 1964; Thom 1965): the hypotheses of Zhao et al. 2025, Proposition 4.3, fail"
)


@final
@dataclass(frozen=True, eq=False)
class ResidualMinimum(AbstractMinimum):
    """All weights at which ``‖Y - U M_B ⋯ M_1 X‖²`` is least, ``M_b = W_k ⋯ W_1 + ε_b I``.

    All weights of the blocks are n × n, with n the features of the inputs.

    Args:
        blocks: Block after block, the names of its weights, first weight first.
        head: The name of U, ``(outputs, n)``.
        inputs: ``(samples, n)``.
        targets: ``(samples, outputs)``.
        skip: ε, one number for all blocks or one for each; 0 for a block without a skip.

    Raises:
        ShapeMismatch: The data do not fit one another.
        NotFinite: The data hold NaN or infinity.
        BadInput: There is no block or one without weights, a name occurs twice, or the skips are
            not finite or not as many as the blocks.
    """

    blocks: Sequence[Sequence[str]]
    head: str
    inputs: Tensor
    targets: Tensor
    skip: float | Sequence[float] = 1.0

    def __post_init__(self) -> None:
        names = [name for block in self.blocks for name in block]
        if not self.blocks or not all(self.blocks):
            raise BadInput("a block without weights, or no block", "name the weights of each block")
        if len({*names, self.head}) != len(names) + 1:
            raise BadInput("a weight is named twice", "name each weight once")
        if len(self._skips) != len(self.blocks):
            raise BadInput(
                f"{len(self._skips)} skips for {len(self.blocks)} blocks",
                "give one number for all, or one for each",
            )
        if not all(map(math.isfinite, self._skips)):
            raise BadInput(f"the skip is {self.skip}, no finite number", "give 1, or 0 for none")
        if self.inputs.dim() != 2 or self.targets.dim() != 2:
            raise ShapeMismatch("data that are no matrices", "give one row for each sample")
        self._check_data(self.inputs.shape[1], self.targets.shape[1])

    @property
    def size(self) -> int:
        """n."""
        return int(self.inputs.shape[1])

    @property
    def _skips(self) -> tuple[float, ...]:
        if isinstance(self.skip, Sequence):
            return tuple(map(float, self.skip))
        return (float(self.skip),) * len(self.blocks)

    @cached_property
    def parts(self) -> tuple[Block, ...]:
        """The blocks as what they are made of."""
        pairs = zip(self.blocks, self._skips, strict=True)
        return tuple(Block(self.size, len(names), skip) for names, skip in pairs)

    @property
    def shapes(self) -> Mapping[str, Sequence[int]]:
        """All weights."""
        square = {name: (self.size, self.size) for block in self.blocks for name in block}
        return {**square, self.head: (int(self.targets.shape[1]), self.size)}

    @property
    def least_loss(self) -> float:
        """What the inputs do not reach."""
        return float((self._columns[1] - self._approximation(self.size)).square().sum())

    def weights(self, params: Mapping[str, Tensor]) -> list[Weights]:
        """Those of the blocks, in order, in float64."""
        return [[params[name].double() for name in block] for block in self.blocks]

    def product(self, weights: Sequence[Weights]) -> Tensor:
        """``M_B ⋯ M_1``."""
        out = torch.eye(self.size, dtype=torch.float64)
        for part, block in zip(self.parts, weights, strict=True):
            out = part.matrix(block) @ out
        return out

    @cached_property
    def solution(self) -> Tensor:
        """``Z X⁺ = U M_B ⋯ M_1`` at every minimum."""
        out: Tensor = self._approximation(self.size) @ torch.linalg.pinv(self._columns[0])
        return out

    def path(self, a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> AbstractPath:
        """All blocks at once, and the head as they ask for it. Raises BadInput as `label`."""
        self._require_hypotheses()
        pairs = zip(self.parts, self.weights(a), self.weights(b), strict=True)
        return ResidualPath(self, a, b, [part.curves(one, other) for part, one, other in pairs])

    def ways(self, a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> Iterator[Way]:
        """Units inside blocks permuted or flipped, where the signs of all ``det M`` agree."""
        pairs = list(zip(self._label(a), self._label(b), strict=True))
        if any(one[0] != other[0] for one, other in pairs):
            return  # nothing is known that would change these
        end, said, proved = dict(b), dict[str, str](), True
        parts = zip(self.blocks, self.weights(a), self.weights(b), pairs, strict=True)
        for names, near, far, (one, other) in parts:
            signs = [x * y for x, y in zip(one[1:], other[1:], strict=True)]
            found = rearranged(near, far, signs or [None] * (len(names) - 1))
            end |= dict(zip(names, found.weights, strict=True))
            said |= {n: text for n, text in zip(names, found.done, strict=False) if text}
            proved &= found.proved
        how = "units permuted" if self.size > 1 else "signs flipped"
        yield Way(how, said, self, a, end, (nearest(proved),))

    @property
    def components(self) -> ComponentCount:
        """How many components the minimum has; bounds where the hypotheses fail."""
        checked = self._hypotheses
        if not all(hypothesis.verdict is Verdict.PROVED for hypothesis in checked):
            degree = 1 + sum(part.factors for part in self.parts)
            variables = sum(int(out * into) for out, into in self.shapes.values())
            return ComponentCount(
                "the minimum", BOUND, 0.0, milnor_thom(degree, variables), checked
            )
        factors = tuple(
            CountFactor(
                f"block of {', '.join(names)} (n = {part.size}, skip {part.skip:g})",
                part.log_components,
            )
            for names, part in zip(self.blocks, self.parts, strict=True)
        )
        log = sum(factor.log for factor in factors)
        return ComponentCount("the minimum", THEOREM, log, log, checked, factors)

    @cached_property
    def _hypotheses(self) -> tuple[Certificate, ...]:
        """Both, together, say that every block can be inverted and that the head is determined."""
        values = matrices.singular_values(self._columns[0]).tolist()
        fit = self._fit[1].tolist()
        smallest = (
            values[-1] / values[0] if len(values) == self.size and values[0] else 0.0,
            fit[self.size - 1] / fit[0] if len(fit) >= self.size and fit[0] else 0.0,
        )
        claims = ("the inputs have rank n", "the fit of the targets by the inputs has rank n")
        return tuple(
            Certificate(
                f"{claim} = {self.size}",
                Verdict.PROVED if ratio > RANK else Verdict.REFUTED,
                evidence={"smallest_over_largest_singular_value": ratio},
            )
            for claim, ratio in zip(claims, smallest, strict=True)
        )

    def _require_hypotheses(self) -> None:
        for hypothesis in self._hypotheses:
            if not hypothesis:
                raise BadInput(
                    f"labels and paths need that {hypothesis.claim}, which is not so",
                    "give other data, or ask for the count, which has bounds",
                )

    def _gap(self, params: Mapping[str, Tensor]) -> float:
        head = params[self.head].double() @ self.product(self.weights(params))
        return float((head @ self._columns[0] - self._approximation(self.size)).norm())

    def _label(self, params: Mapping[str, Tensor]) -> Label:
        self._require_hypotheses()
        pairs = zip(self.parts, self.weights(params), strict=True)
        return tuple(part.label(block) for part, block in pairs)

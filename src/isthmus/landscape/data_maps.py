"""Maps that depend on data: hidden layers move anyhow, and the last one makes up for it.

Equation 6 of Zhao et al. (2025): where hidden features go from A to A' (a column a sample), a
reader U becomes ``U A A'⁺``. That keeps the outputs as well as any reader of A' can, but it is no
action: where nothing moves it still changes U, unless A has full row rank. The anchored map does
not (mathematics.md 1.14).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias, final

import torch
from torch import Tensor, nn

from isthmus.ground import BadInput, Disconnected, Params, Result
from isthmus.landscape.paths import AbstractPath, Joined
from isthmus.landscape.running import Inputs, evaluation_mode, place, run, weights_for
from isthmus.landscape.straight import Line

Refit: TypeAlias = "Callable[[Tensor, Tensor, Tensor], Tensor]"
"""A reader, ``(outputs, units)``, features before and after, ``(units, samples)``, to a reader."""

RANK = 1e-12
"""Singular values below this share of the largest count as zero."""


@final
@dataclass(frozen=True)
class AsPrinted:
    """``U A A'⁺``: of all readers that keep the outputs best, the smallest (equation 6)."""

    def __call__(self, reader: Tensor, before: Tensor, after: Tensor) -> Tensor:
        """The new reader."""
        return reader @ before @ _pseudo_inverse(after)


@final
@dataclass(frozen=True)
class Anchored:
    """``U + (U A - U A') A'⁺``: of all readers that keep the outputs best, the nearest to U.

    It gives the same outputs as the printed map, and U itself where nothing moves.

    Args:
        ridge: λ in ``A'ᵀ (A' A'ᵀ + λ)⁻¹`` instead of the pseudo-inverse: smooth where the rank of
            the features drops, and no longer exact.
    """

    ridge: float = 0.0

    def __call__(self, reader: Tensor, before: Tensor, after: Tensor) -> Tensor:
        """The new reader."""
        return reader + reader @ (before - after) @ _pseudo_inverse(after, self.ridge)


def _pseudo_inverse(matrix: Tensor, ridge: float = 0.0) -> Tensor:
    if ridge:
        square = matrix @ matrix.mT + ridge * torch.eye(len(matrix), dtype=matrix.dtype)
        back: Tensor = torch.linalg.solve(square, matrix).mT
        return back
    found: Tensor = torch.linalg.pinv(matrix, rtol=RANK)
    return found


@final
@dataclass(frozen=True)
class Kept(Result):
    """What of the outputs ``U A`` a reader of other features can keep: ``before² = kept² + lost²``.

    An identity (Pythagoras), as ``U A A'⁺ A'`` is an orthogonal projection; Proposition 6.1 has
    only ``lost ≤ before``, which says nothing.

    Attributes:
        before: ``‖U A‖`` (Frobenius).
        kept: ``‖U A A'⁺ A'‖``.
        lost: ``‖U A (1 - A'⁺ A')‖``: how much the outputs change, at least.
        rank: Of A'; where it is the number of samples, nothing is lost.
        samples: How many.
    """

    before: float
    kept: float
    lost: float
    rank: int
    samples: int

    @property
    def exact(self) -> bool:
        """Whether every output on the samples is kept whatever the reader is."""
        return self.rank == self.samples


def kept_outputs(reader: Tensor, before: Tensor, after: Tensor) -> Kept:
    """How much of its outputs a reader can keep when its features change.

    Args:
        reader: U, ``(outputs, units)``.
        before: A, ``(units, samples)``.
        after: A', the same shape.
    """
    reader, before, after = (x.double() for x in (reader, before, after))
    outputs = reader @ before
    now = AsPrinted()(reader, before, after) @ after
    rank = int(torch.linalg.matrix_rank(after, rtol=RANK))
    lost = float((outputs - now).norm())
    return Kept(float(outputs.norm()), float(now.norm()), lost, rank, after.shape[1])


@final
@dataclass(frozen=True, eq=False)
class Refitted(AbstractPath):
    """``path`` with its last linear layer refitted everywhere, to keep the outputs of the start.

    On the given inputs the outputs stay what they are at ``path.start`` as well as a linear layer
    can see to that: exactly where its features have rank ``samples``, as they have almost
    always where the layer is as wide as there are samples. A bias is a weight of a feature that is
    1. Where the rank drops on the way, the path is not continuous there, unless a ridge is used.

    Args:
        path: Any path; what it says of the reader at t > 0 does not matter.
        model: The module.
        inputs: The data on which outputs are kept.
        reader: The name of a linear module whose outputs are the model's.
        refit: The map of the reader.

    Raises:
        BadInput: ``reader`` names no linear module of the model.
    """

    path: AbstractPath
    model: nn.Module
    inputs: Inputs
    reader: str
    refit: Refit = Anchored()
    kind = "refitted"

    def __post_init__(self) -> None:
        found = dict(self.model.named_modules()).get(self.reader)
        if not isinstance(found, nn.Linear):
            linear = [n for n, m in self.model.named_modules() if isinstance(m, nn.Linear)]
            raise BadInput(
                f"the model has no linear module {self.reader!r}",
                f"name one of {', '.join(linear) or 'a model that has some'}",
            )

    def features(self, params: Mapping[str, Tensor]) -> Tensor:
        """What the reader reads at ``params``, ``(units, samples)``, float64; last a row of ones
        where it has a bias.

        Raises:
            BadInput: The inputs do not fit the model.
            UnknownName: ``params`` are not of the model; so ShapeMismatch.
        """
        seen: list[Tensor] = []
        module = self.model.get_submodule(self.reader)
        hook = module.register_forward_pre_hook(lambda _, args: seen.append(args[0].detach()))
        weights = weights_for(self.model, params, torch.float64)
        device = next(t.device for t in weights.values())
        try:
            with torch.no_grad(), evaluation_mode(self.model):
                run(self.model, weights, place(self.inputs, device, torch.float64))
        finally:
            hook.remove()
        rows = torch.cat([one.reshape(-1, one.shape[-1]) for one in seen]).mT
        return torch.cat([rows, torch.ones_like(rows[:1])]) if module.bias is not None else rows

    @cached_property
    def _before(self) -> tuple[Tensor, Tensor]:
        """The reader and its features at the start."""
        start = self.path.start
        return self._read(start), self.features(start)

    def _read(self, params: Mapping[str, Tensor]) -> Tensor:
        weight = params[f"{self.reader}.weight"].double()
        bias = params.get(f"{self.reader}.bias")
        return weight if bias is None else torch.cat([weight, bias.double().unsqueeze(1)], 1)

    def kept(self, t: float) -> Kept:
        """What of the outputs can be kept at ``t``."""
        return kept_outputs(*self._before, self.features(self.path(t)))

    def _at(self, t: float) -> Params:
        params = self.path(t)
        reader = self.refit(*self._before, self.features(params))
        weight, bias = f"{self.reader}.weight", f"{self.reader}.bias"
        units = params[weight].shape[1]
        parts = {weight: reader[:, :units].contiguous(), bias: reader[:, units:].squeeze(1)}
        new = {name: x.to(params[name].dtype) for name, x in parts.items() if name in params}
        return {**params, **new}


def two_legs(
    a: Mapping[str, Tensor],
    b: Mapping[str, Tensor],
    model: nn.Module,
    inputs: Inputs,
    reader: str,
) -> Joined:
    """From a to b with no loss above the larger of both, on data that the last layer can hold.

    First everything but the reader goes straight from a to b, and the reader keeps the outputs of
    a; then the reader alone goes straight to that of b, and so do the outputs (mathematics.md
    1.14). On the second leg any loss that is convex in the outputs stays below its own chord.
    Between two minima of zero loss it is zero all the way.

    Args:
        a: Where the path starts.
        b: Where it ends.
        model: The module.
        inputs: The data.
        reader: The name of the last linear module.

    Raises:
        Disconnected: The features at b cannot hold all samples: their rank is too small.
        BadInput: ``reader`` names no linear module of the model.
        UnknownName: The names of a and b differ; so ShapeMismatch and DtypeMismatch.
    """
    first = Refitted(Line(a, b), model, inputs, reader)
    found = first.kept(1.0)
    if not found.exact:
        raise Disconnected(
            f"the features that {reader} reads have rank {found.rank} on {found.samples} samples, "
            "expected as many: it cannot keep every output",
            "give fewer samples, or a model whose last hidden layer is wider",
        )
    return first.then(Line(first.end, b))

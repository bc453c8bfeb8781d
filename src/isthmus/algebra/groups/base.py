"""What every group offers: law, geometry, membership, action, fit.

A *value* is a group element as plain data. Values are batched: all operations act on the leading
dimensions, so that a family of elements (one per attention head, say) is one value.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor

if TYPE_CHECKING:
    from isthmus.algebra.groups.curves import Curve, Felt

Value: TypeAlias = "Any"
"""A group element as data: a tensor, or a named tuple of tensors; each group says which."""

FLOAT = torch.float64
"""The dtype of every continuous value: exact means exact."""


class Motion(Enum):
    """The generator families of design section 6; a group is known by the families it contains."""

    SWAP = "swap"
    FLIP = "flip"
    STRETCH = "stretch"
    TURN = "turn"
    SHEAR = "shear"
    SHIFT = "shift"


@dataclass(frozen=True, slots=True)
class Character:
    """How one tensor axis feels a group element.

    ``dual`` says that the axis is acted on by the inverse transpose (columns of a reader).
    ``scales`` and ``flips`` are the exponents with which each family of positive scales and of
    signs enters: a gate is blind to the scale of its up branch (exponent 0), a variance feels it
    twice (exponent 2).
    """

    dual: bool = False
    scales: tuple[int, ...] = ()
    flips: tuple[int, ...] = ()

    def inverse(self) -> Character:
        """The character of the dual axis."""
        return Character(not self.dual, tuple(-k for k in self.scales), self.flips)


class Group(ABC):
    """An abstract group acting on ``size`` coordinates."""

    size: int
    motions: frozenset[Motion]
    lie_dim: int
    log_components: float

    @abstractmethod
    def identity(self, batch: Sequence[int] = ()) -> Value:
        """The neutral element, once per batch entry."""

    @abstractmethod
    def compose(self, g: Value, h: Value) -> Value:
        """``g h``: first ``h``, then ``g``."""

    @abstractmethod
    def inverse(self, g: Value) -> Value:
        """The inverse element."""

    @abstractmethod
    def sample(
        self, generator: torch.Generator, scale: float = 0.3, batch: Sequence[int] = ()
    ) -> Value:
        """A random element of the whole group; its continuous parts have size ``scale``."""

    @abstractmethod
    def act(
        self,
        g: Value,
        x: Tensor,
        dim: int,
        character: Character,
        over: Sequence[int] = (),
    ) -> Tensor:
        """Act on dimension ``dim`` of ``x``; the dimensions ``over`` index the batch of ``g``."""

    @abstractmethod
    def exp(self, tangent: Tensor) -> Value:
        """The element reached in unit time from 1; ``tangent`` is ``(*batch, lie_dim)``."""

    @abstractmethod
    def generator(self, tangent: Tensor) -> Tensor:
        """The matrix, ``(*batch, size, size)``, whose exponential moves a natural axis.

        It is the derivative of ``matrix(exp(t tangent), natural)`` at t = 0.
        """

    @abstractmethod
    def log(self, g: Value) -> Tensor:
        """The velocity ``v``, ``(*batch, lie_dim)``, with ``exp(v) == g``.

        Raises:
            Disconnected: no such velocity exists.
        """

    @abstractmethod
    def split(self, g: Value) -> tuple[Value, Value]:
        """``(jump, flow)`` with ``g = flow jump``: a discrete part, and one joined to 1."""

    @abstractmethod
    def curve(self, flow: Value, felt: Felt | None = None) -> Curve:
        """A curve inside the identity component from 1 (t=0) to ``flow`` (t=1).

        It is ``exp(t log flow)`` where that is real. Where several lead there, ``felt`` (of what
        the group acts on) decides for the one on which that moves less far.
        """

    @abstractmethod
    def matrix(self, g: Value, character: Character) -> Tensor:
        """The matrix, ``(*batch, size, size)``, that multiplies an axis of that character."""

    @abstractmethod
    def why_not(self, matrix: Tensor, tolerance: float = 1e-8) -> str | None:
        """Why a matrix is not in the group; None if it is."""

    @abstractmethod
    def fit(self, source: Tensor, target: Tensor) -> Value:
        """The element that best carries ``source`` to ``target``, both ``(size, features)``.

        Minimises ``|target - g source|`` in the Frobenius norm.
        """

    @abstractmethod
    def moves(self, g: Value) -> str:
        """In a few words, what ``g`` does: for printing."""

    @abstractmethod
    def reindex(self, g: Value, move: Callable[[Tensor], Tensor]) -> Value:
        """Apply ``move`` to each tensor of the value; it permutes batch dimensions only."""

    @property
    def natural(self) -> Character:
        """The character of a plain (not dual) axis."""
        return Character()

    @property
    @abstractmethod
    def name(self) -> str:
        """The field's symbol with its size: ``S(8)``, ``GL(4)``."""

    def __str__(self) -> str:
        return self.name

    @abstractmethod
    def meet(self, motions: frozenset[Motion]) -> tuple[Group, Callable[[Character], Character]]:
        """The largest subgroup made of ``motions``, and how the characters restrict to it."""

    def is_identity(self, g: Value, tolerance: float = 1e-12) -> bool:
        """Whether every matrix of the batch is the identity."""
        eye = torch.eye(self.size, dtype=FLOAT)
        return bool((self.matrix(g, self.natural) - eye).abs().max() <= tolerance)


def spread(value: Tensor, dims: Sequence[int], ndim: int) -> Tensor:
    """View ``value`` in ``ndim`` dimensions, its k-th dimension at ``dims[k]``, ones elsewhere."""
    order = sorted(range(len(dims)), key=lambda k: dims[k])
    shape = [1] * ndim
    for k in order:
        shape[dims[k]] = value.shape[k]
    return value.permute(order).reshape(shape)


def along(matrix: Tensor, x: Tensor, dim: int, over: Sequence[int]) -> Tensor:
    """Multiply dimension ``dim`` of ``x`` by a matrix that may vary over dimensions ``over``."""
    letters = [chr(ord("a") + k) for k in range(x.dim())]
    batch = "".join(letters[k] for k in over)
    source = "".join(letters)
    target = source.replace(letters[dim], "Z")
    return torch.einsum(f"{batch}Z{letters[dim]},{source}->{target}", matrix.to(x.dtype), x)

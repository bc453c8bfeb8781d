"""Curves of matrices that keep full column rank, from any one to any other that can be reached."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from isthmus.algebra.groups import Orthogonal
from isthmus.algebra.groups.curves import polar
from isthmus.ground import BadInput, Disconnected, matrices

EDGE = 1e-12
"""Below this ratio of singular values the sign of a determinant is not to be trusted."""


def frame_curve(start: Tensor, end: Tensor) -> Callable[[float], Tensor]:
    """``t ↦ R(t) Q ((1 - t) P + t P')`` between matrices ``start = Q P`` and ``end = Q' P'``.

    The polar factors P are symmetric and positive, so that every mean of them is, and its least
    singular value is no less than the mean of theirs: what the curve is never worse conditioned
    than its ends. Q is turned into Q' by a rotation; where the matrices are square that asks for
    determinants of one sign.

    Args:
        start: ``(n, r)`` of rank r.
        end: Likewise.

    Raises:
        Disconnected: The matrices are square, and their determinants differ in sign.
    """
    (before, stretch), (after, wanted) = polar(start), polar(end)
    turn = _rotation(before, after)
    if matrices.orientation(turn) < 0:
        raise Disconnected(
            f"two square matrices of size {len(start)} have determinants of opposite sign",
            "permute or flip units first, or add one",
        )
    turned = Orthogonal(len(start)).curve(turn)

    def at(t: float) -> Tensor:
        frame: Tensor = turned(t)
        return frame @ before @ ((1 - t) * stretch + t * wanted)

    return at


def determinant_sign(square: Tensor) -> int:
    """+1 or -1.

    Raises:
        BadInput: The matrix is singular to working precision.
    """
    values = matrices.singular_values(square)
    if not float(values[-1]) > EDGE * float(values[0]):
        raise BadInput(
            f"a product of weights, {len(square)} × {len(square)}, is singular to working "
            "precision: its determinant has no sign",
            "give a minimum that is farther from where the sign changes",
        )
    return int(matrices.orientation(square))


def _rotation(before: Tensor, after: Tensor) -> Tensor:
    """The matrix of O(n) that takes one orthonormal frame to another; of SO(n) if n > r.

    What it does beside the frame is as little as can be.
    """
    rest, there = _complement(before), _complement(after)
    if not rest.shape[1]:
        return after @ before.mT
    left, _, right = matrices.singular(there.mT @ rest)
    turn = after @ before.mT + there @ left @ right @ rest.mT
    if matrices.orientation(turn) < 0:
        left[:, -1] *= -1  # the direction in which it matters least
        turn = after @ before.mT + there @ left @ right @ rest.mT
    return turn


def _complement(frame: Tensor) -> Tensor:
    """An orthonormal basis of the directions that are orthogonal to all columns."""
    size, count = frame.shape
    left = torch.linalg.svd(frame, full_matrices=True)[0]
    return left[:, count:] if count else torch.eye(size, dtype=frame.dtype)

"""Changes of basis: elements that turn a stream by a given matrix.

A residual stream between norms without gains may be turned by any rotation, in all that writes
into it and all that reads it: the function stays as it is. QuaRot (Ashkboos et al. 2024) and
SpinQuant (Liu et al. 2024) call that computational invariance. Here such a turn is an element of
the group, and `Symmetry.act` moves every writer, reader, embedding and bias.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from isthmus.algebra.elements import Element, identity
from isthmus.algebra.groups import AbstractRotation, Motion, Orthogonal
from isthmus.algebra.groups.base import FLOAT
from isthmus.algebra.spaces import Space
from isthmus.algebra.symmetry import Symmetry
from isthmus.ground.errors import BadInput, ShapeMismatch, UnknownName, closest


def streams(symmetry: Symmetry) -> tuple[str, ...]:
    """The spaces that rotations move as a whole, ``O(n)`` or ``O(n|1)``: residual streams.

    Planes of rotary positions and bases inside heads are none.
    """
    return tuple(name for name, space in symmetry.spaces.items() if _is_stream(space))


def _is_stream(space: Space) -> bool:
    group = space.group
    turns = isinstance(group, AbstractRotation) and Motion.SWAP in group.motions
    return turns and not space.over


def basis_change(symmetry: Symmetry, matrices: Mapping[str, Tensor]) -> Element:
    """The element that turns each of these spaces by its matrix, and moves nothing else.

    Args:
        symmetry: Of the model.
        matrices: By space, ``(n, n)``, or ``(*batch, n, n)`` where other spaces index it: what
            multiplies a vector of the space. Where the group is ``O(n|1)``, as of a stream that
            layer norms read, it keeps the vector of ones.

    Raises:
        UnknownName: There is no such space.
        ShapeMismatch: A matrix has another shape.
        BadInput: The space's group has no matrices, or not this one.
    """
    values = dict(identity(symmetry).values)
    for name, matrix in matrices.items():
        _known(symmetry, name)
        values[name] = _checked(symmetry, name, matrix)
    return Element(symmetry, values)


def stream_group(symmetry: Symmetry, name: str) -> AbstractRotation:
    """The rotations of a stream.

    Raises:
        UnknownName: There is no such space.
        BadInput: It is no stream (`streams`).
    """
    _known(symmetry, name)
    group = symmetry.spaces[name].group
    if name not in streams(symmetry):
        raise BadInput(
            f"space {name} has the group {group}, it is no stream",
            f"name one of: {_listed(symmetry)}",
        )
    assert isinstance(group, AbstractRotation)
    return group


def _known(symmetry: Symmetry, name: str) -> None:
    if name not in symmetry.spaces:
        near = closest(name, symmetry.spaces)
        remedy = f"did you mean {near!r}?" if near else f"the streams are: {_listed(symmetry)}"
        raise UnknownName(f"the symmetry has no space {name!r}", remedy)


def _listed(symmetry: Symmetry) -> str:
    return ", ".join(streams(symmetry)) or "none"


def _checked(symmetry: Symmetry, name: str, matrix: Tensor) -> Tensor:
    group, held = symmetry.spaces[name].group, symmetry.identity().values[name]
    if not isinstance(held, Tensor):
        raise BadInput(
            f"space {name} has the group {group}, which has no basis to change",
            "name a space with rotations, such as those that streams gives",
        )
    if matrix.shape != held.shape:
        raise ShapeMismatch(
            f"the matrix for {name} has shape {tuple(matrix.shape)}, expected {tuple(held.shape)}",
            "give a square matrix of the size of the space",
        )
    wide = matrix.to(FLOAT)
    for one in wide.reshape(-1, *wide.shape[-2:]):
        wrong = group.why_not(one)
        if wrong is not None:
            raise BadInput(
                f"the matrix for {name} is not in {group}: {wrong}",
                "give one that is, or group.nearest of it",
            )
    return wide


def random_hadamard(size: int, seed: int | torch.Generator = 0) -> Tensor:
    """A rotation whose entries are all about equally large, ``(size, size)`` in float64.

    With ``size = 2^k m`` and m odd it is ``(H ⊗ R) D``: H the Hadamard matrix of order ``2^k`` over
    ``2^(k/2)``, R a random orthogonal matrix of order m, D random signs. For a power of two, every
    entry is ``±size^(-1/2)``: a vector along one coordinate is spread evenly over all (the
    randomised Hadamard matrices of QuaRot, Ashkboos et al. 2024; other orders than powers of two
    are reconstructed).

    Raises:
        BadInput: ``size`` is not positive.
    """
    if size < 1:
        raise BadInput(f"the size is {size}, expected at least 1", "give a positive size")
    rng = seed if isinstance(seed, torch.Generator) else torch.Generator().manual_seed(seed)
    odd = size // (size & -size)
    matrix = Orthogonal(odd).sample(rng).contiguous()
    pair = torch.tensor([[1.0, 1.0], [1.0, -1.0]], dtype=FLOAT) / 2**0.5
    while len(matrix) < size:
        matrix = torch.kron(pair, matrix)
    signs = 2 * torch.randint(2, (size,), generator=rng) - 1
    return matrix * signs.to(FLOAT)


def hadamard_change(
    symmetry: Symmetry, seed: int | torch.Generator = 0, spaces: Sequence[str] | None = None
) -> Element:
    """The element that turns streams by random Hadamard matrices (`random_hadamard`).

    Where a layer norm takes the mean out, the vector of ones must stay: there it is the element of
    ``O(n|1)`` that is nearest to the Hadamard matrix.

    Args:
        symmetry: Of the model.
        seed: Of the signs.
        spaces: Which; None takes all of `streams`.

    Raises:
        UnknownName: There is no such space.
        BadInput: A space is no stream, or there is none.
    """
    rng = seed if isinstance(seed, torch.Generator) else torch.Generator().manual_seed(seed)
    names = streams(symmetry) if spaces is None else spaces
    if not names:
        raise BadInput(
            "the symmetry has no stream that rotations move",
            'discover it with gauge="folded", of a model whose norms have gains of their own',
        )
    groups = {name: stream_group(symmetry, name) for name in names}
    return basis_change(
        symmetry, {n: one.nearest(random_hadamard(one.size, rng)) for n, one in groups.items()}
    )

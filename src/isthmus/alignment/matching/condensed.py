"""Condensed models: entries that all continuous motions grow alike are put together.

Only squares matter to lengths, and to the normal equations of scales: where a block is moved by
nothing but scales, the axes on which none of them acts are summed, ``x → (Σ x²)^½``. A kernel of a
convolution, or the columns that no scale feels, become one number. What rotations or shears act on
is kept whole.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from isthmus.algebra.groups import AbstractMonomial
from isthmus.algebra.reps import Block, Rep
from isthmus.algebra.symmetry import Params, Symmetry


def condensed(symmetry: Symmetry, params: Mapping[str, Tensor]) -> tuple[Symmetry, Params]:
    """One tensor for each block that something continuous moves, and how its spaces act on it.

    The spaces are those of ``symmetry``; the group acts on squares of the condensed as it does on
    sums of squares of ``params``.
    """
    reps: dict[str, Rep] = {}
    out: Params = {}
    for name, tensor in params.items():
        for k, block in enumerate(symmetry.reps[name].blocks):
            kept = _kept(symmetry, block)
            if kept:
                x = block.read(tensor).double()
                loose = [d for d in range(x.dim()) if d not in kept]
                out[f"{name}#{k}"] = x.square().sum(loose).sqrt() if loose else x
                reps[f"{name}#{k}"] = Rep.of([(block.factors[d],) for d in kept])
    return Symmetry(symmetry.spaces, reps), out


def _kept(symmetry: Symmetry, block: Block) -> list[int]:
    """The dimensions that continuous motions tell apart; none where nothing moves."""
    spaces = symmetry.spaces
    at = {f.space: d for d, f in enumerate(block.factors) if f.space is not None}
    moving = [
        d
        for d, f in enumerate(block.factors)
        if f.space is not None and spaces[f.space].group.lie_dim
    ]
    names = [str(block.factors[d].space) for d in moving]
    if not all(isinstance(spaces[n].group, AbstractMonomial) for n in names):
        return list(range(len(block.factors)))
    return sorted({*moving, *(at[outer] for n in names for outer in spaces[n].over)})

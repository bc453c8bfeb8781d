"""activations: what units show on data, as points: one row for each sample and position."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from isthmus.algebra.reps import Block
from isthmus.algebra.symmetry import Params, Symmetry
from isthmus.discovery.probes import Probes
from isthmus.ground.errors import BadInput
from isthmus.landscape.running import pair


def activations(
    model: nn.Module,
    batches: Iterable[Any],
    params: Mapping[str, Tensor],
    symmetry: Symmetry,
    rows: int = 4096,
) -> dict[str, Tensor]:
    """For each space of single units that shows, what the next layer reads of it, ``(rows, n)``.

    Of the values that show a space, the last in the order of the program counts.

    Args:
        model: the architecture; it is only run, in evaluation mode.
        batches: pairs (inputs, targets); targets are not looked at.
        params: where it is run.
        symmetry: of the model.
        rows: at most, evenly taken of what each batch shows.

    Raises:
        BadInput: there are no batches, or one is no pair.
        CaptureFailed: the model cannot be traced on a batch.
    """
    given = list(batches)
    if not given:
        raise BadInput("there are no batches", "give some pairs (inputs, targets)")
    probes, share = Probes(model, symmetry), max(rows // len(given), 1)
    found: dict[str, list[Tensor]] = {}
    for index, batch in enumerate(given):
        inputs, _ = pair(batch, index)
        inputs = tuple(inputs) if isinstance(inputs, list) else inputs
        values: Params = probes.values(params, inputs)
        last: Params = {}
        for name, rep in probes.at(inputs).reps.items():
            moving = [f for block in rep.blocks for f in block.factors if f.space is not None]
            if len(rep.blocks) == 1 and len(moving) == 1:
                last[str(moving[0].space)] = _rows(rep.blocks[0].read(values[name]), rep.blocks[0])
        for space, seen in last.items():
            step = max(len(seen) // share, 1)
            found.setdefault(space, []).append(seen[::step][:share].double())
    return {space: torch.cat(parts) for space, parts in found.items()}


def _rows(value: Tensor, block: Block) -> Tensor:
    """``(rows, n)`` of a value that shows one space."""
    (dim,) = (d for d, factor in enumerate(block.factors) if factor.space is not None)
    value = value.movedim(dim, -1)
    return value.reshape(-1, value.shape[-1])

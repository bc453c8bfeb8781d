"""The verb: merge several Params into one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from isthmus.algebra import Symmetry
from isthmus.alignment import align_all
from isthmus.ground import BadInput, Params, check
from isthmus.merging.average import Average
from isthmus.merging.mergers import AbstractMerger
from isthmus.merging.repairs import Repair

_AVERAGE = Average()


def merge(
    models: Sequence[Mapping[str, Tensor]],
    method: AbstractMerger = _AVERAGE,
    repair: Repair | None = None,
    *,
    symmetry: Symmetry | None = None,
    seed: int = 0,
) -> Params:
    """One set of Params out of ``models``, which should lie in common coordinates.

    Args:
        models: Two or more, with the same names, shapes and dtypes.
        method: How they are merged.
        repair: Applied to what comes out, as `RecomputeStatistics` for BatchNorm.
        symmetry: Of their architecture: all are aligned first (`align_all`), in the coordinates of
            the first. None leaves them where they are.
        seed: Of the alignment.

    Returns:
        New Params in the order and dtypes of the first.

    Raises:
        BadInput: There are fewer than two models, or ``method`` refuses them.
        UnknownName: A model's names differ from those of the first; so ShapeMismatch and
            DtypeMismatch.
        NotFinite: A model holds NaN or infinity.
    """
    if len(models) < 2:
        raise BadInput(f"{len(models)} models to merge, expected at least 2", "give more models")
    found = [check(m, models[0], source=f"models[{k}]") for k, m in enumerate(models)]
    if symmetry is not None:
        found = list(align_all(found, symmetry=symmetry, seed=seed).params)
    merged = method(found)
    return merged if repair is None else dict(repair(merged))

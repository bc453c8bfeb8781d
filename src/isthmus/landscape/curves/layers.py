"""Layer by layer: a path on which one layer moves at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from isthmus.ground import BadInput, UnknownName, is_real_valued
from isthmus.landscape.paths import require_alike
from isthmus.landscape.straight import Polygon


def layerwise(
    a: Mapping[str, Tensor],
    b: Mapping[str, Tensor],
    order: Sequence[Sequence[str]] | None = None,
) -> Polygon:
    """From ``a`` to ``b``, one layer after the other, each for an equal part of t.

    Bent as a polygonal chain with a bend between any two layers, on `VarianceSpheres`, it becomes
    a layer-wise path of low loss (after Tian et al. 2026).

    Args:
        a: Where it begins.
        b: Where it ends.
        order: The names of the tensors that move together, in turn; None takes the tensors of one
            module together, in the order of ``a``. What is not named moves with the last.

    Raises:
        BadInput: There is nothing to move.
        UnknownName: ``order`` has a name that is not there, or the names of the ends differ; so
            ShapeMismatch and DtypeMismatch.
    """
    require_alike(a, b)
    turns = [list(names) for names in (_modules(a) if order is None else order)]
    for names in turns:
        for name in names:
            if name not in a:
                raise UnknownName(f"the order has a tensor {name!r}", "use the names of the ends")
    if not turns:
        raise BadInput("there is no layer to move", "name one, or give ends with real numbers")
    points = [dict(a)]
    for names in turns[:-1]:
        points.append(points[-1] | {name: b[name] for name in names})
    return Polygon([*points, b])


def _modules(params: Mapping[str, Tensor]) -> list[list[str]]:
    """The tensors of real numbers, by the module that holds them."""
    found: dict[str, list[str]] = {}
    for name, tensor in params.items():
        if is_real_valued(tensor):
            found.setdefault(name.rpartition(".")[0], []).append(name)
    return list(found.values())

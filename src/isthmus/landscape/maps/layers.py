"""Layer-wise barriers: one layer is interpolated, all others stay with one of the models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import final

from torch import Tensor

from isthmus.ground import BadInput, Result, UnknownName, closest
from isthmus.landscape.barriers import Barrier, barrier
from isthmus.landscape.loss import Loss, Progress
from isthmus.landscape.paths import require_alike
from isthmus.landscape.running import Batch
from isthmus.landscape.straight import Line


@final
@dataclass(frozen=True)
class LayerBarriers(Result):
    """What it does to the loss when layers move one at a time from model a to model b.

    Attributes:
        from_a: By layer, the line from a to a with this layer of b.
        from_b: By layer, the line from b to b with this layer of a.
    """

    from_a: Mapping[str, Barrier]
    from_b: Mapping[str, Barrier]

    @property
    def rise_from_a(self) -> dict[str, float]:
        """By layer, the largest loss on its line minus the loss of a."""
        return {name: max(found.losses) - found.ends[0] for name, found in self.from_a.items()}

    @property
    def rise_from_b(self) -> dict[str, float]:
        """By layer, the largest loss on its line minus the loss of b."""
        return {name: max(found.losses) - found.ends[0] for name, found in self.from_b.items()}

    def __str__(self) -> str:
        width = max(map(len, self.from_a), default=0)
        a, b = self.rise_from_a, self.rise_from_b
        rows = [f"  {name:<{width}}  {a[name]:10.4g}  {b[name]:10.4g}" for name in a]
        head = f"  {'layer':<{width}}  {'from a':>10}  {'from b':>10}"
        return "\n".join(["how far the loss rises as one layer is interpolated", head, *rows])


def layer_barriers(
    loss: Loss,
    a: Mapping[str, Tensor],
    b: Mapping[str, Tensor],
    layers: Mapping[str, Sequence[str]] | None = None,
    points: int = 11,
    recompute_statistics: Iterable[Batch] | None = None,
    progress: Progress | None = None,
) -> LayerBarriers:
    """Interpolate one layer after the other, all else as in ``a`` and then as in ``b``.

    Layer-wise connectivity of Adilova et al. (2024). All in front of the layer is computed once.

    Args:
        loss: The loss.
        a: Params.
        b: Params of the same names and shapes.
        layers: Names of parameters by layer, any subsets; None takes those of each module.
        points: On each line.
        recompute_statistics: As for `barrier`.
        progress: Called with (lines done, lines).

    Raises:
        BadInput: A layer has no names, or there is no layer.
        UnknownName: A name is not one of the params, or the two differ; so ShapeMismatch.
    """
    require_alike(a, b)
    chosen = _modules(a) if layers is None else layers
    _check(chosen, a)
    if recompute_statistics is not None:
        recompute_statistics = tuple(recompute_statistics)
    found: list[dict[str, Barrier]] = []
    for stays, moves in ((a, b), (b, a)):
        found.append({})
        for name, names in chosen.items():
            line = Line(stays, {**stays, **{n: moves[n] for n in names}})
            found[-1][name] = barrier(loss, line, points, recompute_statistics)
            if progress is not None:
                progress(sum(map(len, found)), 2 * len(chosen))
    return LayerBarriers(*found)


def _modules(params: Mapping[str, Tensor]) -> dict[str, list[str]]:
    """Names of floating-point tensors by the module that holds them."""
    found: dict[str, list[str]] = {}
    for name, tensor in params.items():
        if tensor.is_floating_point():
            found.setdefault(name.rpartition(".")[0] or name, []).append(name)
    return found


def _check(layers: Mapping[str, Sequence[str]], params: Mapping[str, Tensor]) -> None:
    if not layers or not all(layers.values()):
        empty = next((name for name, names in layers.items() if not names), None)
        what = f"layer {empty!r} has no parameters" if layers else "there are no layers"
        raise BadInput(what, "name at least one parameter for each layer")
    for name in (name for names in layers.values() for name in names):
        if name not in params:
            near = closest(name, params)
            raise UnknownName(
                f"unknown parameter {name!r}",
                f"did you mean {near!r}?" if near else "name parameters of the model",
            )

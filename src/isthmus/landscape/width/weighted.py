"""Weighted connectivity: whether every layer between two models adds theirs up, each by a power."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, final

import torch
from torch import Tensor, nn

from isthmus.ground import BadInput, Result, lerp
from isthmus.landscape.loss import Loss
from isthmus.landscape.modules import modules_of
from isthmus.landscape.running import Inputs, evaluation_mode, pair, place, run, weights_for

Pairs = tuple[float, float]

LINEAR = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
"""Modules that are one step of depth each."""


@final
@dataclass(frozen=True)
class WeightedConnectivity(Result):
    """How the layers of ``(1 - t) a + t b`` compare with those of ``a`` and of ``b``.

    All by layer, in the order in which they run; the l-th is predicted to give
    ``(1-t)^l f_l(a) + t^l f_l(b)``.

    Attributes:
        t: Where.
        distance: Of the outputs from the prediction, relative to it.
        coefficients: Of ``f_l(a)`` and ``f_l(b)`` in the mix of them that is nearest to the
            outputs; predicted are ``(1-t)^l`` and ``t^l``.
        rest: Distance of the outputs from that nearest mix, relative to it.
        crossing: ``‖W^b z^a‖ / ‖W^a z^a‖``, and the same with a and b exchanged, of what the layer
            reads: 0 where the two are reciprocally orthogonal. In the first layer both read the
            same, and it says nothing.
        additivity: Of what lies between this layer and the next: how far it is, run on the
            predicted mix of outputs, from the same mix of what the two give; relative. The last
            layer has none.
    """

    t: float
    distance: Mapping[str, float]
    coefficients: Mapping[str, Pairs]
    rest: Mapping[str, float]
    crossing: Mapping[str, Pairs]
    additivity: Mapping[str, float]

    def predicted(self, depth: int) -> Pairs:
        """The coefficients of the layer number ``depth``, counted from 1."""
        return ((1 - self.t) ** depth, self.t**depth)

    def __str__(self) -> str:
        width = max(map(len, self.distance), default=0)
        head = f"  {'layer':<{width}}  distance  predicted      nearest         rest    crossing"
        rows = []
        for depth, (name, distance) in enumerate(self.distance.items(), 1):
            (one, two), (a, b) = self.predicted(depth), self.coefficients[name]
            rows.append(
                f"  {name:<{width}}  {distance:8.4f}  {one:.3f}, {two:.3f}   {a:.3f}, {b:.3f}  "
                f"{self.rest[name]:8.4f}  {max(self.crossing[name]):8.4f}"
            )
        return "\n".join([f"layers at t = {self.t:.3g} against powers of the ends", head, *rows])


def weighted_connectivity(
    loss: Loss,
    a: Mapping[str, Tensor],
    b: Mapping[str, Tensor],
    t: float = 0.5,
    layers: Sequence[str] | None = None,
) -> WeightedConnectivity:
    """Measure layerwise exponentially weighted connectivity, and the two things it follows from.

    Ito et al. 2026: between independent wide networks without biases
    ``f_l(λ a + (1-λ) b) = λ^l f_l(a) + (1-λ)^l f_l(b)``. It holds exactly where layers are
    reciprocally orthogonal, ``W^b z^a = 0`` for what the other reads, from the second on, and
    what lies between them is weakly additive and positively homogeneous: by induction, the l-th
    layer reads ``λ^(l-1) z^a + (1-λ)^(l-1) z^b``, and of ``(λ W^a + (1-λ) W^b)`` times that
    only the two products with their own are left.

    Args:
        loss: Its model, a chain of layers, and its batches are used.
        a: Params.
        b: Params of the same names and shapes.
        t: Where on the line, inside (0, 1); the source's λ is ``1 - t``.
        layers: Names of modules, in order, the first being of depth 1; None takes all linear and
            convolutional ones as they run. A module that runs several times counts once.

    Raises:
        BadInput: ``t`` is not inside, no layer ran, or the data do not fit the model.
        UnknownName: The model has no module of a name; or names of Params differ. So ShapeMismatch.
    """
    if not 0 < t < 1:
        raise BadInput(f"t is {t}, expected a number between 0 and 1", "0.5 is the middle")
    points = [
        weights_for(loss.model, point, loss.dtype, loss.device) for point in (a, b, lerp(a, b, t))
    ]
    modules = modules_of(loss.model, layers, LINEAR)
    seen: dict[str, _Layer] = {}
    device = next(iter(points[0].values())).device
    with torch.no_grad(), evaluation_mode(loss.model):
        for index, batch in enumerate(loss.batches):
            inputs, _ = place(pair(batch, index), device, loss.dtype)
            _look(_Pass(loss.model, modules, points, inputs), seen, t, layers)
    if not seen:
        raise BadInput("no layer ran", "name modules that the model runs")
    return _result(seen, t)


@dataclass
class _Layer:
    """Sums over all samples."""

    outputs: Tensor = field(default_factory=lambda: torch.zeros(3, 3, dtype=torch.float64))
    between: Tensor = field(default_factory=lambda: torch.zeros(3, 3, dtype=torch.float64))
    crossed: Tensor = field(default_factory=lambda: torch.zeros(2, 2, dtype=torch.float64))


@dataclass(frozen=True)
class _Pass:
    """A batch, and the ways in which the model can be run on it."""

    model: nn.Module
    modules: Mapping[str, nn.Module]
    points: Sequence[Mapping[str, Tensor]]
    inputs: Inputs

    def run(self, point: int, replaced: Mapping[str, Tensor] | None = None) -> _Caught:
        """What all layers read and give, at one of the points; some outputs replaced."""
        caught = _Caught(dict(replaced or {}))
        with caught.hooked(self.modules):
            run(self.model, self.points[point], self.inputs)
        return caught

    def alone(self, name: str, point: int, given: Tensor) -> Tensor:
        """The linear part of one layer at one of the points."""
        prefix = f"{name}." if name else ""
        weights = {
            n.removeprefix(prefix): w for n, w in self.points[point].items() if n.startswith(prefix)
        }
        full, offset = (
            torch.func.functional_call(self.modules[name], weights, x)
            for x in (given, torch.zeros_like(given))
        )
        out: Tensor = full - offset
        return out


@dataclass
class _Caught:
    """What each layer read and gave, the first time it ran."""

    replaced: dict[str, Tensor]
    read: dict[str, Tensor] = field(default_factory=dict)
    gave: dict[str, Tensor] = field(default_factory=dict)

    @contextmanager
    def hooked(self, modules: Mapping[str, nn.Module]) -> Iterator[None]:
        with ExitStack() as stack:
            for name, module in modules.items():

                def look(_: nn.Module, given: Any, output: Any, name: str = name) -> Any:
                    if name in self.gave or not isinstance(output, Tensor):
                        return None
                    self.read[name] = given[0].detach().clone()
                    # Cloned: an activation in place would change it.
                    self.gave[name] = output.detach().clone()
                    return self.replaced.get(name)

                handle = module.register_forward_hook(look)
                stack.callback(handle.remove)
            yield


def _look(batch: _Pass, seen: dict[str, _Layer], t: float, layers: Sequence[str] | None) -> None:
    """Add what one batch says."""
    a, b, mix = (batch.run(point) for point in range(3))
    names = list(a.gave) if layers is None else [n for n in layers if n in a.gave]
    for depth, name in enumerate(names, 1):
        layer = seen.setdefault(name, _Layer())
        layer.outputs += _gram(mix.gave[name], a.gave[name], b.gave[name])
        for own, caught in enumerate((a, b)):
            given = caught.read[name]
            for point in range(2):
                size = batch.alone(name, point, given).double().square().sum()
                layer.crossed[own, point] += size.cpu()
        if depth < len(names):
            after = names[depth]
            mixed = (1 - t) ** depth * a.gave[name] + t**depth * b.gave[name]
            then = batch.run(2, {name: mixed})
            layer.between += _gram(then.read[after], a.read[after], b.read[after])


def _gram(*tensors: Tensor) -> Tensor:
    rows = torch.stack([x.double().flatten() for x in tensors])
    return (rows @ rows.mT).cpu()


def _result(seen: Mapping[str, _Layer], t: float) -> WeightedConnectivity:
    distance, rest, additivity = dict[str, float](), dict[str, float](), dict[str, float]()
    coefficients, crossing = dict[str, Pairs](), dict[str, Pairs]()
    for depth, (name, layer) in enumerate(seen.items(), 1):
        predicted = torch.tensor([(1 - t) ** depth, t**depth], dtype=torch.float64)
        best = torch.linalg.lstsq(layer.outputs[1:, 1:], layer.outputs[1:, :1]).solution[:, 0]
        distance[name] = _apart(layer.outputs, predicted)
        rest[name] = _apart(layer.outputs, best)
        coefficients[name] = (float(best[0]), float(best[1]))
        sizes = layer.crossed.sqrt()
        crossing[name] = (float(sizes[0, 1] / sizes[0, 0]), float(sizes[1, 0] / sizes[1, 1]))
        if depth < len(seen):
            additivity[name] = _apart(layer.between, predicted)
    return WeightedConnectivity(t, distance, coefficients, rest, crossing, additivity)


def _apart(gram: Tensor, mix: Tensor) -> float:
    """``‖x - Σ c_k x_k‖ / ‖Σ c_k x_k‖`` from the products of x, x_1 and x_2."""
    way = torch.cat([torch.ones(1, dtype=torch.float64), -mix])
    size = mix @ gram[1:, 1:] @ mix
    return float(((way @ gram @ way).clamp_min(0) / size).sqrt())

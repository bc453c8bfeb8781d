"""Whether features of the model between two models lie between theirs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, final

import torch
from torch import Tensor

from isthmus.ground import BadInput, Result
from isthmus.landscape.evaluation.engine import Engine, Step
from isthmus.landscape.loss import Loss
from isthmus.landscape.modules import modules_of
from isthmus.landscape.running import weights_for

Rows: TypeAlias = tuple[float, ...]


@final
@dataclass(frozen=True)
class FeatureConnectivity(Result):
    """How the features ``f(t)`` on a path compare with the mix ``(1 - t) f(0) + t f(1)``.

    All by layer, and then by t. Layerwise linear feature connectivity holds where the cosine is 1,
    cross-task linearity where the coefficient is 1 too and the distance 0.

    Attributes:
        ts: Where.
        cosine: The mean over the samples of the cosine between ``f(t)`` and the mix.
        coefficient: ``⟨f(t), mix⟩ / ‖mix‖²``, over all samples: c in ``f(t) ≈ c · mix``.
        distance: ``‖f(t) - mix‖ / ‖mix‖``, over all samples.
    """

    ts: tuple[float, ...]
    cosine: Mapping[str, tuple[float, ...]]
    coefficient: Mapping[str, tuple[float, ...]]
    distance: Mapping[str, tuple[float, ...]]

    def __str__(self) -> str:
        middle = len(self.ts) // 2
        width = max(map(len, self.cosine), default=0)
        rows = [
            f"  {name:<{width}}  {self.cosine[name][middle]:8.4f}  "
            f"{self.coefficient[name][middle]:11.4f}  {self.distance[name][middle]:8.4f}"
            for name in self.cosine
        ]
        head = f"  {'layer':<{width}}  {'cosine':>8}  {'coefficient':>11}  {'distance':>8}"
        return "\n".join([f"features at t = {self.ts[middle]:.3g} against the mix", head, *rows])


def feature_connectivity(
    loss: Loss,
    path: Callable[[float], Mapping[str, Tensor]],
    ts: Iterable[float] = (0.25, 0.5, 0.75),
    layers: Sequence[str] | None = None,
) -> FeatureConnectivity:
    """Compare the outputs of modules on a path with the mix of those at its ends.

    Zhou et al. 2023 (layerwise linear feature connectivity, equation 2) and Zhou et al. 2024
    (cross-task linearity, equation 2). Every output is one vector for each sample.

    Args:
        loss: Its model and its batches are used.
        path: t to Params.
        ts: Where to look.
        layers: Names of modules; None takes all that hold no others.

    Raises:
        BadInput: There is no t, or no module gave a tensor, or the data do not fit the model.
        UnknownName: The model has no module of a name.
    """
    places = tuple(ts)
    if not places:
        raise BadInput("no t to look at", "give at least one")
    modules = modules_of(loss.model, layers)
    points = [
        weights_for(loss.model, path(t), loss.dtype, loss.device) for t in (0.0, 1.0, *places)
    ]
    seen = _Seen(places)
    handles = [
        module.register_forward_hook(lambda _, __, output, name=name: seen.look(name, output))
        for name, module in modules.items()
    ]
    engine = Engine(loss.model, loss.dtype, loss.micro_batch or 256, loss.memory)
    try:
        engine.over(points, loss.batches, seen.after, lambda _: None)
    finally:
        for handle in handles:
            handle.remove()
    if not seen.sums:
        raise BadInput("no layer gave a tensor", "name modules that return one")
    return seen.result()


@dataclass
class _Seen:
    """The features of the ends on a step, and sums over all steps: cosines, and three products."""

    ts: tuple[float, ...]
    sums: dict[str, Tensor] = field(default_factory=dict)
    samples: int = 0
    ends: dict[tuple[str, int], Tensor] = field(default_factory=dict)
    point: int = 0
    calls: Counter[str] = field(default_factory=Counter)

    def look(self, name: str, output: Any) -> None:
        """What a module gave at the point that runs now; further calls of it are numbered."""
        self.calls[name] += 1
        name += f" ({self.calls[name]})" if self.calls[name] > 1 else ""
        if not isinstance(output, Tensor) or not output.is_floating_point() or not output.dim():
            return
        here = output.detach().double().flatten(1) if output.dim() > 1 else output.double()[:, None]
        if self.point < 2:
            self.ends[name, self.point] = here.clone()
            return
        t = self.ts[self.point - 2]
        mix = (1 - t) * self.ends[name, 0] + t * self.ends[name, 1]
        inner, own, other = (here * mix).sum(1), here.square().sum(1), mix.square().sum(1)
        cosine = inner / (own * other).sqrt().clamp_min(torch.finfo(own.dtype).tiny)
        both_nothing = (own == 0) & (other == 0)  # a dead layer is where it should be
        cosine = torch.where(both_nothing, torch.ones_like(cosine), cosine)
        rows = torch.stack([cosine.sum(), inner.sum(), own.sum(), other.sum()]).cpu()
        sums = self.sums.setdefault(name, torch.zeros(len(self.ts), 4, dtype=rows.dtype))
        sums[self.point - 2] += rows

    def after(self, step: Step) -> None:
        """The next point runs."""
        self.calls.clear()
        self.samples += step.samples if step.point == 0 else 0
        self.point = (step.point + 1) % (len(self.ts) + 2)

    def result(self) -> FeatureConnectivity:
        """The means and quotients."""
        cosine, coefficient, distance = dict[str, Rows](), dict[str, Rows](), dict[str, Rows]()
        for name, sums in self.sums.items():
            cosines, inner, own, other = sums.T
            cosine[name] = tuple((cosines / self.samples).tolist())
            coefficient[name] = tuple((inner / other).tolist())
            squares = (own - 2 * inner + other).clamp_min(0)
            distance[name] = tuple((squares / other).sqrt().tolist())
        return FeatureConnectivity(self.ts, cosine, coefficient, distance)

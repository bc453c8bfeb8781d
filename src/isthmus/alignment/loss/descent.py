"""LossDescent: minimise the loss between two models through the group itself.

Ainsworth et al. (2023, section 3.3) and Peña et al. (2023) learn permutations by the loss on the
line between a and g·b; here g runs over the whole group.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from isthmus.algebra.elements import Element
from isthmus.algebra.symmetry import Params, Symmetry
from isthmus.alignment.loss.steering import Steering
from isthmus.alignment.matcher import Match, Matcher
from isthmus.alignment.matching.meeting import Meeting
from isthmus.alignment.soft.overlap import Overlap
from isthmus.alignment.weights import WeightMatching
from isthmus.ground.params import lerp
from isthmus.landscape.differentiable import DifferentiableStatistics
from isthmus.landscape.evaluation.samples import drawn
from isthmus.landscape.loss import Loss
from isthmus.landscape.running import (
    Batch,
    evaluation_mode,
    pair,
    place,
    run,
    weights_for,
)
from isthmus.landscape.straight import Line


@dataclass(frozen=True)
class Unmoved:
    """The identity: for descents that start from ``b`` as it is."""

    def __call__(
        self,
        a: Mapping[str, Tensor],
        b: Mapping[str, Tensor],
        symmetry: Symmetry,
        generator: torch.Generator,
    ) -> Match:
        """Nothing is moved."""
        return Match(symmetry.identity(), {"start": "Unmoved"}, "nothing was searched for")


@dataclass(frozen=True)
class LossDescent:
    """Minimise the loss at random places on the line from ``a`` to ``g·b``.

    Permutations and signs follow latent weights, straight through; all that is continuous moves by
    exponentials from where it stands; both take Adam steps that shrink to zero along a cosine.
    Permutations of spaces that index others (heads) stay where the start has them. The element is
    exact: a permutation is a permutation. What is returned is the best seen, the start included.

    Args:
        loss: model, batches and criterion of the descent.
        held: another loss, by which the best element is chosen; None takes ``loss`` itself.
        start: gives the first element: `WeightMatching`, `Unmoved` or any other.
        steps: of the descent, each on one batch and at one t.
        samples: how many samples of the batch a step takes, at random; None takes all.
        between: t is uniform between these.
        rate: of the continuous parts, in the group's own units (radians, log-scales).
        swap_rate: of the latent weights, relative to their size.
        every: the steps between two looks at ``held``.
        points: the t at which it is looked at; their mean loss counts.
        statistics: for BatchNorm: descend with the statistics of each batch, and look with
            statistics recomputed on the batches of ``loss``.
    """

    loss: Loss
    held: Loss | None = None
    start: Matcher = field(default_factory=WeightMatching)
    steps: int = 300
    samples: int | None = None
    between: tuple[float, float] = (0.0, 1.0)
    rate: float = 0.01
    swap_rate: float = 0.1
    every: int = 25
    points: tuple[float, ...] = (0.25, 0.5, 0.75)
    statistics: bool = False

    def __call__(
        self,
        a: Mapping[str, Tensor],
        b: Mapping[str, Tensor],
        symmetry: Symmetry,
        generator: torch.Generator,
    ) -> Match:
        """The best element seen; ``evidence["losses"]`` are those looked at, the start's first."""
        first = self.start(a, b, symmetry, generator)
        line = _Line(self.loss, a, b, symmetry, self.statistics)
        moved = line.start(first.element)
        overlap = Overlap(Meeting.of(a, b, symmetry).problem(first.element))
        steering = Steering(symmetry, moved, overlap)
        best, losses = first.element, [self._look(line, first.element)]
        for step in self._steps(line, steering, generator):
            if step % self.every == 0 or step == self.steps:
                element = steering.change() @ first.element
                losses.append(self._look(line, element))
                if losses[-1] == min(losses):
                    best = element
        claim = f"of {len(losses)} elements looked at, none has a lower loss on the line"
        return Match(best, {**first.evidence, "losses": losses}, claim)

    def _look(self, line: _Line, element: Element) -> float:
        """The mean loss at the points."""
        again = self.loss.batches if self.statistics else None
        path = Line(line.a, line.end(line.symmetry.act_all(element, line.coordinates)))
        found = (self.held or self.loss).along(path, self.points, recompute_statistics=again)
        return sum(one.loss for one in found) / len(found)

    def _steps(self, line: _Line, steering: Steering, generator: torch.Generator) -> Iterator[int]:
        """Makes one step at a time, and counts."""
        moving = [{"params": list(steering.tangent.values()), "lr": self.rate}]
        for weights in steering.latent.values():
            size = float(weights.detach().square().mean().sqrt())
            moving.append({"params": [weights], "lr": self.swap_rate * size})
        if not any(group["params"] for group in moving):
            return
        adam = torch.optim.Adam(moving)
        cosine = torch.optim.lr_scheduler.CosineAnnealingLR(adam, self.steps)
        batches = itertools.chain.from_iterable(itertools.repeat(self.loss.batches))
        low, high = self.between
        for step in range(1, self.steps + 1):
            t = low + (high - low) * float(torch.rand((), generator=generator))
            batch = drawn(pair(next(batches), step), self.samples, generator)
            adam.zero_grad(set_to_none=True)
            with torch.enable_grad():
                line.loss_at(t, steering, batch).backward()  # type: ignore[no-untyped-call]
            adam.step()
            cosine.step()
            steering.settle()
            yield step


class _Line:
    """The line from ``a`` to what becomes of ``b``, and the loss along it."""

    def __init__(
        self,
        loss: Loss,
        a: Mapping[str, Tensor],
        b: Mapping[str, Tensor],
        symmetry: Symmetry,
        statistics: bool,
    ) -> None:
        self.loss, self.symmetry, self.statistics = loss, symmetry, statistics
        # Half precision holds too little for steps this small.
        self.a = {
            n: t.float() if t.is_floating_point() and t.itemsize < 4 else t for n, t in a.items()
        }
        self.coordinates = symmetry.coordinates(b)

    def start(self, element: Element) -> Params:
        """The moved coordinates, in the precision of the model: what a descent steers."""
        held = (t.dtype for t in self.a.values() if t.is_floating_point())
        wide = functools.reduce(torch.promote_types, held, torch.float32)
        moved = self.symmetry.act_all(element, self.coordinates)
        return {n: t.to(wide) if t.is_floating_point() else t for n, t in moved.items()}

    def end(self, coordinates: Mapping[str, Tensor]) -> Params:
        """Parameters from coordinates, in the dtypes of ``a``."""
        out = self.symmetry.linearised(coordinates, back=True)
        return {name: out[name].to(t.dtype) for name, t in self.a.items()}

    def loss_at(self, t: float, steering: Steering, batch: Batch) -> Tensor:
        """The loss at ``t`` of one batch, differentiable in the steering."""
        params = lerp(self.a, self.end(steering.coordinates()), t)
        model = self.loss.model
        weights = weights_for(model, params, self.loss.dtype)
        device = next(iter(weights.values())).device
        inputs, targets = place(batch, device, self.loss.dtype)
        with evaluation_mode(model), DifferentiableStatistics():
            if self.statistics:
                for module in model.modules():
                    module.training = isinstance(module, _BatchNorm)
                held = dict(model.named_buffers())
                weights = {n: w.detach().clone() if n in held else w for n, w in weights.items()}
            outputs = run(model, weights, inputs)
            found: Tensor = self.loss.criterion(outputs, targets)
        return found

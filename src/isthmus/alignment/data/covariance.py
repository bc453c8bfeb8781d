"""CovarianceMatching: weights are matched in the metric of what they are multiplied with.

After Ferbach et al. 2024 (mathematics.md 2.5), corrected: every parameter counts, on both sides
of a space; biases enter by the augmented second moment; no step that does not lower the objective
is taken, and progress is measured against the step before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from isthmus.algebra.elements import Element
from isthmus.algebra.symmetry import Symmetry
from isthmus.alignment.data.activations import ActivationMatching
from isthmus.alignment.data.metric import Metric, MetricProblem
from isthmus.alignment.matcher import Match, Matcher
from isthmus.alignment.matching.descent import Descent
from isthmus.alignment.matching.meeting import Meeting
from isthmus.alignment.matching.steps import step
from isthmus.alignment.weights import WeightMatching
from isthmus.discovery.contractions import Contraction
from isthmus.discovery.probes import Probes
from isthmus.ground.errors import BadInput
from isthmus.landscape.running import pair

PACES = (0.0, 0.5, 1.0)
"""How timid a step is on the input side of weights: the first that lowers the objective is made."""


@dataclass(frozen=True, eq=False)
class CovarianceMatching:
    """Minimise ``Σ E|Dx + d|²`` over the group, D and d the differences of a layer's weights.

    x is what the layer of ``a`` takes (E is the mean over samples and positions). Parameters that
    are in no contraction, or read in other ways as well (norm gains, tied embeddings), count as if
    x were the single number 1, as a lone bias does.

    Args:
        model: the architecture; it is only run, in evaluation mode.
        batches: pairs (inputs, targets) as of `Loss`, read anew at every call; targets are not
            looked at. Streamed: no more than one batch is held.
        starts: matchers whose elements are descended from, besides the identity;
            `WeightMatching` and `ActivationMatching` if not given. Each is given two sweeps.
        finish: how many starts, the best after these, are descended to the end.
        sweeps: the most sweeps over all spaces from one start.
        tolerance: a sweep that gains less than this fraction of the objective is the last.
    """

    model: nn.Module
    batches: Iterable[Any]
    starts: tuple[Matcher, ...] | None = None
    finish: int = 1
    sweeps: int = 100
    tolerance: float = 1e-4

    def __call__(
        self,
        a: Mapping[str, Tensor],
        b: Mapping[str, Tensor],
        symmetry: Symmetry,
        generator: torch.Generator,
    ) -> Match:
        """Search for the element; the objective never rises.

        Raises:
            BadInput: there are no batches, one is no pair, or the model is not the symmetry's.
            CaptureFailed: the model cannot be traced on a batch.
        """
        meeting = Meeting.of(a, b, symmetry)
        core, one, two = meeting.core, meeting.a, meeting.b
        metrics = input_metrics(self.model, self.batches, a, symmetry, one)
        descents: list[MetricDescent] = []
        for name, element in self._elements(a, b, symmetry, generator):
            start = Element(core, {n: element.values[n] for n in core.spaces})
            descent = MetricDescent(name, MetricProblem(core, one, two, start, metrics))
            descent.run(2, self.tolerance)
            descents.append(descent)
            if descent.objective <= 1e-9 * descent.size:
                break  # two models of one orbit: no other start can do better
        descents.sort(key=lambda descent: descent.objective)
        for descent in descents[: max(self.finish, 1)]:
            descent.run(self.sweeps, self.tolerance)
        best = min(descents, key=lambda descent: descent.objective)
        evidence = {
            "start": best.start,
            "objectives": {descent.start: descent.objective for descent in descents},
            "objective": best.history,
            "size": best.size,
            "measured": [m.weight for m in metrics],
        }
        claim = (
            "no change of a single space was found that lowers the distance in the data's metric"
        )
        return Match(meeting.whole(best.problem.element), evidence, claim)

    def _elements(
        self,
        a: Mapping[str, Tensor],
        b: Mapping[str, Tensor],
        symmetry: Symmetry,
        generator: torch.Generator,
    ) -> Iterator[tuple[str, Element]]:
        usual = (WeightMatching(), ActivationMatching(self.model, self.batches))
        for number, matcher in enumerate(usual if self.starts is None else self.starts):
            found = matcher(a, b, symmetry, generator)
            name = type(matcher).__name__
            yield name if self.starts is None else f"{name} {number}", found.element
        yield "Identity", symmetry.identity()


class MetricDescent(Descent):
    """Coordinate descent in the metrics: each step as bold as lowers the objective."""

    problem: MetricProblem

    def _sweep(self) -> float:
        problem, gain = self.problem, 0.0
        order = list(problem.symmetry.spaces)
        for name in order if self.swept % 2 == 0 else reversed(order):
            if name in self.stale:
                self.stale.discard(name)
                gained = self._bold_step(name)
                self.stale |= {name, *problem.neighbours[name]} if gained else set()
                gain += gained
        assert gain >= 0, f"the objective rose by {-gain} in sweep {self.swept}"
        self.swept += 1
        self.history.append(problem.objective)
        return gain

    def _bold_step(self, name: str) -> float:
        for pace in PACES if self.problem.taken(name) else PACES[:1]:
            self.problem.pace = pace
            gained = step(self.problem, name, 1e-12 * self.objective)
            if gained > 0:
                return gained
        return 0.0


def input_metrics(
    model: nn.Module,
    batches: Iterable[Any],
    params: Mapping[str, Tensor],
    symmetry: Symmetry,
    essential: Mapping[str, Tensor],
) -> list[Metric]:
    """The metric of every weight that has one, from what it is multiplied with at ``params``.

    Args:
        model: the architecture.
        batches: pairs (inputs, targets).
        params: where the model is run.
        symmetry: of the model.
        essential: the coordinates in which weights are compared.

    Raises:
        BadInput: there are no batches.
    """
    probes = Probes(model, symmetry)
    sums: dict[str, _Sums] = {}
    count = 0
    for count, batch in enumerate(batches, 1):
        inputs, _ = pair(batch, count - 1)
        inputs = tuple(inputs) if isinstance(inputs, list) else inputs
        known = {
            name: ones
            for name, ones in probes.at(inputs).contractions.items()
            if name in essential and essential[name].shape == ones[0].shape
        }
        sources = tuple(dict.fromkeys(one.source for ones in known.values() for one in ones))
        values = probes.values(params, inputs, sources)
        for name, ones in known.items():
            for one in ones:
                kept = one.bias if one.bias in essential else None
                sums.setdefault(name, _Sums(one, kept)).add(one.inputs(values[one.source]))
    if not count:
        raise BadInput("there are no batches", "give some pairs (inputs, targets)")
    return [one.metric() for one in sums.values()]


@dataclass
class _Sums:
    """Running sums of what one weight is multiplied with."""

    of: Contraction
    bias: str | None
    first: Tensor | float = 0.0
    second: Tensor | float = 0.0
    count: int = 0

    def add(self, x: Tensor) -> None:
        self.count += len(x)
        if x.is_floating_point():
            self.first = self.first + x.sum(0).double()
            self.second = self.second + (x.mT @ x).double()
        else:
            self.second = self.second + torch.bincount(x, minlength=self.of.shape[0]).double()

    def metric(self) -> Metric:
        second = torch.as_tensor(self.second) / self.count
        mean = torch.zeros(len(second), dtype=torch.float64)
        if self.bias is not None:
            mean = torch.as_tensor(self.first) / self.count
            second = second - torch.outer(mean, mean)
        return Metric(self.of.weight, self.bias, self.of.first, second, mean)

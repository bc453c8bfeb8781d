"""Universe: all models to common coordinates, each in turn to the mean of the others.

The coordinates are those of MergeMany (Ainsworth et al. 2023, algorithm 3) and of generalised
Procrustes analysis (Gower 1975). With ``x_i = g_i b_i`` the sum of squared distances over all
pairs is, as far as it depends on ``x_i``, ``(N-1) |m - x_i|²`` with ``m`` the mean of the others;
so each such step lowers it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from isthmus.algebra.elements import Element
from isthmus.algebra.groups import Value
from isthmus.algebra.symmetry import Symmetry
from isthmus.alignment.forms.minimal import Minimal, compact, minimal
from isthmus.alignment.forms.representative import representative
from isthmus.alignment.many.mean import mean_of
from isthmus.alignment.many.strategies import Found, Models, check_reference, star
from isthmus.alignment.matcher import Matcher
from isthmus.alignment.starts.start import Warm
from isthmus.alignment.weights import WeightMatching

_MET = 1e-18
"""Models whose squared distances are less than this fraction of their squared norms have met."""


@dataclass(frozen=True)
class Universe:
    """All models meet in common coordinates: consistent by construction.

    What is minimised is the sum of squared distances over all pairs, with every model at the
    shortest point of its orbit (`isthmus.alignment.forms.minimal`), over permutations, signs and
    rotations. Over scales and shears such a sum has no good minimum, even with one model held:
    all the others could make that in which they differ as short as they like, and in front of a
    norm a model that is far from the others would shrink to nothing. At shortest points nothing
    can shrink, and the sum does not depend on how a model came to be scaled. In the end all move
    together to the coordinates of the reference, which comes back as it was; the function of the
    mean does not depend on which model that is.

    Args:
        reference: the model whose coordinates are the common ones.
        rounds: how often each model is aligned to the mean of the others, at most.
        tolerance: a round that gains less than this fraction of the sum is the last.
    """

    reference: int = 0
    rounds: int = 100
    tolerance: float = 1e-6

    def __call__(
        self, models: Models, symmetry: Symmetry, method: Matcher, generator: torch.Generator
    ) -> Found:
        """The best of three starts, then rounds.

        The starts: a star about the reference, one about the model that is then most central, both
        by the method, between the models at their shortest points and without scales; and the
        representatives of all orbits, which are equal where the models are of one orbit. The
        rounds are `WeightMatching` from where each model is.

        Raises:
            BadInput: the reference is the number of no model.
        """
        check_reference(self.reference, models)
        found = [minimal(symmetry, model) for model in models]
        start, meeting = self._begin(found, models, symmetry, method, generator)
        history = [meeting.objective]
        for _ in range(self.rounds):
            if history[-1] <= _MET * meeting.size:
                break
            for k in torch.randperm(len(models), generator=generator).tolist():
                meeting.improve(k, generator)
            history.append(meeting.objective)
            rise = history[-1] - history[-2]
            assert rise <= 1e-9 * meeting.size, f"the sum of squared distances rose by {rise}"
            if -rise <= self.tolerance * history[-2]:
                break
        evidence = {
            "strategy": "Universe",
            "start": start,
            "objective": history,
            "rounds": len(history) - 1,
        }
        elements = _to_reference(symmetry, meeting, self.reference)
        return Found(elements, self.reference, evidence=evidence)

    def _begin(
        self,
        found: Sequence[Minimal],
        models: Models,
        symmetry: Symmetry,
        method: Matcher,
        generator: torch.Generator,
    ) -> tuple[str, Gathering]:
        """The name of the best start, and the models there."""
        turns = compact(found[0].symmetry)
        shortest = [one.params(symmetry, given) for one, given in zip(found, models, strict=True)]
        name = "representatives"
        best = Gathering(turns, found, [representative(turns, one.point) for one in found])
        centres = [self.reference]
        while centres and best.objective > _MET * best.size:
            centre = centres.pop()
            elements = star(centre, shortest, compact(symmetry), method, generator)
            inner = [Element(turns, {n: g.values[n] for n in turns.spaces}) for g in elements]
            tried = Gathering(turns, found, inner)
            if centre == self.reference and tried.centre != centre:
                centres.append(tried.centre)
            if tried.objective < best.objective:
                name, best = f"star about model {centre}", tried
        return name, best


class Gathering:
    """Models at the shortest points of their orbits, each with its place in the universe."""

    def __init__(
        self, symmetry: Symmetry, models: Sequence[Minimal], elements: Sequence[Element]
    ) -> None:
        self.symmetry, self.models, self.elements = symmetry, models, list(elements)
        self.size = len(models) * sum(_square(one.point) for one in models)
        self.points = [
            symmetry.act_all(k, one.point) for k, one in zip(elements, models, strict=True)
        ]

    @property
    def objective(self) -> float:
        """The sum of squared distances over all pairs."""
        mean = mean_of(self.points)
        return len(self.points) * sum(
            sum(float((x[n] - t).double().square().sum()) for n, t in mean.items())
            for x in self.points
        )

    @property
    def centre(self) -> int:
        """The model that is nearest to the mean."""
        mean = mean_of(self.points)
        gaps = [_square({n: x[n] - t for n, t in mean.items()}) for x in self.points]
        return min(range(len(gaps)), key=gaps.__getitem__)

    def improve(self, k: int, generator: torch.Generator) -> None:
        """Align one model to the mean of the others, from where it is."""
        mean = mean_of([x for i, x in enumerate(self.points) if i != k])
        method = WeightMatching(starts=(Warm(self.elements[k]),))
        point = self.models[k].point
        self.elements[k] = method(mean, point, self.symmetry, generator).element
        self.points[k] = self.symmetry.act_all(self.elements[k], point)


def _to_reference(symmetry: Symmetry, meeting: Gathering, reference: int) -> tuple[Element, ...]:
    """Elements of the whole group: into the universe, and from there to the reference."""
    core = meeting.models[reference].symmetry
    places = [
        core.lift(k) @ one.element for k, one in zip(meeting.elements, meeting.models, strict=True)
    ]
    back = ~places[reference]
    out = []
    for number, (place, one) in enumerate(zip(places, meeting.models, strict=True)):
        settled = symmetry.settling(meeting.models[reference].whole, one.whole)
        values: dict[str, Value] = {**(back @ place).values, **settled}
        same = number == reference
        out.append(symmetry.identity() if same else _ordered(symmetry, values))
    return tuple(out)


def _ordered(symmetry: Symmetry, values: Mapping[str, Value]) -> Element:
    return Element(symmetry, {n: values[n] for n in symmetry.spaces})


def _square(point: Mapping[str, Tensor]) -> float:
    return sum(float(t.double().square().sum()) for t in point.values())

"""star: one centre that a line of low loss joins to every one of many minima."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, final

import torch
from torch import Tensor

from isthmus.ground import BadInput, Params, Result
from isthmus.landscape.curves.curve import Curve
from isthmus.landscape.curves.mixing import mixture
from isthmus.landscape.curves.shapes import PolygonalChain
from isthmus.landscape.curves.training import (
    ControlPoints,
    Task,
    Training,
    TrainingRecord,
    descend,
)
from isthmus.landscape.loss import Loss, Progress
from isthmus.landscape.paths import require_alike
from isthmus.landscape.straight import Line

Match: TypeAlias = "Callable[[Mapping[str, Tensor], Mapping[str, Tensor]], Mapping[str, Tensor]]"
"""From a model and the centre to the same function, near the centre."""


@final
@dataclass(frozen=True, eq=False)
class StarDomain(Result):
    """A centre and the models around it.

    Attributes:
        centre: The Params that were trained.
        models: Those it was trained to be joined to; matched ones where `star` matched them.
        record: How the training went.
    """

    centre: Params = field(repr=False, metadata={"json": False})
    models: tuple[Mapping[str, Tensor], ...] = field(repr=False, metadata={"json": False})
    record: TrainingRecord

    def arm(self, model: int) -> Line:
        """The line from the centre to one of the models."""
        return Line(self.centre, self.models[model])

    def path(self, first: int, second: int) -> Curve:
        """From one model to another over the centre."""
        points = (self.models[first], self.centre, self.models[second])
        return Curve(PolygonalChain(1), points, self.record)

    def __str__(self) -> str:
        return f"star of {len(self.models)} models: {self.record}"


def star(
    models: Sequence[Mapping[str, Tensor]],
    loss: Loss,
    start: Mapping[str, Tensor] | None = None,
    steps: int = 2000,
    seed: int = 0,
    concentration: int = 1,
    match: Match | None = None,
    match_every: int = 500,
    training: Training | None = None,
    progress: Progress | None = None,
) -> StarDomain:
    """The centre c with the least mean loss on all lines from it to the models.

    ``min_c Σ_i E_t L((1 - t) c + t θ_i)``, a random model and a random t in every step (Lin, Li and
    Wu 2024; Sonthalia et al. 2024, where the models are matched to the centre again and again).

    Args:
        models: The minima, at least two.
        loss: Model, batches and criterion.
        start: Where the centre begins; None takes the mean of the models.
        steps: How many.
        seed: Fixes every choice.
        concentration: t follows Beta(c, c): 1 is uniform, 2 looks more at the middle of the lines.
        match: Moves a model near to the centre, as ``lambda model, centre: isthmus.align(model,
            to=centre, symmetry=symmetry).params``; the first model stands for the centre at first.
        match_every: Steps between two matchings.
        training: The optimiser, its schedule, and where the state is kept.
        progress: Called with (steps done, steps) after each.

    Raises:
        BadInput: There are fewer than two models, or an option is not positive.
        NotFinite: A model, or a loss of the training, is not finite.
        UnknownName: The models are not of the loss's model; so ShapeMismatch and DtypeMismatch.
    """
    if len(models) < 2:
        raise BadInput(f"a star of {len(models)} models, expected at least 2", "give more models")
    for name, value in (("concentration", concentration), ("match_every", match_every)):
        if value < 1:
            raise BadInput(f"{name} is {value}, expected at least 1", "give a positive number")
    for model in models[1:]:
        require_alike(models[0], model)
    training = training or Training()
    around = list(models)
    if match is not None:
        near = models[0] if start is None else start
        around = [match(model, near) for model in models]
    centre = start or mixture(around, [1 / len(around)] * len(around))
    points = ControlPoints(loss, [centre, *around], [0], training.only)
    task = _Centring(loss, points, around, concentration, match, match_every)
    record = descend(task, steps, seed, training, progress)
    return StarDomain(points.params(0), tuple(task.models), record)


class _Centring(Task):
    """The mean loss on the lines from point 0 to all others."""

    def __init__(
        self,
        loss: Loss,
        points: ControlPoints,
        models: list[Mapping[str, Tensor]],
        concentration: int,
        match: Match | None,
        every: int,
    ) -> None:
        super().__init__(loss, points)
        self.models, self.match, self.every = models, match, every
        self.concentration = concentration

    @property
    def words(self) -> str:
        """The distribution of t, and how often models are matched."""
        return f"star {self.concentration} {self.match is not None} {self.every}"

    def draw(self, generator: torch.Generator) -> Tensor:
        """A model, and a t."""
        model = int(torch.randint(len(self.models), (), generator=generator))
        # The middle one of 2 c - 1 uniform numbers follows Beta(c, c).
        drawn = torch.rand(2 * self.concentration - 1, generator=generator, dtype=torch.float64)
        weights = torch.zeros(len(self.models) + 1, dtype=torch.float64)
        weights[model + 1] = drawn.median()
        weights[0] = 1 - weights[model + 1]
        return weights

    def settle(self, done: int) -> bool:
        """Match all models to the centre from time to time; the optimiser stays."""
        if self.match is not None and done % self.every == 0:
            centre = self.points.params(0)
            self.models = [self.match(model, centre) for model in self.models]
            for k, model in enumerate(self.models, 1):
                self.points.put(k, model)
        return False

    def state(self) -> dict[str, Any]:
        """The models as they were last matched."""
        return {"models": [dict(model) for model in self.models]} if self.match else {}

    def restore(self, state: dict[str, Any]) -> None:
        """Take them back."""
        self.models = list(state.get("models", self.models))


def dirichlet(count: int, generator: torch.Generator) -> Tensor:
    """Uniform weights that are not negative and sum to 1, ``(count,)``: Dirichlet(1)."""
    found = torch.empty(count, dtype=torch.float64).exponential_(generator=generator)
    return found / found.sum()

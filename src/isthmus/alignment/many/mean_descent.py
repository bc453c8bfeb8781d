"""MeanDescent: many models are moved so that their mean has a low loss."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from isthmus.algebra.symmetry import Symmetry
from isthmus.alignment.loss.descent import LossDescent, Unmoved
from isthmus.alignment.many.mean import mean_of
from isthmus.alignment.many.strategies import Found, Models, Strategy
from isthmus.alignment.many.universe import Universe
from isthmus.alignment.matcher import Matcher

_UNIVERSE = Universe()


@dataclass(frozen=True)
class MeanDescent:
    """Each model in turn is moved to lower the loss of the mean of all.

    The mean of N models lies at 1/N of the line from the mean of the others to any one of them:
    there `LossDescent` moves that one through the group, from where it is. As that returns the
    best it saw, the loss of the mean, by which it looks, never rises. The reference stays.

    Args:
        descent: how; its ``start``, ``between`` and ``points`` are set here.
        first: where the models are brought to before that.
        rounds: how often each model is moved.
    """

    descent: LossDescent
    first: Strategy = _UNIVERSE
    rounds: int = 2

    def __call__(
        self, models: Models, symmetry: Symmetry, method: Matcher, generator: torch.Generator
    ) -> Found:
        """The elements; ``evidence["losses"]`` are those of the mean, the first strategy's first.

        Raises:
            BadInput: as the first strategy and `LossDescent` do.
        """
        found = self.first(models, symmetry, method, generator)
        share = 1 / len(models)
        descent = replace(self.descent, start=Unmoved(), between=(share, share), points=(share,))
        elements = list(found.elements)
        points = [symmetry.act(g, one) for g, one in zip(elements, models, strict=True)]
        losses: list[float] = []
        for _ in range(self.rounds):
            for k in torch.randperm(len(models), generator=generator).tolist():
                if k == found.reference:
                    continue
                others = mean_of([point for i, point in enumerate(points) if i != k])
                match = descent(others, points[k], symmetry, generator)
                elements[k] = match.element @ elements[k]
                points[k] = symmetry.act(elements[k], models[k])
                seen = match.evidence["losses"]
                losses += [min(seen)] if losses else [seen[0], min(seen)]
        evidence = {**found.evidence, "strategy": "MeanDescent", "losses": losses}
        claim = (
            f"of the elements looked at in {self.rounds} rounds, none gives the mean a lower loss"
        )
        return Found(tuple(elements), found.reference, evidence=evidence, claim=claim)

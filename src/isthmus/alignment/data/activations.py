"""ActivationMatching: units are matched by what they do on the same inputs.

After Tatro et al. 2020 and Ainsworth et al. 2023 (their method of activations), over the whole
group: permutations by assignment, with signs and scales in closed form; rotations by Procrustes;
shears by Procrustes between white activations (as canonical correlation does); heads as blocks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import torch
from torch import Tensor, nn

from isthmus.algebra.groups import AbstractMonomial, Character, Group, Motion, Moves, monomial
from isthmus.algebra.symmetry import Symmetry
from isthmus.alignment.data.moments import Moments
from isthmus.alignment.data.sizes import match_sizes, unit_length, upright
from isthmus.alignment.matcher import Match
from isthmus.alignment.matching.descent import Descent
from isthmus.alignment.matching.meeting import Meeting
from isthmus.alignment.matching.problem import Problem
from isthmus.alignment.matching.steps import Rows, best_change, step
from isthmus.discovery.probes import Probes
from isthmus.ground.errors import BadInput
from isthmus.landscape.running import pair


class Statistic(Enum):
    """What is compared of two units: covariances feel how large a unit is, correlations do not.

    Units that may be scaled are compared by correlation in any case: how large they are is free.
    """

    COVARIANCE = "covariance"
    CORRELATION = "correlation"


@dataclass(frozen=True, eq=False)
class ActivationMatching:
    """Match each hidden space by its centred activations in both models, on the same inputs.

    A space is seen where an operator that reads a parameter gives or takes it: before its
    nonlinearity and after (`isthmus.discovery.probes`). What is seen of one space does not depend
    on the others: each is matched alone, to the least ``Σ |X_a - g X_b|²``, and scales by the sizes
    of matched units. Signs and scales that no activation feels, and spaces that do not show, are
    then settled by the weights, with all else held.

    Args:
        model: the architecture; it is only run, in evaluation mode.
        batches: pairs (inputs, targets) as of `Loss`, read anew at every call; targets are not
            looked at. Streamed: no more than one batch is held.
        statistic: whether units are compared by covariance or by correlation. Rotations and shears
            mix units, so there both mean the covariance.
        sweeps: the most sweeps over all spaces.
    """

    model: nn.Module
    batches: Iterable[Any]
    statistic: Statistic = Statistic.COVARIANCE
    sweeps: int = 50
    _probes: dict[int, Probes] = field(init=False, default_factory=dict, repr=False)

    def __call__(
        self,
        a: Mapping[str, Tensor],
        b: Mapping[str, Tensor],
        symmetry: Symmetry,
        generator: torch.Generator,
    ) -> Match:
        """The element by activations.

        Raises:
            BadInput: there are no batches, one is no pair, or the model is not the symmetry's.
            CaptureFailed: the model cannot be traced on a batch.
        """
        moments = self.moments(a, b, symmetry)
        meeting = Meeting.of(a, b, symmetry)
        matched = self._matched(moments)
        rest = meeting.problem(matched.element)
        self._settle(rest, moments)
        evidence = {
            "objective": matched.objective,
            "size": matched.objective_size,
            "samples": max(place.samples for place in moments.places.values()),
            "places": len(moments.places),
            "unseen": [n for n in meeting.core.spaces if n not in moments.spaces],
        }
        claim = "each hidden space is matched by what it does on the data, alone"
        return Match(meeting.whole(rest.element), evidence, claim)

    def moments(
        self, a: Mapping[str, Tensor], b: Mapping[str, Tensor], symmetry: Symmetry
    ) -> Moments:
        """The joint moments of both models over all batches."""
        # A model is traced once, however many pairs are matched; probes hold their symmetry.
        probes = self._probes.setdefault(id(symmetry), Probes(self.model, symmetry))
        moments = Moments(symmetry.essential)
        for index, batch in enumerate(self.batches):
            inputs, _ = pair(batch, index)
            inputs = tuple(inputs) if isinstance(inputs, list) else inputs
            reps = probes.at(inputs).reps
            moments.add(reps, probes.values(a, inputs), probes.values(b, inputs))
        if not moments.places:
            raise BadInput("there are no batches", "give some pairs (inputs, targets)")
        return moments

    def _matched(self, moments: Moments) -> Problem:
        """The best element for what is seen: units first, then their scales."""
        symmetry, one, two = moments.standins()
        every = self.statistic is Statistic.CORRELATION
        target, source = upright(symmetry, one), upright(symmetry, two)
        alike = unit_length(symmetry, symmetry.act_all(target, one), every=every)
        other = unit_length(symmetry, symmetry.act_all(source, two), every=every)
        bent = (Motion.STRETCH, Motion.SHEAR)
        rigid = symmetry.restrict([motion for motion in Motion if motion not in bent])
        descent = Descent("activations", Problem(rigid, alike, other, rigid.identity()))
        descent.run(self.sweeps, 1e-9)
        found = ~target @ symmetry.lift(descent.problem.element) @ source
        problem = Problem(symmetry, one, two, found)
        match_sizes(problem)
        return problem

    def _settle(self, problem: Problem, moments: Moments) -> None:
        """By the weights, what activations do not feel."""
        for _ in range(self.sweeps):
            gains = [by_weights(problem, name, moments) for name in problem.symmetry.spaces]
            if not any(gains):
                return


def by_weights(problem: Problem, name: str, moments: Moments) -> float:
    """Improve the signs and scales of a space that are not felt; all of it where it is unseen."""
    tolerance = 1e-12 * problem.objective_size
    if name not in moments.spaces:
        return step(problem, name, tolerance)
    group, rows = _group(problem.symmetry, name), problem.rows(name)
    if not isinstance(group, AbstractMonomial) or not rows:
        return 0.0
    seen_scales, seen_flips = moments.seen(name)
    scales = [k for k in range(group.scales) if k not in seen_scales]
    flips = [k for k in range(group.flips) if k not in seen_flips]
    change = _unfelt(group, rows, scales, flips)
    return 0.0 if change is None else problem.try_change({name: change}, tolerance)


def _unfelt(
    group: AbstractMonomial, rows: Rows, scales: list[int], flips: list[int]
) -> Moves | None:
    """The best change of these families alone."""

    def only(c: Character) -> Character:
        return Character(
            c.dual, tuple(c.scales[k] for k in scales), tuple(c.flips[k] for k in flips)
        )

    if not scales and not flips:
        return None
    part = monomial(group.size, swaps=False, flips=len(flips), scales=len(scales))
    found = best_change(part, [(only(c), a, b) for c, a, b in rows])
    one = group.identity(rows[0][1].shape[:-2])
    signs, logs = one.signs.clone(), one.logs.clone()
    signs[..., flips, :], logs[..., scales, :] = found.signs, found.logs
    return Moves(one.perm, signs, logs)


def _group(symmetry: Symmetry, name: str) -> Group:
    return symmetry.spaces[name].group

"""Lengths that nothing undoes: of units in front of a norm, whose scales only grow or only shrink.

The function does not depend on them. Least squares makes a unit shorter the more it differs from
its partner, down to nothing: nearer to the target, and worse on every line to it, which then hears
little of the unit that moved. So a search ranks pairs at their least squares, where a pair costs
|a|² sin² of its angle, and leaves such units as long as the target's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from isthmus.algebra.elements import Element
from isthmus.algebra.groups import AbstractMonomial, Moves
from isthmus.alignment.matching import pairs
from isthmus.alignment.matching.problem import Problem

Rule = Callable[[pairs.Classes], Tensor]
"""Units side by side, ``(characters, *batch, n)``, to their log-scales ``(*batch, n)``."""


def made_alike(problem: Problem) -> Element:
    """The element at which such units are as long as those of the target."""
    return _set(problem, _as_long)


def made_near(problem: Problem) -> Element:
    """The element at which such units are as long as least squares make them."""
    return _set(problem, lambda of: pairs.fit(of, rounds=1, steps=40)[1][0])


def _set(problem: Problem, rule: Rule) -> Element:
    """Set all such lengths by a rule; the problem is left as it was."""
    families = list(_families(problem))
    if not families:
        return problem.element
    state = problem.fork()
    for space, group, family in families:
        rows = [row for row in state.rows(space) if row[0].scales[family]]
        of = pairs.diagonal(rows, (group.scales, group.flips))
        alone = pairs.Classes(
            of.cross, of.source, of.target, of.scales[:, [family]], of.flips[:, :0]
        )
        still = group.identity(problem.symmetry.batch(space))
        logs = still.logs.clone()
        logs[..., family, :] = rule(alone)
        change = {space: Moves(still.perm, still.signs, logs)}
        state.accept(change, state.propose(change))
    return state.element


def _families(problem: Problem) -> Iterator[tuple[str, AbstractMonomial, int]]:
    """Space, group and number of every family of scales whose powers have one sign."""
    for name, space in problem.symmetry.spaces.items():
        if isinstance(space.group, AbstractMonomial):
            powers = [place.character.scales for place in problem.places[name]]
            for family in range(space.group.scales):
                felt = [p[family] for p in powers if p[family]]
                if felt and (min(felt) > 0 or max(felt) < 0):
                    yield name, space.group, family


def _as_long(of: pairs.Classes) -> Tensor:
    """Where both are of one length: an increasing function, by Newton in its logarithm."""
    power = of.scales.reshape(-1, *[1] * (of.cross.dim() - 1))
    target = of.target.sum(0)
    logs = torch.zeros_like(target)
    for _ in range(60):
        grown = of.source * (2 * power * logs).exp()
        size = grown.sum(0)
        bend = (2 * power * grown).sum(0) / size.clamp_min(1e-300)
        move = (target.clamp_min(1e-300) / size.clamp_min(1e-300)).log() / bend
        move = torch.where((target > 0) & (size > 0), move, 0.0).clamp(-4, 4)
        logs = logs + move
        if bool((move.abs() < 1e-15).all()):
            break
    return logs

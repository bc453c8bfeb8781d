"""optimality: how far from optimal an alignment can be, whatever found it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from isthmus.algebra.elements import Element
from isthmus.algebra.symmetry import Symmetry
from isthmus.alignment.matching.lengths import made_near
from isthmus.alignment.matching.meeting import Meeting
from isthmus.alignment.matching.problem import Occurrence, Problem
from isthmus.alignment.optimality.exhaustive import Enumeration
from isthmus.alignment.optimality.orbit import Share, duals_of, shares, stored_share
from isthmus.alignment.optimality.stored import digest, seal, symmetry_digest
from isthmus.alignment.optimality.terms import Term, term
from isthmus.ground.certificates import Certificate, Verdict
from isthmus.ground.errors import BadInput
from isthmus.ground.results import plain

TOLERANCE = 1e-4
"""Gains below this fraction of the squared distance do not count."""
_FLOOR = 1e-9
"""Nor do gains below this fraction of ``TOLERANCE`` times the squared norm of ``a``."""


def optimality(
    symmetry: Symmetry,
    a: Mapping[str, Tensor],
    b: Mapping[str, Tensor],
    element: Element,
    *,
    search: Mapping[str, Any] | None = None,
    memory: float = 4.0,
    exhaustive: int = 10_000,
) -> Certificate:
    """What is proved of ``|a - g·b|`` at an element, whoever found it.

    Two things are said. For each space: by how much no change of it alone can lower the squared
    distance, from the duals of an assignment, an overlap that is symmetric and positive, or least
    squares. Changes of several spaces no two of which share a parameter gain at most the sum of
    their gaps; of changes of spaces that do, these gaps say nothing. And for the whole group: a
    distance below which no element comes (`orbit`); where the group is finite and small, the least
    distance of all, every element being tried.

    Args:
        symmetry: of both models.
        a: the parameters to meet.
        b: the parameters that are moved.
        element: the ``g`` in question.
        search: how it was found, kept with the evidence; ``distances`` are those of restarts,
            ``tried`` is how many elements were tried: they are tried again.
        memory: GiB that the proof of one assignment may take: 8192 units fit into 4, or 1891 with
            scales. Larger ones are not solved; their kind is then none in the evidence.
        exhaustive: all elements are tried where there are no more than this many, times the units
            of the one space that an assignment settles.

    Returns:
        PROVED where no change of one space gains more than `TOLERANCE` of the squared distance (or
        no element of the group: then the claim says so), REFUTED where one does, TESTED where the
        bounds leave it open, as for GL. The evidence is plain data that `recheck` checks.
    """
    state = State.of(symmetry, a, b, element)
    spaces = {n: term(state.problem, n, ps, {n}, memory=memory) for n, ps in state.places.items()}
    every = _enumeration(state, int((search or {}).get("tried", 0)), exhaustive)
    found = assessment(state, spaces, shares(state.problem, memory), every)
    evidence: dict[str, Any] = {
        **found["evidence"],
        "digests": {"a": digest(a), "b": digest(b), "symmetry": symmetry_digest(symmetry)},
        "element": element.to_json(),
        "search": plain(dict(search or {})),
    }
    evidence |= spread(search or {})
    claim, verdict, margin = found["claim"], Verdict[found["verdict"]], found["margin"]
    said = {"claim": claim, "verdict": verdict.name, "margin": margin, "evidence": evidence}
    evidence["digests"]["certificate"] = seal(said)
    return Certificate(claim, verdict, margin, evidence)


@dataclass(frozen=True)
class State:
    """The problem at an element, in float64, and what is settled apart from it.

    Attributes:
        problem: over the coordinates on which something acts.
        rest: the squared distance over those on which nothing acts.
        left: what the element leaves of the free ones, by space.
    """

    problem: Problem
    rest: float
    left: Mapping[str, float]

    @classmethod
    def of(
        cls,
        symmetry: Symmetry,
        a: Mapping[str, Tensor],
        b: Mapping[str, Tensor],
        element: Element,
    ) -> State:
        """Both models in coordinates, b moved."""
        meeting = Meeting.of(a, b, symmetry, exact=True)
        problem = meeting.problem(element)
        problem.put(made_near(problem))
        return cls(problem, meeting.rest, meeting.left(element))

    @property
    def squared(self) -> float:
        """The squared distance."""
        return self.problem.objective + self.rest + sum(self.left.values())

    @property
    def places(self) -> dict[str, list[Occurrence]]:
        """Where each space that can move acts, each block once."""
        spaces = self.problem.symmetry.spaces
        found = {}
        for name, places in self.problem.places.items():
            if spaces[name].group.motions and places:
                once = {(p.name, id(p.block)): p for p in reversed(places)}
                found[name] = list(reversed(once.values()))
        return found


def spread(search: Mapping[str, Any]) -> dict[str, float]:
    """By how much the distances differ that a search reached from its starts; none of none."""
    distances = search.get("distances", ())
    return {"spread": max(distances) - min(distances)} if distances else {}


def _enumeration(state: State, tried: int, most: int) -> Enumeration | None:
    """How all elements are tried, where there are few; None where there are many, or infinitely."""
    try:
        every = Enumeration.of(state.problem)
    except BadInput:
        return None
    units = state.problem.symmetry.spaces[every.solved].size if every.solved else 1
    few = every.fits(max(tried, most // units))
    return every if few and every.spaces else None


def assessment(
    state: State, spaces: Mapping[str, Term], orbit: list[Share], every: Enumeration | None
) -> dict[str, Any]:
    """The claim, its verdict and the numbers, from terms whose bounds are checked."""
    problem = state.problem
    free = {name: Term("free", value) for name, value in state.left.items()}
    terms = {**spaces, **free}
    squared = state.squared
    least = 0.0 if every is None else every.best()[0]
    lowest = min(max(sum(share.bound.bound for share in orbit), least) + state.rest, squared)
    scale = max(squared, _FLOOR * problem.objective_size)
    largest = max((one.gap / scale for one in terms.values()), default=0.0)
    missed = any(one.sharp and one.gap > TOLERANCE * scale for one in terms.values())
    distance, bound = math.sqrt(squared), math.sqrt(lowest)
    if squared - lowest <= TOLERANCE * scale:
        claim = f"no element of the group lowers the squared distance by {TOLERANCE:.2%}"
        verdict, margin = Verdict.PROVED, TOLERANCE - (squared - lowest) / scale
    else:
        claim = f"no change of a single space lowers the squared distance by {TOLERANCE:.2%}"
        proved = Verdict.PROVED if largest <= TOLERANCE else Verdict.TESTED
        verdict, margin = (Verdict.REFUTED if missed else proved), TOLERANCE - largest
    return {
        "claim": claim,
        "verdict": verdict.name,
        "margin": margin,
        "evidence": {
            "distance": distance,
            "lower_bound": bound,
            "gap_of_one_space": max((one.gap for one in terms.values()), default=0.0),
            "spaces": {name: one.to_json() for name, one in terms.items()},
            "orbit": [share.to_json(problem) for share in orbit],
            "tried": {} if every is None else {"elements": every.count, "least": least},
        },
    }


def again(state: State, evidence: Mapping[str, Any]) -> dict[str, Any]:
    """The assessment from stored duals: bounds are computed anew, no assignment is solved.

    Only where all elements were tried are they tried again.
    """
    spaces = {
        name: term(state.problem, name, places, {name}, duals_of(evidence["spaces"][name]))
        for name, places in state.places.items()
    }
    orbit = [stored_share(state.problem, d, duals_of(d)) for d in evidence["orbit"]]
    blocks = [(place.name, id(place.block)) for share in orbit for place in share.places]
    if len(set(blocks)) < len(blocks):
        raise ValueError("a block of the orbit is given twice")
    tried = evidence["tried"]
    every = Enumeration.of(state.problem) if tried else None
    if every is not None and every.count != tried["elements"]:
        raise ValueError(f"not {tried['elements']} elements were to be tried, but {every.count}")
    return assessment(state, spaces, orbit, every)

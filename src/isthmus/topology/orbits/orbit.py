"""The number of components of an orbit, by what the stabiliser of its points realises."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor

from isthmus.algebra import Symmetry
from isthmus.algebra.groups import AbstractMonomial
from isthmus.ground import Certificate, NotFinite, Verdict
from isthmus.topology.counts import ComponentCount, CountFactor
from isthmus.topology.orbits.clusters import Cluster, clusters
from isthmus.topology.orbits.group import space_factor
from isthmus.topology.orbits.matrices import DRAWS, MatrixStabiliser
from isthmus.topology.orbits.monomial import ALIKE, MonomialStabiliser

THEOREM = (
    "|π₀(G·s)| = |G / (G⁰ Stab(s))| ≤ |π₀(G)| (Zhao et al. 2025, Proposition 3.4 and "
    "Corollary 3.6), with G⁰ the identity component"
)


class _Found(NamedTuple):
    """Of one cluster: what its group has, what the stabiliser meets, and how that is known."""

    group: float
    least: float
    most: float
    known: Certificate

    @property
    def taken(self) -> CountFactor:
        """What the stabiliser is known to join."""
        return CountFactor("joined by what leaves the params in place", -self.least)


def orbit_components(
    symmetry: Symmetry, params: Mapping[str, Tensor], limit: int = 2000, seed: int = 0
) -> ComponentCount:
    """How many components the orbit of params has, exactly where that can be told.

    Elements of the stabiliser join components of the group: twin units swap, dead units flip,
    a rotation space that is not filled has reflections that do nothing. Spaces that never act on
    the same block are taken apart; then permutations, signs and scales are solved for all units
    that look alike, and matrices by linear equations; where neither is possible, or more than
    ``limit`` permutations would have to be tried, there are bounds.

    Args:
        symmetry: The group and its action.
        params: A point of the orbit.
        limit: The most permutations that are tried for spaces that act together.
        seed: Of the random elements by which the stabiliser of matrices is seen.

    Raises:
        UnknownName: ``params`` are not of the symmetry's model; so ShapeMismatch.
        NotFinite: They hold NaN or infinity.
    """
    symmetry.check(params)
    for name, x in params.items():
        if not bool(x.isfinite().all()):
            raise NotFinite(f"{name} holds NaN or infinity", "give finite params")
    rigid, rest = clusters(symmetry, params)
    found = [_still(symmetry, name) for name in rigid]
    found += [_of(cluster, symmetry, limit, seed) for cluster in rest]
    factors = tuple(space_factor(symmetry, name) for name in symmetry.spaces)
    return ComponentCount(
        "the orbit",
        THEOREM,
        math.fsum(_left(one.group, one.most) for one in found),
        math.fsum(_left(one.group, one.least) for one in found),
        tuple(one.known for one in found if one.group),
        (*(factor for factor in factors if factor.log), *(one.taken for one in found if one.least)),
    )


def _left(group: float, realised: float) -> float:
    """ln of a quotient; no less than one component."""
    log = group if math.isinf(group) and not math.isinf(realised) else group - realised
    return 0.0 if math.isnan(log) or log < 1e-9 else log


def _still(symmetry: Symmetry, name: str) -> _Found:
    claim = f"{name}: no element but 1 leaves in place what it acts on alone, which has full rank"
    return _Found(space_factor(symmetry, name).log, 0.0, 0.0, Certificate(claim, Verdict.PROVED))


def _of(cluster: Cluster, symmetry: Symmetry, limit: int, seed: int) -> _Found:
    group = sum(space_factor(symmetry, name).log for name in cluster.spaces)
    names = ", ".join(cluster.spaces)
    if not group:
        known = Certificate(f"the group of {names} is connected", Verdict.PROVED)
        return _Found(0.0, 0.0, 0.0, known)
    if not cluster.blocks:
        known = Certificate(f"{names}: nothing is acted on", Verdict.PROVED)
        return _Found(group, group, group, known)
    monomial = all(isinstance(s.group, AbstractMonomial) for s in cluster.spaces.values())
    if monomial and not cluster.families:
        return _discrete(cluster, names, group, limit)
    solved = MatrixStabiliser(cluster)
    if solved.fits:
        log = solved.log_realised(seed)
        known = Certificate(
            f"{names}: the stabiliser has no other signs of determinants than random elements show",
            Verdict.TESTED,
            evidence={"draws": DRAWS, "patterns": round(math.exp(log))},
        )
        return _Found(group, log, log, known)
    known = Certificate(
        f"{names}: no element but 1 leaves the params in place; it was not looked for, so that "
        "the group's own count is but a bound",
        Verdict.UNKNOWN,
    )
    return _Found(group, 0.0, group, known)


def _discrete(cluster: Cluster, names: str, group: float, limit: int) -> _Found:
    realised = MonomialStabiliser(cluster).realised(limit)
    if realised.log_least == realised.log_most:
        claim = f"{names}: no other permutations and signs leave the params in place"
        evidence = {"tried": realised.tried, "equal_to": ALIKE}
        known = Certificate(claim, Verdict.PROVED, evidence=evidence)
    else:
        claim = (
            f"{names}: no permutations but of two units alone leave the params in place; more than "
            f"{limit:,} would have to be tried"
        )
        known = Certificate(claim, Verdict.UNKNOWN, evidence={"tried": realised.tried})
    return _Found(group, realised.log_least, realised.log_most, known)

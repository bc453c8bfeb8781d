"""The number of components of a symmetry group, space by space."""

from __future__ import annotations

from isthmus.algebra import Symmetry
from isthmus.ground import Certificate, Verdict
from isthmus.topology.counts import ComponentCount, CountFactor

THEOREM = (
    "|π₀(G)| is the product over the spaces, one factor for each value of what indexes them, and "
    "bounds the components of every orbit (Zhao et al. 2025, Propositions 3.4 and 3.5)"
)


def space_factor(symmetry: Symmetry, name: str) -> CountFactor:
    """One space: the components of its group, once for each value of its outer spaces."""
    copies = symmetry.copies(name)
    times = f", {copies} times" if copies > 1 else ""
    log = symmetry.spaces[name].group.log_components
    return CountFactor(f"{symmetry.spaces[name]}{times}", copies * log if log else 0.0)


def group_components(symmetry: Symmetry) -> ComponentCount:
    """How many components the group of a model has, as the product of those of its spaces.

    Example:
        >>> print(group_components(discover(model, example)))  # doctest: +SKIP
        576 components of S(4)[fc1] × S(4)[fc2]
    """
    factors = tuple(space_factor(symmetry, name) for name in symmetry.spaces)
    log = sum(factor.log for factor in factors)
    typed = Certificate(
        "every operator was typed; else the group that was found may be too small",
        Verdict.REFUTED if symmetry.warnings else Verdict.PROVED,
        evidence={"warnings": len(symmetry.warnings)},
    )
    of = " × ".join(map(str, symmetry.spaces.values())) or "the trivial group"
    return ComponentCount(of, THEOREM, log, log, (typed,), factors)

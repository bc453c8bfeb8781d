"""What the group says of a census: no more components of one solution than it has itself."""

from __future__ import annotations

import math

from isthmus.algebra import Symmetry
from isthmus.discovery import verify
from isthmus.ground import Certificate, Verdict
from isthmus.landscape import Loss
from isthmus.landscape.evaluation.samples import cut
from isthmus.topology.census.clusters import Clusters

_SAMPLES = 8
"""On so many the group is seen to keep the function."""

THEOREM = "Zhao et al. 2025, Corollary 3.6"


def group_kept(symmetry: Symmetry, loss: Loss, seed: int) -> Certificate:
    """The hypothesis of the bound: random elements of the group change no output (`verify`)."""
    inputs = cut(next(iter(loss.batches))[0], slice(_SAMPLES))
    example = tuple(inputs) if isinstance(inputs, list) else inputs
    return verify(symmetry, loss.model, example, samples=4, seed=seed)


def bounded(
    log_components: float, kept: Certificate, space: Clusters, solutions: Clusters
) -> Certificate:
    """Whether the components in parameter space are as few as the group lets them be.

    The group acts on the components of every sublevel set of the loss, and its identity component
    moves none of them: a component up to symmetry holds at most |π0(G)| components, as an orbit
    does. Where the sample shows more, the connectors have missed paths.

    Args:
        log_components: ln |π0(G)|.
        kept: The hypothesis, as `group_kept` found it.
        space: The components in parameter space.
        solutions: Those up to symmetry, at the same level.
    """
    held = [
        sum(members[0] in solution for members in space.members) for solution in solutions.members
    ]
    margin = log_components - math.log(max(held))
    error = kept.evidence["relative_error"]
    if kept.verdict is Verdict.REFUTED:
        verdict, words = Verdict.UNKNOWN, "it changes it here, so nothing is bounded"
    elif margin < -1e-9:
        verdict, words = Verdict.REFUTED, f"{max(held)} are counted: the connectors miss paths"
    else:
        verdict, words = Verdict.TESTED, f"the sample shows up to {max(held)}"
    return Certificate(
        f"one solution up to symmetry has at most {_size(log_components)} components in parameter "
        f"space ({THEOREM}; hypothesis: the group keeps the function, tested to {error:.1e}); "
        f"{words}",
        verdict,
        margin,
        {"log_components": log_components, "most_seen": max(held), "relative_error": error},
    )


def _size(log: float) -> str:
    """e to this power, in digits where these are few."""
    if log < math.log(1e6):
        return f"{round(math.exp(log))}"
    return f"10^{log / math.log(10):.1f}"

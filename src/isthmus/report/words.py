"""The result in words: one honest headline, and a sentence for every section of the report."""

from __future__ import annotations

import math
from enum import Enum

from isthmus.report.connection import ALIGNED, HOME, NAIVE, Connection

FLAT_SHARE = 0.05
"""A line counts as flat where it keeps at most this share of the naive barrier,"""

FLAT = 0.02
"""or where it is at most this high in absolute terms."""


class Outcome(Enum):
    """What the barriers say."""

    SAME = "one valley once B is aligned"
    ALREADY = "one valley from the start"
    CLOSER = "a lower ridge"
    APART = "no better"


def outcome(connection: Connection) -> Outcome:
    """The worst barrier over training and test data, before and after."""
    naive, aligned = connection.worst(NAIVE), connection.worst(ALIGNED)
    if naive <= FLAT:
        return Outcome.ALREADY if aligned <= max(FLAT, naive) else Outcome.APART
    if aligned <= max(FLAT, FLAT_SHARE * naive):
        return Outcome.SAME
    return Outcome.CLOSER if aligned < 0.9 * naive else Outcome.APART


def headline(connection: Connection) -> str:
    """One sentence that a reader may quote, on the part of the data where the line is worse."""
    barriers = connection.barriers[_harder(connection)]
    naive, aligned = short(barriers[NAIVE].height), short(barriers[ALIGNED].height)
    where = f"on {data_name(_harder(connection))} data"
    return {
        Outcome.SAME: "The two networks are the same valley in other coordinates: once aligned, "
        f"the straight line between them climbs by {aligned} instead of {naive} {where}.",
        Outcome.ALREADY: "The two networks lay in one valley from the start: the straight line "
        f"between them climbs by {naive}, and by {aligned} after alignment, {where}.",
        Outcome.CLOSER: f"Alignment brings the two networks closer, but a ridge of {aligned} "
        f"remains of the barrier of {naive} {where}.",
        Outcome.APART: "Alignment did not join the two networks: the barrier is "
        f"{aligned} after it and was {naive} before, {where}.",
    }[outcome(connection)]


def _harder(connection: Connection) -> str:
    """The part of the data on which the aligned line climbs higher."""
    return max(connection.splits, key=lambda split: connection.barriers[split][ALIGNED].height)


def data_name(split: str) -> str:
    """ "training" or "test"."""
    return "training" if split == "train" else split


def lead(connection: Connection) -> str:
    """What was done, in two sentences."""
    alignment = connection.alignment
    share = 1 - alignment.after / alignment.before if alignment.before else 0.0
    parts = " and ".join(map(data_name, connection.splits))
    return (
        "A neural network keeps its function when its hidden units are relabelled or rescaled as "
        "its architecture allows. Isthmus read that freedom off the computation graph, used it to "
        f"move B onto A ({percent(share)} of the distance gone), and measured the loss on the way, "
        f"on {parts} data at {connection.points} points of each straight line."
    )


def barriers_text(connection: Connection) -> str:
    """How to read the chart."""
    repaired = (
        " BatchNorm statistics were recomputed at every point of the two straight lines."
        if connection.repaired
        else ""
    )
    return (
        "Both routes start at A and end at B. The direct one is the straight line. The other first "
        "takes the straight line to B′, which computes the same function as B with other weights, "
        "then follows the orbit of the symmetry group home to B, where the loss cannot change. A "
        "barrier is the largest rise of the loss above the straight line between the losses at the "
        "two ends; on sampled points it is a lower bound." + repaired
    )


def merged_text(connection: Connection) -> str:
    """How the average compares with its parents."""
    split, metric = connection.splits[0], connection.metric
    scores = connection.scores[split]
    if metric is None:
        mean = (scores["a"].loss + scores["b"].loss) / 2
        return (
            f"The average of A and B′ has a {split} loss of {short(scores['merged'].loss)}; its "
            f"parents have {short(mean)} on average."
        )
    merged = scores["merged"].metrics[metric]
    mean = (scores["a"].metrics[metric] + scores["b"].metrics[metric]) / 2
    difference = 100 * (merged - mean)
    versus = (
        "exactly their parents' mean"
        if abs(difference) < 0.005
        else f"{abs(difference):.2f} points {'above' if difference > 0 else 'below'} the mean of "
        "its parents"
    )
    return f"The average of A and B′ has a {split} {metric} of {merged:.2%}, {versus}."


def distance_text(connection: Connection) -> str:
    """What the bars show."""
    before, after = connection.alignment.before, connection.alignment.after
    return (
        f"Over all parameters the Euclidean distance falls from {short(before)} to {short(after)}. "
        "What is left is what the two trainings truly learned differently, or what the matching "
        "did not find."
    )


def orbits_text(connection: Connection) -> str:
    """What the heat map shows."""
    total = connection.orbits.total
    return (
        "How far two checkpoints are apart depends on the coordinates in which each was found. "
        "The distance between their orbits does not: every model is first brought to the shortest "
        "point of its orbit, then relabelled, and turned where it may turn. In shares of the "
        f"models' own size A and B are {percent(total.relative_before)} apart as they are and "
        f"{percent(total.relative)} between their orbits; 0% is one and the same network, 141% two "
        "that have nothing in common."
    )


def symmetry_text(connection: Connection) -> str:
    """The size of the group."""
    symmetry = connection.symmetry
    if not symmetry.spaces:
        return "No symmetry was found: every coordinate of every parameter is fixed."
    digits = symmetry.log_components / math.log(10)
    if math.isinf(digits):
        count = "infinitely many separate pieces"
    elif digits >= 3:
        count = f"about 10{superscript(round(digits))} separate pieces"
    else:
        count = f"separate pieces: {math.exp(symmetry.log_components):.0f}"
    return (
        f"Every network of this architecture has a whole orbit of twins: {count}, each of "
        f"{symmetry.lie_dim} continuous dimensions. One factor for each hidden space; S permutes "
        "units, M⁺ also rescales them, B also flips signs, O rotates, GL is any linear change."
    )


def home_text(connection: Connection) -> list[str]:
    """What the orbit path is, and what its jump does."""
    height = connection.worst(HOME)
    first = (
        "B′ and B compute the same function. The path home moves B′ along the symmetry group and "
        "the loss stays level: its largest rise is "
        + ("below 0.0001, which is rounding." if height < 1e-4 else f"{short(height)}.")
    )
    if not connection.jumps:
        return [first, "No discrete step is needed: the curve ends exactly at B."]
    named = "; ".join(f"{text} in {name}" for name, text in connection.jumps.items())
    return [
        first,
        (
            "A relabelling of units cannot be reached by a continuous symmetry. It is one jump at "
            f"the end, which changes the weights and not the function: {named}."
        ),
    ]


def short(value: float) -> str:
    """A number in three significant digits; tiny ones as zero, long ones without a tail."""
    if not math.isfinite(value):
        return str(value)
    if abs(value) < 5e-5:
        return "0"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def superscript(number: int) -> str:
    """A whole number as an exponent."""
    return str(number).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def percent(share: float) -> str:
    """A share in whole percent."""
    return f"{100 * share:.0f}%"

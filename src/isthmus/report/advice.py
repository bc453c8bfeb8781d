"""What to do next, derived from the numbers of a connection."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from isthmus.report.connection import ALIGNED, NAIVE, Connection
from isthmus.report.words import FLAT, Outcome, outcome, short


@dataclass(frozen=True)
class Advice:
    """One step: what, why, and a command where there is one."""

    title: str
    text: str
    command: str | None = None


def advise(connection: Connection) -> list[Advice]:
    """The steps worth taking, the most useful first."""
    steps = [*_on_outcome(connection), *_on_merged(connection), *_on_splits(connection)]
    steps += [*_on_warnings(connection), *_always(connection)]
    return steps


def _on_outcome(connection: Connection) -> Iterator[Advice]:
    match outcome(connection):
        case Outcome.SAME:
            yield Advice(
                "Use B′ in place of B",
                "aligned.safetensors computes what B computes, in the coordinates of A. Average "
                "it, interpolate it, or compare it with A unit by unit.",
            )
        case Outcome.ALREADY:
            yield Advice(
                "Average them as they are",
                "The direct line is flat already: the two were probably trained from a common "
                "start. Alignment is not needed here.",
            )
        case Outcome.CLOSER:
            yield Advice(
                "Try more starts",
                "The matching may have stopped at a poor optimum: --restarts 10 tries ten. Wider "
                "layers leave lower ridges; so does shorter training.",
            )
        case Outcome.APART:
            yield Advice(
                "Do not average these two",
                "The ridge is about as high as before. Check that both were trained on the same "
                "data and reach a low loss; try --restarts 10; expect more from wider layers.",
            )


def _on_merged(connection: Connection) -> Iterator[Advice]:
    split, metric = connection.splits[0], connection.metric
    scores = connection.scores[split]
    has_statistics = any(name.endswith("running_var") for name in connection.merged)
    if has_statistics and not connection.repaired:
        yield Advice(
            "Recompute the BatchNorm statistics",
            "Averaged weights need statistics of their own: run again with --repair statistics.",
        )
    if metric is None:
        return
    mean = (scores["a"].metrics[metric] + scores["b"].metrics[metric]) / 2
    best = max(scores["a"].metrics[metric], scores["b"].metrics[metric])
    merged = scores["merged"].metrics[metric]
    if merged >= best:
        yield Advice(
            "Ship the merged model",
            f"merged.safetensors has a {split} {metric} of {merged:.2%}, no lower than its better "
            "parent, at the price of one network.",
        )
    elif merged >= mean - _resolution(mean, scores["merged"].samples):
        yield Advice(
            "The merged model is as good as its parents, as far as these data can tell",
            f"Its {split} {metric} is {merged:.2%}, against {mean:.2%} on average; "
            f"{scores['merged'].samples} samples resolve no smaller difference. Averaging more "
            "networks aligned to the same A often gains a little.",
        )
    else:
        yield Advice(
            "Fine-tune the merged model before use",
            f"Its {split} {metric} of {merged:.2%} is {100 * (mean - merged):.1f} points under "
            "its parents' mean. A short training from there usually closes the gap.",
        )


def _resolution(share: float, samples: int) -> float:
    """The smallest difference of a share that counts: a standard error, at least 0.3 points."""
    error = math.sqrt(max(share * (1 - share), 0.0) / samples) if samples else 0.0
    return max(0.003, error)


def _on_splits(connection: Connection) -> Iterator[Advice]:
    if {"train", "test"} - set(connection.splits) or outcome(connection) is Outcome.APART:
        return
    train = float(connection.barriers["train"][ALIGNED].height)
    test = float(connection.barriers["test"][ALIGNED].height)
    if train > FLAT / 2 and train > 2 * test and connection.worst(NAIVE) > FLAT:
        yield Advice(
            "The line is flatter on test data than on training data",
            f"It climbs by {short(train)} on training data and {short(test)} on test data. That "
            "is usual for networks that fit their training data closely: their training losses "
            "are so low that any other weights are worse.",
        )


def _on_warnings(connection: Connection) -> Iterator[Advice]:
    if connection.symmetry.warnings:
        count = len(connection.symmetry.warnings)
        yield Advice(
            "Teach Isthmus the unknown operators",
            f"{count} operator(s) had no typing rule and were held fixed, so the group found may "
            "be too small. One rule each would free what they touch.",
        )


def _always(connection: Connection) -> Iterator[Advice]:
    yield Advice(
        "See what bounds a hidden space",
        "isthmus discover --explain SPACE says which operator, at which line of the model, limits "
        "the changes that a hidden space allows.",
    )

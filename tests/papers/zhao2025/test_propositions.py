"""The propositions of Zhao et al.: what is a finding, and that wrong numbers fail."""

from __future__ import annotations

from dataclasses import replace

import pytest

from isthmus.papers.bench import Standing
from isthmus.papers.zhao2025 import propositions

FINDINGS = {
    "topology": set(),
    "permutations": {"convention"},
    "rescaling": {"curve of the proof", "all real c"},
    "refit": {"any norm", "group action"},
    "chord_bound": {"printed, arcs", "real value", "global constant"},
}
"""What does not hold as printed, at the smallest scale."""

WRONG = {
    "topology": {
        "products": "product",
        "images": "image",
        "partitions": "partition",
        "orbits": "as many",
        "examples": "plane",
    },
    "permutations": {"share": "all of them", "excess": "our convention", "flat": "paths"},
    "rescaling": {
        "line_off": "line",
        "curve_drift": "exact curve",
        "permuted": "permuted",
        "bound": "distance",
        "inside": "bounded piece",
    },
    "refit": {"pythagoras": "Pythagoras", "lost": "exact", "composition": "composition"},
    "chord_bound": {"loss": "Hessian"},
}
"""A number that is a thousand times what it is, and one more: a check that has to notice."""


@pytest.mark.parametrize("name", FINDINGS)
def test_only_what_is_printed_wrongly_is_a_finding_and_wrong_numbers_fail(name: str) -> None:
    found = getattr(propositions, name).run("smoke")
    standing = {one.name: one.standing for one in found.check()}
    assert {n for n, one in standing.items() if one is Standing.FINDING} == FINDINGS[name]
    assert {n for n, one in standing.items() if one is Standing.FAILED} == set()
    for which, check in WRONG[name].items():
        seen = dict(found.seen)
        seen[which] = seen[which] * 1000 + 1
        if which in ("images", "partitions"):  # only the pieces after, not those before
            last = 1 if which == "images" else 0
            seen[which] = found.seen[which].clone()
            seen[which][:, last] += 1000
        wrong = {one.name for one in replace(found, seen=seen).check() if not one.passed}
        assert check in wrong, which


def test_there_is_an_experiment_for_each() -> None:
    assert {one.name.partition(".")[2] for one in propositions.EXPERIMENTS} == FINDINGS.keys()
    assert FINDINGS.keys() == WRONG.keys()

"""Networks composed at random from the operator vocabulary: discovery never claims too much."""

from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isthmus.discovery import discover, verify
from isthmus.ground.certificates import Verdict
from isthmus.testing.composed import OPERATORS, SHAPES, Step, compose, draw

step = st.tuples(
    st.integers(0, len(OPERATORS) - 1), st.integers(0, 7), st.integers(0, 7), st.integers(0, 23)
)
shapes = st.sampled_from(SHAPES)


def check(
    steps: list[Step], shape: tuple[int, ...], gauge: Literal["folded", "asis"] = "folded"
) -> bool:
    """Whether something acts on the network; fails if the claim does not hold."""
    net, example, text = compose(OPERATORS, steps, shape)
    symmetry = discover(net, example, gauge=gauge)
    certificate = verify(symmetry, net, example, samples=4)
    assert certificate.verdict is Verdict.TESTED, f"{text}\n{symmetry}\n{certificate}"
    return bool(symmetry.spaces)


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(step, min_size=2, max_size=8), shape=shapes)
def test_forty_networks(steps: list[Step], shape: tuple[int, ...]) -> None:
    check(steps, shape)


def test_most_composed_networks_have_a_symmetry() -> None:
    found = [check(*draw(OPERATORS, seed)) for seed in range(30)]
    assert sum(found) >= 24


FOUND = {
    # what the fuzzer found, kept: labels of strided weights that act on both of their axes,
    "strided and used twice": (
        [(0, 3, 0, 4), (11, 5, 4, 3), (19, 2, 2, 3), (10, 0, 3, 1)],
        (2, 3, 4),
    ),
    # slices of a collapsed family whose members are products,
    "strided, viewed, halved": (
        [(9, 3, 7, 15), (19, 7, 5, 17), (7, 3, 6, 12), (21, 1, 2, 4)],
        (2, 4, 6),
    ),
    # the decomposed norm of a model that writes in place,
    "batch norm in place": ([(32, 3, 6, 20), (24, 7, 3, 12)], (2, 6)),
    # labels of a bias followed through a view that decomposition has made,
    "bias behind an unsafe view": ([(32, 2, 7, 6), (36, 2, 2, 5)], (2, 3, 4)),
    # a space numbered like a parameter that moves freely,
    "two spaces of one name": ([(41, 4, 4, 0), (25, 7, 1, 10)], (2, 3, 4)),
    # a family inside a sum, read where its key is summed over: a false symmetry,
    "one coordinate of a product": (
        [(48, 5, 1, 1), (14, 0, 4, 12), (20, 5, 0, 11), (40, 2, 3, 23)],
        (2, 4, 6),
    ),
    # and a gain with a dimension of size one.
    "gain of two dimensions": (
        [(32, 7, 1, 14), (40, 3, 2, 18), (1, 6, 0, 9), (38, 4, 4, 0), (44, 5, 0, 6),
         (25, 6, 3, 20)],
        (2, 3, 4),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FOUND)
def test_what_the_fuzzer_has_found(name: str) -> None:
    check(*FOUND[name])
    check(*FOUND[name], gauge="asis")


@pytest.mark.slow
@pytest.mark.parametrize("block", range(20))
def test_many_networks(block: int) -> None:
    for seed in range(1000 + 50 * block, 1050 + 50 * block):
        check(*draw(OPERATORS, seed))
        if seed % 4 == 0:
            check(*draw(OPERATORS, seed), gauge="asis")

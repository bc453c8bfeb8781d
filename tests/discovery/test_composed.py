"""Networks composed at random from the operator vocabulary: discovery never claims too much."""

from __future__ import annotations

import random
import warnings
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isthmus.discovery import discover, verify
from isthmus.ground.certificates import Verdict

Step = tuple[int, int, int, int]

step = st.tuples(st.integers(0, 32), st.integers(0, 7), st.integers(0, 7), st.integers(0, 23))
shapes = st.sampled_from([(2, 6), (2, 3, 4), (2, 4, 6)])


def check(steps: list[Step], shape: tuple[int, ...], tools: SimpleNamespace) -> bool:
    """Whether something acts on the network; fails if the claim does not hold."""
    net, example, text = tools.compose(steps, shape)
    with warnings.catch_warnings():
        # writing into a part of a tensor is pinned, so far
        warnings.filterwarnings("ignore", message="no typing rule for (slice_scatter|fill)")
        symmetry = discover(net, example)
    certificate = verify(symmetry, net, example, samples=4)
    assert certificate.verdict is Verdict.TESTED, f"{text}\n{symmetry}\n{certificate}"
    return bool(symmetry.spaces)


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(step, min_size=2, max_size=8), shape=shapes)
def test_forty_networks(steps: list[Step], shape: tuple[int, ...], tools: SimpleNamespace) -> None:
    check(steps, shape, tools)


def drawn(seed: int, tools: SimpleNamespace) -> tuple[list[Step], tuple[int, ...]]:
    rng = random.Random(seed)
    shape = rng.choice([(2, 6), (2, 3, 4), (2, 4, 6)])
    count = len(tools.operators)
    return [
        (rng.randrange(count), rng.randrange(8), rng.randrange(8), rng.randrange(24))
        for _ in range(rng.randint(4, 10))
    ], shape


def test_most_composed_networks_have_a_symmetry(tools: SimpleNamespace) -> None:
    found = [check(*drawn(seed, tools), tools) for seed in range(30)]
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
    # and the decomposed norm of a model that writes in place.
    "batch norm in place": ([(32, 3, 6, 20), (24, 7, 3, 12)], (2, 6)),
}  # fmt: skip


@pytest.mark.parametrize("name", FOUND)
def test_what_the_fuzzer_has_found(name: str, tools: SimpleNamespace) -> None:
    check(*FOUND[name], tools)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(20))
def test_many_networks(block: int, tools: SimpleNamespace) -> None:
    for seed in range(1000 + 50 * block, 1050 + 50 * block):
        check(*drawn(seed, tools), tools)

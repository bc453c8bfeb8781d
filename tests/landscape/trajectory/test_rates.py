"""CyclicRate: its shape, and where it is lowest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.ground import BadInput
from isthmus.landscape import CyclicRate


def garipov(step: int, high: float, low: float, cycle: int) -> float:
    """Section 4 of Garipov et al. 2018, with i = step + 1."""
    t = (step % cycle + 1) / cycle
    return (1 - 2 * t) * high + 2 * t * low if t <= 0.5 else (2 - 2 * t) * low + (2 * t - 1) * high


@given(st.integers(0, 500), st.integers(1, 40).map(lambda half: 2 * half))
def test_the_triangle_of_fge(step: int, cycle: int) -> None:
    assert CyclicRate(0.05, 0.001, cycle)(step) == pytest.approx(garipov(step, 0.05, 0.001, cycle))


@given(st.integers(0, 500), st.integers(1, 40))
def test_the_saw_of_swa(step: int, cycle: int) -> None:
    t = (step % cycle + 1) / cycle
    assert CyclicRate(0.1, 0.01, cycle, down=cycle)(step) == pytest.approx(0.1 - 0.09 * t)


@given(st.integers(1, 60).flatmap(lambda c: st.tuples(st.just(c), st.integers(1, c))))
def test_lowest_once_a_cycle_and_all_between_the_two(shape: tuple[int, int]) -> None:
    cycle, down = shape
    rate = CyclicRate(1.0, 0.25, cycle, down)
    found = [rate(step) for step in range(3 * cycle)]
    low = [step for step in range(3 * cycle) if rate.lowest(step)]
    assert low == [down - 1 + k * cycle for k in range(3)]
    assert all(found[step] == pytest.approx(0.25) for step in low)
    assert all(0.25 <= value <= 1 for value in found)
    assert found[:cycle] == found[cycle : 2 * cycle]


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ((0.1, 0.2, 4), "a step size between 0.2 and 0.1"),
        ((0.1, -0.1, 4), "a step size between -0.1 and 0.1"),
        ((float("inf"), 0.1, 4), "a step size between 0.1 and inf"),
        ((0.2, 0.1, 0), "0 steps down in a cycle of 0"),
        ((0.2, 0.1, 4, 5), "5 steps down in a cycle of 4"),
    ],
)
def test_bad_input(options, cause) -> None:
    with pytest.raises(BadInput, match=cause):
        CyclicRate(*options)

"""The integer kernel of the equations between log-scales and between signs."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.discovery.nodes import ZERO, Node, Unit
from isthmus.discovery.typing import Typing
from isthmus.discovery.units import Units, solve

Equations = list[dict[int, int]]

UNKNOWNS = 6

equation = st.dictionaries(
    st.integers(0, UNKNOWNS - 1), st.integers(-3, 3).filter(bool), min_size=1, max_size=4
)
systems = st.lists(equation, max_size=6)


def solved(
    scales: Equations, flips: list[list[int]], held: list[int]
) -> tuple[Units, Node, list[Unit]]:
    """All unknowns are units of one leaf; parameters hold some of them."""
    leaf = Node(5)
    units = [Unit(leaf) for _ in range(UNKNOWNS)]
    typing = Typing()
    for one in scales:
        typing.relate_scales({units[k]: c for k, c in one.items()})
    for signs in flips:
        typing.relate_flips(*(units[k] for k in signs))
    return solve(typing, [(units[k], leaf) for k in held]), leaf, units


def rank(rows: list[list[int]]) -> int:
    return int(np.linalg.matrix_rank(np.array(rows))) if rows else 0


def matrix(equations: Equations) -> list[list[int]]:
    return [[one.get(k, 0) for k in range(UNKNOWNS)] for one in equations]


@given(systems)
def test_every_exponent_satisfies_every_equation(equations: Equations) -> None:
    held = list(range(UNKNOWNS))
    solution, leaf, units = solved(equations, [], held)
    scales, _ = solution.families[leaf]
    exponents = [solution.exponents(unit, leaf)[0] for unit in units]
    for one in equations:
        for k in range(scales):
            assert sum(c * exponents[u][k] for u, c in one.items()) == 0
    assert all(isinstance(value, int) for row in exponents for value in row)


@given(systems)
def test_there_are_as_many_scales_as_the_equations_leave(equations: Equations) -> None:
    solution, leaf, units = solved(equations, [], list(range(UNKNOWNS)))
    scales, _ = solution.families[leaf]
    assert scales == UNKNOWNS - rank(matrix(equations))
    exponents = [list(solution.exponents(unit, leaf)[0]) for unit in units]
    if scales:
        columns = [list(column) for column in zip(*exponents, strict=True)]
        assert rank(columns) == scales


@given(systems, st.sets(st.integers(0, UNKNOWNS - 1), min_size=1))
def test_unknowns_that_no_parameter_holds_are_eliminated(
    equations: Equations, seen: set[int]
) -> None:
    """The exponents of the held units span exactly the projection of the kernel."""
    held = sorted(seen)
    solution, leaf, units = solved(equations, [], held)
    scales, _ = solution.families[leaf]
    rows = matrix(equations)
    fixed = [[int(k == u) for k in range(UNKNOWNS)] for u in held]
    # dim of the projection = dim of the kernel - dim of its part where all held unknowns are zero
    assert scales == (UNKNOWNS - rank(rows)) - (UNKNOWNS - rank(rows + fixed))
    exponents = [list(solution.exponents(units[u], leaf)[0]) for u in held]
    for k in range(scales):
        # each vector extends to a solution of all equations
        values = {u: row[k] for u, row in zip(held, exponents, strict=True)}
        hidden = [u for u in range(UNKNOWNS) if u not in seen]
        left = [[one.get(u, 0) for u in hidden] for one in equations]
        right = [-sum(c * values.get(u, 0) for u, c in one.items()) for one in equations]
        with_right = [[*row, value] for row, value in zip(left, right, strict=True)]
        assert not equations or rank(with_right) == (rank(left) if hidden else 0)


@given(st.lists(st.lists(st.integers(0, UNKNOWNS - 1), min_size=1, max_size=4), max_size=6))
def test_signs_are_solved_modulo_two(equations: list[list[int]]) -> None:
    solution, leaf, units = solved([], equations, list(range(UNKNOWNS)))
    _, flips = solution.families[leaf]
    exponents = [solution.exponents(unit, leaf)[1] for unit in units]
    for signs in equations:
        for k in range(flips):
            assert sum(exponents[u][k] for u in signs) % 2 == 0
    # by brute force: the sign patterns that satisfy all equations are 2 ** flips
    patterns = itertools.product((0, 1), repeat=UNKNOWNS)
    count = sum(all(sum(p[u] for u in signs) % 2 == 0 for signs in equations) for p in patterns)
    assert count == 2**flips


@pytest.mark.parametrize(
    ("equations", "expected"),
    [
        ([{0: 1, 1: 1}], [(1,), (-1,)]),  # a reader is the inverse of its writer
        ([{1: 1, 0: -2}], [(1,), (2,)]),  # a variance feels the square
        ([{1: 2, 0: -3}], [(2,), (3,)]),  # x ** 1.5, in whole exponents
        ([{0: 1}], [(), (1,)]),  # a fixed one
    ],
)
def test_typical_equations(equations: Equations, expected: list[tuple[int, ...]]) -> None:
    leaf = Node(5)
    units = [Unit(leaf), Unit(leaf)]
    typing = Typing()
    for one in equations:
        typing.relate_scales({units[k]: c for k, c in one.items()})
    solution = solve(typing, [(u, leaf) for u in units])
    found = [solution.exponents(u, leaf)[0] for u in units]
    if expected[0] == ():
        assert found == [(0,), (1,)]
        return
    lead = 1 if found[0][0] > 0 else -1
    assert [(lead * value,) for (value,) in found] == expected


def test_the_unit_zero_has_no_exponents() -> None:
    leaf = Node(3)
    unit = Unit(leaf)
    solution = solve(Typing(), [(unit, leaf), (ZERO, leaf)])
    assert solution.families[leaf] == (1, 1)
    assert solution.exponents(ZERO, leaf) == ((0,), (0,))
    assert solution.exponents(unit, leaf) == ((1,), (1,))

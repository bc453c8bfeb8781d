"""Sparse exact elimination, against dense arithmetic."""

from __future__ import annotations

import random
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.discovery.echelon import Echelon

WIDTH = 6
rows = st.lists(
    st.dictionaries(st.integers(0, WIDTH - 1), st.integers(-3, 3), max_size=4), max_size=8
)


def dense(table: list[dict[int, int]], modulus: int) -> list[list[Fraction]]:
    """Reduced echelon form as in a textbook."""
    out = [[Fraction(row.get(c, 0)) for c in range(WIDTH)] for row in table]
    if modulus:
        out = [[Fraction(int(v) % modulus) for v in row] for row in out]
    top = 0
    for column in range(WIDTH):
        pick = next((r for r in range(top, len(out)) if out[r][column]), None)
        if pick is None:
            continue
        out[top], out[pick] = out[pick], out[top]
        out[top] = [v / out[top][column] for v in out[top]]
        for r in range(len(out)):
            if r != top:
                factor = out[r][column]
                out[r] = [a - factor * b for a, b in zip(out[r], out[top], strict=True)]
                if modulus:
                    out[r] = [Fraction(int(v) % modulus) for v in out[r]]
        top += 1
    return out[:top]


@given(rows, st.sampled_from([0, 2]))
def test_the_form_is_the_textbook_form(table: list[dict[int, int]], modulus: int) -> None:
    made: Echelon[int] = Echelon({k: k for k in range(WIDTH)}, modulus)
    for row in table:
        made.add(row)
    found = [[made.rows[p].get(c, Fraction(0)) for c in range(WIDTH)] for p in sorted(made.rows)]
    assert found == dense(table, modulus)


@given(rows, st.integers(0, 2**32))
def test_the_order_of_the_rows_does_not_matter(table: list[dict[int, int]], seed: int) -> None:
    one: Echelon[int] = Echelon({k: k for k in range(WIDTH)})
    two: Echelon[int] = Echelon({k: k for k in range(WIDTH)})
    mixed = random.Random(seed).sample(table, len(table))
    for row, other in zip(table, mixed, strict=True):
        one.add(row)
        two.add(other)
    assert one.rows == two.rows


@given(rows)
def test_what_is_new_raises_the_rank(table: list[dict[int, int]]) -> None:
    made: Echelon[int] = Echelon()
    matrix = np.array([[row.get(c, 0) for c in range(WIDTH)] for row in table]).reshape(-1, WIDTH)
    for k, row in enumerate(table):
        before = int(np.linalg.matrix_rank(matrix[:k])) if k else 0
        after = int(np.linalg.matrix_rank(matrix[: k + 1]))
        assert made.add(row) is (after > before)
        assert len(made.rows) == after


def test_signs_are_counted_modulo_two() -> None:
    made: Echelon[str] = Echelon(modulus=2)
    assert made.add({"a": 1, "b": 1})
    assert made.add({"b": 1, "c": -1})
    assert not made.add({"a": 3, "c": 1})
    assert not made.add({"d": 2})


@pytest.mark.parametrize("length", [300])
def test_long_and_thin_equations_are_cheap(length: int) -> None:
    made: Echelon[int] = Echelon()
    for k in range(length):
        assert made.add({k: 1, k + 1: -1})
    assert made.rows[0] == {0: 1, length: -1}

"""Exact linear algebra with few entries a row: reduced echelon form, rational or modulo 2.

The equations between units are long and thin: thousands of unknowns, three to an equation.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from fractions import Fraction
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
Row = dict[K, Fraction]


class Echelon(Generic[K]):
    """The reduced echelon form of the rows so far, the leftmost entry of a row its pivot.

    It does not depend on the order of the rows.

    Args:
        order: the columns, leftmost first; by default in the order in which rows bring them.
        modulus: 2 for arithmetic modulo 2, 0 for rational numbers.
    """

    def __init__(self, order: Mapping[K, int] | None = None, modulus: int = 0) -> None:
        self.order: dict[K, int] = dict(order or {})
        self.modulus = modulus
        self.rows: dict[K, Row[K]] = {}
        self._with: dict[K, set[K]] = {}

    def add(self, entries: Mapping[K, int]) -> bool:
        """Take in a row; whether the rows before did not span it."""
        row = self._number({c: Fraction(v) for c, v in entries.items()})
        for column in row:
            self.order.setdefault(column, len(self.order))
        for column in [c for c in row if c in self.rows]:
            row = self._without(row, column, self.rows[column])
        if not row:
            return False
        pivot = min(row, key=self.order.__getitem__)
        row = self._number({c: v / row[pivot] for c, v in row.items()})
        for other in list(self._with.get(pivot, ())):
            self._store(other, self._without(self.rows[other], pivot, row))
        self._store(pivot, row)
        return True

    def _without(self, row: Row[K], column: K, by: Row[K]) -> Row[K]:
        """The row less the multiple of another that clears a column."""
        factor = row.get(column)
        if not factor:
            return row
        out = dict(row)
        for c, v in by.items():
            out[c] = out.get(c, Fraction(0)) - factor * v
        return self._number(out)

    def _number(self, row: Row[K]) -> Row[K]:
        if self.modulus:
            row = {c: Fraction(int(v) % self.modulus) for c, v in row.items()}
        return {c: v for c, v in row.items() if v}

    def _store(self, pivot: K, row: Row[K]) -> None:
        for column in self.rows.get(pivot, {}):
            if column != pivot:
                self._with[column].discard(pivot)
        self.rows[pivot] = row
        for column in row:
            if column != pivot:
                self._with.setdefault(column, set()).add(pivot)

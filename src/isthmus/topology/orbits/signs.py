"""Signs as linear equations over the field of two elements."""

from __future__ import annotations

from collections.abc import Iterable


class SignSystem:
    """Equations ``Σ bits[i] for i in terms = odd`` (mod 2), reduced as they come."""

    def __init__(self) -> None:
        self._pivots: dict[int, tuple[int, bool]] = {}

    @property
    def rank(self) -> int:
        """How many of the equations are independent."""
        return len(self._pivots)

    def add(self, terms: Iterable[int], odd: bool) -> bool:
        """Add an equation; False where it contradicts those before it. Terms may repeat."""
        row = 0
        for term in terms:
            row ^= 1 << term
        while row and (top := row.bit_length() - 1) in self._pivots:
            other, flip = self._pivots[top]
            row, odd = row ^ other, odd ^ flip
        if row:
            self._pivots[row.bit_length() - 1] = (row, odd)
            return True
        return not odd

"""The model of floating-point arithmetic by which every enclosure accounts for its own rounding.

Enclosures hold for *real* arithmetic and are computed in float64. Assumed is (Higham, Accuracy and
Stability of Numerical Algorithms, 2002, sections 2.2 and 3.1):

* a sum, product, quotient or square root is exact but for a factor 1 + d, |d| <= u = 2^-53, and an
  absolute error of at most 2^-1074 where it underflows;
* a sum of n products, in any order and with or without fused operations, is wrong by at most
  n u / (1 - n u) times the sum of their absolute values; this excludes Strassen's, Winograd's and
  Fourier's ways, which torch does not take for float64 on a CPU;
* exp, log, tanh, erf, sin and cos are wrong by at most 8 units in the last place.
"""

from __future__ import annotations

_UNIT = 2.0**-52
_SPARE = 64

SLACK = 2.0**-36
"""What a tensor without a radius may be wrong by, relative to the size of its affine part."""

NARROWEST = 2.0**-14
"""Half of the narrowest interval on which a line's parameters keep within `SLACK`."""

TINY = 1e-280
"""More than all underflow together: it is added to every radius."""


def room(terms: int = 1) -> float:
    """More than the relative error of a sum of ``terms`` products and a few further steps."""
    return (terms + _SPARE) * _UNIT

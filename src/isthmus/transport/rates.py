"""RateLaw: how fast a sample of neurons approaches their law, by dimension.

``μ`` is a law on a compact set of dimension D, ``μ_N`` the measure of N independent draws. In
expectation (Dudley 1969; Fournier and Guillin 2015, Theorem 1; Weed and Bach 2019, Theorem 1)

    E W_p^p(μ_N, μ) ≤ C · N^{-1/2}           where D < 2p
                    ≤ C · N^{-1/2} log N     where D = 2p
                    ≤ C · N^{-p/D}           where D > 2p

and whatever N points are taken, ``W_p^p ≥ c N^{-p/D}`` where μ has a bounded density. So for
D > 2p the exponent is known; for D < 2p it lies between 1/2, which laws of several separate pieces
attain, and p/D, that of many smooth ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from isthmus.ground.errors import BadInput
from isthmus.ground.results import Result

SHARP, LOGARITHM, SLOW = (
    "Fournier and Guillin 2015, Theorem 1, and Weed and Bach 2019, Theorem 1 (D > 2p)",
    "Fournier and Guillin 2015, Theorem 1 (D = 2p)",
    "Fournier and Guillin 2015, Theorem 1 (D < 2p)",
)

_LEVELS = 64
"""Halvings of a cube that are tried: then cells are smaller than float64 can part."""


@dataclass(frozen=True)
class RateLaw(Result):
    """What is known of ``E W_p^p`` between a law and N independent draws from it.

    All exponents are of ``W_p^p``, positive: the quantity falls like ``N^-exponent``.

    Attributes:
        dimension: D, of the support of the law (upper Wasserstein dimension); a number above 0,
            not necessarily whole.
        order: p, at least 1.

    Raises:
        BadInput: the dimension or the order is out of its range.
    """

    dimension: float
    order: float = 2.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.dimension) and self.dimension > 0):
            raise BadInput(
                f"the dimension is {self.dimension}, expected a finite number above 0",
                "estimate it with `intrinsic_dimension`",
            )
        if not (math.isfinite(self.order) and self.order >= 1):
            raise BadInput(
                f"the order is {self.order}, expected a finite number of at least 1",
                "W_1 and W_2 have order 1 and 2",
            )

    @property
    def exponent(self) -> float:
        """That of the upper bound."""
        return min(0.5, self.order / self.dimension)

    @property
    def logarithms(self) -> int:
        """The power of ``log N`` in the upper bound: 1 where D = 2p, else 0."""
        return int(self.dimension == 2 * self.order)

    @property
    def floor_exponent(self) -> float:
        """That of the lower bound ``N^{-p/D}``, for laws with a bounded density."""
        return self.order / self.dimension

    @property
    def sharp(self) -> bool:
        """Whether both bounds have one exponent, so that it is known."""
        return self.dimension > 2 * self.order

    @property
    def range(self) -> str:
        """The exponent; where it is not known, from that of any law to that of a smooth one."""
        ends = sorted({self.exponent, max(self.exponent, self.floor_exponent)})
        return " to ".join(f"{end:.3g}" for end in ends)

    @property
    def theorem(self) -> str:
        """What the upper bound rests on."""
        if self.sharp:
            return SHARP
        return LOGARITHM if self.logarithms else SLOW

    @property
    def hypotheses(self) -> tuple[str, ...]:
        """What has to hold for it."""
        return (
            "the neurons are independent draws from one law",
            f"the law lies on a compact set of dimension {self.dimension:.4g}",
            "for the lower bound: the law has a bounded density on it",
        )

    def at(self, count: float) -> float:
        """The upper bound at N = ``count``, at least 1, without its constant."""
        size = math.log(count)
        return math.exp(-self.exponent * size) * (size if self.logarithms else 1.0)

    def ceiling(self, count: int, side: float = 1.0) -> float:
        """A bound with its constant: ``E W_p^p(μ_N, μ)`` is at most this, for μ in a D-cube.

        Cells of halved cubes are split until level k; what is first parted at level j moves no
        further than the diameter ``δ_j = side √D 2^-j`` of its parent allows:
        ``min_k δ_k^p + Σ_{j≤k} δ_{j-1}^p min(2, √(2^{jD} / N))`` (Weed and Bach 2019,
        Proposition 1, with ``E Σ_Q |μ(Q) - μ_N(Q)| ≤ √(cells / N)``). Two independent samples: at
        most ``2^p`` times as much.

        Args:
            count: N.
            side: of the cube, in Euclidean length.
        """
        whole: float = (side * math.sqrt(self.dimension)) ** self.order
        best, moved = math.inf, 0.0
        for level in range(_LEVELS):
            stay = 2.0 ** (-level * self.order)
            best = min(best, moved + stay)
            cells = 2.0 ** min((level + 1) * self.dimension, 1000.0)
            moved += stay * min(2.0, math.sqrt(cells / count))
        return whole * best

    def floor(self, count: int, density: float = 1.0) -> float:
        """A bound with its constant: no N points come nearer than this, in ``W_p^p``.

        A ball of radius r holds at most ``density ω_D r^D`` of the law, so that at least
        ``1 - N density ω_D r^D`` of it is further than r from all N points:
        ``W_p^p ≥ D/(D+p) (N density ω_D)^{-p/D}``.

        Args:
            count: N.
            density: the largest value of the density of the law on its D-dimensional support
                (flat; of a unit cube's uniform law, 1).
        """
        return nearest_floor(count, self.dimension, density, self.order)

    def to_json(self) -> dict[str, Any]:
        """The fields and what follows from them."""
        return {
            **super().to_json(),
            "exponent": self.exponent,
            "logarithms": self.logarithms,
            "floor_exponent": self.floor_exponent,
            "sharp": self.sharp,
            "theorem": self.theorem,
            "hypotheses": list(self.hypotheses),
        }

    def __str__(self) -> str:
        """The law, the theorem and its hypotheses."""
        power, log = f"{self.order:g}", " log N" if self.logarithms else ""
        law = f"E W_{power}^{power} {'~' if self.sharp else '≤'} N^-{self.exponent:.4g}{log}"
        below = "" if self.sharp else f"N^-{self.floor_exponent:.4g} ≤ "
        lines = [
            f"{below}{law}, up to constants, in dimension {self.dimension:.4g}",
            self.theorem,
            *(f"if {one}" for one in self.hypotheses),
        ]
        return "\n  ".join(lines)


def nearest_floor(count: float, dimension: float, density: float, order: float) -> float:
    """``D/(D+p) (N F ω_D)^{-p/D}``: how near, to the power p, the nearest of N points can be.

    On average over a law with density at most F in D dimensions; ω_D is the volume of the unit
    ball. See `RateLaw.floor`.
    """
    half = dimension / 2
    ball = half * math.log(math.pi) - math.lgamma(half + 1)
    radius = -(math.log(count * density) + ball) / dimension
    return dimension / (dimension + order) * math.exp(order * radius)

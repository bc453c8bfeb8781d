"""How far the chord of a path can be from it: curvature bounds, with their hypotheses checked.

Theorem 6.2 of Zhao et al. (2025) takes a bound of the curvature for enough; the long way round a
circle refutes it. What holds (mathematics.md 1.16), for a path of class C² that never rests, of
length ℓ and curvature at most κ, whose ends are d apart:

* κℓ ≤ π: every point of the chord is within (1 - cos(κℓ/2)) / κ of the path;
* κd ≤ 2 and κℓ < 2π - 2 asin(κd/2), by theorems of Schur and Schwarz: within 1/κ - √(1/κ² - d²/4);
* always: within d/2, and within √(ℓ² - d²) / 2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import final

from isthmus.ground import BadInput, Certificate, NotFinite, Params, Verdict, distance, norm
from isthmus.landscape.bounds.deviation import Deviation
from isthmus.landscape.geometry import across, dot
from isthmus.landscape.paths import AbstractPath

ROUNDING = 1e-9
"""Relative room for rounding, of about 1e-13, in whatever is proved."""

SAMPLING = 1e-6
"""Relative room where length and curvature are sampled: the edge itself is refused."""

AGREEMENT = 1.05
"""Speeds and distances of samples may give lengths so far apart, as a ratio; else they are few."""


def chord_bound(path: AbstractPath, pieces: int = 256) -> Certificate:
    """How far any point of the chord from ``path.start`` to ``path.end`` is from the path.

    Length and curvature are bounded between the middles of ``pieces`` equal parts of t where the
    path bounds its derivatives (`AbstractPath.derivative_bounds`): then what is claimed is PROVED.
    Elsewhere they are those at the middles, and the claim is TESTED, unless the samples contradict
    it: the length by speeds is not that by distances, or the chord is found further from the path
    than it says. Then they are too few, and half the chord is the only bound left. Where the
    hypotheses fail the claim is UNKNOWN, and only the bounds that need none are left. It is about
    the curve itself, before its points are rounded to the dtype of the params.

    Args:
        path: Any path without jumps inside; jumps at its ends are before and after it.
        pieces: How many parts.

    Returns:
        The certificate. Its margin is the bound minus the distance measured. In its evidence,
        ``valid`` says whether curvature bounds the distance, ``applies`` which of the bounds
        is the smallest that holds, ``bound`` how large it is, ``measured`` the largest distance
        found, ``length``, ``curvature`` and ``chord`` are ℓ, κ and d, ``rigorous`` whether they are
        bounds, and ``bounds`` has every bound that holds.

    Raises:
        BadInput: The path jumps inside, or ``pieces`` is not positive.
        NotFinite: There is NaN or infinity on the path.
    """
    inner = [jump.at for jump in path.jumps if 0 < jump.at < 1]
    if inner:
        raise BadInput(
            f"the path jumps at t = {inner[0]:.3g}: it is no curve",
            "bound the parts before and after the jump",
        )
    if pieces < 1:
        raise BadInput(f"pieces is {pieces}, expected at least 1", "give a positive number")
    parts, samples, polygon = _parts(path, pieces)
    measured = samples.largest(path.breaks)
    shape = _bounded(path, parts, samples.chord)
    if shape is not None and shape.why_not is None:
        return _certificate(shape, measured, rigorous=True)
    return _certificate(
        _sampled(path, parts, samples.chord, polygon, measured), measured, rigorous=False
    )


@final
@dataclass(frozen=True)
class _Part:
    """Length and largest curvature of a part of the path: as at its middle, and bounded."""

    length: float
    curvature: float
    most_length: float = math.inf
    most_curvature: float = math.inf


def _parts(path: AbstractPath, pieces: int) -> tuple[list[_Part], Deviation, float]:
    """Every part, samples at their middles and at all ends, the length of the polygon of these."""
    start, end = path.jet(0.0, 1), path.jet(1.0, 1)
    gaps = Deviation(start[0], end[0])
    gaps.add(0.0, *start)
    gaps.add(1.0, *end)
    for corner in path.breaks:
        for t in (corner - 1e-9, corner):  # at a corner a path is what follows
            gaps.add(t, *path.jet(t, 1))
    parts, half, polygon, last = [], 1 / (2 * pieces), 0.0, start[0]
    for k in range(pieces):
        t = (2 * k + 1) * half
        jet = path.jet(t, 2)
        parts.append(_part(jet, path.derivative_bounds(t, half), t, half))
        polygon, last = polygon + distance(last, jet[0]), jet[0]
        if t not in path.breaks:
            gaps.add(t, *jet[:2])
    return parts, gaps, polygon + distance(last, end[0])


def _part(jet: list[Params], bounds: tuple[float, float] | None, t: float, half: float) -> _Part:
    """The part of t within ``half`` of ``t``, by Taylor's theorem around its middle."""
    _, velocity, acceleration = jet
    speed, size = norm(velocity), norm(acceleration)
    if not math.isfinite(speed + size):
        raise NotFinite(
            f"the path holds NaN or infinity near t = {t:.3g}", "end it where its params are finite"
        )
    sideways = across(velocity, acceleration)
    length, curved = 2 * half * speed, sideways / speed**2 if speed else math.inf
    if bounds is None:
        return _Part(length, curved)
    second, third = bounds
    # Mean of ‖v + sa‖ and ‖v - sa‖, then over s (Jensen); third derivatives add s² third / 2.
    most = 2 * half * math.hypot(speed, half * size / math.sqrt(3)) + half**3 * third / 3
    slowest = speed - half * size - half**2 * third / 2
    if slowest <= 0:
        return _Part(length, curved, most)
    along = abs(dot(velocity, acceleration)) / speed**2
    turned = (sideways + half * third + along * half * second) / slowest**2
    return _Part(length, curved, most, turned)


@final
@dataclass(frozen=True)
class _Shape:
    """ℓ, κ and d of a path, and what follows from them."""

    length: float
    curvature: float
    chord: float
    corner: float | None
    coarse: str | None = None
    """What of the samples it was taken from is contradicted, if anything is."""

    @property
    def why_not(self) -> str | None:
        """The hypothesis that fails, or None."""
        if self.coarse is not None:
            return f"{self.coarse}: more pieces are needed"
        if self.corner is not None:
            return f"it has a corner at t = {self.corner:.3g}"
        if not math.isfinite(self.curvature):
            return "it rests somewhere, or as good as"
        total, bend = self.curvature * self.length, self.curvature * self.chord
        if total <= math.pi or (bend <= 2 and total < 2 * (math.pi - math.asin(bend / 2))):
            return None
        return f"curvature times length is {total:.4g}, more than π" + (
            f" and than {2 * (math.pi - math.asin(bend / 2)):.4g}" if bend <= 2 else ""
        )

    @property
    def bounds(self) -> dict[str, float]:
        """Every bound that holds, by name."""
        detour = math.sqrt(max(self.length**2 - self.chord**2, 0.0)) / 2
        found = {"half the chord": self.chord / 2}
        if self.coarse is None:
            found["ellipse"] = detour
        if self.why_not is None:
            total, bend = self.curvature * self.length, self.curvature * self.chord
            if total <= math.pi:
                found["arc of its length"] = (
                    2 * math.sin(total / 4) ** 2 / self.curvature if self.curvature else 0.0
                )
            if bend <= 2:
                found["arc over its chord"] = (
                    bend * self.chord / 4 / (1 + math.sqrt(1 - (bend / 2) ** 2))
                )
        return found


def _bounded(path: AbstractPath, parts: list[_Part], chord: float) -> _Shape | None:
    """From bounds, with room for rounding; None where there are none."""
    length = math.fsum(part.most_length for part in parts)
    if not math.isfinite(length):
        return None
    most = max(part.most_curvature for part in parts)
    room = 1 + ROUNDING
    return _Shape(length * room, most * room, chord, _corner(path))


def _sampled(
    path: AbstractPath, parts: list[_Part], chord: float, polygon: float, measured: float
) -> _Shape:
    """From samples. The length is taken in two ways, as far apart as they may be wrong."""
    lengths = sorted((math.fsum(part.length for part in parts), polygon))
    most = max(part.curvature for part in parts)
    room = 1 + SAMPLING
    length = (2 * lengths[1] - lengths[0]) * room
    shape = _Shape(length, most * room, chord, _corner(path))
    bound = min(shape.bounds.values())
    if lengths[1] > AGREEMENT * lengths[0]:
        coarse = f"speeds give the length {lengths[0]:.4g} or {lengths[1]:.4g}"
        return replace(shape, coarse=coarse)
    if measured > bound + SAMPLING * chord:
        return replace(shape, coarse=f"a bound of {bound:.4g}, where {measured:.4g} was measured")
    return shape


def _corner(path: AbstractPath) -> float | None:
    return path.breaks[0] if path.breaks else None


def _certificate(shape: _Shape, measured: float, rigorous: bool) -> Certificate:
    wrong, bounds = shape.why_not, shape.bounds
    applies = min(bounds, key=bounds.__getitem__)
    bound = bounds[applies]
    how = "bounded" if rigorous else "sampled"
    if wrong is None:
        claim = (
            f"every point of the chord is within {bound:.4g} of the path ({applies}; length and "
            f"curvature {how})"
        )
        verdict = Verdict.PROVED if rigorous else Verdict.TESTED
    else:
        claim = f"the curvature of the path bounds how far its chord is from it: {wrong}"
        verdict = Verdict.UNKNOWN
    evidence = {
        "valid": wrong is None,
        "applies": applies,
        "bound": bound,
        "measured": measured,
        "length": shape.length,
        "curvature": shape.curvature,
        "chord": shape.chord,
        "rigorous": rigorous,
        "bounds": bounds,
    }
    return Certificate(claim, verdict, bound - measured, evidence)

"""The chord bound holds where it is given, and the long way round a circle is refused."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from isthmus.algebra import Element, Rep, Space, Symmetry
from isthmus.algebra.groups import GeneralLinear
from isthmus.ground import BadInput, NotFinite, Verdict
from isthmus.landscape import AbstractPath, Line, OrbitPath, Polygon
from isthmus.landscape.bounds import chord_bound


@dataclass(frozen=True)
class Arc(AbstractPath):
    """An arc of a circle; its derivatives are known exactly."""

    angle: float
    radius: float = 1.0
    kind = "arc"

    def _at(self, t):
        return self.jet(t, 0)[0]

    def jet(self, t, order=2):
        phase = [t * self.angle + k * math.pi / 2 for k in range(order + 1)]
        sizes = [self.radius * self.angle**k for k in range(order + 1)]
        rows = [(s * math.cos(p), s * math.sin(p)) for s, p in zip(sizes, phase, strict=True)]
        return [{"x": torch.tensor(row, dtype=torch.float64)} for row in rows]

    def derivative_bounds(self, t, within):
        return self.radius * self.angle**2, self.radius * self.angle**3


@dataclass(frozen=True)
class Linear(AbstractPath):
    """``exp(tM) w``, by eigenvectors: fast enough for thousands."""

    generator: np.ndarray
    start_at: np.ndarray
    kind = "exact-flat"

    def __post_init__(self):
        values, vectors = np.linalg.eig(self.generator)
        inside = np.linalg.solve(vectors, self.start_at.astype(complex))
        object.__setattr__(self, "_frame", (values, vectors, inside))
        object.__setattr__(self, "_rate", float(np.linalg.norm(self.generator, 2)))

    def _at(self, t):
        return self.jet(t, 0)[0]

    def jet(self, t, order=2):
        values, vectors, inside = self._frame
        rows = [(vectors * (values**k * np.exp(t * values))) @ inside for k in range(order + 1)]
        return [{"w": torch.from_numpy(row.real.copy())} for row in rows]

    def derivative_bounds(self, t, within):
        rate = self._rate
        here = float(self._at(t)["w"].norm()) * math.exp(rate * within)
        return rate**2 * here, rate**3 * here


def test_the_major_arc_refutes_the_printed_theorem_and_is_refused():
    # Zhao et al. 2025, Theorem 6.2: κ = 1, d = 1, so the bound printed is 1 - √(3/4) = 0.134.
    arc = Arc(2 * math.pi - math.pi / 3)
    found = chord_bound(arc)
    evidence = found.evidence
    printed = 1 - math.sqrt(1 - 1 / 4)
    assert evidence["chord"] == pytest.approx(1)
    assert evidence["curvature"] == pytest.approx(1, rel=0.1)
    assert evidence["measured"] == pytest.approx(0.5, abs=1e-6)
    assert evidence["measured"] > 3 * printed
    assert not found
    assert found.verdict is Verdict.UNKNOWN
    assert not evidence["valid"]
    assert (evidence["applies"], evidence["bound"]) == ("half the chord", pytest.approx(0.5))
    assert "curvature times length is 5.236, more than π and than 5.236" in str(found)


def test_the_minor_arc_has_the_printed_bound_and_reaches_it():
    found = chord_bound(Arc(math.pi / 3), pieces=2048)
    assert found
    assert found.evidence["measured"] == pytest.approx(1 - math.sqrt(3 / 4), rel=1e-6)
    assert found.evidence["measured"] <= found.evidence["bound"] * (1 + 1e-9)
    assert found.evidence["bound"] == pytest.approx(1 - math.sqrt(3 / 4), rel=1e-2)


def test_length_and_curvature_are_bounded_from_above():
    for angle in (0.5, 2.0, 3.0):
        found = chord_bound(Arc(angle, radius=2.0), pieces=64)
        assert angle * 2 <= found.evidence["length"] <= angle * 2.01
        assert 0.5 <= found.evidence["curvature"] <= 0.6


def test_a_long_straight_line_gives_no_complex_numbers():
    # With any κ > 0 a line longer than 2 / κ has κd > 2.
    line = Line({"x": torch.zeros(2)}, {"x": torch.tensor([100.0, 0.0])})
    found = chord_bound(line, pieces=4)
    assert found
    assert found.evidence["bound"] == pytest.approx(0, abs=0.01)
    assert found.evidence["measured"] == pytest.approx(0, abs=1e-4)
    wide = chord_bound(_Wave())
    assert wide.evidence["curvature"] * wide.evidence["chord"] > 2
    assert wide.verdict is Verdict.TESTED
    assert set(wide.evidence["bounds"]) == {"half the chord", "ellipse", "arc of its length"}
    assert all(isinstance(bound, float) for bound in wide.evidence["bounds"].values())


@dataclass(frozen=True)
class _Wave(AbstractPath):
    """Almost straight, but for a sharp bend: κd > 2 and κℓ < π."""

    kind = "wave"

    def _at(self, t):
        x = 2 * t - 1
        return {"x": torch.tensor([x, 0.5 * math.sqrt(x * x + 0.16)], dtype=torch.float64)}


@dataclass(frozen=True)
class _Hurried(AbstractPath):
    """Half a circle, all but passed near t = 1/2; nothing is known of its derivatives."""

    kind = "hurried"
    pace = 0.002

    def _at(self, t):
        phase = math.pi / (1 + math.exp(-(t - 0.5) / self.pace))
        return {"x": 32 * torch.tensor([-math.cos(phase), math.sin(phase)], dtype=torch.float64)}


@pytest.mark.parametrize("pieces", [8, 16, 64])
def test_samples_that_are_too_few_bound_nothing(pieces):
    # Speeds at the middles see a length of almost nothing: as an ellipse it would bound the
    # distance by 0.05, where 32 is measured.
    found = chord_bound(_Hurried(), pieces=pieces)
    assert found.verdict is Verdict.UNKNOWN
    assert set(found.evidence["bounds"]) == {"half the chord"}
    assert found.evidence["measured"] <= found.evidence["bound"] == pytest.approx(32)
    assert "speeds give the length" in str(found)
    assert "more pieces are needed" in str(found)
    enough = chord_bound(_Hurried(), pieces=1024).evidence
    assert enough["bounds"]["ellipse"] == pytest.approx(16 * math.sqrt(math.pi**2 - 4), rel=0.02)


@dataclass(frozen=True)
class _Roof(AbstractPath):
    """Two straight lines; that they meet in a corner is kept from whoever asks."""

    kind = "roof"

    def _at(self, t):
        return {"x": torch.tensor([t, 0.5 - abs(t - 0.5)], dtype=torch.float64)}


def test_a_bound_that_is_exceeded_by_what_is_measured_is_void():
    found = chord_bound(_Roof(), pieces=16)  # straight at every sample: κ = 0
    assert found.verdict is Verdict.UNKNOWN
    assert set(found.evidence["bounds"]) == {"half the chord"}
    assert found.evidence["measured"] == pytest.approx(math.sqrt(1 / 8), rel=0.05)
    assert "a bound of" in str(found)
    assert "was measured: more pieces are needed" in str(found)


def _curves(count, seed):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        size = int(rng.integers(2, 5))
        scale = float(rng.uniform(0.2, 4))
        turns = rng.standard_normal((size, size))
        kind = rng.integers(3)
        turns = turns if kind == 0 else turns - turns.T if kind == 1 else turns - 0.8 * turns.T
        yield Linear(scale * turns / math.sqrt(size), rng.standard_normal(size))


def _check(count, seed):
    flagged = refused = printed_fails = 0
    for path in _curves(count, seed):
        certificate = chord_bound(path, pieces=48)
        found = certificate.evidence
        if certificate:
            flagged += 1
            assert found["measured"] <= found["bound"] + 1e-12
        else:
            refused += 1
        bend = found["curvature"] * found["chord"]
        if bend <= 2:
            printed = bend * found["chord"] / 4 / (1 + math.sqrt(1 - bend**2 / 4))
            printed_fails += found["measured"] > 1.01 * printed
    assert min(flagged, refused) > count / 10
    assert printed_fails > count / 50  # as printed, the theorem is false for many of them


def test_where_the_flag_is_true_nothing_violates_the_bound():
    _check(80, 0)


@pytest.mark.slow
def test_where_the_flag_is_true_nothing_violates_the_bound_in_4000_curves():
    _check(4000, 1)


def _orbit(seed, scale, size=3):
    rng = torch.Generator().manual_seed(seed)
    spaces = {"h": Space("h", size, GeneralLinear(size))}
    reps = {"one": Rep.parse("h ⊗ 4", spaces), "two": Rep.parse("2 ⊗ h*", spaces)}
    symmetry = Symmetry(spaces, reps)
    params = {
        "one": torch.randn(size, 4, generator=rng, dtype=torch.float64),
        "two": torch.randn(2, size, generator=rng, dtype=torch.float64),
    }
    log = scale * torch.randn(size, size, generator=rng, dtype=torch.float64)
    return OrbitPath(symmetry, Element(symmetry, {"h": torch.linalg.matrix_exp(log)}), params)


def test_orbit_paths_are_proved_and_keep_their_bounds():
    proved = 0
    for seed in range(6):
        path = _orbit(seed, 0.15)
        found = chord_bound(path, pieces=64)
        proved += bool(found)
        evidence = found.evidence
        if evidence["rigorous"]:
            assert path.length() <= evidence["length"]
            assert max(path.curvature(k / 50) for k in range(51)) <= evidence["curvature"]
        assert evidence["measured"] <= evidence["bound"] + 1e-12
    assert proved > 3


def test_corners_rests_jumps_and_nonsense_are_named():
    points = [{"x": torch.tensor(p, dtype=torch.float64)} for p in ((0.0, 0), (1, 1), (2, 0))]
    found = chord_bound(Polygon(points))
    assert not found
    assert "it has a corner at t = 0.5" in str(found)
    assert found.evidence["bound"] == pytest.approx(1)
    assert found.evidence["measured"] == pytest.approx(math.sqrt(0.5), rel=1e-3)
    with pytest.raises(BadInput, match="pieces is 0, expected at least 1"):
        chord_bound(Polygon(points), pieces=0)
    bad = Line(points[0], {"x": torch.tensor([math.nan, 0], dtype=torch.float64)})
    with pytest.raises(NotFinite, match="NaN or infinity near t = 0.00195"):
        chord_bound(bad)
    still = chord_bound(Line(points[0], points[0]))
    assert "it rests somewhere, or as good as" in str(still)
    assert still.evidence["bound"] == 0

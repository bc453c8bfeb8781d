"""Power laws through means: exact ones are found, noise is in the intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
import torch

from isthmus.transport.powers import falling, fitted, interval, resampled

WIDTHS = (10, 30, 100)


@dataclass(frozen=True)
class Power:
    """A law by its numbers."""

    exponent: float
    logarithms: int = 0
    order: float = 2.0


def exact(repetitions: int) -> torch.Tensor:
    falls = [3 * n**-0.7 for n in WIDTHS]
    return torch.tensor(falls, dtype=torch.float64).unsqueeze(1).repeat(1, repetitions)


def noisy(seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    values = exact(12)
    return values * (0.2 * torch.randn(values.shape, generator=generator).double()).exp()


def test_a_power_is_found_exactly_and_in_no_interval() -> None:
    found = falling(WIDTHS, exact(4))
    assert found.value == pytest.approx(0.7, rel=1e-12)
    assert found.high - found.low < 1e-7
    assert "Student's law of 9 degrees, 4 repetitions" in found.basis


def test_a_law_gives_exponent_and_logarithms() -> None:
    bent = exact(4) * torch.tensor(WIDTHS).log().unsqueeze(1)
    exponents, heights = fitted(WIDTHS, resampled(bent, 0), Power(0.7, 1))
    assert exponents[0] == 0.7
    assert heights.tolist() == pytest.approx([math.log(3)] * len(heights))


def test_noise_is_in_the_interval() -> None:
    found = [falling(WIDTHS, noisy(seed)) for seed in range(60)]
    assert 51 <= sum(one.holds(0.7) for one in found) <= 60
    narrow = [falling(WIDTHS, noisy(seed), level=0.5) for seed in range(60)]
    assert 15 <= sum(one.holds(0.7) for one in narrow) <= 45


def test_resampling_agrees_with_students_interval() -> None:
    values = noisy(1)
    student, again = falling(WIDTHS, values), fitted(WIDTHS, resampled(values, 0))[0].tolist()
    drawn = interval(again)
    assert drawn.value == pytest.approx(student.value)
    assert drawn.high - drawn.low == pytest.approx(student.high - student.low, rel=0.3)

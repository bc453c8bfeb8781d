"""fit_rate: known dimensions give known slopes; halves of a layer; intervals; errors."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from isthmus.ground.errors import BadInput
from isthmus.transport.fits import Draw, dyadic, fit_rate, halves, samples
from isthmus.transport.measures.measure import Measure
from isthmus.transport.rates import RateLaw


def sphere(dimension: int) -> Draw:
    """The uniform law of a D-sphere, turned into more dimensions."""
    turn = torch.linalg.qr(
        torch.randn(20, dimension + 1, generator=torch.Generator().manual_seed(9)).double()
    )[0]

    def law(count: int, generator: torch.Generator) -> Tensor:
        x = torch.randn(count, dimension + 1, generator=generator, dtype=torch.float64)
        return x / x.norm(dim=1, keepdim=True) @ turn.T

    return samples(law)


@pytest.mark.parametrize("dimension", [5, 8])
def test_the_slope_is_that_of_the_dimension(dimension: int) -> None:
    """Mathematics.md 2.8 (c), at widths of some seconds."""
    fit = fit_rate(sphere(dimension), (64, 128, 256, 512), repetitions=6)
    assert fit.exponent.value == pytest.approx(2 / dimension, rel=0.15)
    assert fit.dimension.value == pytest.approx(dimension, rel=0.15)
    assert fit.exponent.low < fit.exponent.value < fit.exponent.high


@pytest.mark.slow
@pytest.mark.parametrize("dimension", [5, 8])
def test_the_slope_at_large_widths(dimension: int) -> None:
    fit = fit_rate(sphere(dimension), (256, 512, 1024, 2048), repetitions=6, seed=1)
    assert fit.exponent.value == pytest.approx(2 / dimension, rel=0.15)
    assert fit.exponent.high - fit.exponent.low < 0.1 * fit.exponent.value


def test_intervals_hold_the_slope_of_many_repetitions() -> None:
    best = fit_rate(sphere(3), (16, 32, 64), repetitions=300).exponent.value
    few = [fit_rate(sphere(3), (16, 32, 64), repetitions=5, seed=s) for s in range(1, 61)]
    assert 51 <= sum(fit.exponent.holds(best) for fit in few) <= 60


def test_halves_are_disjoint_and_of_the_layer() -> None:
    atoms = torch.arange(24.0).reshape(12, 2)
    one, other = halves(Measure(atoms))(5, torch.Generator().manual_seed(0))
    rows = torch.cat([one.atoms, other.atoms])
    assert len(torch.unique(rows, dim=0)) == 10
    assert all((row == atoms).all(1).any() for row in rows)
    with pytest.raises(BadInput, match="two samples of 7 from 12 atoms; draw at most 6"):
        halves(Measure(atoms))(7, torch.Generator())


def test_halves_of_many_atoms_have_the_slope_of_their_law() -> None:
    whole, _ = sphere(5)(1024, torch.Generator().manual_seed(0))
    fit = fit_rate(halves(whole), dyadic(1024, 32), repetitions=4)
    assert fit.widths == (32, 64, 128, 256, 512)
    assert fit.exponent.value == pytest.approx(2 / 5, rel=0.15)


def test_it_is_seeded_and_reads_well() -> None:
    fit, again = (fit_rate(sphere(5), (16, 32), repetitions=3, seed=4) for _ in range(2))
    assert fit == again
    assert fit != fit_rate(sphere(5), (16, 32), repetitions=3, seed=5)
    text = str(fit)
    assert text.startswith(f"W_2^2 ~ N^-x with x = {fit.exponent}: dimension {fit.dimension}")
    assert "  N = 16 " in text
    assert fit.beside(RateLaw(5)).endswith("predicted 0.4 in dimension 5")
    assert fit.beside(RateLaw(3)).endswith("predicted 0.5 to 0.667 in dimension 3")
    with pytest.raises(BadInput, match="a law of W_1 for a fit of W_2"):
        fit.beside(RateLaw(5, 1))


def test_what_is_refused() -> None:
    for widths, repetitions in (((8,), 3), ((8, 8), 3), ((8, 16), 1), ((0, 8), 3)):
        with pytest.raises(BadInput, match="give at least two widths above 0, and two"):
            fit_rate(sphere(5), widths, repetitions=repetitions)
    with pytest.raises(BadInput, match="all samples of one width are equal"):
        fit_rate(halves(Measure(torch.ones(20, 2))), (2, 4))

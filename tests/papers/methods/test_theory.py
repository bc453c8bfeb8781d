"""Theory of connectedness, at the smallest scale: it runs, is drawn, and its laws hold."""

from dataclasses import replace

import pytest
import torch

from isthmus.ground import Disconnected
from isthmus.papers.bench import Scale, Standing
from isthmus.papers.methods.theory.at_start import product_law
from isthmus.papers.methods.theory.decay import decayed_path
from isthmus.papers.methods.theory.double_descent import double_descent
from isthmus.papers.methods.theory.dropout_stability import dropout_stability
from isthmus.papers.methods.theory.entezari import entezari
from isthmus.papers.methods.theory.strong import strong
from isthmus.papers.methods.theory.students import loss, on_manifold, one_of, students, taught
from isthmus.papers.methods.theory.sublevel import sublevel
from isthmus.papers.methods.theory.teacher_manifold import teacher_manifold

pytestmark = pytest.mark.xdist_group("theory methods")  # what all tests look at is made once


def failed(found) -> set[str]:
    return {check.name for check in found.check() if check.standing is Standing.FAILED}


def test_a_gap_that_does_not_fall_contradicts_the_theorem(smoke) -> None:
    found, _ = smoke(entezari)
    flat = replace(found, gaps=torch.ones_like(found.gaps) + 1e-3 * found.gaps)
    assert failed(flat) == {"Theorem 3.1", "Theorem 3.1, ends"}
    fast = replace(found, gaps=found.gaps[:1].expand(2, -1, -1))
    assert failed(fast) == {"only with it"}
    worse = replace(found, searched=torch.tensor([[0.1, 0.2, 0.1], [0.1, 0.1, 0.1]]))
    assert failed(worse) == {"search"}


def test_claims_on_trained_networks_can_fail(smoke) -> None:
    found, _ = smoke(entezari)
    settings = replace(found.settings, headline=True)
    useless = replace(
        found,
        settings=settings,
        barriers=torch.tensor([[1.0, 1.0, 1.0, 3.0], [1.0, 1.0, 1.0, 1.0]]),
        searched=torch.tensor([[1.0, 0.99, 0.5], [1.0, 0.5, 0.5]]),
    )
    missed = {check.name for check in useless.check() if not check.passed}
    assert missed == {"shallow", "only shallow", "stand-ins"}


def test_units_that_carry_all_contradict_dropout_stability(smoke) -> None:
    found, _ = smoke(dropout_stability)
    assert failed(replace(found, expected=found.heavy, moved=found.heavy)) >= {"width"}
    assert "hypothesis" in failed(replace(found, heavy=found.expected))
    steep = found.moved * torch.tensor([1.0, 0.5, 0.25]).unsqueeze(1)
    assert {"rate at width 32", "rate at width 128"} <= failed(replace(found, moved=steep))


def test_one_descent_is_not_two(smoke) -> None:
    found, _ = smoke(double_descent)
    learned = replace(found, settings=double_descent.settings[Scale.QUICK])
    pairs = torch.linspace(0.9, 1.1, 5, dtype=torch.float64)

    def by_width(*means: float):
        rows = torch.tensor(means, dtype=torch.float64).unsqueeze(1) * pairs
        return replace(learned, matched=rows, unmatched=torch.ones(10, 1) * pairs, losses=rows)

    twice = by_width(1, 0.5, 0.1, 0.05, 0.2, 0.2, 0.1, 0.04, 0.02, 0.01)
    assert twice.passed
    assert twice.peak[:2] == (6, 8)
    once = by_width(1, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05)
    assert once.peak[3] == 0.0
    assert {c.name for c in once.check() if not c.passed} == {"double descent"}
    # A rise that begins before the first descent is none between two.
    early = by_width(0.1, 0.5, 0.4, 0.3, 0.2, 0.1, 0.09, 0.08, 0.02, 0.01)
    assert early.peak[3] == 0.0
    slow = replace(twice, matched=torch.ones(10, 1) * pairs)
    assert "rate" in failed(slow)


def test_strong_connectivity_can_fail_where_weak_does_not(smoke) -> None:
    found, _ = smoke(strong)
    learned = replace(found, settings=replace(found.settings, headline=True))
    pairs = torch.tensor([[1.0, 1.0, 1.0], [0.1, 0.1, 0.1], [0.8, 0.8, 0.8]])
    along = torch.tensor([[0.0, 1.0, 1.0], [0.0, 0.1, 0.1], [0.0, 0.15, 0.15]])
    assert failed(replace(learned, pairs=pairs, along=along)) == {"strong"}
    better = pairs[[0, 2, 1]]
    assert failed(replace(learned, pairs=better, along=along)) == {"weak", "harder"}
    inconsistent = replace(found, off=torch.tensor([1e-3, 0.0]))
    assert failed(inconsistent) == {"consistent"}


def test_sublevel_sets_that_are_not_joined_are_seen(smoke) -> None:
    found, _ = smoke(sublevel)
    above = found.above.clone()
    above[-1, 3, 0] = 1e-3
    assert failed(replace(found, above=above)) == {"wide"}
    assert failed(replace(found, tight=torch.tensor([1.0, 0.0]))) == {"narrow", "one unit more"}


def test_lemma_and_shares_can_fail(smoke) -> None:
    found, _ = smoke(teacher_manifold)
    assert failed(replace(found, least=0.0)) == {"only these lines"}
    pieces = found.pieces.clone()
    pieces[-1, :2] = 0.0
    pieces[-1, 2] = 0.5
    assert failed(replace(found, pieces=pieces)) == {"shares", "width for four"}


def test_students_learn_and_the_manifold_is_of_minima() -> None:
    seen = loss(3, 8, 2, 200, seed=0)
    every = students(2, 3, 8, 2, steps=300, batch=50, lr=0.05, seed=1)
    start = students(2, 3, 8, 2, steps=1, batch=50, lr=1e-9, seed=1)
    for number in range(2):
        assert seen(one_of(every, number)) < 0.2 * seen(one_of(start, number))
    directions = torch.tensor([0, 0, 0, 1, 1, 1, 0, 1])
    weights = torch.tensor([0.5, 0.25, 0.25, 0.2, 0.3, 0.5, 0.0, 0.0], dtype=torch.float64)
    assert seen(on_manifold(directions, weights, 3)) < 1e-30
    assert seen(on_manifold(directions, 1.1 * weights, 3)) > 1e-4
    assert seen(on_manifold(1 - directions, weights, 3)) < 1e-30
    x = torch.tensor([[1.0, -2.0, 5.0]])
    assert taught(x, 2).item() == 1.0


def test_the_product_law_needs_active_units() -> None:
    assert product_law(3, 16, seed=4) < 1e-12


@pytest.mark.parametrize("decay", [0.0, 0.1, 10.0])
def test_a_decayed_path_is_continuous_and_below_its_ends(decay: float) -> None:
    generator = torch.Generator().manual_seed(3)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    x, y = normal(20, 4), normal(20, 2)
    a, b = ((normal(5, 4), normal(2, 5)) for _ in range(2))

    def value(weights) -> float:
        up, down = weights
        squares = up.square().sum() + down.square().sum()
        return float((x @ up.mT @ down.mT - y).square().mean() + decay / 2 * squares)

    legs = decayed_path(a, b)
    for leg, after in zip([lambda t: a, *legs], [*legs, lambda t: b], strict=True):
        for left, right in zip(leg(1), after(0), strict=True):
            assert torch.allclose(left, right, atol=1e-9)
    highest = max(value(leg(k / 20)) for leg in legs for k in range(21))
    assert highest <= max(value(a), value(b)) + 1e-9
    with pytest.raises(Disconnected, match="rank 2 and 2 do not fit side by side into 3"):
        decayed_path((a[0][:3], a[1][:, :3]), (b[0][:3], b[1][:, :3]))

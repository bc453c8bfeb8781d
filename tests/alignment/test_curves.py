"""Aligned curves: planted permutations, turns that never make it worse, the function kept."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.functional import mse_loss

from isthmus.algebra.groups import Permutation
from isthmus.alignment import aligned_curve
from isthmus.discovery import discover
from isthmus.ground import BadInput, distance, norm, params_of
from isthmus.landscape import Line, Loss, PolygonalChain, Training, bend

FAST = Training(partial(torch.optim.Adam, lr=0.02))


def network(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2)).double()


X = torch.randn(32, 3, generator=torch.Generator().manual_seed(0)).double()
A, B = params_of(network(1)), params_of(network(2))
TEACHER = network(3)(X).detach()
LOSS = Loss(network(0), [(X[:16], TEACHER[:16]), (X[16:], TEACHER[16:])], mse_loss)
SYMMETRY = discover(network(0), X[:1]).restrict(Permutation)


def test_a_planted_permutation_makes_the_curve_a_point() -> None:
    moved = SYMMETRY.act(SYMMETRY.sample(seed=4), A)
    assert distance(moved, A) > 0.1 * norm(A)
    found = aligned_curve(A, moved, symmetry=SYMMETRY, loss=LOSS, rounds=1, steps=1, training=FAST)
    assert distance(found.params, A) < 1e-12
    assert distance(SYMMETRY.act(found.element, moved), A) < 1e-12
    assert len(found.means) == 1
    assert found.moved == ()


@pytest.mark.parametrize("shape", [None, PolygonalChain(2)])
def test_turns_never_make_it_worse_and_keep_the_function(shape) -> None:
    found = aligned_curve(
        A, B, symmetry=SYMMETRY, loss=LOSS, rounds=4, steps=30, shape=shape, training=FAST
    )
    assert list(found.means) == sorted(found.means, reverse=True)
    assert found.means[-1] < found.means[0]
    assert len(found.moved) == 3
    assert distance(SYMMETRY.act(found.element, B), found.params) < 1e-12
    assert distance(found.curve.start, A) == 0
    assert distance(found.curve.end, found.params) == 0
    assert torch.func.functional_call(network(0), found.params, (X,)) == pytest.approx(
        torch.func.functional_call(network(0), B, (X,)).detach(), abs=1e-12
    )
    values = LOSS.along(found.curve, [k / 10 for k in range(11)])
    assert sum(v.loss for v in values) / 11 == pytest.approx(found.means[-1], rel=1e-12)


def test_one_round_is_alignment_and_a_curve_and_seeds_fix_it() -> None:
    options = {"symmetry": SYMMETRY, "loss": LOSS, "steps": 10, "training": FAST}
    first, again = (aligned_curve(A, B, rounds=2, **options) for _ in range(2))
    assert distance(first.curve(0.4), again.curve(0.4)) == 0
    once = aligned_curve(A, B, rounds=1, **options)
    plain = bend(Line(A, once.params), LOSS, None, 10, 0, FAST)
    assert distance(once.curve(0.3), plain(0.3)) == 0
    assert "->" in str(first)


@pytest.mark.parametrize("options", [{"rounds": 0}, {"points": 1}, {"steps": 0}])
def test_what_makes_no_sense_is_refused(options) -> None:
    with pytest.raises(BadInput):
        aligned_curve(A, B, symmetry=SYMMETRY, loss=LOSS, **options)

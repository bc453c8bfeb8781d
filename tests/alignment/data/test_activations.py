"""ActivationMatching: planted elements are read off the activations."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from isthmus.algebra.groups import Character, Motion, monomial
from isthmus.algebra.reps import Rep
from isthmus.algebra.spaces import Factor, Space
from isthmus.algebra.symmetry import Params, Symmetry
from isthmus.alignment import align
from isthmus.alignment.data.activations import ActivationMatching, Statistic, by_weights
from isthmus.alignment.data.moments import Moments
from isthmus.alignment.data.sizes import unit_length
from isthmus.alignment.matching.problem import Problem
from isthmus.ground.errors import BadInput
from isthmus.testing.zoo import entry

PLANTED = ["mlp", "mlp_gelu", "mlp_tanh", "mlp_sigmoid", "vgg", "resnet20", "gpt", "llama"]


def batches(name: str, count: int = 3, size: int = 16, seed: int = 0) -> list[tuple[Any, None]]:
    """Random inputs like those of a model of the zoo."""
    generator = torch.Generator().manual_seed(seed)
    example = entry(name).example()

    def more(like: Tensor) -> Tensor:
        shape = (size, *like.shape[1:])
        if like.is_floating_point():
            return torch.randn(shape, generator=generator)
        return torch.randint(0, int(like.max()) + 1, shape, generator=generator)

    if isinstance(example, tuple):
        return [(tuple(more(x) for x in example), None) for _ in range(count)]
    return [({k: more(x) for k, x in example.items()}, None) for _ in range(count)]


def double(params: Params) -> Params:
    return {n: t.double() if t.is_floating_point() else t for n, t in params.items()}


def method(name: str, **options: Any) -> ActivationMatching:
    return ActivationMatching(entry(name).build(), batches(name), **options)


@pytest.mark.parametrize(
    ("name", "statistic"),
    [(name, Statistic.COVARIANCE) for name in PLANTED]
    + [(name, Statistic.CORRELATION) for name in ("mlp", "mlp_tanh", "vgg", "gpt")],
)
def test_a_planted_element_is_undone(
    name: str, statistic: Statistic, tools: SimpleNamespace
) -> None:
    symmetry, a = tools.symmetry_of(name), double(tools.params(name))
    b = symmetry.act(symmetry.sample(seed=7), a)
    fit = align(b, to=a, symmetry=symmetry, method=method(name, statistic=statistic))
    assert fit.before > 0.05 * tools.norm(a)
    assert fit.after <= 1e-9 * tools.norm(a)
    assert fit.certificate.evidence["unseen"] == []


@pytest.mark.parametrize("name", ["mlp_tanh", "mlp_gelu", "gpt"])
def test_with_noise_no_farther_than_the_planted_element(name: str, tools: SimpleNamespace) -> None:
    symmetry, a = tools.symmetry_of(name), tools.params(name)
    generator = torch.Generator().manual_seed(0)
    g = symmetry.sample(seed=7)
    noisy = {n: t + 0.1 * t.std() * torch.randn(t.shape, generator=generator)
             if t.numel() > 1 else t for n, t in a.items()}  # fmt: skip
    fit = align(symmetry.act(g, noisy), to=a, symmetry=symmetry, method=method(name))
    assert fit.after <= 1.01 * tools.gauged_distance(symmetry, a, noisy)


def test_both_scales_of_a_gate_follow_from_sizes(tools: SimpleNamespace) -> None:
    symmetry, a = tools.symmetry_of("gated_reglu"), double(tools.params("gated_reglu"))
    b = symmetry.act(symmetry.sample(seed=7), a)
    fit = align(b, to=a, symmetry=symmetry, method=method("gated_reglu"))
    assert fit.after <= 1e-9 * tools.norm(a)


def test_experts_are_seen_by_their_router(tools: SimpleNamespace) -> None:
    """Tokens are sent to experts by an index: what is inside them is settled by the weights."""
    name = "hf_mixtral_small"
    symmetry, a = tools.symmetry_of(name), double(tools.params(name))
    b = symmetry.act(symmetry.sample(seed=7), a)
    fit = align(b, to=a, symmetry=symmetry, method=method(name))
    assert fit.after <= 1e-9 * tools.norm(a)
    (unseen,) = fit.certificate.evidence["unseen"]
    assert unseen.endswith("experts")


def test_scales_that_no_activation_feels_are_settled_by_weights(tools: SimpleNamespace) -> None:
    symmetry, a = tools.symmetry_of("mlp"), double(tools.params("mlp"))
    scales = symmetry.restrict([Motion.STRETCH])
    b = scales.act(scales.sample(seed=7), a)
    blind = Moments(symmetry)
    for name, space in symmetry.spaces.items():
        blind.joint[Factor(space.size, name, Character(False, (0,), ())),] = torch.zeros(0)
    problem = Problem(symmetry, a, b, symmetry.identity())
    before = problem.objective
    for _ in range(50):
        gains = [by_weights(problem, name, blind) for name in symmetry.spaces]
    assert problem.objective < 1e-9 * before
    assert not any(gains)


def test_a_restricted_symmetry_gives_its_own_elements(tools: SimpleNamespace) -> None:
    symmetry = tools.symmetry_of("mlp").restrict([Motion.SWAP])
    a = double(tools.params("mlp"))
    g = symmetry.sample(seed=7)
    fit = align(symmetry.act(g, a), to=a, symmetry=symmetry, method=method("mlp"))
    assert fit.element.symmetry is symmetry
    assert fit.after == 0


@given(seed=st.integers(0, 999), units=st.integers(1, 4), samples=st.integers(2, 30))
@settings(max_examples=25, deadline=None)
def test_stand_ins_have_the_moments_of_the_samples(seed: int, units: int, samples: int) -> None:
    group = monomial(units, swaps=True, flips=0, scales=0)
    rep = Rep.of([(Factor(samples),), (Factor(units, "s", group.natural),)])
    symmetry = Symmetry({"s": Space("s", units, group)}, {"x": rep})
    generator = torch.Generator().manual_seed(seed)
    one, two = torch.randn(2, samples, units, generator=generator, dtype=torch.float64) + 100
    moments = Moments(symmetry)
    half = Rep.of([(Factor(samples - 1),), rep.axes[1]])
    moments.add({"x": half}, {"x": one[:-1]}, {"x": two[:-1]})
    last = Rep.of([(Factor(1),), rep.axes[1]])
    moments.add({"x": last}, {"x": one[-1:]}, {"x": two[-1:]})
    symmetry, a, b = moments.standins()
    rows = torch.cat([a["pool 0"], b["pool 0"]])
    whole = torch.cat([one, two], 1)
    centred = whole - whole.mean(0)
    weight = next(iter(moments.places.values())).weight
    torch.testing.assert_close(rows @ rows.T, weight * centred.T @ centred, rtol=1e-9, atol=1e-16)
    a, b = (unit_length(symmetry, of, every=True) for of in (a, b))
    rows = torch.cat([a["pool 0"], b["pool 0"]])
    torch.testing.assert_close(
        rows @ rows.T, torch.corrcoef(whole.T).reshape(2 * units, -1), rtol=0, atol=1e-8
    )


def test_no_batches(tools: SimpleNamespace) -> None:
    symmetry, a = tools.symmetry_of("mlp"), tools.params("mlp")
    with pytest.raises(BadInput, match="there are no batches"):
        align(a, to=a, symmetry=symmetry, method=ActivationMatching(entry("mlp").build(), []))
    alone = [torch.zeros(2, 3)]
    with pytest.raises(BadInput, match="batch 0 is a Tensor"):
        align(a, to=a, symmetry=symmetry, method=ActivationMatching(entry("mlp").build(), alone))

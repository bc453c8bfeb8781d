"""LossDescent: the loss between two models falls, and the element stays in the group."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isthmus.algebra.elements import Element
from isthmus.algebra.symmetry import Params, Symmetry
from isthmus.alignment import Identity, WeightMatching, align
from isthmus.alignment.loss.descent import LossDescent, Unmoved
from isthmus.alignment.loss.steering import Steering
from isthmus.alignment.matcher import Match
from isthmus.alignment.matching.problem import Problem
from isthmus.alignment.soft.overlap import Overlap
from isthmus.discovery import discover
from isthmus.ground.params import lerp, params_of
from isthmus.landscape import Loss
from isthmus.testing.training import seeded, train
from isthmus.testing.zoo import entry


@dataclass(frozen=True)
class From:
    """A given element."""

    element: Element

    def __call__(
        self,
        a: Mapping[str, Tensor],
        b: Mapping[str, Tensor],
        symmetry: Symmetry,
        generator: torch.Generator,
    ) -> Match:
        return Match(self.element)


def inputs_of(name: str) -> tuple[Tensor, ...]:
    """The zoo's example, in double precision."""
    return tuple(x.double() if x.is_floating_point() else x for x in entry(name).example())


def teacher(model: nn.Module, params: Params, inputs: tuple[Tensor, ...]) -> Loss:
    """The squared distance from a model's own outputs."""
    with torch.no_grad():
        outputs = torch.func.functional_call(model.eval(), params, inputs)
    return Loss(model, [(inputs, outputs)], F.mse_loss, metrics={})


def classifier() -> nn.Module:
    return nn.Sequential(
        nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 4)
    )


def blobs(seed: int) -> tuple[Tensor, Tensor]:
    """Classes that no straight line tells apart."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(600, 8, generator=generator)
    return x, 2 * (x[:, 0] * x[:, 1] > 0) + (x[:, 2] * x[:, 3] > 0)


@cache
def trained(seed: int) -> Params:
    x, y = blobs(0)
    y = y.long()
    return params_of(train(seeded(classifier, seed), x, y, epochs=25, batch=50, lr=5e-3, seed=seed))


def test_it_lowers_the_loss_between_aligned_models() -> None:
    symmetry = discover(classifier(), torch.zeros(1, 8))
    a, b = trained(0), trained(1)
    x, y = blobs(0)
    loss = Loss(classifier(), [(x, y.long())], F.cross_entropy)
    matched = align(b, to=a, symmetry=symmetry)
    method = LossDescent(loss, steps=100, samples=200, points=(0.5,))
    fit = align(b, to=a, symmetry=symmetry, method=method)
    before, after = loss(lerp(a, matched.params, 0.5)), loss(lerp(a, fit.params, 0.5))
    losses = fit.certificate.evidence["losses"]
    assert losses[0] == pytest.approx(before, rel=1e-5)
    assert min(losses) == pytest.approx(after, rel=1e-5)
    assert len(losses) == 5
    assert after < 0.95 * before


def near(symmetry: Symmetry, seed: int, size: float) -> Element:
    """An element in the identity component, near the identity."""
    generator = torch.Generator().manual_seed(seed)
    values = {}
    for name, space in symmetry.spaces.items():
        shape = (*symmetry.batch(name), space.group.lie_dim)
        tangent = size * torch.randn(shape, generator=generator, dtype=torch.float64)
        values[name] = space.group.exp(tangent)
    return Element(symmetry, values)


@pytest.mark.parametrize("name", ["mlp", "linear_net", "attention_separate", "gpt"])
def test_a_planted_element_is_recovered_from_near(name: str, tools: SimpleNamespace) -> None:
    symmetry, model = tools.symmetry_of(name), tools.model_of(name).double()
    a = {n: t.double() if t.is_floating_point() else t for n, t in tools.params(name).items()}
    g = symmetry.sample(seed=2)
    b = symmetry.act(g, a)
    start = near(symmetry, 1, 0.1) @ ~g
    inputs = inputs_of(name)
    method = LossDescent(
        teacher(model, a, inputs),
        start=From(start),
        steps=150,
        rate=0.03,
        swap_rate=0.01,
        points=(0.5,),
    )
    fit = align(b, to=a, symmetry=symmetry, method=method)
    losses = fit.certificate.evidence["losses"]
    assert losses[0] > 0
    assert min(losses) < 1e-3 * losses[0]


def test_an_exchange_of_units_is_undone(tools: SimpleNamespace) -> None:
    symmetry, model = tools.symmetry_of("mlp_tanh"), tools.model_of("mlp_tanh")
    a = tools.params("mlp_tanh")
    swap = symmetry.identity()
    value = swap.values["fc1"]
    perm, signs = value.perm.clone(), value.signs.clone()
    perm[:2], signs[..., 3] = torch.tensor([1, 0]), -1.0
    swap = Element(symmetry, {**swap.values, "fc1": value._replace(perm=perm, signs=signs)})
    b = symmetry.act(swap, a)
    x = torch.randn(64, a["fc1.weight"].shape[1], generator=torch.Generator().manual_seed(0))
    loss = teacher(model, a, (x,))
    fit = align(b, to=a, symmetry=symmetry, method=LossDescent(loss, start=Unmoved()))
    assert fit.before > 0
    assert fit.after == 0.0
    assert (fit.element @ swap).is_identity


@pytest.mark.parametrize("name", ["mlp", "mlp_tanh", "vgg", "gpt", "gated_swiglu", "llama"])
def test_the_function_is_kept(name: str, tools: SimpleNamespace) -> None:
    symmetry, model = tools.symmetry_of(name), tools.model_of(name).double()

    def wide(params: Params) -> Params:
        return {n: t.double() if t.is_floating_point() else t for n, t in params.items()}

    a, b = (wide(tools.independent(name, seed)) for seed in (1, 2))
    inputs = inputs_of(name)
    loss = teacher(model, a, inputs)
    # From far: whatever is seen last is looked at, so that the element is not the start's.
    method = LossDescent(loss, start=Unmoved(), steps=12, rate=0.05, swap_rate=0.3, every=1)
    fit = align(b, to=a, symmetry=symmetry, method=method)
    before = torch.func.functional_call(model, b, inputs)
    after = torch.func.functional_call(model, fit.params, inputs)
    assert float((before - after).norm() / before.norm()) < 1e-9
    assert not fit.element.is_identity


def test_steering_acts_as_its_element_does_and_gradients_pass(tools: SimpleNamespace) -> None:
    symmetry, params = tools.essential("mlp")
    target = {n: tools.gaussian(*t.shape, seed=k) for k, (n, t) in enumerate(params.items())}
    names = [n for n in params if not symmetry.reps[n].fixed]
    a, b = ({n: whole[n] for n in names} for whole in (target, params))
    overlap = Overlap(Problem(symmetry, a, b, symmetry.identity()))
    steering = Steering(symmetry, params, overlap)
    assert steering.change().is_identity
    with torch.no_grad():
        for name, leaf in steering.latent.items():
            leaf.copy_(target[name])
        for leaf in steering.tangent.values():
            leaf.copy_(tools.gaussian(*leaf.shape, seed=9) / 5)
    steering.settle()
    element = steering.change()
    assert all(value.joined is False for value in element.values.values())
    coordinates = steering.coordinates()
    for name, tensor in symmetry.act_all(element, params).items():
        assert torch.allclose(coordinates[name], tensor, rtol=1e-9, atol=1e-9)
    leaves = [*steering.latent.values(), *steering.tangent.values()]
    slopes = torch.autograd.grad(sum(t.square().sum() for t in coordinates.values()), leaves)
    assert all(float(slope.abs().sum()) > 0 for slope in slopes)


def test_statistics_of_batches_are_used_where_asked(tools: SimpleNamespace) -> None:
    symmetry, model = tools.symmetry_of("vgg"), tools.model_of("vgg")
    a, b = tools.independent("vgg", 1), tools.independent("vgg", 2)
    (x,) = entry("vgg").example()
    x = torch.randn(6, *x.shape[1:], generator=torch.Generator().manual_seed(0))
    loss = teacher(model, a, (x,))
    kept = {n: t.clone() for n, t in model.state_dict().items()}
    start = WeightMatching(starts=(Identity(),), sweeps=2)
    found = [
        align(
            b, to=a, symmetry=symmetry, method=LossDescent(loss, start=start, steps=5, statistics=s)
        )
        for s in (False, True)
    ]
    plain, asked = (fit.certificate.evidence["losses"] for fit in found)
    assert plain[0] != asked[0]
    assert all(torch.equal(kept[n], t) for n, t in model.state_dict().items())
    assert not model.training


def test_seeds_decide_and_the_best_is_kept() -> None:
    symmetry = discover(classifier(), torch.zeros(1, 8))
    a, b = trained(0), trained(1)
    x, y = blobs(0)
    held = Loss(classifier(), [(x[400:], y.long()[400:])], F.cross_entropy)
    loss = Loss(classifier(), [(x[:400], y.long()[:400])], F.cross_entropy)
    method = LossDescent(loss, held, steps=20, samples=50, every=5, swap_rate=0.3)
    one, two, other = (align(b, to=a, symmetry=symmetry, method=method, seed=k) for k in (1, 1, 2))
    losses = [fit.certificate.evidence["losses"] for fit in (one, two, other)]
    assert losses[0] == losses[1]
    assert losses[0] != losses[2]
    points = [held(lerp(a, one.params, t)) for t in method.points]
    assert sum(points) / 3 == pytest.approx(min(losses[0]), rel=1e-5)


def test_no_symmetry_is_no_descent() -> None:
    model = nn.Linear(3, 2)
    a = params_of(model)
    b = {n: t + 1 for n, t in a.items()}
    loss = Loss(model, [(torch.randn(4, 3), torch.randn(4, 2))], F.mse_loss)
    fit = align(b, to=a, symmetry=discover(model, torch.zeros(1, 3)), method=LossDescent(loss))
    assert fit.element.is_identity
    assert len(fit.certificate.evidence["losses"]) == 1


def test_half_precision_is_descended_in_single(tools: SimpleNamespace) -> None:
    symmetry, model = tools.symmetry_of("mlp"), tools.model_of("mlp")
    a, b = ({n: t.bfloat16() for n, t in tools.independent("mlp", seed).items()} for seed in (1, 2))
    x = torch.randn(16, a["fc1.weight"].shape[1], generator=torch.Generator().manual_seed(0))
    loss = teacher(model, {n: t.float() for n, t in a.items()}, (x,))
    method = LossDescent(loss, steps=40, every=10, rate=0.03)
    fit = align(b, to=a, symmetry=symmetry, method=method)
    losses = fit.certificate.evidence["losses"]
    assert min(losses) < losses[0]
    assert all(t.dtype == torch.bfloat16 for t in fit.params.values())

"""CovarianceMatching: the metric of what weights are multiplied with (mathematics.md 2.5, 2.8)."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from isthmus.algebra.groups import Motion, monomial
from isthmus.algebra.reps import Rep
from isthmus.algebra.spaces import Factor, Space
from isthmus.algebra.symmetry import Params, Symmetry
from isthmus.alignment import WeightMatching, align
from isthmus.alignment.data.covariance import CovarianceMatching, input_metrics
from isthmus.alignment.data.metric import Metric, MetricProblem
from isthmus.alignment.matching.problem import Problem
from isthmus.alignment.matching.steps import step
from isthmus.discovery import discover
from isthmus.ground.errors import BadInput
from isthmus.ground.params import params_of
from isthmus.testing.zoo import entry


def batches(name: str, count: int = 2, size: int = 16) -> list[tuple[Any, None]]:
    """Random inputs like those of a model of the zoo."""
    generator = torch.Generator().manual_seed(0)
    (like,) = entry(name).example()
    shape = (size, *like.shape[1:])  # type: ignore[union-attr]
    if like.is_floating_point():  # type: ignore[union-attr]
        return [(torch.randn(shape, generator=generator), None) for _ in range(count)]
    return [(torch.randint(0, 5, shape, generator=generator), None) for _ in range(count)]


def double(params: Params) -> Params:
    return {n: t.double() if t.is_floating_point() else t for n, t in params.items()}


@pytest.mark.parametrize("name", ["mlp", "mlp_gelu", "mlp_tanh", "vgg", "gpt"])
def test_a_planted_element_is_undone(name: str, tools: SimpleNamespace) -> None:
    symmetry, a = tools.symmetry_of(name), double(tools.params(name))
    b = symmetry.act(symmetry.sample(seed=7), a)
    fit = align(
        b, to=a, symmetry=symmetry, method=CovarianceMatching(entry(name).build(), batches(name))
    )
    assert fit.before > 0.05 * tools.norm(a)
    assert fit.after <= 1e-9 * tools.norm(a)


@pytest.mark.parametrize("name", ["mlp_gelu", "mlp_tanh"])
def test_its_own_descent_undoes_a_planted_element(name: str, tools: SimpleNamespace) -> None:
    symmetry, a = tools.symmetry_of(name), double(tools.params(name))
    method = CovarianceMatching(entry(name).build(), batches(name), starts=())
    found = []
    for seed in range(5):
        b = symmetry.act(symmetry.sample(seed=seed), a)
        fit = align(b, to=a, symmetry=symmetry, method=method)
        assert fit.certificate.evidence["start"] == "Identity"
        found.append(fit.after <= 1e-9 * tools.norm(a))
    assert sum(found) >= 4


@pytest.mark.parametrize("name", ["mlp_tanh", "vgg"])
def test_no_worse_in_its_metric_than_weight_matching(name: str, tools: SimpleNamespace) -> None:
    symmetry = tools.symmetry_of(name)
    a, b = tools.independent(name, 0), tools.independent(name, 1)
    method = CovarianceMatching(entry(name).build(), batches(name), finish=3, sweeps=3)
    evidence = align(b, to=a, symmetry=symmetry, method=method).certificate.evidence
    history = evidence["objective"]
    assert all(later <= sooner for sooner, later in itertools.pairwise(history))
    assert history[-1] <= evidence["objectives"]["WeightMatching"]
    one, two = (_essential(symmetry, params) for params in (a, b))
    metrics = input_metrics(entry(name).build(), batches(name), a, symmetry, one)
    plain = align(b, to=a, symmetry=symmetry, method=WeightMatching()).element
    problem = MetricProblem(symmetry.essential, one, two, _core(symmetry, plain), metrics)
    assert history[-1] < problem.objective


@pytest.mark.parametrize("name", ["mlp", "vgg"])
def test_the_objective_is_the_change_of_every_layer_s_output(
    name: str, tools: SimpleNamespace
) -> None:
    """Against the layers themselves, run on the differences of their weights."""
    symmetry, a = tools.symmetry_of(name), double(tools.params(name))
    b = double(tools.independent(name, 1))
    model, x = entry(name).build().double(), batches(name)[0][0].double()
    one, two = (_essential(symmetry, params) for params in (a, b))
    metrics = input_metrics(model, [(x, None)], a, symmetry, one)
    problem = MetricProblem(symmetry.essential, one, two, symmetry.essential.identity(), metrics)
    want = sum(float((one[n] - two[n]).square().sum()) for n in one if not _in_a_layer(n, metrics))
    canonical = symmetry.canonical(a)
    for metric in metrics:
        layer = model.get_submodule(metric.weight.rpartition(".")[0])
        seen = _taken(model, layer, canonical, x)
        gap = one[metric.weight] - two[metric.weight]
        bias = one[metric.bias] - two[metric.bias] if metric.bias else None
        out = F.conv2d(seen, gap, bias, padding=1) if gap.dim() == 4 else F.linear(
            seen, gap, bias)  # fmt: skip
        channel = 1 if gap.dim() == 4 else -1
        want += float(out.square().sum()) / (out.numel() / out.shape[channel])
    assert problem.objective == pytest.approx(want, rel=1e-9)
    assert len(metrics) >= 3


def _taken(model: nn.Module, layer: nn.Module, params: Params, x: Tensor) -> Tensor:
    """What a layer is given."""
    seen: list[Tensor] = []
    hook = layer.register_forward_hook(lambda _, given, out: seen.append(given[0]))
    torch.func.functional_call(model, params, (x,))
    hook.remove()
    return seen[0]


def _in_a_layer(name: str, metrics: list[Metric]) -> bool:
    return any(name in (metric.weight, metric.bias) for metric in metrics)


def _essential(symmetry: Symmetry, params: Params) -> Params:
    whole, core = symmetry.coordinates(params), symmetry.essential
    return {n: whole[n].double() for n in core.reps if not core.reps[n].fixed}


def _core(symmetry: Symmetry, element: Any) -> Any:
    core = symmetry.essential
    return type(element)(core, {n: element.values[n] for n in core.spaces})


def test_without_a_metric_it_is_weight_matching(tools: SimpleNamespace) -> None:
    """With Σ = 1 objective and steps are those of `Problem` (2.8 d)."""
    core, a = tools.essential("mlp_tanh")
    b = {n: tools.gaussian(*t.shape, seed=k) for k, (n, t) in enumerate(a.items())}
    unit = [
        Metric(n, None, False, torch.eye(t[0].numel(), dtype=t.dtype), torch.zeros(t[0].numel()))
        for n, t in a.items()
        if t.dim() == 2
    ]
    plain = Problem(core, a, b, core.identity())
    measured = MetricProblem(core, a, b, core.identity(), unit)
    assert len(unit) == 3
    for _ in range(3):
        assert measured.objective == pytest.approx(plain.objective, rel=1e-12)
        for name in core.spaces:
            assert step(measured, name, 0.0) == pytest.approx(step(plain, name, 0.0), abs=1e-9)
    for name in core.spaces:
        assert torch.equal(plain.element.values[name].perm, measured.element.values[name].perm)


@given(seed=st.integers(0, 999))
@settings(max_examples=8, deadline=None)
def test_a_linear_change_of_the_input_changes_nothing(seed: int) -> None:
    """Features x → Mx, first weights W → W M⁻¹: the same element, at the same objective (f)."""
    generator = torch.Generator().manual_seed(seed)
    model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3)).double()
    symmetry = discover(model, torch.zeros(2, 4, dtype=torch.float64))
    a, b = (
        {n: torch.randn(t.shape, generator=generator, dtype=t.dtype) for n, t in like.items()}
        for like in (params_of(model),) * 2
    )
    x = torch.randn(30, 4, generator=generator, dtype=torch.float64)
    change = torch.randn(4, 4, generator=generator, dtype=torch.float64) + 3 * torch.eye(4)
    found = []
    for matrix in (torch.eye(4, dtype=torch.float64), change):
        back = torch.linalg.inv(matrix)
        one, two = ({**p, "0.weight": p["0.weight"] @ back} for p in (a, b))
        method = CovarianceMatching(model, [(x @ matrix.T, None)], starts=())
        found.append(align(two, to=one, symmetry=symmetry, method=method))
    first, second = found
    history = [fit.certificate.evidence["objective"][-1] for fit in found]
    assert history[0] == pytest.approx(history[1], rel=1e-9)
    (name,) = symmetry.spaces
    assert torch.equal(first.element.values[name].perm, second.element.values[name].perm)


@given(seed=st.integers(0, 999), pace=st.sampled_from([1.0]), biased=st.booleans())
@settings(max_examples=40, deadline=None)
def test_what_stands_for_the_cost_is_never_below_it(seed: int, pace: float, biased: bool) -> None:
    """``λ|T - V|²`` lies above the cost of V, and touches it where it was made."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    features = draw(3, 5)
    metric = Metric("w", "b" if biased else None, False, features @ features.T,
                    draw(3) * float(biased))  # fmt: skip
    group = monomial(3, swaps=True, flips=1, scales=1)
    dual = group.natural.inverse()
    reps = {"w": Rep.of([(Factor(2),), (Factor(3, "s", dual),)]), "b": Rep.of([(Factor(2),)])}
    symmetry = Symmetry({"s": Space("s", 3, group)}, reps)
    a, b = ({"w": draw(2, 3), "b": draw(2)} for _ in range(2))
    problem = MetricProblem(symmetry, a, b, symmetry.identity(), [metric], pace)
    ((_, target, moved),) = problem.rows("s")
    before, model = problem.objective, float((target - moved).square().sum())
    scale = metric.bounds[1]
    other = symmetry.act_all(symmetry.sample(seed), b)
    above = float((target - scale**0.5 * other["w"].T).square().sum())
    problem.moved.update(other)
    assert problem.objective - before <= above - model + 1e-9 * abs(above)
    assert step(problem, "s", 0.0) >= 0


def test_tokens_count_as_often_as_they_are_read(tools: SimpleNamespace) -> None:
    symmetry, a = tools.symmetry_of("gpt"), tools.params("gpt")
    metrics = {
        m.weight: m
        for m in input_metrics(
            entry("gpt").build(), batches("gpt"), a, symmetry, _essential(symmetry, a)
        )
    }
    tokens = torch.cat([x.flatten() for x, _ in batches("gpt")])
    found = metrics["token.weight"].spread
    want = torch.bincount(tokens, minlength=len(found)).double() / len(tokens)
    torch.testing.assert_close(found, want)


def test_a_restricted_symmetry_gives_its_own_elements(tools: SimpleNamespace) -> None:
    symmetry = tools.symmetry_of("mlp").restrict([Motion.SWAP])
    a = double(tools.params("mlp"))
    b = symmetry.act(symmetry.sample(seed=7), a)
    method = CovarianceMatching(entry("mlp").build(), batches("mlp"))
    fit = align(b, to=a, symmetry=symmetry, method=method)
    assert fit.element.symmetry is symmetry
    assert fit.after == 0


def test_no_batches(tools: SimpleNamespace) -> None:
    symmetry, a = tools.symmetry_of("mlp"), tools.params("mlp")
    with pytest.raises(BadInput, match="there are no batches"):
        align(a, to=a, symmetry=symmetry, method=CovarianceMatching(entry("mlp").build(), []))

"""TransportFusion: permutations between equal widths, exact for split units, clear errors."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from isthmus.algebra.groups import AbstractMonomial
from isthmus.algebra.symmetry import Params, Symmetry
from isthmus.alignment.fusion.carrier import Carrier
from isthmus.alignment.fusion.plans import Plan, entropic, exact
from isthmus.alignment.fusion.transport import TransportFusion
from isthmus.discovery import discover
from isthmus.ground.errors import BadInput, MissingExtra, ShapeMismatch
from isthmus.ground.params import distance, params_of


def network(hidden: int, inputs: int = 6) -> nn.Module:
    return nn.Sequential(
        nn.Linear(inputs, hidden),
        nn.ReLU(),
        nn.Linear(hidden, hidden),
        nn.ReLU(),
        nn.Linear(hidden, 3),
    ).double()


def made(hidden: int, seed: int = 0, inputs: int = 6) -> tuple[Params, Symmetry]:
    torch.manual_seed(seed)
    model = network(hidden, inputs)
    return params_of(model), discover(model, torch.zeros(1, inputs, dtype=torch.float64))


def outputs(params: Params, x: Tensor) -> Tensor:
    return torch.func.functional_call(network(len(params["0.bias"])), params, (x,))


def split(params: Params) -> Params:
    """Every hidden unit twice, each read half."""
    out = dict(params)
    for name in ("0", "2"):
        out[f"{name}.weight"] = out[f"{name}.weight"].repeat_interleave(2, 0)
        out[f"{name}.bias"] = out[f"{name}.bias"].repeat_interleave(2, 0)
    for name in ("2", "4"):
        out[f"{name}.weight"] = out[f"{name}.weight"].repeat_interleave(2, 1) / 2
    return out


X = torch.randn(20, 6, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


def test_between_equal_widths_it_is_one_sided_weight_matching() -> None:
    (a, symmetry), (b, _) = made(12, 0), made(12, 1)
    fused = TransportFusion(shares=(0.0, 1.0))([a, b], [symmetry, symmetry])
    assert torch.allclose(outputs(fused, X), outputs(b, X), rtol=1e-9, atol=1e-12)
    wide = [torch.cat([p["0.weight"], p["0.bias"].unsqueeze(1)], 1) for p in (a, b)]
    cost = torch.cdist(*wide).square()
    perm = linear_sum_assignment(cost.numpy())[1]
    assert torch.equal(fused["0.weight"], b["0.weight"][perm])
    turned = b["2.weight"][:, perm]
    wide = [torch.cat([a["2.weight"], a["2.bias"].unsqueeze(1)], 1)]
    wide.append(torch.cat([turned, b["2.bias"].unsqueeze(1)], 1))
    perm = linear_sum_assignment(torch.cdist(*wide).square().numpy())[1]
    assert torch.equal(fused["2.weight"], turned[perm])
    assert torch.equal(fused["4.weight"], b["4.weight"][:, perm])
    mean = TransportFusion()([a, b], [symmetry, symmetry])
    assert all(torch.allclose(mean[n], (a[n] + fused[n]) / 2) for n in a)


def test_split_units_are_joined_again() -> None:
    pytest.importorskip("ot")
    a, small = made(5)
    wide, large = split(a), made(10)[1]
    assert torch.allclose(outputs(wide, X), outputs(a, X))
    fused = TransportFusion(shares=(0.0, 1.0))([a, wide], [small, large])
    assert distance(fused, a) < 1e-9
    back = TransportFusion(shares=(0.0, 1.0))([wide, a], [large, small])
    assert torch.allclose(outputs(back, X), outputs(a, X), rtol=1e-9, atol=1e-12)
    papers = TransportFusion(shares=(0.0, 1.0), conserve=False)([a, wide], [small, large])
    assert torch.allclose(papers["2.weight"], a["2.weight"] / 2)


def test_a_model_of_another_width_is_carried_nearer_than_chance() -> None:
    pytest.importorskip("ot")
    a, small = made(8)
    wide, large = split(a), made(16)[1]
    noisy = {n: t + 0.02 * torch.randn_like(t) for n, t in wide.items()}
    shuffled = large.act(large.sample(3, scale=0.0), noisy)
    fused = TransportFusion()([a, shuffled, a], [small, large, small])
    assert {n: t.shape for n, t in fused.items()} == {n: t.shape for n, t in a.items()}
    gap = (outputs(fused, X) - outputs(a, X)).norm() / outputs(a, X).norm()
    assert gap < 0.1


@pytest.mark.parametrize("name", ["vgg", "attention_separate", "gpt", "residual_mlp"])
def test_three_times_one_model_is_that_model(name: str, tools: SimpleNamespace) -> None:
    symmetry, a = tools.symmetry_of(name), tools.params(name)
    fused = TransportFusion()([a, a, a], [symmetry] * 3)
    assert tools.gap(a, fused) < 1e-6
    assert all(fused[n].dtype == a[n].dtype for n in a)


def test_activations_are_compared_where_they_are_given() -> None:
    (a, symmetry), (b, _) = made(7, 0), made(7, 1)
    names = [n for n, s in symmetry.spaces.items() if isinstance(s.group, AbstractMonomial)]
    seen = torch.randn(30, 7, generator=torch.Generator().manual_seed(1)).double()
    order = torch.randperm(7, generator=torch.Generator().manual_seed(2))
    fused = TransportFusion(shares=(0.0, 1.0))(
        [a, b], [symmetry] * 2, [{names[0]: seen}, {names[0]: seen[:, order]}]
    )
    assert torch.equal(fused["0.bias"], b["0.bias"][order.argsort()])


@settings(max_examples=25, deadline=None)
@given(n=st.integers(1, 6), m=st.integers(1, 6), seed=st.integers(0, 999), soft=st.booleans())
def test_plans_have_their_masses(n: int, m: int, seed: int, soft: bool) -> None:
    if not soft:
        pytest.importorskip("ot")
    generator = torch.Generator().manual_seed(seed)
    cost = torch.rand(n, m, generator=generator).double()
    one, two = (torch.rand(k, generator=generator).double() + 0.1 for k in (n, m))
    one, two = one / one.sum(), two / two.sum()
    mass = entropic(cost, one, two, 0.5) if soft else exact(cost, one, two)
    assert torch.allclose(mass.sum(0), two, atol=1e-7)
    assert torch.allclose(mass.sum(1), one, atol=1e-5)
    assert torch.allclose(Plan(mass).averaging.sum(1), torch.ones(n).double())
    assert torch.allclose(Plan(mass).sharing.sum(0), torch.ones(m).double())


def test_a_small_epsilon_is_nearly_exact_and_a_large_one_is_not() -> None:
    cost = torch.rand(5, 5, generator=torch.Generator().manual_seed(0)).double()
    uniform = torch.full((5,), 0.2, dtype=torch.float64)
    best = (exact(cost, uniform, uniform) * cost).sum()
    near, far = ((entropic(cost, uniform, uniform, e) * cost).sum() for e in (0.01, 10.0))
    assert float(near - best) < 1e-3 < float(far - best)


def test_importance_gives_masses() -> None:
    pytest.importorskip("ot")
    (a, symmetry), (b, _) = made(6, 0), made(6, 1)
    b["0.weight"][0] *= 10
    wide = [dict(p) for p in (a, b)]
    plans = {}
    for importance in (False, True):
        carrier = Carrier(
            TransportFusion(importance=importance), (symmetry,) * 2, (wide[0], wide[1])
        )
        carrier.carry({}, {})
        plans[importance] = next(iter(carrier.plans.values())).mass
    assert torch.allclose(plans[False].sum(0), torch.full((6,), 1 / 6).double())
    assert float(plans[True].sum(0)[0]) > 0.4


def test_errors_say_what_to_do(monkeypatch: pytest.MonkeyPatch, tools: SimpleNamespace) -> None:
    (a, small), (b, large) = made(4), made(6)
    fuse = TransportFusion()
    with pytest.raises(BadInput) as caught:
        fuse([a, b], [small])
    assert str(caught.value) == (
        "2 models and 1 symmetries; give one symmetry for each model, and at least one of each"
    )
    with pytest.raises(BadInput, match="3 shares for 2 models; give one share for each model"):
        TransportFusion(shares=(0.2, 0.3, 0.5))([a, b], [small, large])
    with pytest.raises(ShapeMismatch, match="expected"):
        fuse([a, b], [small, small])
    other, shorter = made(4, inputs=5)
    with pytest.raises(BadInput) as caught:
        fuse([a, other], [small, shorter])
    assert str(caught.value) == (
        "0.weight is `0` ⊗ 6 in the first model and `0` ⊗ 5 in the other; "
        "give models of one architecture that differ in widths alone"
    )
    with pytest.raises(BadInput, match="is not in the"):
        fuse([a, tools.params("mlp")], [small, tools.symmetry_of("mlp")])
    monkeypatch.setitem(sys.modules, "ot", None)
    with pytest.raises(MissingExtra) as missing:
        fuse([a, b], [small, large])
    assert str(missing.value) == (
        "an exact transport plan between 6 and 4 units needs POT; install it with "
        "`pip install isthmus[transport]`, or give an epsilon"
    )
    assert TransportFusion(epsilon=0.05)([a, b], [small, large])["0.bias"].shape == (4,)

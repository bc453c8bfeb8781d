"""Merging: the average, its weights, and repairs."""

from __future__ import annotations

import inspect
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import isthmus.merging as merging
from isthmus.discovery import discover
from isthmus.ground import (
    BadInput,
    DtypeMismatch,
    NotFinite,
    ShapeMismatch,
    UnknownName,
    distance,
    lerp,
    params_of,
)
from isthmus.landscape import recompute_statistics
from isthmus.merging import (
    AbstractMerger,
    AbstractTaskMerger,
    Average,
    CcaMerge,
    Dare,
    GreedySoup,
    KarcherMean,
    PartialMerge,
    PcbMerging,
    Pleas,
    ProductAverage,
    RecomputeStatistics,
    Slerp,
    TaskArithmetic,
    Ties,
    ZipIt,
    merge,
)

BASE = {"w": torch.zeros(4, 3), "n": torch.tensor(7)}
MEANS = [Average(), Average((1, 2, 1)), KarcherMean(), KarcherMean((1, 2, 1))]
MEANS += [GreedySoup(lambda params: float(params["w"].double().square().sum()))]
MERGERS = [*MEANS, Slerp(), TaskArithmetic(BASE), Ties(BASE), Dare(Ties(BASE))]
MERGERS += [PcbMerging(BASE), PartialMerge(["n"])]


class Sums(nn.Module):
    """Four hidden units of three inputs, with the names and shapes of `BASE`."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.ones(4, 3))
        self.register_buffer("n", torch.tensor(7))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(nn.functional.linear(x, self.w)).sum(-1)


class Products(Sums):
    """Two factors of rank 2 in the rows of one parameter."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.w[:2].mT @ self.w[2:]


SEEN = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
FEATURES = (Sums(), [(SEEN, None)], discover(Sums(), SEEN))
TWO = (Slerp, ZipIt, CcaMerge, Pleas)
MERGERS += [one(*FEATURES) for one in TWO[1:]]
MERGERS += [ProductAverage(discover(Products(), SEEN))]


def models(count=3, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    return [
        {"w": torch.randn(4, 3, generator=generator).to(dtype), "n": torch.tensor(k)}
        for k in range(count)
    ]


def test_every_exported_merger_has_an_instance_in_the_laws():
    exported = {
        one
        for one in vars(merging).values()
        if inspect.isclass(one) and issubclass(one, AbstractMerger) and not inspect.isabstract(one)
    }
    assert exported == {type(one) for one in MERGERS}


def cast(method, dtype):
    """With a base of that dtype, where it has one."""
    if isinstance(method, Dare):
        return replace(method, then=cast(method.then, dtype))
    if isinstance(method, AbstractTaskMerger):
        return replace(method, base={**BASE, "w": BASE["w"].to(dtype)})
    return method


@pytest.mark.parametrize("method", MERGERS, ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_laws_of_every_merger(method, dtype):
    given = models(2 if isinstance(method, TWO) else 3, dtype)
    method = cast(method, dtype)
    kept = [{name: t.clone() for name, t in one.items()} for one in given]
    found = merge(given, method)
    assert {n: (t.dtype, t.shape) for n, t in found.items()} == {
        n: (t.dtype, t.shape) for n, t in given[0].items()
    }
    for tensor in found.values():
        tensor.zero_()
    assert all(torch.equal(a[n], b[n]) for a, b in zip(given, kept, strict=True) for n in a)


@pytest.mark.parametrize("method", [*MEANS, Slerp()], ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_mean_of_equal_models_is_that_model(method, dtype):
    one = models(dtype=dtype)[1]
    same = merge([one] * (2 if isinstance(method, Slerp) else 3), method)
    assert all(torch.equal(same[name], one[name]) for name in same)


@given(t=st.floats(0, 1), scale=st.floats(0.01, 100))
def test_weights_count_by_their_ratios(t, scale):
    a, b = models(2, torch.float64)
    found = merge([a, b], Average(((1 - t) * scale, t * scale)))
    assert torch.allclose(found["w"], lerp(a, b, t)["w"], atol=1e-14)


def test_the_mean_of_many_with_the_integers_of_the_first():
    given = models(5)
    found = merge(given)
    expected = torch.stack([one["w"].double() for one in given]).mean(0).float()
    assert torch.equal(found["w"], expected)
    assert found["n"] == 0
    assert merge(given[::-1])["n"] == 4


def test_sums_are_kept_in_float64():
    # In bfloat16 one more 1 would be lost beside 512; the mean of the exact sum is not.
    given = [{"w": torch.tensor([x], dtype=torch.bfloat16)} for x in (512.0, *[1.0] * 127)]
    assert merge(given)["w"].item() == pytest.approx((512 + 127) / 128, rel=2**-8)


@pytest.mark.parametrize(
    ("weights", "text"),
    [
        ((1, -1), "a weight is -1, expected finite numbers"),
        ((1, float("nan")), "a weight is nan"),
        ((float("inf"), 1), "a weight is inf"),
        ((0, 0), r"the weights are \[0, 0\], expected finite numbers, none negative and not all"),
        ((), r"the weights are \[\]"),
    ],
)
def test_weights_that_make_no_sense(weights, text):
    with pytest.raises(BadInput, match=text):
        Average(weights)


def test_inputs_that_do_not_fit():
    a, b = models(2)
    bad = a["w"].clone()
    bad[0, 0] = torch.nan
    with pytest.raises(BadInput, match="1 models to merge, expected at least 2"):
        merge([a])
    with pytest.raises(BadInput, match="3 weights for 2 models, expected one each"):
        merge([a, b], Average((1, 1, 1)))
    with pytest.raises(UnknownName, match=r"models\[1\]: 'n' is missing"):
        merge([a, {"w": b["w"]}])
    with pytest.raises(ShapeMismatch, match=r"models\[1\]: 'w' has shape \(2,\)"):
        merge([a, {**b, "w": torch.zeros(2)}])
    with pytest.raises(DtypeMismatch, match=r"models\[1\]: 'w' has dtype float64"):
        merge([a, {**b, "w": b["w"].double()}])
    with pytest.raises(NotFinite, match=r"models\[0\]: 'w' holds 1 NaN"):
        merge([{**a, "w": bad}, b])


def test_a_repair_is_applied_to_the_merged_params():
    torch.manual_seed(0)
    one, two = (nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)) for _ in range(2))
    a, b = params_of(one), params_of(two)
    batches = [(torch.randn(16, 3), None)]
    found = merge([a, b], repair=RecomputeStatistics(one, batches))
    expected = recompute_statistics(one, merge([a, b]), batches)
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert not torch.equal(found["1.running_mean"], merge([a, b])["1.running_mean"])
    assert merge([a, b], repair=lambda params: {"only": params["0.bias"]}).keys() == {"only"}


def test_statistics_of_half_precision_are_those_of_float32():
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    batches = [(torch.randn(16, 3, generator=torch.Generator().manual_seed(0)), None)]
    half = {n: t.bfloat16() if t.is_floating_point() else t for n, t in params_of(network).items()}
    found = RecomputeStatistics(network, batches)(half)
    assert {n: t.dtype for n, t in found.items()} == {n: t.dtype for n, t in half.items()}
    wide = {n: t.float() if t.is_floating_point() else t for n, t in half.items()}
    expected = RecomputeStatistics(network, batches)(wide)
    assert torch.equal(found["1.running_mean"], expected["1.running_mean"].bfloat16())
    assert not torch.equal(found["1.running_mean"], half["1.running_mean"])


def test_models_are_aligned_where_their_symmetry_is_given():
    network = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2)).double()
    a = params_of(network)
    symmetry = discover(network, torch.zeros(1, 3, dtype=torch.float64))
    twins = [a, *(symmetry.act(symmetry.sample(seed=k), a) for k in range(3))]
    assert distance(merge(twins), a) > 0.1
    assert distance(merge(twins, symmetry=symmetry), a) < 1e-12
    weights = Average((0, 1, 0, 0))
    assert distance(merge(twins, weights, symmetry=symmetry), a) < 1e-12

"""Merging by features: what is the same is given back, what is not is the mean that is claimed."""

from dataclasses import replace

import pytest
import torch
from tests.merging.features.conftest import Case, apart, dense
from torch import nn

from isthmus.alignment import align
from isthmus.discovery import discover
from isthmus.ground import BadInput, UnknownName, params_of
from isthmus.merging import (
    Average,
    CcaMerge,
    MatchedMoments,
    Pleas,
    Renormalise,
    ZipIt,
    merge,
)


def methods(case):
    given = (case.model, case.data, case.symmetry)
    return [
        ZipIt(*given),
        ZipIt(*given, within=0),
        ZipIt(*given, within=0.5, again=0.5),
        CcaMerge(*given),
        Pleas(*given),
    ]


@pytest.mark.parametrize("which", ["perceptron", "pictures"])
def test_a_model_and_its_copy_are_the_model(which, request):
    case = request.getfixturevalue(which)
    a = case.params()
    b = case.copy(a)
    assert apart(b, a) > 0.1
    for method in methods(case):
        assert apart(merge([a, b], method), a) < 1e-9, method


class Attention(nn.Module):
    """Two heads beside a residual stream with a norm."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(6)
        self.qkv, self.out = nn.Linear(6, 18), nn.Linear(6, 6)
        self.up, self.down, self.head = nn.Linear(3, 6), nn.Linear(6, 6), nn.Linear(6, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.up(x)
        parts = self.qkv(self.norm(x)).unflatten(-1, (3, 2, 3)).unbind(-3)
        q, k, v = (part.transpose(1, 2) for part in parts)
        mixed = nn.functional.scaled_dot_product_attention(q, k, v)
        x = x + self.out(mixed.transpose(1, 2).flatten(-2))
        return self.head(torch.relu(self.down(x)))


@pytest.mark.parametrize("gauge", ["folded", "asis"])
def test_heads_and_streams(gauge):
    def build(seed):
        torch.manual_seed(seed)
        return Attention().double()

    case = Case(build, 4, 3)
    case.symmetry = discover(case.model, case.x[:1], gauge=gauge)
    a = case.params()
    b = case.copy(a)
    assert apart(b, a) > 0.1
    for method in methods(case):
        assert apart(merge([a, b], method), a) < 1e-8, method


def test_across_models_it_is_the_mean_after_a_permutation(perceptron):
    a, b = perceptron.params(0), perceptron.params(1)
    method = ZipIt(perceptron.model, perceptron.data, perceptron.symmetry, within=0)
    common = method.common([a, b])
    for members in common.passages[1].natural.values():
        assert torch.equal(members @ members.mT, torch.eye(12, dtype=torch.float64))
    one, two = common.alone()
    assert apart(one, a) == 0
    assert torch.allclose(perceptron.outputs(two), perceptron.outputs(b), atol=1e-12)
    assert apart(method([a, b]), Average()([one, two])) < 1e-15
    free = replace(method, within=1.0)
    assert apart(free([a, b]), method([a, b])) > 1e-3


def test_a_unit_that_occurs_twice_is_merged_with_itself(perceptron):
    """A model whose hidden units are doubled has room: all that both compute is kept."""

    def doubled(params):
        order = torch.arange(12) // 2
        found = {}
        for name, tensor in params.items():
            wide = tensor
            if not name.startswith("4."):
                wide = wide[order]
            if name.endswith("weight") and not name.startswith("0."):
                wide = wide[:, order] / 2
            found[name] = wide
        return found

    narrow = [params_of(dense(seed, 6)) for seed in (0, 1)]
    models = [doubled(one) for one in narrow]
    given = (perceptron.model, perceptron.data, perceptron.symmetry)
    outputs = [perceptron.outputs(one) for one in models]
    mean = sum(outputs) / 2
    free, bound = (ZipIt(*given, within=share)(models) for share in (1.0, 0.0))
    assert torch.allclose(perceptron.outputs(free), mean, atol=1e-9)
    assert not torch.allclose(perceptron.outputs(bound), mean, atol=1e-2)


def linear(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(5, 4), nn.Linear(4, 3)).double()


def test_canonical_correlation_recovers_an_invertible_map():
    case = Case(linear, 5)
    generator = torch.Generator().manual_seed(0)
    a = case.params()
    mix = torch.randn(4, 4, generator=generator, dtype=torch.float64)
    b = {
        "0.weight": mix @ a["0.weight"],
        "0.bias": mix @ a["0.bias"],
        "1.weight": a["1.weight"] @ torch.linalg.inv(mix),
        "1.bias": a["1.bias"],
    }
    method = CcaMerge(case.model, case.data, case.symmetry, ridge=0, align=False)
    common = method.common([a, b])
    (found,) = common.passages[1].natural.values()
    assert torch.allclose(found, torch.linalg.inv(mix), atol=1e-9)
    assert apart(common.merged(), a) < 1e-9
    other = case.params(1)
    moved = method.common([a, other]).alone()[1]
    assert torch.allclose(case.outputs(moved), case.outputs(other), atol=1e-9)


def test_canonical_correlation_changes_the_function_where_units_bend(perceptron):
    a, b = perceptron.params(0), perceptron.params(1)
    method = CcaMerge(perceptron.model, perceptron.data, perceptron.symmetry)
    moved = method.common([a, b]).alone()[1]
    off = (perceptron.outputs(moved) - perceptron.outputs(b)).norm()
    assert off > 0.1 * perceptron.outputs(b).norm()


def test_a_ridge_is_needed_where_units_depend_on_each_other(perceptron):
    a, b = perceptron.params(0), perceptron.params(1)
    few = [(perceptron.x[:3], None)]
    given = (perceptron.model, few, perceptron.symmetry)
    with pytest.raises(BadInput, match="depend linearly on each other on these data"):
        CcaMerge(*given, ridge=0)([a, b])
    assert all(bool(t.isfinite().all()) for t in CcaMerge(*given)([a, b]).values())


def test_matched_moments_are_repair_where_units_are_permuted(perceptron):
    a, b = perceptron.params(0), perceptron.params(1)
    method = ZipIt(perceptron.model, perceptron.data, perceptron.symmetry, within=0)
    common = method.common([a, b])
    merged = common.merged()
    for shift in (False, True):
        ends = common.alone()
        wanted = Renormalise(perceptron.model, perceptron.data, ends, shift=shift)(merged)
        found = MatchedMoments(perceptron.model, perceptron.data, common, shift=shift)(merged)
        assert apart(found, wanted) < 1e-12
    assert apart(found, merged) > 0.01


def test_units_of_one_model_alone_keep_their_moments(perceptron):
    a, b = perceptron.params(0), perceptron.params(1)
    wider = dense(0, 24)
    into = (wider, discover(wider, perceptron.x[:1]))
    common = Pleas(perceptron.model, perceptron.data, perceptron.symmetry, into=into).common([a, b])
    merged = common.merged()
    spoilt = {n: 2 * t if n.startswith("2.") else t for n, t in merged.items()}
    repair = MatchedMoments(wider, perceptron.data, common, of=perceptron.model)
    assert apart(repair(spoilt), merged) < 1e-9
    with pytest.raises(BadInput, match="hold units of one model alone"):
        common.alone()


def test_heads_keep_the_rest_of_each_model(perceptron):
    """Two models with one trunk, in other orders of units: each head gives its own model back."""
    a, b = perceptron.params(0), perceptron.params(1)
    b = {n: a[n] if n.startswith("0.") else t for n, t in b.items()}
    copy = perceptron.copy(b)
    method = ZipIt(perceptron.model, perceptron.data, perceptron.symmetry)
    one, two = method.heads([a, copy], ["0"])
    assert apart(one, a) < 1e-9
    assert torch.allclose(perceptron.outputs(two), perceptron.outputs(b), atol=1e-9)
    assert all(torch.equal(one[n], two[n]) for n in ("0.weight", "0.bias"))
    assert apart(two, one) > 0.1
    with pytest.raises(BadInput, match="2.weight is shared and reads 0, which is not"):
        method.heads([a, copy], ["2"])
    with pytest.raises(UnknownName, match="no parameter is 'first'"):
        method.heads([a, copy], ["first"])


def test_a_trunk_ends_where_nothing_is_added_later(pictures):
    a, b = pictures.params(0), pictures.params(1)
    method = ZipIt(pictures.model, pictures.data, pictures.symmetry)
    with pytest.raises(BadInput, match="is not shared and gives units of 0"):
        method.heads([a, b], ["0"])
    one, two = method.heads([a, b], ["0", "1"])
    assert torch.equal(one["0.weight"], two["0.weight"])
    assert not torch.equal(one["6.weight"], two["6.weight"])


def test_dtypes_are_kept_and_inputs_too(perceptron):
    given = [{n: t.float() for n, t in perceptron.params(seed).items()} for seed in (0, 1)]
    kept = [{n: t.clone() for n, t in one.items()} for one in given]
    for method in methods(perceptron):
        data = iter([(perceptron.x.float(), None)])  # read more than once
        found = merge(given, replace(method, batches=data))
        assert {n: (t.dtype, t.shape) for n, t in found.items()} == {
            n: (t.dtype, t.shape) for n, t in given[0].items()
        }
    assert all(torch.equal(a[n], b[n]) for a, b in zip(given, kept, strict=True) for n in a)


def test_what_does_not_fit(perceptron):
    given = (perceptron.model, perceptron.data, perceptron.symmetry)
    a, b = perceptron.params(0), perceptron.params(1)
    with pytest.raises(BadInput, match="within is 2, expected a share"):
        ZipIt(*given, within=2)
    with pytest.raises(BadInput, match="again is -1, expected a share"):
        ZipIt(*given, again=-1)
    with pytest.raises(BadInput, match="ridge is 0, expected a positive number"):
        Pleas(*given, ridge=0)
    with pytest.raises(BadInput, match="ridge is -1, expected at least 0"):
        CcaMerge(*given, ridge=-1)
    with pytest.raises(BadInput, match="canonical correlation keeps widths"):
        CcaMerge(*given, into=(perceptron.model, perceptron.symmetry))
    with pytest.raises(BadInput, match="3 models, expected two"):
        merge([a, b, a], ZipIt(*given))
    with pytest.raises(BadInput, match="there are no batches"):
        merge([a, b], ZipIt(perceptron.model, [], perceptron.symmetry))


def test_without_alignment_scales_are_not_brought_together(perceptron):
    a = perceptron.params(0)
    element = perceptron.symmetry.sample(seed=3, scale=1.0)
    b = perceptron.symmetry.act(element, a)
    given = (perceptron.model, perceptron.data, perceptron.symmetry)
    assert apart(merge([a, b], ZipIt(*given)), a) < 1e-9
    assert apart(merge([a, b], ZipIt(*given, align=False)), a) > 0.01
    moved = align(b, to=a, symmetry=perceptron.symmetry).params
    assert apart(merge([a, moved], ZipIt(*given, align=False)), a) < 1e-9

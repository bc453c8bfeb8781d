"""Canonical forms: models of one orbit come out equal, in the form that was asked for."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from isthmus.alignment.forms.canonical import Balanced, UnitNorm, canonical
from isthmus.ground import NotFinite, UnknownName
from isthmus.testing.zoo import zoo

NAMES = [
    "mlp", "mlp_tanh", "vgg", "gated_swiglu", "attention_separate", "gpt", "llama",
    "encoder_layer_gelu", "lstm_classifier", "tied_autoencoder", "resnet_group_norm",
]  # fmt: skip
FORMS = [Balanced(), UnitNorm()]


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_models_of_one_orbit_come_out_equal(name: str, form, tools: SimpleNamespace) -> None:
    symmetry, a = tools.symmetry_of(name), tools.wide(tools.params(name))
    b = symmetry.act(symmetry.sample(seed=5), a)
    one, two = canonical(a, symmetry, form), canonical(b, symmetry, form)
    assert tools.gap(a, b) > 0.05
    assert tools.gap(one, two) <= 1e-10
    assert float((tools.outputs(name, a) - tools.outputs(name, one)).abs().max()) <= 1e-9 * float(
        tools.outputs(name, a).abs().max()
    )
    # It stays where it is, and a model of another orbit goes elsewhere.
    assert tools.gap(one, canonical(one, symmetry, form)) <= 1e-10
    other = {n: t * 1.01 if t.dim() > 1 else t for n, t in a.items()}
    assert tools.gap(one, canonical(other, symmetry, form)) > 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("one", [one for one in zoo() if not one.needs], ids=str)
def test_the_whole_zoo_has_canonical_forms(one, tools: SimpleNamespace) -> None:
    symmetry, a = tools.symmetry_of(one.name), tools.wide(tools.params(one.name))
    found = [canonical(x, symmetry) for x in (a, symmetry.act(symmetry.sample(seed=5), a))]
    # Two wide layers in a row without full rank have no shortest point: less is never least.
    assert (tools.gap(*found) <= 1e-9) == (one.name != "linear_net")


def test_a_balanced_unit_is_as_long_before_as_after(tools: SimpleNamespace) -> None:
    symmetry, a = tools.symmetry_of("mlp"), tools.wide(tools.params("mlp"))
    found = canonical(a, symmetry)
    into = found["fc1.weight"].square().sum(1) + found["fc1.bias"].square()
    torch.testing.assert_close(into, found["fc2.weight"].square().sum(0), rtol=1e-10, atol=0)
    assert tools.norm(found) < tools.norm(a)
    lengths = into + found["fc2.weight"].square().sum(0)
    assert bool((lengths.diff() < 0).all())


def test_balanced_heads_have_one_gram_matrix(tools: SimpleNamespace) -> None:
    symmetry = tools.symmetry_of("attention_separate")
    found = symmetry.coordinates(canonical(tools.params("attention_separate"), symmetry))
    for head in range(2):
        at = slice(4 * head, 4 * head + 4)
        query = torch.cat(
            [found[f"attention.q.{n}"][at].reshape(4, -1) for n in ("weight", "bias")], 1
        )
        keys = found["attention.k.weight"][at]
        torch.testing.assert_close(query @ query.mT, keys @ keys.mT, rtol=0, atol=1e-6)
        # In the basis of its eigenvectors.
        gram = keys @ keys.mT
        assert float((gram - gram.diag().diag()).abs().max()) < 1e-6
        assert bool((gram.diag().diff() < 0).all())


def test_unit_norm_neurons(tools: SimpleNamespace) -> None:
    symmetry, a = tools.symmetry_of("mlp"), tools.wide(tools.params("mlp"))
    found = canonical(a, symmetry, UnitNorm())
    for layer in ("fc1", "fc2"):
        into = found[f"{layer}.weight"].square().sum(1) + found[f"{layer}.bias"].square()
        torch.testing.assert_close(into, torch.ones_like(into), rtol=1e-12, atol=0)


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_units_stay_in_place_when_no_order_is_asked_for(form, tools: SimpleNamespace) -> None:
    symmetry, a = tools.symmetry_of("mlp"), tools.wide(tools.params("mlp"))
    found = canonical(a, symmetry, form, ordered=False)
    ratio = found["fc1.weight"] / a["fc1.weight"]
    torch.testing.assert_close(ratio, ratio[:, :1].expand_as(ratio))
    assert bool((ratio > 0).all())


def test_units_without_one_side_are_left_as_they_are(tools: SimpleNamespace) -> None:
    """Nothing reads one unit and nothing reaches another: no scale is the shortest."""
    symmetry, a = tools.symmetry_of("mlp"), tools.wide(tools.params("mlp"))
    a["fc2.weight"][:, 2] = 0.0
    a["fc1.weight"][4], a["fc1.bias"][4] = 0.0, 0.0
    found = canonical(a, symmetry, ordered=False)
    assert torch.equal(found["fc1.weight"][2], a["fc1.weight"][2])
    assert bool((found["fc1.weight"][4] == 0).all())
    one, two = tools.outputs("mlp", a), tools.outputs("mlp", found)
    torch.testing.assert_close(one, two, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_dtypes_and_the_input_are_kept(dtype, tools: SimpleNamespace) -> None:
    symmetry = tools.symmetry_of("vgg")
    a = {n: t.to(dtype) if t.is_floating_point() else t for n, t in tools.params("vgg").items()}
    kept = {n: t.clone() for n, t in a.items()}
    found = canonical(a, symmetry)
    assert {n: t.dtype for n, t in found.items()} == {n: t.dtype for n, t in a.items()}
    assert list(found) == list(a)
    assert all(torch.equal(kept[n], t) for n, t in a.items())


def test_what_has_no_canonical_form(tools: SimpleNamespace) -> None:
    symmetry, a = tools.symmetry_of("mlp"), tools.params("mlp")
    with pytest.raises(UnknownName, match=r"parameter 'head.bias' is missing"):
        canonical({n: t for n, t in a.items() if n != "head.bias"}, symmetry)
    a["head.bias"] = a["head.bias"] / 0
    with pytest.raises(NotFinite, match=r"head.bias of the model holds NaN or infinity"):
        canonical(a, symmetry)

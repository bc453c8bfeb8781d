"""Planted recovery: an element drawn at random is undone."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import pytest
import torch

from isthmus.alignment import WeightMatching, align
from isthmus.discovery import discover
from isthmus.ground.params import params_of
from isthmus.testing.zoo import Entry, entry, randomise, resnet20, zoo

FAST = {"mlp": 8, "vgg": 4, "resnet20": 2, "mlp_tanh": 3, "mlp_square": 2, "lstm_classifier": 3,
        "tied_autoencoder": 3, "layer_used_twice": 3, "residual_mlp": 2, "instance_norm": 2,
        "encoder_layer_relu": 2, "text_classifier": 2, "gpt": 1}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "seed"), [(name, seed) for name, count in FAST.items() for seed in range(count)]
)
def test_a_planted_element_is_undone(name: str, seed: int, tools: SimpleNamespace) -> None:
    symmetry, a = tools.symmetry_of(name), tools.params(name)
    b = symmetry.act(symmetry.sample(seed=100 + seed), a)
    fit = align(b, to=a, symmetry=symmetry)
    assert fit.before > 0.05 * tools.norm(a)
    assert fit.after <= 1e-6 * tools.norm(a), f"{fit}, from {fit.certificate.evidence['starts']}"


WHOLE = [
    "mlp", "mlp_square", "linear_net", "maxout", "gated_tanh", "gated_bilinear",
    "residual_mlp_plain", "depthwise_grouped", "squeeze_excite", "attention_chunk",
    "attention_einsum", "gpt", "llama", "llama_two_layers", "hf_vit", "hf_gpt2", "hf_llama",
    "hf_qwen3", "hf_olmo2", "hf_mixtral", "hf_bit", "hf_mamba2", "hf_convbert", "hf_perceiver",
]  # fmt: skip


@pytest.mark.parametrize("name", WHOLE)
def test_elements_of_the_whole_group_are_undone_to_rounding(
    name: str, tools: SimpleNamespace
) -> None:
    """Scales, rotations, shears, planes, heads, experts; 1e-9 in float64, 1e-5 in float32."""
    symmetry, a = tools.symmetry_of(name), tools.params(name)
    g = symmetry.sample(seed=1)
    for dtype, close in ((torch.float64, 1e-9), (torch.float32, 1e-5)):
        there = {n: t.to(dtype) if t.is_floating_point() else t for n, t in a.items()}
        fit = align(symmetry.act(g, there), to=there, symmetry=symmetry)
        size = tools.norm(symmetry.coordinates(there))
        assert fit.before > 0.01 * size
        assert fit.after <= close * size, f"{fit}, from {fit.certificate.evidence['starts']}"


@pytest.mark.parametrize("name", ["mlp", "mlp_tanh", "gated_swiglu", "gpt", "hf_gpt2", "hf_llama"])
@pytest.mark.parametrize("level", [1e-2, 1e-1])
def test_with_noise_no_planted_element_is_nearer(
    name: str, level: float, tools: SimpleNamespace
) -> None:
    symmetry, a = tools.symmetry_of(name), tools.params(name)
    g = symmetry.sample(seed=2)
    rough = {
        n: t + level * t.square().mean().sqrt() * tools.gaussian(*t.shape, seed=k).to(t.dtype)
        if t.is_floating_point()
        else t
        for k, (n, t) in enumerate(symmetry.act(g, a).items())
    }
    planted = tools.gauged_distance(symmetry, a, symmetry.act(~g, rough))
    assert align(rough, to=a, symmetry=symmetry).after <= planted


@pytest.mark.slow
@pytest.mark.parametrize("one", zoo(), ids=str)
def test_five_planted_elements_are_undone_in_every_model(
    one: Entry, tools: SimpleNamespace
) -> None:
    symmetry, a = tools.symmetry_of(one.name), tools.params(one.name)
    a = {n: _double(t) for n, t in a.items()}
    size = tools.norm(symmetry.coordinates(a))
    left = []
    for seed in range(5):
        b = symmetry.act(symmetry.sample(seed=100 + seed), a)
        left.append(align(b, to=a, symmetry=symmetry, seed=seed).after / size)
    assert sum(gap <= 1e-9 for gap in left) >= 4, left


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mlp", "vgg", "resnet20", "unet", "resnet_group_norm"])
def test_twenty_planted_elements_are_undone(name: str, tools: SimpleNamespace) -> None:
    symmetry, a = tools.symmetry_of(name), tools.params(name)
    found = []
    for seed in range(20):
        b = symmetry.act(symmetry.sample(seed=seed), a)
        fit = align(b, to=a, symmetry=symmetry, method=WeightMatching(restarts=2), seed=seed)
        found.append(fit.after <= 1e-6 * tools.norm(a))
    assert sum(found) == 20


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_full_width_resnet_is_recovered(seed: int, tools: SimpleNamespace) -> None:
    model = randomise(resnet20(16), seed=seed)
    symmetry = discover(model, torch.zeros(1, 3, 16, 16))
    a = params_of(model)
    b = symmetry.act(symmetry.sample(seed=seed), a)
    fit = align(b, to=a, symmetry=symmetry)
    assert fit.after <= 1e-6 * tools.norm(a)


@pytest.mark.parametrize(
    "name", ["mlp", "vgg", "lstm_classifier", "encoder_layer_relu", "tied_autoencoder"]
)
def test_the_recovered_element_undoes_the_planted_one_as_a_map(
    name: str, tools: SimpleNamespace
) -> None:
    """Not only at these weights: where the stabiliser is trivial, the product is the identity."""
    symmetry, a = tools.symmetry_of(name), tools.params(name)
    planted = symmetry.sample(seed=1)
    fit = align(symmetry.act(planted, a), to=a, symmetry=symmetry)
    other = tools.params(name, seed=8)
    around = symmetry.act(fit.element @ planted, other)
    assert tools.gap(other, around) < 1e-5


ALIGNED = [one for one in zoo() if not one.needs]


@pytest.mark.parametrize("one", ALIGNED, ids=str)
def test_alignment_keeps_the_function(one: Entry, tools: SimpleNamespace) -> None:
    """The element that is found is one of the group: the moved model computes what b computes."""
    symmetry = tools.symmetry_of(one.name)
    a, b = tools.params(one.name), tools.params(one.name, seed=4)
    a, b = ({n: _double(t) for n, t in p.items()} for p in (a, b))
    fit = align(b, to=a, symmetry=symmetry, method=WeightMatching(sweeps=3))
    model = one.build().double()
    inputs = one.example()
    keyword = inputs if isinstance(inputs, dict) else {}
    positional = () if isinstance(inputs, dict) else inputs
    positional = tuple(_double(x) for x in positional)
    with torch.no_grad():
        before = torch.func.functional_call(model, b, positional, keyword)
        after = torch.func.functional_call(model, fit.params, positional, keyword)
    assert float((before - after).abs().max()) <= 1e-9 * float(before.abs().max())
    assert fit.after <= fit.before * (1 + 1e-12)
    assert fit.before == pytest.approx(tools.gauged_distance(symmetry, a, b))
    assert fit.after == pytest.approx(tools.gauged_distance(symmetry, a, fit.params))
    history = fit.certificate.evidence["objective"]
    # What rested was computed again from its element: that rounds.
    assert all(late <= early * (1 + 1e-14) for early, late in itertools.pairwise(history))


def _double(value: torch.Tensor) -> torch.Tensor:
    return value.double() if value.is_floating_point() else value


def test_tied_weights_stay_tied(tools: SimpleNamespace) -> None:
    symmetry, a = tools.symmetry_of("gpt_tied"), tools.params("gpt_tied")
    assert "head.weight" not in a
    fit = align(symmetry.act(symmetry.sample(seed=2), a), to=a, symmetry=symmetry)
    model = entry("gpt_tied").build()
    model.load_state_dict(fit.params, strict=False)
    assert model.head.weight is model.token.weight

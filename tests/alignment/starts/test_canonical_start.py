"""A planted element of the whole group is undone in closed form."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from isthmus.alignment import Canonical, WeightMatching, align

ALONE = WeightMatching(starts=(Canonical(),), finish=1)
NAMES = ["mlp", "mlp_tanh", "vgg", "gated_swiglu", "attention_separate", "gpt", "llama",
         "encoder_layer_relu", "lstm_classifier", "residual_mlp"]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_planted_element_is_undone_to_rounding(name: str, tools: SimpleNamespace) -> None:
    symmetry, single = tools.symmetry_of(name), tools.params(name)
    for params, most in ((single, 1e-6), (tools.wide(single), 1e-10)):
        for seed in range(2):
            b = symmetry.act(symmetry.sample(seed=seed), params)
            fit = align(b, to=params, symmetry=symmetry, method=ALONE)
            assert fit.before > 0.05 * tools.norm(params)
            assert fit.after <= most * tools.norm(params)


def test_it_is_a_start_for_a_subgroup_too(tools: SimpleNamespace) -> None:
    symmetry = tools.symmetry_of("mlp")
    swaps = symmetry.restrict(lambda space: space.name == "fc1")
    a = tools.wide(tools.params("mlp"))
    b = symmetry.act(symmetry.lift(swaps.sample(seed=1)), a)
    fit = align(b, to=a, symmetry=swaps, method=ALONE)
    assert fit.after <= 1e-10 * tools.norm(a)
    # What lies outside the subgroup is not undone.
    c = symmetry.act(symmetry.sample(seed=1), a)
    fit = align(c, to=a, symmetry=swaps, method=ALONE)
    assert fit.after > 0.05 * tools.norm(a)
    assert fit.element.symmetry is swaps

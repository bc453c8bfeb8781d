"""What probes see in ``g·a`` is ``g`` acting on what they see in ``a``, exactly."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from isthmus.algebra.groups import Motion
from isthmus.algebra.symmetry import Params, Symmetry
from isthmus.discovery import discover
from isthmus.discovery.interpret import RecordedPathWarning
from isthmus.discovery.probes import Probes
from isthmus.ground.errors import BadInput, CaptureFailed
from isthmus.ground.params import params_of
from isthmus.testing.zoo import entry, randomise

MODELS = [
    "mlp", "mlp_tanh", "mlp_sin", "gated_reglu", "gated_fused", "vgg", "resnet20",
    "depthwise_grouped", "lstm_classifier",
    "gpt", "gpt_tied", "llama", "hf_llama_small", "hf_vit_small", "hf_mixtral_small",
]  # fmt: skip


def double(model: nn.Module) -> Params:
    params = {n: t.detach() for n, t in params_of(model).items()}
    return {n: t.double() if t.is_floating_point() else t for n, t in params.items()}


def change(probes: Probes, a: Params, b: Params, inputs: object, of: object) -> float:
    """The largest relative gap between what is seen in ``b`` and ``of`` on that in ``a``."""
    one, two = probes.values(a, inputs), probes.values(b, inputs)  # type: ignore[arg-type]
    reps = probes.at(inputs).reps  # type: ignore[arg-type]
    on = Symmetry(probes.symmetry.spaces, dict(reps))
    gaps = []
    for name in reps:
        want = on.act_on(name, of, one[name])  # type: ignore[arg-type]
        gaps.append(float((want - two[name]).abs().max() / two[name].abs().max()))
    return max(gaps)


@pytest.mark.parametrize("name", MODELS)
def test_activations_move_as_their_reps_say(name: str) -> None:
    one = entry(name)
    if one.needs:
        pytest.importorskip("transformers")
    symmetry = discover(one.build(), one.example())
    a = double(randomise(one.build(), 3))
    g = symmetry.sample(0)
    probes = Probes(one.build(), symmetry)
    assert change(probes, a, symmetry.act(g, a), one.example(), g.values) < 1e-9
    other = symmetry.sample(1)
    assert change(probes, a, symmetry.act(g, a), one.example(), other.values) > 1e-3


@pytest.mark.parametrize("name", ["mlp", "vgg", "gpt", "llama", "lstm_classifier"])
def test_every_space_that_is_not_free_is_seen(name: str) -> None:
    one = entry(name)
    symmetry = discover(one.build(), one.example())
    seen = {s for rep in Probes(one.build(), symmetry).at(one.example()).reps.values()
            for s in rep.spaces}  # fmt: skip
    assert seen == set(symmetry.essential.spaces)


@given(seed=st.integers(0, 99), batch=st.integers(1, 5))
@settings(max_examples=8, deadline=None)
def test_batches_of_any_size(seed: int, batch: int) -> None:
    one = entry("mlp")
    model = one.build()
    symmetry = discover(model, one.example())
    x = torch.randn(batch, *one.example()[0].shape[1:], generator=_seeded(seed))  # type: ignore
    a, g = double(randomise(model, 3)), symmetry.sample(seed)
    probes = Probes(model, symmetry)
    seen = probes.values(a, x)
    assert {len(value) for value in seen.values()} == {batch}
    assert change(probes, a, symmetry.act(g, a), x, g.values) < 1e-9


def test_a_sign_before_a_sigmoid_is_seen_up_to_a_constant() -> None:
    one = entry("mlp_sigmoid")
    symmetry = discover(one.build(), one.example())
    a, g = double(randomise(one.build(), 3)), symmetry.sample(0)
    probes = Probes(one.build(), symmetry)
    x = torch.randn(6, *one.example()[0].shape[1:], generator=_seeded(0))  # type: ignore
    before, after = probes.values(a, x), probes.values(symmetry.act(g, a), x)
    on = Symmetry(symmetry.spaces, dict(probes.at(x).reps))
    for name, value in before.items():
        want = on.act_on(name, g.values, _centred(value))
        torch.testing.assert_close(want, _centred(after[name]), rtol=0, atol=1e-12)


def test_a_restricted_symmetry_has_its_own_characters() -> None:
    one = entry("mlp")
    symmetry = discover(one.build(), one.example()).restrict([Motion.SWAP])
    a, g = double(randomise(one.build(), 3)), symmetry.sample(0)
    probes = Probes(one.build(), symmetry)
    assert change(probes, a, symmetry.act(g, a), one.example(), g.values) < 1e-9


def test_the_model_is_left_alone_and_float32_stays() -> None:
    one = entry("vgg")
    model = one.build().train()
    before = {n: t.clone() for n, t in model.state_dict().items()}
    probes = Probes(model, discover(model, one.example()))
    seen = probes.values(params_of(one.build()), one.example())
    assert model.training
    assert {t.dtype for t in seen.values()} == {torch.float32}
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_another_model_s_symmetry_is_refused() -> None:
    vgg, mlp = entry("vgg"), entry("mlp")
    probes = Probes(mlp.build(), discover(vgg.build(), vgg.example()))
    with pytest.raises(BadInput, match="no space of the symmetry shows in this model"):
        probes.at(mlp.example())


def test_inputs_that_the_model_does_not_take() -> None:
    mlp = entry("mlp")
    probes = Probes(mlp.build(), discover(mlp.build(), mlp.example()))
    with pytest.raises(CaptureFailed, match="cannot trace"):
        probes.at(torch.zeros(2, 3))


class Branching(nn.Module):
    """Takes one of two ways, by its input."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 5), nn.Linear(3, 5)
        self.last = nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        chosen = self.first if float(x.sum()) > 0 else self.second
        return self.last(torch.tanh(chosen(x)))


def test_a_recorded_path_is_compared_with_the_model() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Branching()
    x = torch.ones(4, 3)
    with pytest.warns(RecordedPathWarning):
        symmetry = discover(model, x)
    probes = Probes(model, symmetry)
    with pytest.warns(RecordedPathWarning):
        seen = probes.values(params_of(model), 2 * x)
    assert {value.shape for value in seen.values()} == {(4, 5), (4, 2)}
    with pytest.raises(BadInput, match="takes another path on this batch"):
        probes.values(params_of(model), -x)


def _seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _centred(value: Tensor) -> Tensor:
    return value - value.mean(0)

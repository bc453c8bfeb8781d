"""The zoo: every model builds, runs, repeats itself and can be captured."""

from __future__ import annotations

import sys

import pytest
import torch
from torch import Tensor, nn

from isthmus.discovery.precision import DoublePrecision
from isthmus.ground.errors import BadInput, MissingExtra
from isthmus.testing.zoo import (
    Entry,
    as_dtype,
    entry,
    mlp_with,
    peers15,
    randomise,
    resnet20,
    run,
    zoo,
)

every_entry = pytest.mark.parametrize("one", zoo(), ids=str)


def built(one: Entry) -> nn.Module:
    """The randomised model, or a skip where its package is missing."""
    if one.needs == "hf":
        pytest.importorskip("transformers")
    return randomise(one.build(), seed=3)


def named_tensors(model: nn.Module) -> dict[str, Tensor]:
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


@every_entry
def test_builds_and_runs_and_repeats_itself(one: Entry) -> None:
    before = torch.random.get_rng_state()
    first, second = built(one), built(one)
    assert torch.equal(before, torch.random.get_rng_state())
    assert not any(module.training for module in first.modules())
    for name, tensor in named_tensors(first).items():
        assert torch.equal(tensor, named_tensors(second)[name]), name
    with torch.no_grad():
        out, again = run(first, one.example()), run(second, one.example())
    assert isinstance(out, Tensor)
    assert out.shape[0] == 2
    assert torch.isfinite(out).all()
    assert torch.equal(out, again)
    assert float((out[0] - out[1]).abs().max()) > 1e-4  # it reads its input


@every_entry
def test_runs_in_float64(one: Entry) -> None:
    model = built(one)
    single = run(model, one.example())
    with DoublePrecision():  # many models of transformers cast to float32 inside
        double = run(model.double(), as_dtype(one.example(), torch.float64))
    assert double.dtype == torch.float64
    torch.testing.assert_close(single.double(), double, rtol=1e-3, atol=1e-4)


@every_entry
def test_depends_on_its_weights(one: Entry) -> None:
    if one.name == "mlp_sign":
        pytest.skip("a step function has no derivative")
    model = built(one).double()
    run(model, as_dtype(one.example(), torch.float64)).square().sum().backward()
    unread = []
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            assert torch.isfinite(parameter.grad).all(), name
        elif parameter.requires_grad:
            unread.append(name)
    assert bool(unread) == ("unused" in one.tags), unread


@every_entry
@pytest.mark.slow  # every test of discovery exports them too
@pytest.mark.filterwarnings(
    "ignore:The tensor attributes? .* assigned during export:UserWarning"  # caches, flat weights
)
def test_can_be_exported(one: Entry) -> None:
    model, inputs = built(one), one.example()
    keyword = inputs if isinstance(inputs, dict) else {}
    positional = () if isinstance(inputs, dict) else inputs
    program = torch.export.export(model, positional, keyword, strict=False)
    out = program.module()(*positional, **keyword)
    torch.testing.assert_close(out, run(model, inputs), rtol=1e-4, atol=1e-5)


@every_entry
def test_randomise_leaves_no_special_value(one: Entry) -> None:
    model = built(one)
    for name, parameter in model.named_parameters():
        flat = parameter.detach().flatten()
        assert bool((flat != 0).all()), name
        assert flat.numel() == 1 or float(flat.std()) > 0, name
    for name, buffer in model.named_buffers():
        if name.endswith("running_var"):
            assert 0.5 <= float(buffer.min()) <= float(buffer.max()) <= 2, name
        if name.endswith("running_mean"):
            assert float(buffer.abs().min()) > 0, name


def test_randomise_depends_on_the_seed_alone() -> None:
    mlp = entry("mlp")
    first, again, other = (randomise(mlp.build(), seed) for seed in (0, 0, 1))
    for name, parameter in first.named_parameters():
        assert torch.equal(parameter, again.get_parameter(name))
        assert not torch.equal(parameter, other.get_parameter(name))


def test_names_are_unique_snake_case_and_found() -> None:
    names = [one.name for one in zoo()]
    assert len(set(names)) == len(names)
    assert all(name.isidentifier() and name == name.lower() for name in names)
    assert all(entry(one.name) is one for one in zoo())


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(BadInput, match="the zoo has no 'resnet2'; did you mean 'resnet20'"):
        entry("resnet2")


def test_every_entry_is_smooth_or_piecewise() -> None:
    for one in zoo():
        assert len(one.tags & {"smooth", "relu"}) == 1, one.name


def test_the_peers_survey_has_fifteen() -> None:
    assert len(peers15()) == 15


@pytest.mark.parametrize(
    ("name", "count"), [("gpt", 428), ("gpt_rms_norm", 410)], ids=["gpt", "gpt_rms_norm"]
)
def test_the_hand_counted_transformers_have_their_size(name: str, count: int) -> None:
    """The nullities of design.md section 6 are of these two models."""
    assert sum(parameter.numel() for parameter in entry(name).build().parameters()) == count


def test_tied_weights_are_one_parameter() -> None:
    model = entry("gpt_tied").build()
    assert model.head.weight is model.token.weight


def test_factories_take_an_activation_and_a_width() -> None:
    assert mlp_with(torch.sin)(torch.ones(2, 6)).shape == (2, 4)
    wide = resnet20()
    convolutions = [m for m in wide.modules() if isinstance(m, nn.Conv2d) and m.kernel_size[0] == 3]
    assert len(convolutions) == 19
    assert wide(torch.ones(1, 3, 32, 32)).shape == (1, 10)


def test_without_transformers_its_models_say_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtra) as caught:
        entry("hf_bert").build()
    assert str(caught.value) == (
        "BertForMaskedLM is made by transformers, which is not installed; "
        "install it with pip install 'isthmus[hf]'"
    )


def test_the_zoo_has_eighty_models_and_more_from_transformers() -> None:
    of_transformers = [one for one in zoo() if "hf" in one.tags]
    assert all((one.needs == "hf") == (one in of_transformers) for one in zoo())
    assert len(of_transformers) >= 80

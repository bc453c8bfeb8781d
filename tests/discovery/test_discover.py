"""discover and verify as a user meets them: errors, warnings, what is left untouched."""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from isthmus.algebra.groups import GeneralLinear, Monomial
from isthmus.discovery import UnknownOperatorWarning, discover, verify
from isthmus.discovery.capture import capture
from isthmus.discovery.rules import RULES, Call, rule
from isthmus.discovery.tensor import Tensor as Typed
from isthmus.ground.certificates import Verdict
from isthmus.ground.errors import BadInput, CaptureFailed, IsthmusError, UnknownOperator
from isthmus.testing.zoo import entry, randomise


@torch.library.custom_op("isthmus_tests::inward", mutates_args=())
def inward(x: Tensor) -> Tensor:
    """The same values in order."""
    return x.sort(-1).values


inward.register_fake(torch.empty_like)


class Sorted(nn.Module):
    """An operator of one's own has no typing rule."""

    def forward(self, x: Tensor) -> Tensor:
        """The same values in order."""
        return inward(x)


def sorting() -> nn.Module:
    first = nn.Sequential(nn.Linear(6, 8), nn.ReLU())
    return nn.Sequential(first, nn.Linear(8, 7), Sorted(), nn.Linear(7, 4)).eval()


def test_an_unknown_operator_is_pinned_named_and_warned_of(tools: SimpleNamespace) -> None:
    with pytest.warns(UnknownOperatorWarning) as caught:
        symmetry = discover(sorting(), tools.noise(2, 6))
    said = [str(w.message) for w in caught if w.category is UnknownOperatorWarning]
    assert len(said) == 1
    assert said[0].startswith("no typing rule for isthmus_tests.inward in 2 (test_discover.py:")
    assert said[0].endswith("): all that it touches is pinned")
    assert symmetry.warnings == tuple(said)
    assert str(symmetry).splitlines()[-1] == said[0]
    assert tools.headline(symmetry) == "M⁺(8)"
    assert verify(symmetry, sorting(), tools.noise(2, 6)).verdict is Verdict.TESTED


def test_an_unknown_operator_is_refused_on_request(tools: SimpleNamespace) -> None:
    with pytest.raises(UnknownOperator) as caught:
        discover(sorting(), tools.noise(2, 6), unknown="raise")
    assert caught.value.cause.startswith(
        "no typing rule for isthmus_tests.inward in 2 (test_discover.py:"
    )
    assert caught.value.remedy == (
        'write one with @isthmus.discovery.rules.rule, or pass unknown="pin" to keep all that it '
        "touches fixed"
    )


def test_a_known_model_is_not_refused(tools: SimpleNamespace) -> None:
    symmetry = discover(entry("mlp").build(), tools.noise(2, 6), unknown="raise")
    assert symmetry.lie_dim == 15


@pytest.fixture
def _own_operator() -> Iterator[None]:
    @torch.library.custom_op("isthmus_tests::hinge", mutates_args=())
    def hinge(x: Tensor) -> Tensor:
        return torch.where(x > 0, 3 * x, 0 * x)

    @hinge.register_fake
    def _(x: Tensor) -> Tensor:
        return torch.empty_like(x)

    yield
    RULES.pop("isthmus_tests.hinge", None)


@pytest.mark.usefixtures("_own_operator")
def test_a_new_operator_is_ten_lines(tools: SimpleNamespace) -> None:
    """The promise of ARCHITECTURE.md: one function with `@rule`, and the group grows."""

    def forward(m: Any, x: Tensor) -> Any:
        return m.h(torch.ops.isthmus_tests.hinge(m.a(x)))

    model, example = tools.written(forward, a=(6, 8), h=(8, 4)), tools.noise(2, 6)
    with pytest.warns(UnknownOperatorWarning, match="isthmus_tests.hinge"):
        assert tools.headline(discover(model, example)) == "1"

    @rule("isthmus_tests.hinge")
    def hinge(call: Call) -> Typed:
        """Positive scales pass."""
        x = call.tensor("x")
        call.typing.commute(x)
        for axis in x.axes:
            call.typing.unflipped(axis)
        return call.make(x.axes)

    symmetry = discover(model, example, unknown="raise")
    assert tools.headline(symmetry) == "M⁺(8)"
    assert verify(symmetry, model, example).verdict is Verdict.TESTED


def test_a_model_that_cannot_be_traced_is_refused(tools: SimpleNamespace) -> None:
    def forward(m: Any, x: Tensor) -> Any:
        return m.h(x) if float(x.sum()) > 0 else x

    # Without weights: with them, the path of the example is recorded (test_capture_fallback.py).
    model = tools.written(forward, h=(6, 6)).to("meta")
    with pytest.raises(CaptureFailed) as caught:
        discover(model, tools.noise(2, 6).to("meta"))
    assert caught.value.cause.startswith("torch.export cannot trace Written on this example: ")
    assert caught.value.cause.endswith("and without weights the model cannot be run either")
    assert caught.value.remedy == (
        "build the model and the example with real tensors (a small configuration will do), so "
        "that the path which the example takes can be recorded, or wrap the model in a module "
        "whose forward does not branch on data"
    )


def test_an_example_of_another_shape_is_refused() -> None:
    with pytest.raises(
        CaptureFailed, match=r"torch.export cannot trace Mlp on this example: .*\[2, 5\] X \[6, 8\]"
    ):
        discover(entry("mlp").build(), torch.zeros(2, 5))


def test_an_example_of_another_kind_is_bad_input() -> None:
    with pytest.raises(BadInput) as caught:
        discover(entry("mlp").build(), 3)  # type: ignore[arg-type]
    assert str(caught.value) == (
        "the example is a int; pass a tensor, a tuple of inputs, or a dict of keyword inputs"
    )


def test_control_flow_on_data_is_refused(tools: SimpleNamespace) -> None:
    def forward(m: Any, x: Tensor) -> Any:
        return torch.cond(x.sum() > 0, lambda y: m.h(torch.relu(m.a(y))), lambda y: m.b(y), (x,))

    model = tools.written(forward, a=(6, 8), b=(6, 4), h=(8, 4))
    with pytest.raises(CaptureFailed) as caught:
        discover(model, tools.noise(2, 6))
    assert str(caught.value) == (
        "the model uses cond, control flow that depends on data; wrap the part of the model "
        "without it in a module of its own"
    )


def test_options_are_checked(tools: SimpleNamespace) -> None:
    model, example = entry("mlp").build(), tools.noise(2, 6)
    with pytest.raises(IsthmusError, match="gauge is 'none', expected"):
        discover(model, example, gauge="none")  # type: ignore[arg-type]
    with pytest.raises(BadInput, match='unknown is \'guess\'; pass "pin" or "raise"'):
        discover(model, example, unknown="guess")  # type: ignore[arg-type]


def test_the_model_is_left_as_it_was(tools: SimpleNamespace) -> None:
    model = randomise(entry("vgg").build(), seed=3)
    model.train()
    model[1].eval()
    before = copy.deepcopy(model.state_dict())
    modes = [module.training for module in model.modules()]
    gradients = [p.requires_grad for p in model.parameters()]
    state = torch.random.get_rng_state()
    symmetry = discover(model, entry("vgg").example())
    verify(symmetry, model, entry("vgg").example(), samples=1)
    assert [module.training for module in model.modules()] == modes
    assert [p.requires_grad for p in model.parameters()] == gradients
    assert all(p.grad is None for p in model.parameters())
    assert all(torch.equal(before[n], t) for n, t in model.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.get_default_dtype() is torch.float32


def test_modes_are_restored_when_export_fails() -> None:
    model = entry("mlp").build().train()
    with pytest.raises(CaptureFailed):
        discover(model, torch.zeros(2, 5))
    assert model.training


@pytest.mark.parametrize("name", ["resnet20", "hf_llama", "densenet", "attention_fused_qkv"])
def test_discovery_is_deterministic(name: str) -> None:
    if entry(name).needs:
        pytest.importorskip("transformers")
    first, second = (discover(entry(name).build(), entry(name).example()) for _ in range(2))
    assert str(first) == str(second)
    assert first.to_json() == second.to_json()
    assert json.loads(json.dumps(first.to_json())) == first.to_json()
    # what bounds each group comes in the same order too
    assert [s.why for s in first.spaces.values()] == [s.why for s in second.spaces.values()]


def test_examples_may_be_keywords_tuples_or_empty_tensors(tools: SimpleNamespace) -> None:
    model = entry("mlp").build()
    one = str(discover(model, tools.noise(2, 6)))
    assert str(discover(model, {"x": tools.noise(2, 6)})) == one
    assert str(discover(model, (tools.noise(2, 6),))) == one
    assert str(discover(model, torch.zeros(1, 6))) == one
    symmetry = discover(model, torch.zeros(1, 6))
    # zeros would hide everything behind the first layer: noise takes their place
    assert verify(_scaled(symmetry, "fc1"), model, torch.zeros(1, 6)).verdict is Verdict.REFUTED


def _scaled(symmetry: Any, name: str) -> Any:
    """The columns of the readers are left behind."""
    reps = {
        n: rep.without({name}) if n.startswith("fc2") else rep for n, rep in symmetry.reps.items()
    }
    return replace(symmetry, reps=reps)


def test_every_entry_of_the_state_dict_has_a_rep(tools: SimpleNamespace) -> None:
    model = tools.written(lambda m, x: m.h(torch.relu(m.a(x))), a=(6, 8), h=(8, 4))
    model.register_buffer("unused", torch.randn(5, 7))
    model.register_buffer("index", torch.arange(5))
    model.register_buffer("hidden", torch.ones(3), persistent=False)
    model.register_parameter("scalar", nn.Parameter(torch.tensor(1.0)))
    symmetry = discover(model, tools.noise(2, 6))
    assert set(symmetry.reps) == set(model.state_dict())
    assert symmetry.reps["index"].fixed
    assert verify(symmetry, model, tools.noise(2, 6)).verdict is Verdict.TESTED


def test_the_program_can_be_read() -> None:
    program = capture(entry("mlp").build(), entry("mlp").example())
    lines = str(program).splitlines()
    assert lines[0] == "%p_fc1_weight: float32[8, 6] = parameter fc1.weight"
    assert "%x: float32[2, 6] = input" in lines
    assert lines[-1].startswith("return %linear")
    assert [op.target for op in program.ops] == ["linear", "relu", "linear", "relu", "linear"]
    assert program.ops[0].module == "fc1"
    assert program.ops[1].source.startswith("dense.py:")


def test_reasons_name_the_operator_the_module_and_the_line() -> None:
    symmetry = discover(entry("mlp_gelu").build(), entry("mlp_gelu").example())
    (reason,) = symmetry.spaces["fc1"].why
    assert str(reason).startswith("gelu (dense.py:")
    assert (reason.operator, reason.module) == ("gelu", "")
    assert reason.line == "x = self.activation(self.fc1(x))"


def test_verify_does_not_take_nan_for_agreement(tools: SimpleNamespace) -> None:
    """A root turns negative scores into NaN: where both sides have it, that is no evidence."""
    model = tools.written(lambda m, x: m.h(torch.relu(m.a(x))).sqrt(), a=(6, 8), h=(8, 4))
    symmetry = discover(model, tools.noise(8, 6))
    assert verify(symmetry, model, tools.noise(8, 6)).verdict is Verdict.TESTED
    larger = replace(symmetry.spaces["a"], group=GeneralLinear(8))
    wrong = replace(symmetry, spaces={"a": larger})
    certificate = verify(wrong, model, tools.noise(8, 6))
    assert certificate.verdict is Verdict.REFUTED
    assert certificate.evidence["relative_error"] > 1e-3


def test_verify_does_not_pass_where_nothing_can_be_compared(tools: SimpleNamespace) -> None:
    model = tools.written(lambda m, x: m.h(torch.relu(m.a(x))) * torch.nan, a=(6, 8), h=(8, 4))
    symmetry = discover(model, tools.noise(2, 6))
    certificate = verify(symmetry, model, tools.noise(2, 6))
    assert certificate.verdict is Verdict.REFUTED
    assert certificate.evidence["relative_error"] == float("inf")


def test_verify_compares_complex_and_integer_outputs(tools: SimpleNamespace) -> None:
    for head in (lambda y: torch.complex(y, -y), lambda y: (1000 * y).round().to(torch.int64)):
        model = tools.written(
            lambda m, x, head=head: head(m.h(torch.relu(m.a(x)))), a=(6, 8), h=(8, 4)
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UnknownOperatorWarning)
            symmetry = discover(model, tools.noise(2, 6))
        assert verify(symmetry, model, tools.noise(2, 6)).verdict is Verdict.TESTED
        left = symmetry.reps["a.bias"].without({"a"})
        wrong = replace(symmetry, reps={**symmetry.reps, "a.bias": left})
        assert verify(wrong, model, tools.noise(2, 6)).verdict is Verdict.REFUTED


def test_verify_is_deterministic_and_can_leave_parameters_alone() -> None:
    one = entry("mlp_tanh")
    model, symmetry = one.build(), discover(one.build(), one.example())
    first, second = (verify(symmetry, model, one.example(), seed=4) for _ in range(2))
    assert first == second
    assert first.evidence["seed"] == 4
    fixed = verify(symmetry, model, one.example(), randomise=False, samples=2)
    assert fixed.evidence["samples"] == 2
    assert fixed.verdict is Verdict.TESTED
    assert not first  # tested is not proved


def test_models_that_cast_inside_are_checked_in_double_precision() -> None:
    class Casting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.h = nn.Linear(6, 8), nn.Linear(8, 4)

        def forward(self, x: Tensor) -> Tensor:
            y = self.a(x).float() * torch.ones(8) + torch.zeros(8, dtype=torch.float32)
            out: Tensor = self.h(torch.relu(y).to(x.dtype))
            return out

    symmetry = discover(Casting(), torch.randn(2, 6))
    certificate = verify(symmetry, Casting(), torch.randn(2, 6))
    assert certificate.evidence["relative_error"] < 1e-12
    assert isinstance(symmetry.spaces["a"].group, Monomial)

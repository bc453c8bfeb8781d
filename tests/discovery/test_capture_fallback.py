"""Where export cannot trace: the path of the example is recorded, soundly; and what errors say."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isthmus.discovery import discover, verify
from isthmus.discovery.capture import capture
from isthmus.discovery.interpret import RecordedPathWarning
from isthmus.discovery.program import OVERWRITTEN, READ
from isthmus.ground.certificates import Verdict
from isthmus.ground.errors import CaptureFailed

pytestmark = pytest.mark.filterwarnings("ignore:no typing rule")


def recorded(model: nn.Module, example: Any) -> Any:
    """The symmetry of a model that export cannot trace; it holds, and says how it came about."""
    with pytest.warns(RecordedPathWarning, match="recorded the path of this example instead"):
        symmetry = discover(model, example)
    certificate = verify(symmetry, model, example)
    assert certificate.verdict is Verdict.TESTED, f"{certificate}\n{symmetry}"
    assert "torch.export cannot trace" in symmetry.warnings[0]
    return symmetry


def on_the_input(m: Any, x: Tensor) -> Tensor:
    y = torch.relu(m.a(x)) if x.sum() < 100 else torch.tanh(m.b(x))
    return m.h(y)


def on_a_result(m: Any, x: Tensor) -> Tensor:
    z = m.h(torch.relu(m.a(x)))
    return 2 * z if z.sum() > 0 else z


def on_a_unit(m: Any, x: Tensor) -> Tensor:
    """Which way it goes depends on one unit: that one cannot be moved."""
    y = torch.relu(m.a(x))
    return m.h(y) if float(y[0, 3]) > -1 else m.h(-y)


def on_all_units(m: Any, x: Tensor) -> Tensor:
    """The largest unit: a permutation does not change it, a scale does."""
    y = torch.relu(m.a(x))
    return m.h(y) if y.max().item() > -1 else m.h(-y)


def as_a_list(m: Any, x: Tensor) -> Tensor:
    y = torch.relu(m.a(x))
    return m.h(y) * len([v for row in y.tolist() for v in row if v > 0.1])


def as_an_array(m: Any, x: Tensor) -> Tensor:
    y = torch.relu(m.a(x))
    return m.h(y) * float(y.numpy().sum())


def on_equality(m: Any, x: Tensor) -> Tensor:
    y = torch.relu(m.a(x))
    return m.h(y) if not torch.equal(y, x[:, :1].expand(2, 8)) else m.h(-y)


def by_its_count(m: Any, x: Tensor) -> Tensor:
    """Sizes that depend on the input alone."""
    return m.h(torch.relu(m.a(x[x[:, 0] > -100].repeat(len((x > 0).nonzero()), 1))))


PATHS = {
    on_the_input: "M⁺(8)",
    on_a_result: "M⁺(8)",
    # two sets: below and above the unit that is read; relu leaves its scales to the others
    on_a_unit: "M⁺(3) × M⁺(4)",
    on_all_units: "S(8)",
    as_a_list: "1",
    as_an_array: "1",
    on_equality: "1",
    by_its_count: "M⁺(8)",
}


@pytest.mark.parametrize("forward", PATHS, ids=lambda f: f.__name__)
def test_the_recorded_path(forward: Any, tools: SimpleNamespace) -> None:
    model = tools.written(forward, a=(6, 8), b=(6, 8), h=(8, 4))
    symmetry = recorded(model, tools.noise(2, 6))
    assert tools.headline(symmetry) == PATHS[forward]


def test_a_value_that_export_reads_is_pinned_too(tools: SimpleNamespace) -> None:
    def forward(m: Any, x: Tensor) -> Tensor:
        return m.h(torch.relu(m.a(x)) * m.b(x[:1]).item())

    symmetry, certificate = tools.typed(forward, a=(6, 8), b=(6, 1), h=(8, 4))
    assert certificate.verdict is Verdict.TESTED
    assert tools.headline(symmetry) == "M⁺(8)"
    assert symmetry.reps["b.weight"].fixed


def test_what_was_read_and_what_was_not_is_said(tools: SimpleNamespace) -> None:
    model = tools.written(on_the_input, a=(6, 8), b=(6, 8), h=(8, 4))
    symmetry = recorded(model, tools.noise(2, 6))
    note = symmetry.warnings[0]
    assert "on which these take the same values: is_nonzero at test_capture_fallback.py:" in note
    assert note.endswith("; not read, so fixed: b.weight, b.bias")
    # The branch not taken reads b: it is as free as its tanh allows, so it must not be GL(8).
    assert symmetry.reps["b.weight"].fixed
    assert symmetry.reps["b.bias"].fixed


def test_linear_attention_and_norms_stay_whole(tools: SimpleNamespace) -> None:
    def forward(m: Any, x: Tensor) -> Tensor:
        q = m.norm(m.a(x))
        y = F.scaled_dot_product_attention(q, q, m.a(x))
        y, _ = m.rnn(y)
        return m.h(y) if x.sum() < 100 else y

    model = tools.written(
        forward, a=(6, 8), h=(8, 4), norm=lambda: nn.LayerNorm(8), rnn=lambda: nn.LSTM(8, 8)
    )
    program = capture(model, tools.noise(2, 3, 6))
    found = [op.target for op in program.ops]
    wanted = ["linear", "layer_norm", "scaled_dot_product_attention", "lstm", READ]
    assert [t for t in wanted if t in found] == wanted
    linear = next(op for op in program.ops if op.target == "linear")
    assert linear.module == "a"
    assert linear.source.startswith("test_capture_fallback.py:")
    recorded(model, tools.noise(2, 3, 6))


def test_the_same_type_as_from_export(tools: SimpleNamespace) -> None:
    """A branch on the input adds nothing to what export finds without it."""

    def straight(m: Any, x: Tensor) -> Tensor:
        gate, up = m.a(x).chunk(2, -1)
        return m.h(m.norm(F.silu(gate) * up)) + m.b(x)

    def branching(m: Any, x: Tensor) -> Tensor:
        return straight(m, x) if x.sum() < 100 else x

    parts = {"a": (6, 16), "b": (6, 4), "h": (8, 4), "norm": lambda: nn.RMSNorm(8)}
    expected = tools.typed(straight, **parts)[0]
    symmetry = recorded(tools.written(branching, **parts), tools.noise(2, 6))
    assert str(symmetry).splitlines()[:-1] == str(expected).splitlines()


def through_a_slice(m: Any, y: Tensor) -> Tensor:
    y[:, 2:5].relu_()
    return y


def through_an_alias(m: Any, y: Tensor) -> Tensor:
    alias = y.detach()
    alias.tanh_()
    return y


def through_a_view(m: Any, y: Tensor) -> Tensor:
    y.view(2, 4, 2).tanh_()
    return y


def into_zeros(m: Any, y: Tensor) -> Tensor:
    place = torch.zeros(2, 8)
    place.copy_(y)
    return torch.tanh(place)


def added_at_places(m: Any, y: Tensor) -> Tensor:
    return torch.zeros(2, 8).index_add_(0, torch.tensor([1, 0]), torch.tanh(y))


def through_data(m: Any, y: Tensor) -> Tensor:
    """``.data`` is another tensor on the same memory, made behind the dispatcher's back."""
    return torch.tanh(y) + 0 * F.linear(y, m.b.weight.data[:, :8].t()[:8]).sum(-1, keepdim=True)


WRITES = {
    through_a_slice: "1",
    through_an_alias: "B(8)",
    through_a_view: "1",
    into_zeros: "B(8)",
}


@pytest.mark.parametrize(
    "write",
    [through_a_slice, through_an_alias, through_a_view, into_zeros, added_at_places],
    ids=lambda f: f.__name__,
)
def test_writing_in_place_on_the_recorded_path(write: Any, tools: SimpleNamespace) -> None:
    def forward(m: Any, x: Tensor) -> Tensor:
        y = write(m, m.a(x))
        return m.h(y) if x.sum() < 100 else y

    model = tools.written(forward, a=(6, 8), h=(8, 4))
    symmetry = recorded(model, tools.noise(2, 6))
    if write in WRITES:
        assert tools.headline(symmetry) == WRITES[write]


def test_memory_written_through_another_view_is_a_mixture(tools: SimpleNamespace) -> None:
    def forward(m: Any, x: Tensor) -> Tensor:
        y = through_a_slice(m, m.a(x))
        return m.h(y) if x.sum() < 100 else y

    program = capture(tools.written(forward, a=(6, 8), h=(8, 4)), tools.noise(2, 6))
    assert OVERWRITTEN in [op.target for op in program.ops]


def test_a_weight_read_through_data_is_still_that_weight(tools: SimpleNamespace) -> None:
    def forward(m: Any, x: Tensor) -> Tensor:
        y = F.linear(torch.relu(F.linear(x, m.a.weight.data)), m.h.weight.data)
        return y if x.sum() < 100 else x

    symmetry = recorded(tools.written(forward, a=(6, 8), h=(8, 4)), tools.noise(2, 6))
    assert tools.headline(symmetry) == "M⁺(8)"


def test_the_model_and_the_example_are_left_as_they_were(tools: SimpleNamespace) -> None:
    def forward(m: Any, x: Tensor) -> Tensor:
        x.mul_(2)
        m.seen.add_(1)
        return m.h(torch.relu(m.a(x))) if x.sum() < 100 else x

    model = tools.written(forward, a=(6, 8), h=(8, 4))
    model.register_buffer("seen", torch.zeros(1))
    example = tools.noise(2, 6)
    with pytest.warns(RecordedPathWarning):
        discover(model, example)
    assert torch.equal(example, tools.noise(2, 6))
    assert torch.equal(model.seen, torch.zeros(1))
    assert not any(module._forward_hooks for module in model.modules())


class Experts(nn.Module):
    """Experts in a Python loop over those that some token chose."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.router, self.head = nn.Linear(5, 6), nn.Linear(6, 4), nn.Linear(6, 3)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 6)) for _ in range(4)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(tokens, 5) to (tokens, 3)."""
        x = self.embed(x)
        weights, chosen = self.router(x).softmax(-1).topk(1, -1)
        out = torch.zeros_like(x)
        mask = F.one_hot(chosen, 4).permute(2, 1, 0)
        for hit in (mask.sum((-1, -2)) > 0).nonzero():
            place, token = torch.where(mask[hit[0]])
            made = self.experts[hit[0]](x[token]) * weights[token, place, None]
            out.index_add_(0, token, made)
        return self.head(out)


def test_an_eager_loop_over_experts() -> None:
    torch.manual_seed(0)
    model = Experts().eval()
    example = torch.randn(2, 5)  # two tokens: at least two of four experts are not read
    symmetry = recorded(model, example)
    hit = {f"experts.{k}.0" for k in range(4) if f"experts.{k}.0" in symmetry.spaces}
    assert 1 <= len(hit) <= 2
    for k in range(4):
        if f"experts.{k}.0" in hit:
            assert str(symmetry.spaces[f"experts.{k}.0"].group) == "M⁺(8)"
        else:
            assert symmetry.reps[f"experts.{k}.0.weight"].fixed


class Takes(nn.Module):
    """Whatever forward it is given."""

    def __init__(self, parameter: Tensor | None = None) -> None:
        super().__init__()
        self.a = nn.Linear(6, 8)
        if parameter is not None and parameter.is_quantized:
            self.register_buffer("kept", parameter)
        elif parameter is not None:
            self.kept = nn.Parameter(parameter, requires_grad=False)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(n, 6) to (n, 8)."""
        return self.a(x) * mask if x.sum() < 100 else x


def test_a_missing_input_is_named(tools: SimpleNamespace) -> None:
    with pytest.raises(CaptureFailed) as caught:
        discover(Takes(), tools.noise(2, 6))
    assert "torch.export cannot trace Takes on this example: " in caught.value.cause
    assert "missing a required argument: 'mask'" in caught.value.cause
    assert "and running the model on it fails: " in caught.value.cause
    assert caught.value.remedy == (
        "give an example of the shapes and dtypes that forward takes (a tensor, a tuple, or a "
        "dict of keyword inputs), or wrap the model in a module whose forward takes and returns "
        "plain tensors"
    )


def test_a_wrapper_or_keywords_help(tools: SimpleNamespace) -> None:
    example = {"x": tools.noise(2, 6), "mask": torch.ones(2, 8)}
    with pytest.warns(RecordedPathWarning):
        assert discover(Takes(), example).reps["a.weight"].fixed


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: torch.randn(4, 6).to(torch.float8_e4m3fn), "float8_e4m3fn"),
        (lambda: torch.randn(4, 6, dtype=torch.complex64), "a complex parameter (complex64)"),
        (
            lambda: torch.quantize_per_tensor(torch.randn(4, 6), 0.1, 0, torch.qint8),
            "quantised (qint8)",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:.*quantiz")
def test_a_dtype_on_which_nothing_acts_is_refused(
    make: Any, said: str, tools: SimpleNamespace
) -> None:
    with pytest.raises(CaptureFailed) as caught:
        discover(Takes(make()), tools.noise(2, 6))
    assert caught.value.cause == (
        f"kept of Takes is {said}, expected a dense tensor of floating point numbers of 16, 32 or "
        "64 bits"
    )
    assert caught.value.remedy == (
        "discover the model as it was before it was converted, or load it in float32"
    )


def test_integer_and_complex_buffers_are_no_obstacle(tools: SimpleNamespace) -> None:
    model = tools.written(lambda m, x: m.h(torch.relu(m.a(x))), a=(6, 8), h=(8, 4))
    model.register_buffer("steps", torch.zeros(1, dtype=torch.int64))
    model.register_buffer("phases", torch.ones(3, dtype=torch.complex64))
    assert tools.headline(discover(model, tools.noise(2, 6))) == "M⁺(8)"


@pytest.mark.filterwarnings("error")
def test_export_fails_in_silence(tools: SimpleNamespace, capfd: pytest.CaptureFixture[str]) -> None:
    model = tools.written(on_the_input, a=(6, 8), b=(6, 8), h=(8, 4))
    with pytest.warns(RecordedPathWarning):
        discover(model, tools.noise(2, 6))
    assert capfd.readouterr() == ("", "")

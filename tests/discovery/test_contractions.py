"""Which value each parameter is multiplied with."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from isthmus.discovery.capture import capture
from isthmus.discovery.contractions import Contraction, contractions
from isthmus.discovery.execution import execute
from isthmus.ground.params import params_of


class Weights(nn.Module):
    """A weight (and a bias), and a function of them and the input."""

    def __init__(self, shape: tuple[int, ...], of: str) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.weight = nn.Parameter(torch.randn(shape, generator=generator))
        self.bias = nn.Parameter(torch.randn(shape[of in ("addmm", "product")],
                                             generator=generator))  # fmt: skip
        self.of = of

    def forward(self, x: Tensor) -> Tensor:
        w, b = self.weight, self.bias
        if self.of == "linear":
            return F.linear(x, w, b)
        if self.of == "turned":
            return x @ w.t()
        if self.of == "product":
            return x @ w
        if self.of == "addmm":
            return torch.addmm(b, x, w)
        if self.of == "conv":
            return F.conv2d(x, w, b, stride=2, padding=1, dilation=(1, 2))
        if self.of == "embedding":
            return F.embedding(x, w)
        if self.of == "twice":
            return F.linear(torch.tanh(F.linear(x, w, b)), w, b)
        if self.of == "grouped":
            return F.conv2d(x, w, b, groups=2)
        return F.linear(x, w) * w.sum()


def found(of: str, shape: tuple[int, ...], x: Tensor) -> tuple[list[Contraction], Tensor]:
    """The contractions of ``weight``, and the inputs of the first."""
    model = Weights(shape, of)
    program = capture(model, x)
    known = {*program.inputs, *(name for op in program.ops for name in op.outputs)}
    ones = contractions(program, known).get("weight", [])
    if not ones:
        return [], torch.empty(0)
    seen = execute(program, params_of(model), {program.inputs[0]: x}, {ones[0].source})
    return ones, ones[0].inputs(seen[ones[0].source])


@pytest.mark.parametrize(
    ("of", "shape", "x", "first"),
    [
        ("linear", (5, 4), torch.randn(3, 2, 4), False),
        ("turned", (5, 4), torch.randn(3, 2, 4), False),
        ("product", (4, 5), torch.randn(3, 4), True),
        ("addmm", (4, 5), torch.randn(3, 4), True),
        ("conv", (5, 2, 3, 2), torch.randn(3, 2, 8, 7), False),
    ],
)
def test_the_output_is_the_weight_times_these_inputs(
    of: str, shape: tuple[int, ...], x: Tensor, first: bool
) -> None:
    (one,), inputs = found(of, shape, x)
    model = Weights(shape, of)
    weight = model.weight.detach()
    out = inputs @ (weight if first else weight.flatten(1).T)
    if one.bias is not None:
        out = out + model.bias.detach()
    want = model(x).detach()
    want = want.movedim(1, -1).flatten(0, -2) if of == "conv" else want.flatten(0, -2)
    torch.testing.assert_close(out, want)
    assert one.first is first
    assert (one.bias == "bias") is (of in ("linear", "addmm", "conv"))


def test_an_embedding_takes_tokens() -> None:
    x = torch.tensor([[1, 2], [2, 0]])
    (one,), tokens = found("embedding", (4, 3), x)
    assert one.first
    assert tokens.tolist() == [1, 2, 2, 0]


def test_a_layer_that_is_used_twice_has_both_inputs() -> None:
    ones, _ = found("twice", (4, 4), torch.randn(3, 4))
    assert len({one.source for one in ones}) == 2
    assert {one.bias for one in ones} == {"bias"}


@pytest.mark.parametrize(("of", "shape"), [("read in another way", (5, 4)),
                                           ("grouped", (4, 2, 1, 1))])  # fmt: skip
def test_weights_of_which_the_inputs_do_not_tell_all(of: str, shape: tuple[int, ...]) -> None:
    x = torch.randn(3, 4) if len(shape) == 2 else torch.randn(3, 4, 2, 2)
    assert found(of, shape, x)[0] == []

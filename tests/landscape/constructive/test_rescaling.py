"""A rescaled copy is joined exactly where the straight line has the barrier of Proposition 5.3."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from isthmus import discover, params_of
from isthmus.ground import BadInput, UnknownName
from isthmus.landscape import Line
from isthmus.landscape.constructive import rescale_path


class Power(nn.Module):
    """No biases in front of the last layer; ``relu(z) ** k`` is homogeneous of degree k."""

    def __init__(self, degree):
        super().__init__()
        self.up, self.down = nn.Linear(4, 6, bias=False), nn.Linear(6, 3, bias=False)
        self.degree = degree

    def forward(self, x):
        return self.down(torch.relu(self.up(x)) ** self.degree)


@pytest.mark.parametrize("degree", [1, 2, 3])
@pytest.mark.parametrize("factor", [0.02, 3.0, 50.0])
def test_the_curve_is_the_paper_s_and_flat_and_the_line_is_as_predicted(degree, factor):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module, x = Power(degree).double(), torch.randn(5, 4, dtype=torch.float64)
    params = params_of(module)
    path = rescale_path(discover(module, x), params, "up", factor)

    def outputs(at):
        return torch.func.functional_call(module, at, (x,))

    wanted = outputs(params)
    for t in (0.0, 0.3, 0.5, 1.0):
        point = path(t)
        torch.testing.assert_close(point["up.weight"], factor**t * params["up.weight"])
        down = factor ** (-degree * t) * params["down.weight"]
        torch.testing.assert_close(point["down.weight"], down)
        assert float((outputs(point) - wanted).abs().max() / wanted.abs().max()) <= 1e-12
    for t in (0.2, 0.5):
        grown = (1 - t + t * factor**-degree) * (1 - t + t * factor) ** degree
        straight = outputs(Line(params, path.end)(t))
        torch.testing.assert_close(straight, grown * wanted, rtol=1e-9, atol=0.0)
        assert grown > 1.1


@pytest.mark.parametrize(
    ("name", "space"),
    [("mlp", "fc1"), ("vgg", "4"), ("llama", "blocks.0.gate"), ("depthwise_grouped", "2.inner"),
     ("gpt", "blocks.0.attention.value")],
)  # fmt: skip
def test_every_unit_may_have_its_own_factor(model, name, space):
    one = model(name)
    size = one.symmetry.spaces[space].size
    path = rescale_path(one.symmetry, one.params, space, torch.linspace(0.3, 4.0, size))
    assert max(one.drift(path(t), one.params) for t in (0.2, 0.5, 1.0)) <= 1e-12
    assert path.jumps == ()
    assert one.drift(Line(one.params, path.end)(0.5), one.params) > 1e-3


def test_what_cannot_be_rescaled_is_refused(model):
    mlp, gpt = model("mlp"), model("gpt")
    with pytest.raises(BadInput, match="expected one positive number, or 8 of them"):
        rescale_path(mlp.symmetry, mlp.params, "fc1", -2.0)
    with pytest.raises(BadInput, match="expected one positive number, or 8 of them"):
        rescale_path(mlp.symmetry, mlp.params, "fc1", torch.ones(3))
    with pytest.raises(BadInput, match="units of 'blocks.0.fc1' cannot be rescaled in S.*other th"):
        rescale_path(gpt.symmetry, gpt.params, "blocks.0.fc1", 2.0)
    with pytest.raises(UnknownName, match="no space 'fc9'"):
        rescale_path(mlp.symmetry, mlp.params, "fc9", 2.0)

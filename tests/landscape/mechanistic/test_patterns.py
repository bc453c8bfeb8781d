"""Lemma 2 of Lubana et al.: when a line between interpolating networks stays one of them."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from isthmus.ground import BadInput, UnknownName, params_of
from isthmus.landscape import Line, Loss, barrier
from isthmus.landscape.mechanistic import activation_switches

WIDTH, INPUTS, SAMPLES = 6, 9, 4


def network() -> tuple[nn.Sequential, dict, torch.Tensor]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(INPUTS, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 2)).double()
    return model, params_of(model), torch.randn(SAMPLES, INPUTS).double()


def height(model: nn.Module, a: dict, b: dict, x: torch.Tensor) -> float:
    """The largest loss on the line, of the data that ``a`` interpolates."""
    y = torch.func.functional_call(model, a, x).detach()
    loss = Loss(model, [(x, y)], F.mse_loss, {})
    assert loss(a) == 0
    assert loss(b) < 1e-24
    return barrier(loss, Line(a, b), 101).height


def test_another_order_of_the_units_switches_them_and_leaves_the_minimum() -> None:
    model, a, x = network()
    order = torch.tensor([1, 2, 3, 4, 5, 0])
    b = {"0.weight": a["0.weight"][order], "0.bias": a["0.bias"][order]}
    b |= {"2.weight": a["2.weight"][:, order], "2.bias": a["2.bias"]}
    found = activation_switches(a, b, x)
    assert found.switched > 0
    assert found.certificate  # proved
    assert height(model, a, b, x) > 1e-3
    assert "activations switch" in str(found)


def test_interpolating_lines_have_the_same_patterns() -> None:
    """What the data do not see may change: then the line interpolates, and nothing switches."""
    model, a, x = network()
    free = torch.eye(INPUTS).double() - torch.linalg.pinv(x) @ x
    b = {**a, "0.weight": a["0.weight"] + torch.randn(WIDTH, INPUTS).double() @ free}
    found = activation_switches(a, b, x)
    assert (found.switched, found.turn, found.sample) == (0, 0.0, None)
    assert not found.certificate
    assert height(model, a, b, x) < 1e-24


@pytest.mark.parametrize("dead", [True, False], ids=["nobody reads it", "two cancel"])
def test_patterns_may_differ_where_units_do_not_matter(dead: bool) -> None:
    """The two exceptions that the lemma's proof leaves: the line interpolates all the same."""
    model, a, x = network()
    a["0.weight"][1], a["0.bias"][1] = a["0.weight"][0], a["0.bias"][0]
    a["2.weight"][:, 1] = -a["2.weight"][:, 0]
    if dead:
        a["2.weight"][:, :2] = 0
    b = {n: t.clone() for n, t in a.items()}
    b["0.weight"][:2] *= -1
    b["0.bias"][:2] *= -1
    found = activation_switches(a, b, x)
    assert found.switched == 2 * SAMPLES
    assert found.relative < 1e-12
    assert not found.certificate
    assert height(model, a, b, x) < 1e-24


def test_a_reading_weight_that_is_zero_at_the_switch_alone_is_not_enough() -> None:
    """The derivative has no jump there, the second derivative has."""
    model, a, x = network()
    b = {n: t.clone() for n, t in a.items()}
    for name in ("0.weight", "0.bias"):
        b[name][0] *= -1
    b["2.weight"][:, 0] *= -1
    assert activation_switches(a, b, x).certificate
    outputs = [torch.func.functional_call(model, Line(a, b)(t), x) for t in (0.2, 0.5, 0.8)]
    on = (x @ a["0.weight"][0] + a["0.bias"][0]) > 0
    assert bool(on.any())
    assert float((outputs[0] - outputs[1])[on].detach().abs().max()) > 1e-3


def test_the_jump_is_that_of_the_outputs() -> None:
    """After the switch the outputs are another polynomial: that which is found."""
    model, a, x = network()
    b = {n: torch.randn_like(t) for n, t in a.items()}
    found = activation_switches(a, b, x[:1])
    one = torch.func.functional_call(model, a, x[:1])
    assert one.shape == (1, 2)
    first, last = (F.linear(x[0], end["0.weight"], end["0.bias"]) for end in (a, b))
    unit = [
        float((last - first)[j].abs() * torch.cat([end["2.weight"][:, j] for end in (a, b)]).norm())
        for j in range(WIDTH)
        if (first[j] > 0) != (last[j] > 0)
    ]
    assert found.switched == len(unit) > 0
    assert found.turn == pytest.approx(max(unit), rel=1e-12)
    assert found.relative == 1.0
    assert found.share == len(unit) / WIDTH


def test_errors_say_what_to_do() -> None:
    _, a, x = network()
    with pytest.raises(UnknownName, match=r"no parameter 'fc.weight'; name the two layers"):
        activation_switches(a, a, x, hidden="fc")
    with pytest.raises(BadInput, match="for inputs of 3 numbers"):
        activation_switches(a, a, x[:, :3])

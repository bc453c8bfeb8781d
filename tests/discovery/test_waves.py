"""Biases before exponentials, cosines and sines: found, exact, and not a step larger."""

from __future__ import annotations

import copy
import json
import math

import pytest
import torch
from torch import Tensor, nn

from isthmus import completeness, discover, verify
from isthmus.algebra.groups import Lattice, Translation
from isthmus.algebra.symmetry import Symmetry
from isthmus.discovery.evaluation import perturbed
from isthmus.ground.certificates import Verdict
from isthmus.ground.params import params_of
from isthmus.testing.zoo import entry


def changed(model: nn.Module, x: Tensor, before: dict[str, Tensor], after: dict[str, Tensor]):
    """The largest change of the outputs, relative to the largest output."""
    double = copy.deepcopy(model).double()
    one, two = (torch.func.functional_call(double, p, (x.double(),)) for p in (before, after))
    return float((one - two).abs().max() / one.abs().max())


def free(symmetry: Symmetry) -> dict[str, str]:
    """The free coordinates and their groups."""
    spaces = {name: symmetry.reps[name].spaces[0] for name in symmetry.chart.canonical}
    return {name: str(symmetry.spaces[space].group) for name, space in spaces.items()}


def holds(tools, forward, example=None, **parts) -> Symmetry:
    """The symmetry, which is exact."""
    symmetry, certificate = tools.typed(forward, example, **parts)
    assert certificate.verdict is Verdict.TESTED, certificate
    return symmetry


def names(symmetry: Symmetry) -> set[str]:
    return set(symmetry.chart.canonical)


@pytest.mark.parametrize("name", ["mlp_exp", "fourier_features"])
def test_every_flat_direction_is_explained(name):
    model, example = entry(name).build(), entry(name).example()
    found = completeness(discover(model, example), model, example)
    assert found.complete, str(found)


RISES = {
    "exp": lambda m, x: m.down(torch.exp(m.up(x))),
    "exp2": lambda m, x: m.down(torch.exp2(m.up(x))),
    "stretched": lambda m, x: m.down(torch.exp(-0.5 * m.up(x))),
    "beside": lambda m, x: m.wide(torch.cat([torch.exp(m.up(x)), x], -1)),
    "together": lambda m, x: m.wide(torch.exp(torch.cat([m.up(x), x], -1))),
    "turned over": lambda m, x: m.down(torch.exp(m.up(x)).flip(-1)),
    "added to": lambda m, x: m.down(torch.exp(m.up(x) + x[:, :5])),
}


@pytest.mark.parametrize("case", RISES.values(), ids=list(RISES))
def test_a_bias_before_an_exponential_is_free(tools, case):
    parts = {"up": (6, 5), "down": (5, 3), "wide": (11, 3)}
    used = {k: v for k, v in parts.items() if k in case.__code__.co_names}
    assert "up.bias" in names(holds(tools, case, **used))


def test_an_exponential_read_twice(tools):
    def forward(m, x):
        z = torch.exp(m.up(x))
        return m.down(z) + m.also(z)

    assert "up.bias" in names(holds(tools, forward, up=(6, 5), down=(5, 3), also=(5, 3)))


NOT_RISES = {
    "shown": lambda m, x: (lambda z: torch.cat([z, m.down(z)], -1))(torch.exp(m.up(x))),
    "layer used twice": lambda m, x: m.down(torch.exp(m.up(x)) + torch.exp(m.up(2 * x))),
    "residual": lambda m, x: m.down(x[:, :5] + torch.exp(m.up(x))),
    "bent again": lambda m, x: m.down(torch.tanh(torch.exp(m.up(x)))),
    "not only": lambda m, x: (lambda z: m.down(torch.exp(z) + z))(m.up(x)),
    "sigmoid": lambda m, x: m.down(torch.sigmoid(m.up(x))),
    "softplus": lambda m, x: m.down(nn.functional.softplus(m.up(x))),
    "expm1": lambda m, x: m.down(torch.expm1(m.up(x))),
}


@pytest.mark.parametrize("case", NOT_RISES.values(), ids=list(NOT_RISES))
def test_a_bias_that_is_felt_otherwise_is_not(tools, case):
    assert "up.bias" not in names(holds(tools, case, up=(6, 5), down=(5, 3)))


def convolved(m, x):
    z = m.up(x)
    return m.down(torch.cat([torch.cos(z), torch.sin(z)], 1)).mean((2, 3))


def stacked(m, x):
    z = 3.0 * m.up(x)
    return m.down(torch.stack([torch.sin(z), torch.cos(z)], -1).flatten(-2))


def flattened(m, x):
    z = m.up(x)
    return m.down(torch.cat([torch.cos(z), torch.sin(z)], 1).flatten(1))


def plain_vector(m, x):
    z = x @ m.frequencies + m.phase
    return m.down(torch.cat([torch.cos(z), torch.sin(z)], -1))


PAIRS = {
    "convolution": (convolved, (2, 3, 5, 5),
                    {"up": nn.Conv2d(3, 4, 2), "down": nn.Conv2d(8, 3, 3, padding=1)}),
    "stacked": (stacked, (2, 6), {"up": (6, 4), "down": (8, 3)}),
    "flattened": (flattened, (2, 3, 4), {"up": nn.Conv1d(3, 4, 2), "down": (24, 3)}),
    "vector": (plain_vector, (2, 6), {"frequencies": [6, 4], "phase": [4], "down": (8, 3)}),
}  # fmt: skip


@pytest.mark.parametrize("case", PAIRS, ids=list(PAIRS))
def test_the_phase_of_a_pair_is_free(tools, case):
    forward, shape, parts = PAIRS[case]
    symmetry = holds(tools, forward, tools.noise(*shape), **parts)
    assert ("up.bias" if "up" in parts else "phase") in names(symmetry)


def shuffled(m, x):
    z = m.up(x)
    return m.down(torch.cat([torch.cos(z), torch.sin(z).flip(1)], -1)).sum(1)


def one_alone(m, x):
    z = m.up(x)
    return m.down(torch.cos(z)) + m.also(torch.sin(z))


def other_speed(m, x):
    z = m.up(x)
    return m.down(torch.cat([torch.cos(z), torch.sin(2 * z)], -1))


NO_PAIRS = {
    "at other positions": (shuffled, (2, 3, 6), {"up": (6, 4), "down": (8, 3)}),
    "for other readers": (one_alone, (2, 6), {"up": (6, 4), "down": (4, 3), "also": (4, 3)}),
    "at other speeds": (other_speed, (2, 6), {"up": (6, 4), "down": (8, 3)}),
}


@pytest.mark.parametrize("case", NO_PAIRS, ids=list(NO_PAIRS))
def test_what_is_no_pair_is_not_turned(tools, case):
    forward, shape, parts = NO_PAIRS[case]
    symmetry = holds(tools, forward, tools.noise(*shape), **parts)
    assert "up.bias" not in names(symmetry)
    # Half turns go on: but not where a sine is twice as fast, whose sign does not change.
    assert ("up.bias.turns" in names(symmetry)) == (case != "at other speeds")


def siren(m, x):
    return m.down(torch.sin(30 * m.hidden(torch.sin(30 * m.up(x)))))


SINES = {
    "siren": (siren, (2, 2), {"up": (2, 5), "hidden": (5, 5), "down": (5, 3)}),
    "padded": (lambda m, x: m.down(torch.sin(m.up(x))), (2, 3, 5, 5),
               {"up": nn.Conv2d(3, 4, 3, padding=1), "down": nn.Conv2d(4, 2, 3, padding=1)}),
    "tangent": (lambda m, x: m.down(torch.tan(m.up(x))), (2, 6), {"up": (6, 4), "down": (4, 3)}),
    "tangent shown": (lambda m, x: torch.tan(m.up(x)), (2, 6), {"up": (6, 4)}),
}  # fmt: skip


@pytest.mark.parametrize("case", SINES, ids=list(SINES))
def test_half_turns_are_free(tools, case):
    forward, shape, parts = SINES[case]
    symmetry = holds(tools, forward, tools.noise(*shape), **parts)
    assert free(symmetry)["up.bias.turns"].startswith("Z(")
    assert symmetry.log_components == math.inf


def test_a_sine_that_goes_on_otherwise_has_no_half_turns(tools):
    symmetry = holds(tools, lambda m, x: x[:, :4] + torch.sin(m.up(x)), up=(6, 4))
    assert not names(symmetry)


def test_only_whole_half_turns_are():
    model, (x,) = entry("mlp_sin").build(), entry("mlp_sin").example()
    symmetry = discover(model, x)
    params = perturbed({n: t.double() for n, t in params_of(model).items()}, torch.Generator())
    at = symmetry.coordinates(params)
    for steps, exact in ((1.0, True), (-2.0, True), (0.5, False), (1 / 3, False)):
        moved = {n: t.clone() for n, t in at.items()}
        moved["fc1.bias.turns"][:-1] += steps
        error = changed(model, x, params, symmetry.linearised(moved, back=True))
        assert error <= 1e-9 if exact else error > 1e-3, steps
    larger = copy.deepcopy(at)
    larger["fc1.bias.turns"][0] += 1
    larger["fc1.weight"][0] *= 2  # a scale beside the step
    assert changed(model, x, params, symmetry.linearised(larger, back=True)) > 1e-3


def test_turns_and_signs_are_one_action():
    model, (x,) = entry("mlp_sin").build(), entry("mlp_sin").example()
    symmetry = discover(model, x)
    params = {n: t.double() for n, t in params_of(model).items()}
    params = {n: 4 * t for n, t in params.items()}  # biases beyond a half turn
    g, h = symmetry.sample(0), symmetry.sample(1)
    one, two = symmetry.act(g, symmetry.act(h, params)), symmetry.act(g @ h, params)
    assert all(torch.allclose(one[n], two[n], atol=1e-10) for n in params)
    back = symmetry.act(~g, symmetry.act(g, params))
    assert all(torch.allclose(back[n], params[n], atol=1e-10) for n in params)
    settled = symmetry.canonical(params)
    assert float(settled["fc1.bias"].abs().max()) <= math.pi / 2
    assert changed(model, x, params, settled) < 1e-9


@pytest.mark.parametrize(("name", "bias"), [("mlp_exp", "fc1.bias"),
                                            ("fourier_features", "frequencies.bias")])  # fmt: skip
def test_turning_or_raising_on_the_wrong_side_breaks(name, bias):
    # The reader must follow the bias: a bias that moves alone is felt.
    model, (x,) = entry(name).build(), entry(name).example()
    symmetry = discover(model, x)
    params = perturbed({n: t.double() for n, t in params_of(model).items()}, torch.Generator())
    at = symmetry.coordinates(params)
    at[bias][:-1] += 0.3
    moved = symmetry.linearised(at, back=True)
    assert changed(model, x, params, moved) < 1e-9
    alone = {**params, bias: moved[bias]}
    assert changed(model, x, params, alone) > 1e-3


def test_an_embedding_before_a_sine_keeps_the_law():
    # The first bias is taken up by the second, which is then wrapped: in this order.
    model = nn.Sequential(nn.Linear(6, 6), nn.Linear(6, 5), Sine(), nn.Linear(5, 3)).double()
    x = torch.randn(4, 6, dtype=torch.float64)
    symmetry = discover(model, x)
    assert isinstance(symmetry.spaces["1.bias.turns"].group, Lattice)
    assert isinstance(symmetry.spaces["0.bias.shift"].group, Translation)
    assert verify(symmetry, model, x, scale=1.0).verdict is Verdict.TESTED
    params = params_of(model)
    g, h = symmetry.sample(0, 1.0), symmetry.sample(1, 1.0)
    one, two = symmetry.act(g, symmetry.act(h, params)), symmetry.act(g @ h, params)
    assert all(torch.allclose(one[n], two[n], atol=1e-9) for n in params)


class Sine(nn.Module):
    """A sine as a layer."""

    def forward(self, x: Tensor) -> Tensor:
        """Elementwise."""
        return torch.sin(x)


@pytest.mark.parametrize("name", ["mlp_sin", "mlp_exp", "fourier_features"])
def test_it_comes_back_from_json(name):
    model, example = entry(name).build(), entry(name).example()
    symmetry = discover(model, example)
    text = json.dumps(symmetry.to_json(), allow_nan=False)
    again = Symmetry.from_json(json.loads(text))
    params = {n: t.double() for n, t in params_of(model).items()}
    one, two = (s.act(s.sample(3), params) for s in (symmetry, again))
    assert all(torch.equal(one[n], two[n]) for n in params)
    assert ('"infinite"' in text) == (name == "mlp_sin")

"""Streams that norms read: common shifts, sizes and shears of the mean; exact, and no larger."""

from __future__ import annotations

import copy
import json

import pytest
import torch
from torch import Tensor, nn

from isthmus import completeness, discover
from isthmus.algebra.symmetry import Symmetry
from isthmus.discovery.evaluation import perturbed
from isthmus.ground.certificates import Verdict
from isthmus.ground.params import params_of
from isthmus.testing.zoo import entry

SHIFT, LEVEL, SHEAR, HEIGHT = ".shift", ".level", ".shear", ".height"


def holds(tools, forward, example, **parts) -> Symmetry:
    """The symmetry, which is exact."""
    symmetry, certificate = tools.typed(forward, example, **parts)
    assert certificate.verdict is Verdict.TESTED, certificate
    return symmetry


def found(symmetry: Symmetry, end: str) -> set[str]:
    """What has a free coordinate of this kind."""
    return {name.removesuffix(end) for name in symmetry.chart.canonical if name.endswith(end)}


@pytest.mark.parametrize("name", ["encoder_layer_gelu_norm_first", "mlp_mixer"])
def test_every_flat_direction_is_explained(name):
    model, example = entry(name).build(), entry(name).example()
    assert completeness(discover(model, example), model, example).complete


def test_of_a_post_norm_encoder_one_direction_is_not_linear_in_any_chart():
    # Gains γ whose product (λ - γ₁)…(λ - γₙ) changes by a constant keep the spectrum that the next
    # norm sees: a curve, not a group, since gains stay real on a part of it only.
    model, example = entry("encoder_layer_gelu").build(), entry("encoder_layer_gelu").example()
    counted = completeness(discover(model, example), model, example)
    assert counted.sound
    assert counted.nullity - counted.explained == 1


def pre_norm(m, x):
    x = m.embed(x)
    x = x + m.out(torch.tanh(m.up(m.norm(x))))
    return m.head(x)


def post_norm(m, x):
    x = m.embed(x)
    return m.head(m.norm(x + torch.tanh(m.up(x)) @ m.back))


def pooled(m, x):
    x = m.embed(x) + m.position
    x = x + m.out(torch.tanh(m.up(m.norm(x))))
    return m.head(x.mean(1))


def images(m, x):
    x = m.embed(x)
    y = m.norm(x.permute(0, 2, 3, 1))
    return m.head(x) + m.up(torch.tanh(y)).permute(0, 3, 1, 2)


def small(**more):
    parts = {"embed": (7, 6), "norm": nn.LayerNorm(6), "up": (6, 9), "out": (9, 6), "head": (6, 5)}
    return {**parts, **more}


SHEARED = {
    "pre-norm": (pre_norm, (3, 7), small()),
    "post-norm": (post_norm, (3, 7), {k: v for k, v in small(back=[9, 6]).items() if k != "out"}),
    "pooled": (pooled, (3, 4, 7), small(position=[4, 6])),
    "images": (images, (2, 3, 4, 4), {"embed": nn.Conv2d(3, 6, 2), "norm": nn.LayerNorm(6),
                                      "up": (6, 5), "head": nn.Conv2d(6, 5, 1)}),
}  # fmt: skip


@pytest.mark.parametrize("case", SHEARED, ids=list(SHEARED))
def test_the_mean_of_a_stream_is_sheared(tools, case):
    forward, shape, parts = SHEARED[case]
    symmetry = holds(tools, forward, tools.noise(*shape), **parts)
    assert found(symmetry, SHEAR) == found(symmetry, HEIGHT) == {"embed.weight"}
    assert symmetry.spaces["embed.weight.shear"].group.lie_dim == 5


UNSHEARED = {
    "shown": (lambda m, x: (lambda z: z + m.up(m.norm(z)))(m.embed(x)), {"up": (6, 6)}),
    "bent": (lambda m, x: (lambda z: m.head(torch.tanh(z)) + m.up(m.norm(z)))(m.embed(x)),
             {"up": (6, 5), "head": (6, 5)}),
    "no norm": (lambda m, x: (lambda z: m.head(z) + m.up(torch.tanh(z)))(m.embed(x)),
                {"up": (6, 5), "head": (6, 5)}),
    "other norm": (lambda m, x: (lambda z: m.head(z) + m.up(m.rms(z)))(m.embed(x)),
                   {"up": (6, 5), "head": (6, 5), "rms": nn.RMSNorm(6)}),
    "written by a bend": (lambda m, x: (lambda z: m.head(z) + m.up(m.norm(z)))(
        m.embed(x) + torch.tanh(x[:, :6])), {"up": (6, 5), "head": (6, 5)}),
}  # fmt: skip


@pytest.mark.parametrize("case", UNSHEARED, ids=list(UNSHEARED))
def test_a_stream_that_is_felt_otherwise_is_not_sheared(tools, case):
    forward, parts = UNSHEARED[case]
    read = {"norm": nn.LayerNorm(6)} if "norm" in forward.__code__.co_consts[1].co_names else {}
    symmetry = holds(tools, forward, tools.noise(3, 7), embed=(7, 6), **parts, **read)
    assert not found(symmetry, SHEAR) | found(symmetry, HEIGHT)


def test_larger_than_a_shear_breaks(tools):
    # A multiple of the other features may be added to the mean, not to another feature.
    model = tools.written(pre_norm, **small()).double()
    x = tools.noise(5, 7).double()
    symmetry = discover(model, x)
    params = perturbed(params_of(model), torch.Generator().manual_seed(0))
    at = symmetry.coordinates(params)
    at["embed.weight.shear"][:-1] += torch.randn(5).double()
    at["embed.weight.height"] *= -2
    exact = symmetry.linearised(at, back=True)
    assert moved(model, x, params, exact) < 1e-9
    assert moved(model, x, params, {**exact, "head.weight": params["head.weight"]}) > 1e-3
    tilted = torch.eye(6).double()
    tilted[2, 3] = 0.3
    wrong = dict(params)
    for name in ("embed.weight", "out.weight", "embed.bias", "out.bias"):
        wrong[name] = tilted @ params[name]
    wrong["head.weight"] = params["head.weight"] @ tilted.inverse()
    assert moved(model, x, params, wrong) > 1e-3


def moved(
    model: nn.Module, x: Tensor, before: dict[str, Tensor], after: dict[str, Tensor]
) -> float:
    one, two = (torch.func.functional_call(model, p, (x,)) for p in (before, after))
    return float((one - two).abs().max() / one.abs().max())


def mixed(m, x):
    return m.mix(m.norm(m.embed(x)).transpose(1, 2)).sigmoid()


def grouped(m, x):
    return m.last(torch.tanh(m.norm(m.first(x))))


def maxout(m, x):
    return m.last(m.first(x).view(-1, 5, 3).amax(-1))


def maxout_strided(m, x):
    return m.last(m.first(x).view(-1, 3, 5).amax(1))


GROUPED = {"first": nn.Conv2d(3, 6, 3, padding=1), "norm": nn.GroupNorm(2, 6),
           "last": nn.Conv2d(6, 4, 1)}  # fmt: skip
COMMON = {
    "mixed": (mixed, (2, 4, 7), {"embed": (7, 6), "norm": nn.LayerNorm(6), "mix": (4, 3)},
              {"norm.bias": 1}),
    "groups": (grouped, (2, 3, 5, 5), GROUPED, {"first.bias": 2}),
    "maxout": (maxout, (4, 6), {"first": (6, 15), "last": (5, 3)}, {"first.bias": 5}),
    "strided": (maxout_strided, (4, 6), {"first": (6, 15), "last": (5, 3)}, {"first.bias": 5}),
}  # fmt: skip


@pytest.mark.parametrize("case", COMMON, ids=list(COMMON))
def test_common_shifts_are_free(tools, case):
    forward, shape, parts, expected = COMMON[case]
    symmetry = holds(tools, forward, tools.noise(*shape), **parts)
    for name, count in expected.items():
        assert symmetry.spaces[f"{name}.shift"].group.lie_dim == count
        assert symmetry.reps[name].axes  # the rest of it is still there


def test_a_shift_of_one_piece_is_no_symmetry(tools):
    model = tools.written(maxout, first=(6, 15), last=(5, 3)).double()
    x = tools.noise(20, 6).double()
    params = params_of(model)
    for pieces, exact in ((slice(0, 3), True), (slice(0, 2), False)):
        changed = {n: t.clone() for n, t in params.items()}
        changed["first.bias"][pieces] += 0.7
        changed["last.bias"] -= 0.7 * params["last.weight"][:, 0]
        error = moved(model, x, params, changed)
        assert error < 1e-9 if exact else error > 1e-3


def test_the_size_of_gains_read_along_positions_is_free(tools):
    parts = {"embed": (7, 6), "norm": nn.LayerNorm(6), "mix": (4, 3)}
    symmetry = holds(tools, mixed, tools.noise(2, 4, 7), **parts)
    assert found(symmetry, LEVEL) == {"norm.weight"}


def test_a_gain_that_is_shown_as_well_has_no_size(tools):
    def forward(m, x):
        parts = m.norm(m.embed(x)).split(2, 1)
        return m.mix(parts[0].transpose(1, 2)), parts[1]

    parts = {"embed": (7, 6), "norm": nn.LayerNorm(6), "mix": (2, 3)}
    assert not found(holds(tools, forward, tools.noise(2, 4, 7), **parts), LEVEL)


@pytest.mark.parametrize(
    "name", ["encoder_layer_gelu_norm_first", "encoder_layer_gelu", "mlp_mixer"]
)
def test_it_is_one_action_and_comes_back_from_json(name):
    model, example = entry(name).build().double(), entry(name).example()
    symmetry = discover(copy.deepcopy(model).float(), example)
    symmetry = Symmetry.from_json(json.loads(json.dumps(symmetry.to_json(), allow_nan=False)))
    params = perturbed(params_of(model), torch.Generator().manual_seed(0))
    g, h = symmetry.sample(0, 0.2), symmetry.sample(1, 0.2)
    one, two = symmetry.act(g, symmetry.act(h, params)), symmetry.act(g @ h, params)
    for one_by_one, product in zip(one.values(), two.values(), strict=True):
        assert torch.allclose(one_by_one, product, rtol=1e-7, atol=1e-7)

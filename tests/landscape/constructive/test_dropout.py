"""Between dropped networks outputs move straight or not at all, and the loss keeps to its bound."""

from __future__ import annotations

import itertools
from functools import cache

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from isthmus import Loss, discover, params_of
from isthmus.ground import BadInput, Disconnected, NotFinite, Verdict, distance
from isthmus.landscape import Line, barrier
from isthmus.landscape.constructive import BestHalf, Kept, StrongestHalf, dropout_stable_path
from isthmus.testing.datasets import load
from isthmus.testing.training import seeded, train
from isthmus.testing.zoo import entry, randomise

EXACT = 1e-9

NETWORKS = [
    "mlp",
    "mlp_sigmoid",
    "mlp_exp",
    "linear_net",
    "prelu_net",
    "gated_swiglu",
    "vgg",
    "densenet",
    "unet",
    "text_classifier",
]


def other(name):
    """Params of a second network."""
    return params_of(randomise(entry(name).build(), seed=7).double())


def square_loss(one):
    """The mean square of the outputs."""
    inputs = one.example if len(one.example) > 1 else one.example[0]
    return Loss(one.module, [(inputs, torch.zeros_like(one.outputs(one.params)))], F.mse_loss)


@pytest.mark.parametrize(
    ("name", "gauge"),
    [(name, "folded") for name in NETWORKS] + [(name, "asis") for name in ("mlp_exp", "vgg")],
)
def test_outputs_move_straight_or_not_at_all_and_the_path_joins_the_two(model, name, gauge):
    one, b = model(name, gauge), other(name)
    found = dropout_stable_path(one.symmetry, one.params, b, square_loss(one), StrongestHalf())
    assert distance(found.path.start, one.params) == 0
    assert distance(found.path.ends[1], b) == 0
    pieces = len(found.segments)
    length = 0.5 if "exact-flat" in found.path.kind else 1.0  # where free coordinates follow
    corners = [one.outputs(found.path(length * k / pieces)) for k in range(pieces + 1)]
    size = float(torch.stack(corners).abs().max())
    for k, segment in enumerate(found.segments):
        if segment.flat:
            assert float((corners[k + 1] - corners[k]).abs().max()) <= EXACT * size
        for u in (0.3, 0.8):
            inner = one.outputs(found.path(length * (k + u) / pieces))
            straight = (1 - u) * corners[k] + u * corners[k + 1]
            assert float((inner - straight).abs().max()) <= EXACT * size, segment.what
    assert one.drift(found.path(1.0), b) <= EXACT
    assert sum(not segment.flat for segment in found.segments) % 2 == 1


def small(*widths):
    def make():
        sizes = (64, *widths)
        made = [nn.Flatten()]
        for before, after in zip(sizes, widths, strict=False):
            made += [nn.Linear(before, after), nn.ReLU(), nn.Dropout(0.5)]
        return nn.Sequential(*made, nn.Linear(widths[-1], 10))

    return make


@cache
def trained(*widths):
    digits = load("digits")
    x, y = digits.x_train, digits.y_train
    models = [
        train(seeded(small(*widths), s), x, y, epochs=20, batch=64, lr=2e-3, seed=s) for s in (0, 1)
    ]
    symmetry = discover(models[0], x[:2])
    return symmetry, *map(params_of, models), Loss(models[0], [(x, y)], F.cross_entropy), models[0]


def dropped(symmetry, params, kept):
    """By hand, what is left of a sequential network whose spaces are named by their layers."""
    out = {name: x.clone() for name, x in params.items()}
    layers = [name for name in params if name.endswith("weight")]
    for name, after in itertools.pairwise(layers):
        half = kept.get(name.removesuffix(".weight"))
        if half is not None:
            columns = torch.zeros_like(out[after])
            columns[:, list(half.units)] = half.scale * out[after][:, list(half.units)]
            out[after] = columns
    return out


@pytest.mark.parametrize(("widths", "segments"), [((64,), 7), ((96, 96), 11)])
def test_trained_networks_keep_to_the_bound_of_their_dropped_halves(widths, segments):
    symmetry, a, b, loss, _ = trained(*widths)
    chosen = []

    def choose(layers, here, value):
        chosen.append(BestHalf(tries=4)(layers, here, value))
        return chosen[-1]

    found = dropout_stable_path(symmetry, a, b, loss, choose)
    assert len(found.segments) == segments
    gaps = []
    for params, kept in zip((a, b), chosen, strict=True):
        names = list(symmetry.spaces)
        stages = [{n: kept[n] for n in names[k:]} for k in range(len(names))]
        worst = max(loss(dropped(symmetry, params, stage)) for stage in stages)
        gaps.append(max(worst - loss(params), 0.0))
    assert found.gaps == pytest.approx(gaps, abs=1e-5)
    assert found.bound == pytest.approx(max(loss(a) + gaps[0], loss(b) + gaps[1]), abs=1e-5)
    assert found.bound <= max(loss(a), loss(b)) + max(gaps) + 1e-5
    sampled = barrier(loss, found.path, points=8 * segments + 1)
    assert max(sampled.losses) <= found.bound + 1e-5
    assert found.certificate.verdict is Verdict.TESTED
    line = barrier(loss, Line(a, b), points=11)
    assert max(line.losses) > 1.5 * found.bound  # the straight line is far above
    assert str(found).startswith(f"dropout-stable path of {segments} segments: loss at most ")
    assert "path" not in found.to_json()


def test_choosing_by_the_loss_beats_choosing_by_size():
    symmetry, a, b, loss, _ = trained(96, 96)
    strong = dropout_stable_path(symmetry, a, b, loss, StrongestHalf())
    best = dropout_stable_path(symmetry, a, b, loss, BestHalf())
    assert best.bound < strong.bound


def test_a_given_importance_and_scale_are_used():
    symmetry, a, b, loss, _ = trained(64)
    importance = {"1": torch.arange(64.0)}
    kept = Kept(tuple(range(32, 64)), 1.5)
    given = dropout_stable_path(symmetry, a, b, loss, StrongestHalf(importance, scale=1.5))
    assert given.segments[0].losses[2] == pytest.approx(loss(dropped(symmetry, a, {"1": kept})))
    with pytest.raises(BadInput, match=r"importance of '1' has shape \(3,\), expected \(64,\)"):
        dropout_stable_path(symmetry, a, b, loss, StrongestHalf({"1": torch.ones(3)}))
    for units, count in (((), 0), (tuple(range(33)), 33)):
        with pytest.raises(BadInput, match=f"{count} of 64 units of '1' are kept, expected 1 to "):
            dropout_stable_path(symmetry, a, b, loss, lambda *_, u=units: {"1": Kept(u, 1.0)})


def test_a_loss_that_is_not_convex_is_seen_to_break_the_bound():
    symmetry, a, b, loss, module = trained(64)
    (data,) = loss.batches
    bent = Loss(module, [data], lambda out, y: -F.cross_entropy(out, y))
    found = dropout_stable_path(symmetry, a, b, bent, StrongestHalf())
    assert found.certificate.verdict is Verdict.REFUTED
    assert found.certificate.margin < 0


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("resnet20", "conv to blocks.0.conv1 feed units of the same space: a residual stream"),
        ("rnn_tanh", "units of recurrent feed units of the same space"),
        ("prelu_net_shared_slope", "1.weight belongs to no hidden unit and to no output .*prelu"),
        ("tied_autoencoder", "no parameter reads units of 'weight'"),
        ("gpt", "attention.q.weight is written by units of .*head and .*key at once"),
    ],
)
def test_other_networks_are_refused_with_what_was_found(model, name, words):
    one = model(name)
    with pytest.raises(Disconnected, match=words):
        dropout_stable_path(one.symmetry, one.params, one.params, square_loss(one))


def test_a_loss_that_is_not_finite_is_refused(model):
    one = model("mlp")
    broken = {**one.params, "head.bias": torch.full((4,), torch.inf, dtype=torch.float64)}
    with pytest.raises(NotFinite, match="the loss is NaN or infinite at a corner"):
        dropout_stable_path(one.symmetry, one.params, broken, square_loss(one), StrongestHalf())

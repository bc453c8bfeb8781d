"""bend: training, determinism, resumption, and what stays untouched."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from isthmus.ground import (
    BadCheckpoint,
    BadInput,
    NotFinite,
    UnknownName,
    distance,
    distances,
    params_of,
)
from isthmus.landscape import Line, Loss, barrier
from isthmus.landscape.curves import Bezier, Curve, NaturalSpline, PolygonalChain, Training, bend
from isthmus.testing import zoo
from isthmus.testing.training import seeded


@pytest.fixture
def pair(trained):
    return trained.loss, *trained.minima[:2]


@pytest.fixture
def normed_pair(trained_normed):
    return trained_normed.loss, *trained_normed.minima


FAST = Training(optimiser=partial(torch.optim.Adam, lr=0.02))


@pytest.mark.parametrize("shape", [Bezier(1), Bezier(3), PolygonalChain(1), NaturalSpline(2)])
def test_every_shape_takes_the_barrier_down(pair, shape):
    loss, a, b = pair
    line = Line(a, b)
    curve = bend(line, loss, shape, steps=400, training=FAST)
    assert barrier(loss, curve).height < 0.25 * barrier(loss, line).height
    for end, wanted in ((curve.start, a), (curve.end, b)):
        assert all(torch.equal(end[name], wanted[name]) for name in wanted)
    assert curve.record.last < curve.record.first
    assert len(curve.record.losses) == curve.record.steps == 400
    assert "400 steps in" in str(curve.record)


def test_a_step_is_that_of_an_optimiser_on_the_weighted_gradient(pair):
    """One step of plain gradient descent, worked out by autograd through the whole curve."""
    loss, a, b = pair
    shape = Bezier(2)
    training = Training(partial(torch.optim.SGD, lr=0.5), schedule=lambda done: 1.0)
    drawn = []

    def tell(done, steps):
        drawn.append(done)

    curve = bend(Line(a, b), loss, shape, steps=1, seed=3, training=training, progress=tell)
    t = float(torch.rand((), dtype=torch.float64, generator=torch.Generator().manual_seed(3)))
    order = torch.randperm(len(loss.batches), generator=torch.Generator().manual_seed(3))
    x, y = loss.batches[int(order[0])]
    inner = [{n: v.clone().requires_grad_() for n, v in Line(a, b)(k / 3).items()} for k in (1, 2)]
    points = [a, *inner, b]
    weights = shape.weights(t).tolist()
    here = {n: sum(w * p[n] for w, p in zip(weights, points, strict=True)) for n in a}
    F.cross_entropy(torch.func.functional_call(loss.model, here, (x,)), y).backward()
    for found, point in zip(curve.points[1:3], inner, strict=True):
        for name, tensor in point.items():
            assert torch.allclose(found[name], tensor - 0.5 * tensor.grad, atol=1e-6)
    assert drawn == [1]


@pytest.mark.parametrize("shape", [Bezier(1), Bezier(4), NaturalSpline(3)])
def test_it_begins_as_the_curve_that_meets_the_path(pair, shape):
    """So the training of a curve may go on with the curve itself."""
    loss, a, b = pair
    generator = torch.Generator().manual_seed(0)
    middle = [
        {n: t + 0.1 * torch.randn(t.shape, generator=generator) for n, t in point.items()}
        for point in (Line(a, b)(k / (shape.bends + 1)) for k in range(1, shape.bends + 1))
    ]
    path = Curve(shape, [a, *middle, b])
    still = Training(partial(torch.optim.SGD, lr=0.0))
    found = bend(path, loss, shape, steps=1, training=still)
    for point, wanted in zip(found.points, path.points, strict=True):
        for name in wanted:
            torch.testing.assert_close(point[name], wanted[name], rtol=1e-4, atol=1e-4)


def test_the_same_seed_gives_the_same_curve(normed_pair):
    loss, a, b = normed_pair
    first, same, other = (
        bend(Line(a, b), loss, steps=20, seed=seed, training=FAST) for seed in (0, 0, 1)
    )
    assert distance(first.points[1], same.points[1]) == 0
    assert first.record.losses == same.record.losses
    assert distance(first.points[1], other.points[1]) > 0


class Stop(Exception):
    """An interruption."""


@pytest.mark.parametrize("loader", [False, True])
def test_an_interrupted_training_ends_as_if_it_had_not_been(normed_pair, tmp_path, loader):
    loss, a, b = normed_pair
    if loader:
        x, y = (torch.cat(parts) for parts in zip(*loss.batches, strict=True))
        sets = torch.utils.data.TensorDataset(x, y)
        loader_of = torch.utils.data.DataLoader(sets, batch_size=40, shuffle=True)
        loss = Loss(loss.model, loader_of, loss.criterion)
    whole = bend(Line(a, b), loss, PolygonalChain(2), steps=30, training=FAST)
    kept = Training(FAST.optimiser, checkpoint=tmp_path / "state.pt", every=7)

    def stop(done, steps):
        if done == 17:
            raise Stop

    with pytest.raises(Stop):
        bend(Line(a, b), loss, PolygonalChain(2), steps=30, training=kept, progress=stop)
    told = []
    again = bend(
        Line(a, b), loss, PolygonalChain(2), steps=30, training=kept,
        progress=lambda done, steps: told.append(done),
    )  # fmt: skip
    assert told[0] == 15
    assert again.record.losses == whole.record.losses
    assert all(distance(p, q) == 0 for p, q in zip(again.points, whole.points, strict=True))
    assert not list(tmp_path.glob("*.tmp"))
    done = bend(Line(a, b), loss, PolygonalChain(2), steps=30, training=kept)
    assert distance(done.points[1], whole.points[1]) == 0


def test_a_checkpoint_of_another_training_is_refused(pair, tmp_path):
    loss, a, b = pair
    file = tmp_path / "state.pt"
    kept = Training(checkpoint=file)
    bend(Line(a, b), loss, steps=3, training=kept)
    others = {"shape": PolygonalChain()}, {"training": replace(kept, optimiser=FAST.optimiser)}
    for changed in ({"seed": 1}, {"steps": 4}, *others):
        with pytest.raises(BadInput, match="holds the state of another training; delete it, or"):
            bend(Line(a, b), loss, **{"steps": 3, "training": kept, **changed})
    file.write_bytes(b"nothing")
    with pytest.raises(BadCheckpoint, match="not the state of a training"):
        bend(Line(a, b), loss, steps=3, training=kept)


def test_the_model_and_the_random_state_stay_as_they_were(normed_pair):
    loss, a, b = normed_pair
    loss.model[1].train()
    before, modes = params_of(loss.model), [m.training for m in loss.model.modules()]
    state = torch.get_rng_state()
    bend(Line(a, b), loss, steps=5)
    assert all(torch.equal(t, before[n]) for n, t in params_of(loss.model).items())
    assert [m.training for m in loss.model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), state)
    loss.model.eval()


def test_batch_statistics_are_used_averaged_and_recomputed(normed_pair):
    loss, a, b = normed_pair
    curve = bend(Line(a, b), loss, steps=400, training=FAST)
    middle = curve.points[1]
    assert float(middle["1.running_var"].min()) > 0
    assert not torch.allclose(middle["1.running_mean"], Line(a, b)(0.5)["1.running_mean"])
    assert middle["1.num_batches_tracked"] == a["1.num_batches_tracked"]
    height = barrier(loss, curve, recompute_statistics=loss.batches).height
    line = barrier(loss, Line(a, b), recompute_statistics=loss.batches).height
    assert height < 0.6 * line


def test_only_the_chosen_parameters_are_trained(pair):
    loss, a, b = pair
    seen = []

    def optimiser(tensors):
        seen.extend(tensors)
        return torch.optim.Adam(tensors, lr=0.01)

    only = Training(optimiser, only=lambda name: name.startswith("2."))
    curve = bend(Line(a, b), loss, Bezier(2), steps=5, training=only)
    assert [tuple(t.shape) for t in seen] == [(4, 12), (4,)] * 2
    for k in (1, 2):
        start = Line(a, b)(k / 3)
        torch.testing.assert_close(curve.points[k]["0.weight"], start["0.weight"])
        assert not torch.allclose(curve.points[k]["2.weight"], start["2.weight"])


def test_samples_of_a_batch(pair):
    loss, a, b = pair
    sizes = []

    def criterion(outputs, targets):
        sizes.append(len(targets))
        return F.cross_entropy(outputs, targets)

    small = Loss(loss.model, loss.batches, criterion)
    bend(Line(a, b), small, steps=3, training=Training(samples=16))
    assert sizes == [16, 16, 16]


class Tied(nn.Module):
    """An embedding that is also the head."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(7, 5)
        self.head = nn.Linear(5, 7, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, ids):
        return self.head(self.embed(ids)).transpose(1, 2)


def test_tied_weights_are_one_tensor():
    models = [seeded(Tied, seed) for seed in (0, 1)]
    a, b = map(params_of, models)
    ids = torch.arange(7).repeat(2, 1)
    loss = Loss(models[0], [(ids, (ids + 1) % 7)], F.cross_entropy)
    curve = bend(Line(a, b), loss, steps=200, training=FAST)
    assert set(curve(0.5)) == {"embed.weight"}
    assert loss(curve(0.5)) < 0.5 * loss(Line(a, b)(0.5))


def test_half_precision_is_trained_in_single(pair):
    loss, a, b = pair
    low = [{n: t.bfloat16() for n, t in p.items()} for p in (a, b)]
    training = Training(partial(torch.optim.SGD, lr=1e-2))
    curve = bend(Line(*low), loss, steps=100, training=training)
    assert curve.points[1]["0.weight"].dtype == torch.bfloat16
    assert curve.record.last < curve.record.first
    exact = Loss(loss.model, loss.batches, loss.criterion, dtype=torch.float64)
    wide = bend(Line(*low), exact, steps=2)
    assert wide.points[1]["0.weight"].dtype == torch.bfloat16


def test_clear_errors(pair):
    loss, a, b = pair
    bad = {**b, "0.bias": torch.full((12,), torch.nan)}
    with pytest.raises(NotFinite, match=r"control point \d: '0.bias' holds NaN or infinity"):
        bend(Line(a, bad), loss, steps=1)
    wild = Training(partial(torch.optim.SGD, lr=1e30))
    with pytest.raises(NotFinite, match=r"the loss at step \d+ of 20 is (nan|inf); .* lower rate"):
        bend(Line(a, b), loss, steps=20, training=wild)
    odd = Loss(loss.model, [(x, y[:5]) for x, y in loss.batches], loss.criterion)
    with pytest.raises(BadInput, match=r"outputs of shape \(40, 4\) with targets of shape \(5,\)"):
        bend(Line(a, b), odd, steps=1)
    with pytest.raises(BadInput, match="steps is 0, expected at least 1"):
        bend(Line(a, b), loss, steps=0)
    with pytest.raises(BadInput, match="no parameter is trained"):
        bend(Line(a, b), loss, steps=1, training=Training(only=lambda name: False))
    with pytest.raises(UnknownName, match="unknown parameter 'v'"):
        bend(Line({**a, "v": a["0.bias"]}, {**b, "v": a["0.bias"]}), loss, steps=1)
    for option in ("samples", "every"):
        with pytest.raises(BadInput, match=f"{option} is 0, expected at least 1"):
            Training(**{option: 0})


@pytest.mark.parametrize("name", ["vgg", "lstm_classifier", "gpt", "resnet20"])
def test_all_parameters_of_all_sorts_of_models_are_trained(name):
    one = zoo.entry(name)
    model = one.build()
    a, b = (params_of(zoo.randomise(one.build(), seed=seed)) for seed in (0, 1))
    loss = Loss(model, [(one.example(), torch.zeros(1))], lambda out, _: out.square().mean())
    sgd = Training(partial(torch.optim.SGD, lr=1e-3))
    found = distances(bend(Line(a, b), loss, steps=1, training=sgd).points[1], Line(a, b)(0.5))
    assert all(found[name] > 0 for name, _ in model.named_parameters() if name in found)

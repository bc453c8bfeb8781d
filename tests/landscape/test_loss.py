"""The loss at given params, without touching the model."""

from __future__ import annotations

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from isthmus.ground import BadInput, ShapeMismatch, UnknownName, params_of
from isthmus.landscape import Evaluation, Line, Loss


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.ReLU(), nn.Linear(8, 3))


@pytest.fixture
def batches():
    torch.manual_seed(1)
    return [(torch.randn(n, 4), torch.randint(0, 3, (n,))) for n in (10, 3, 6)]


def whole(batches):
    return tuple(torch.cat(part) for part in zip(*batches, strict=True))


@pytest.mark.parametrize("micro_batch", [None, 1, 4, 100])
def test_it_is_the_mean_over_all_samples(model, batches, micro_batch):
    loss = Loss(model, batches, F.cross_entropy, micro_batch=micro_batch)
    x, y = whole(batches)
    model.eval()
    with torch.no_grad():
        outputs = model(x)
    assert loss(params_of(model)) == pytest.approx(float(F.cross_entropy(outputs, y)), rel=1e-6)
    found = loss.evaluate(params_of(model))
    assert found.metrics["accuracy"] == pytest.approx(
        float((outputs.argmax(1) == y).float().mean())
    )
    assert found.samples == 19
    assert loss.metrics_at(params_of(model)) == found.metrics


def test_the_params_count_and_the_model_is_left_alone(model, batches):
    model.train()
    model[1].eval()
    modes = [module.training for module in model.modules()]
    before = copy.deepcopy(model.state_dict())
    zero = {name: torch.zeros_like(t) for name, t in params_of(model).items()}
    assert Loss(model, batches, F.cross_entropy)(zero) == pytest.approx(math.log(3))
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(t, before[name]) for name, t in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())


def test_modes_come_back_after_an_error(model):
    model.train()
    with pytest.raises(BadInput):
        Loss(model, [(torch.zeros(2, 5), torch.zeros(2))], F.mse_loss)(params_of(model))
    assert model.training


class Named(nn.Module):
    """Takes keyword or positional arguments; ties its two weights; has a hidden buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Linear(3, 3, bias=False)
        self.two = nn.Linear(3, 3, bias=False)
        self.two.weight = self.one.weight
        self.register_buffer("table", 2 * torch.eye(3), persistent=False)

    def forward(self, x, mask):
        return self.two(self.one(x)) * mask @ self.table


@pytest.mark.parametrize("kind", [tuple, dict])
@pytest.mark.parametrize("dtype", [None, torch.float64])
def test_tuples_mappings_tied_weights_and_hidden_buffers(kind, dtype):
    torch.manual_seed(0)
    model = Named()
    x, mask, y = torch.randn(7, 3), torch.rand(7, 3), torch.randn(7, 3)
    inputs = (x, mask) if kind is tuple else {"mask": mask, "x": x}
    params = params_of(model)
    assert list(params) == ["one.weight"]
    w = params["one.weight"] * 2
    expected = F.mse_loss(x @ w.T @ w.T * mask * 2, y)
    for size in (None, 2):
        loss = Loss(model, [(inputs, y)], F.mse_loss, dtype=dtype, micro_batch=size)
        assert loss({"one.weight": w}) == pytest.approx(float(expected), rel=1e-5)
    assert loss.metrics_at({"one.weight": w}) == {}  # no classification
    with pytest.raises(UnknownName, match="'two.weight' is a second name of the tied tensor"):
        loss({"one.weight": w, "two.weight": w})


def test_dtype_makes_the_computation_exact(model, batches):
    params = params_of(model)
    exact = Loss(
        copy.deepcopy(model).double(), [(x.double(), y) for x, y in batches], F.cross_entropy
    )
    wide = {name: t.double() for name, t in params.items()}
    assert Loss(model, batches, F.cross_entropy, dtype=torch.float64)(params) == exact(wide)


@pytest.mark.parametrize("bad", [math.inf, math.nan])
def test_a_loss_that_is_not_finite_is_a_value(model, batches, bad):
    params = params_of(model)
    params["3.bias"][0] = bad
    found = Loss(model, batches, lambda o, y: o.sum(), {}).evaluate(params)
    assert not found.finite
    assert "(not finite)" in str(found)
    assert math.isnan(found.loss) if math.isnan(bad) else found.loss == bad


def test_a_good_evaluation_prints_on_one_line():
    assert str(Evaluation(0.25, {"accuracy": 0.5}, 8)) == "loss 0.25, accuracy 0.5 on 8 samples"
    assert Evaluation(0.25).to_json() == {"loss": 0.25, "metrics": {}, "samples": 0}


def test_data_of_another_shape_are_named_with_the_models_own_error(model, batches):
    loss = Loss(model, [*batches, (torch.zeros(2, 5), torch.zeros(2))], F.cross_entropy)
    with pytest.raises(
        BadInput,
        match=r"^the model cannot take inputs of shape \(2, 5\): mat1 and mat2 shapes cannot be "
        r"multiplied \(2x5 and 4x8\); give data",
    ):
        loss(params_of(model))
    loss = Loss(model, [(torch.zeros(2, 4), torch.zeros(5).long())], F.cross_entropy)
    with pytest.raises(BadInput, match=r"outputs of shape \(2, 3\) with targets of shape \(5,\): "):
        loss(params_of(model))
    loss = Loss(model, batches, lambda o, y: F.cross_entropy(o, y, reduction="none"))
    with pytest.raises(BadInput, match=r"the criterion gives shape \(10,\), expected one number"):
        loss(params_of(model))


def test_batches_that_are_none_are_refused(model):
    with pytest.raises(BadInput, match="no batches to compute the loss on"):
        Loss(model, [], F.cross_entropy)
    with pytest.raises(BadInput, match="no batches to compute the loss on"):
        Loss(model, iter([]), F.cross_entropy)
    with pytest.raises(BadInput, match=r"batch 0 is a Tensor; give each batch as a pair"):
        Loss(model, [torch.zeros(2, 4)], F.cross_entropy)(params_of(model))
    with pytest.raises(BadInput, match="batch 0 is a tuple of 3"):
        Loss(model, [(1, 2, 3)], F.cross_entropy)(params_of(model))
    with pytest.raises(BadInput, match="micro_batch is 0, expected at least 1"):
        Loss(model, [(torch.zeros(1, 4), 0)], F.cross_entropy, micro_batch=0)


def test_params_of_another_model_are_refused(model, batches):
    loss = Loss(model, batches, F.cross_entropy)
    params = params_of(model)
    with pytest.raises(UnknownName, match="parameter '3.bias' is missing, expected 4 names"):
        loss({name: t for name, t in params.items() if name != "3.bias"})
    with pytest.raises(UnknownName, match="unknown parameter '3.biass'; did you mean '3.bias'"):
        loss({**params, "3.biass": params["3.bias"]})
    with pytest.raises(ShapeMismatch, match=r"0.bias has shape \(9,\), expected \(8,\)"):
        loss({**params, "0.bias": torch.zeros(9)})


def test_a_generator_of_batches_can_be_used_twice(model, batches):
    loss = Loss(model, (batch for batch in batches), F.cross_entropy)
    assert loss(params_of(model)) == loss(params_of(model))


def test_along_a_path_with_progress(model, batches):
    seen = []
    loss = Loss(model, batches, F.cross_entropy)
    a = params_of(model)
    b = {name: t + 1 for name, t in a.items()}
    ts = (0.0, 0.25, 1.0)
    found = loss.along(Line(a, b), ts, progress=lambda k, n: seen.append((k, n)))
    assert [one.loss for one in found] == pytest.approx([loss(Line(a, b)(t)) for t in ts])
    assert seen == [(1, 3), (2, 3), (3, 3)]


class Net(nn.Module):
    """A convolutional net; ``view`` fails on channels-last memory, ``flatten`` does not."""

    def __init__(self, view: bool) -> None:
        super().__init__()
        self.view, self.seen = view, []
        self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4 * 36, 2)

    def forward(self, x):
        self.seen.append((len(x), x.is_contiguous(memory_format=torch.channels_last)))
        x = self.conv(x).relu()
        return self.fc(x.view(len(x), -1) if self.view else x.flatten(1))


@pytest.mark.parametrize("view", [False, True])
def test_images_go_channels_last_where_the_model_allows(view):
    torch.manual_seed(0)
    model = Net(view)
    x, y = torch.randn(230, 3, 8, 8), torch.randint(0, 2, (230,))
    with torch.no_grad():
        expected = float(F.cross_entropy(model(x), y))
    loss = Loss(model, [(x, y)], F.cross_entropy, micro_batch=100)
    assert loss(params_of(model)) == pytest.approx(expected, rel=1e-5)
    model.seen.clear()
    assert loss(params_of(model)) == pytest.approx(expected, rel=1e-5)
    assert model.seen == [(100, not view), (100, not view), (30, not view)]


@pytest.mark.parametrize("axis", [1, 2])
def test_accuracy_finds_the_axis_of_the_classes(axis):
    scores = torch.randn(6, 5, 3)
    targets = scores.argmax(-1)
    targets[0] = (targets[0] + 1) % 3
    outputs = scores.movedim(-1, axis)

    def criterion(o, y):
        return F.cross_entropy(o.movedim(axis, 1), y)

    found = Loss(nn.Identity(), [(outputs, targets)], criterion).evaluate({})
    assert found.metrics["accuracy"] == pytest.approx(25 / 30)

"""Many points at once give what each gives alone: in float64, to rounding."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from isthmus.ground import params_of
from isthmus.landscape import Line, Loss, Polygon, recompute_statistics
from isthmus.landscape.evaluation.sharing import Sharing
from isthmus.landscape.running import run, weights_for

TS = [0.0, 0.1, 0.25, 0.5, 0.6, 0.75, 0.9, 1.0]


def mlp():
    return nn.Sequential(nn.Linear(20, 9), nn.ReLU(), nn.Linear(9, 4))


class Convolutional(nn.Module):
    """Convolution with bias, BatchNorm, activations in place, and a view."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.norm = nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.conv2 = nn.Conv2d(6, 8, 3, stride=2, groups=2)
        self.act, self.head = nn.ReLU(inplace=True), nn.Linear(8, 4)

    def forward(self, x):
        x = self.act(self.norm(self.conv1(x)))
        return self.head(self.act(self.conv2(x)).mean((2, 3)))


class Tokens(nn.Module):
    """Tied embedding, attention with a mask made on the way, two readers of one input."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.norm = nn.Embedding(11, 18), nn.LayerNorm(18)
        self.attend = nn.MultiheadAttention(18, 3, batch_first=True)
        self.head = nn.Linear(18, 11, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, ids):
        x = self.norm(self.embed(ids))
        mask = torch.ones(ids.shape[1], ids.shape[1], dtype=torch.bool).triu(1)
        return self.head(x + self.attend(x, x, x, attn_mask=mask, need_weights=False)[0])[:, -1]


class Writes(nn.Module):
    """Writes into what does not depend on the weights, before the weights come in."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(20, 4)

    def forward(self, x):
        y = torch.zeros(len(x), 20, dtype=x.dtype)
        y.add_(x)
        z = y.exp()
        y.mul_(2)
        z[:, 0] = 3.0
        return self.fc(y + z.sqrt_()) + z[:, :1]


class Random(nn.Module):
    """What looks constant is drawn anew at every run."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(20, 4)

    def forward(self, x):
        return self.fc(x + torch.rand_like(x))


MODELS = {"mlp": mlp, "conv": Convolutional, "tokens": Tokens, "writes": Writes}


def inputs_for(name, samples):
    if name == "conv":
        return torch.randn(samples, 3, 8, 8).double()
    if name == "tokens":
        return torch.randint(0, 11, (samples, 7))
    return torch.randn(samples, 20).double()


def case(name, seed=0, samples=23):
    """(model, a, b, batches)."""
    torch.manual_seed(seed)
    model = MODELS[name]().double()
    a, b = ({n: torch.randn_like(t) for n, t in _floats(model).items()} for _ in range(2))
    rest = {n: t for n, t in params_of(model).items() if n not in a}
    for params in (a, b):
        params.update({n: t.abs() + 0.1 for n, t in params.items() if n.endswith("running_var")})
        params.update(rest)
    classes = 11 if name == "tokens" else 4
    batches = [(inputs_for(name, n), torch.randint(0, classes, (n,))) for n in (samples, 6)]
    return model, a, b, batches


def _floats(model):
    return {n: t for n, t in params_of(model).items() if t.is_floating_point()}


def straightforward(model, points, batches):
    """A load_state_dict loop over whole batches."""
    found = []
    model.eval()
    with torch.no_grad():
        for params in points:
            model.load_state_dict(params, strict=False)
            values = [F.cross_entropy(model(x), y) * len(y) for x, y in batches]
            found.append(float(sum(values)) / sum(len(y) for _, y in batches))
    return found


def polygon(a, b):
    middle = {n: t.sin() if t.is_floating_point() else t for n, t in a.items()}
    return Polygon([a, middle, b])


def bezier(a, b):
    """A plain function of t, quadratic."""
    bend = {n: t.sin().abs() if t.is_floating_point() else t for n, t in a.items()}
    return lambda t: {
        n: (1 - t) ** 2 * x + 2 * t * (1 - t) * bend[n] + t**2 * b[n]
        if x.is_floating_point()
        else x
        for n, x in a.items()
    }


def one_layer(a, b):
    """Only the last tensor moves."""
    last = next(n for n in reversed(a) if a[n].dim() == 2)
    return lambda t: {**a, last: torch.lerp(a[last], b[last], t)}


def wild(a, b):
    """No two points span a third."""
    return lambda t: {
        n: (x + t * b[n]).sin().abs() if x.is_floating_point() else x for n, x in a.items()
    }


@pytest.mark.parametrize("path", [Line, polygon, bezier, one_layer, wild])
@pytest.mark.parametrize("name", MODELS)
def test_shared_work_changes_nothing(name, path, monkeypatch):
    monkeypatch.setattr(Sharing, "worth", True)
    model, a, b, batches = case(name)
    way = path(a, b)
    loss = Loss(model, batches, F.cross_entropy, micro_batch=5)
    expected = straightforward(model, [way(t) for t in TS], batches)
    assert [one.loss for one in loss.along(way, TS)] == pytest.approx(expected, rel=1e-9)


@settings(max_examples=25)
@given(
    name=st.sampled_from(list(MODELS)),
    ts=st.lists(st.floats(0, 1), min_size=1, max_size=9),
    micro_batch=st.one_of(st.none(), st.integers(1, 30)),
    memory=st.sampled_from([1, 20_000, 2**30]),
    seed=st.integers(0, 99),
)
def test_any_points_steps_and_memory(name, ts, micro_batch, memory, seed):
    model, a, b, batches = case(name, seed)
    line = Line(a, b)
    loss = Loss(model, batches, F.cross_entropy, micro_batch=micro_batch, memory=memory)
    expected = straightforward(model, [line(t) for t in ts], batches)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Sharing, "worth", True)
        found = [one.loss for one in loss.along(line, ts)]
    assert found == pytest.approx(expected, rel=1e-9)

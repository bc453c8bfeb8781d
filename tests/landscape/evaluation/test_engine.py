"""Many points at once give what each gives alone: in float64, to rounding."""

from __future__ import annotations

import weakref
from collections import Counter

import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from isthmus.ground import BadInput, params_of
from isthmus.landscape import Line, Loss, Polygon
from isthmus.landscape.evaluation import sharing
from isthmus.landscape.evaluation.memory import Footprint, step_size
from isthmus.landscape.evaluation.sharing import Sharing
from isthmus.landscape.evaluation.trajectories import follow
from isthmus.landscape.running import run

WORTH = Footprint.worth_watching


@pytest.fixture(autouse=True)
def even_small_work(monkeypatch):
    """Share whatever can be shared."""
    monkeypatch.setattr(Sharing, "worth", True)
    monkeypatch.setattr(Footprint, "worth_watching", lambda *_: True)
    monkeypatch.setattr(sharing, "_LEAST", 0)
    monkeypatch.setattr(sharing, "_DEPTH", 1)


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


class Twice(nn.Module):
    """Makes the same thing twice, and writes into one of them."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(20, 4)

    def forward(self, x):
        one, two = torch.zeros(20, dtype=x.dtype), torch.zeros(20, dtype=x.dtype)
        three, four = x.exp(), x.exp()
        one += 1
        three += 1
        return self.fc(x * two + four / three + one)


class Sparse(nn.Module):
    """A sparse matrix among the buffers."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(20, 4)
        self.register_buffer("mix", torch.eye(20).roll(1, 0).to_sparse(), persistent=False)

    def forward(self, x):
        return self.fc(torch.sparse.mm(self.mix, x.T).T)


class Random(nn.Module):
    """What looks constant is drawn anew at every run."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(20, 4)

    def forward(self, x):
        return self.fc(x + torch.rand_like(x))


MODELS = {
    "mlp": mlp,
    "conv": Convolutional,
    "tokens": Tokens,
    "writes": Writes,
    "twice": Twice,
    "sparse": Sparse,
}


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
def test_shared_work_changes_nothing(name, path):
    model, a, b, batches = case(name)
    way = path(a, b)
    loss = Loss(model, batches, F.cross_entropy, micro_batch=5)
    expected = straightforward(model, [way(t) for t in TS], batches)
    assert [one.loss for one in loss.along(way, TS)] == pytest.approx(expected, rel=1e-9)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
    found = [one.loss for one in loss.along(line, ts)]
    assert found == pytest.approx(expected, rel=1e-9)


class Count(TorchDispatchMode):
    """Counts the operators that really run."""

    def __init__(self):
        super().__init__()
        self.found = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.found[func.overloadpacket.__name__] += 1
        return func(*args, **(kwargs or {}))


def counted(name, path, samples=8):
    """How often each operator runs for all of `TS` on one batch."""
    model, a, b, batches = case(name, samples=samples)
    with Count() as count:
        Loss(model, batches[:1], F.cross_entropy, {}, micro_batch=samples).along(path(a, b), TS)
    return count.found


@pytest.mark.parametrize(
    ("path", "products"), [(Line, 2), (bezier, 3), (polygon, 3), (wild, len(TS))]
)
def test_the_first_layer_is_computed_once_for_each_direction_and_one_more(path, products):
    found = counted("mlp", path)
    assert found["mm"] + found["addmm"] == products + len(TS)


def test_all_in_front_of_the_first_layer_that_moves_is_computed_once():
    found = counted("mlp", one_layer)
    assert found["relu"] == 1
    assert found["mm"] + found["addmm"] == 1 + 2  # the second layer is affine in t then


def test_nothing_is_shared_that_is_drawn_or_written_to():
    torch.manual_seed(0)
    model = Random().double()
    x = torch.randn(5, 20).double()
    params = [params_of(model) for _ in range(4)]
    mode = Sharing(params, 10**9)
    mode.begin(x)
    with torch.no_grad():
        outputs = []
        for k in range(4):
            with mode.at(k):
                outputs.append(run(model, params[k], x))
    assert all(not torch.equal(outputs[0], other) for other in outputs[1:])


def test_what_moves_too_wildly_or_too_coarsely_is_left_alone():
    base, step = torch.randn(40, 50), torch.randn(40, 50)
    line = [base + t * step for t in TS]
    found = follow(line)
    assert len(found.directions) == 1
    for tensor, (weight,) in zip(line, found.coefficients, strict=True):
        torch.testing.assert_close(found.origin + weight * found.directions[0], tensor)
    bent = [tensor.clone() for tensor in line]
    bent[3][17, 23] += 1e-3  # one entry of 2000, at one point
    assert follow(bent) is None
    bent[3][17, 23] = torch.nan
    assert follow(bent) is None
    assert follow([tensor.half() for tensor in line]) is None
    assert follow(line[:3]) is None  # three products for three points
    assert follow([(base + t).sin() for t in TS]).directions  # sin, cos: two directions
    assert follow([(base * t).sin() for t in TS]) is None


def test_a_step_holds_what_the_memory_and_the_cache_do():
    small = Footprint(largest=1000, peak=4000, work=50_000, operators=10)
    assert step_size(small, 2**30, "cuda") == 2**28 // 4000
    assert step_size(small, 2**30, "cpu") == 2 * 2**20 // 1000
    assert step_size(small, 4 * 4000 * 7, "cpu") == 7
    assert step_size(small, 1, "cpu") == 1


def test_a_criterion_that_is_no_mean_gets_whole_batches():
    model, a, _, batches = case("mlp", samples=40)
    loss = Loss(model, batches[:1], lambda o, y: F.cross_entropy(o, y, reduction="sum"), memory=1)
    outputs = run(model, a, batches[0][0])
    total = float(F.cross_entropy(outputs, batches[0][1], reduction="sum"))
    assert loss(a) == pytest.approx(total)
    mean = Loss(model, batches[:1], F.cross_entropy, memory=1)
    assert mean(a) == pytest.approx(total / 40)


def test_small_work_is_not_watched():
    small = Footprint(largest=1000, peak=4000, work=50_000, operators=10)
    assert WORTH(small, 201)
    assert not WORTH(small, 199)


def test_points_are_held_within_the_memory():
    model, a, b, batches = case("mlp")
    size = sum(t.numel() * t.element_size() for t in a.values())
    held, most = [], []

    def path(t):
        point = Line(a, b)(t)
        held.append(weakref.ref(point["0.weight"]))
        most.append(sum(ref() is not None for ref in held))
        return point

    Loss(model, batches, F.cross_entropy, memory=2 * 3 * size + 1).along(path, TS)
    assert max(most) <= 4  # three, and the next while those are let go
    assert len(held) == len(TS)


def test_memory_must_be_positive():
    with pytest.raises(BadInput, match="memory is 0, expected at least 1; give it in bytes"):
        Loss(nn.Identity(), [(torch.zeros(1), 0)], F.mse_loss, memory=0)


def test_interruption_leaves_the_model_and_gradients_as_they_were():
    model, a, b, batches = case("conv")
    model.train()

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Loss(model, batches, F.cross_entropy).along(Line(a, b), TS, progress=stop)
    assert model.training
    assert torch.is_grad_enabled()

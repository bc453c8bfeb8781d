"""Flat directions: the first task's function stays, on its samples or everywhere; nothing else."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import isthmus
from isthmus.ground import BadInput, params_of
from isthmus.landscape import LayerInputs, Loss, LowRankFisher, OrbitTangent, Projected, tune
from isthmus.landscape.tuning.draws import drawn_gradients
from isthmus.testing.zoo.language import Gpt


def tokens(outputs, targets):
    return F.cross_entropy(outputs.flatten(0, -2), targets.flatten())


def mlp():
    parts = (nn.Linear(30, 12), nn.ReLU(), nn.Linear(12, 16), nn.LeakyReLU(), nn.Linear(16, 4))
    return nn.Sequential(*parts), torch.randn(8, 30), torch.randn(40, 30), 4


def convolution():
    model = nn.Sequential(
        nn.Conv2d(2, 8, 3, padding="same"), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 12, 3, stride=2, groups=2), nn.ReLU(), nn.Flatten(), nn.Linear(48, 3),
    )  # fmt: skip
    return model, torch.randn(2, 2, 6, 6), torch.randn(20, 2, 6, 6), 3


def signal():
    model = nn.Sequential(
        nn.Conv1d(3, 8, 3, dilation=2, padding=1), nn.Tanh(), nn.Flatten(), nn.Linear(64, 3)
    )
    return model, torch.randn(2, 3, 10), torch.randn(20, 3, 10), 3


def gpt():
    model = Gpt(nn.LayerNorm, 1, width=12, hidden=40, vocabulary=30, positions=6)
    return model, torch.randint(0, 9, (2, 6)), torch.randint(0, 30, (30, 6)), 30


NETWORKS = (mlp, convolution, signal, gpt)


def tasks(make):
    """(first, second, params), both tasks with random targets, in float64."""
    torch.manual_seed(0)
    model, *inputs, classes = make()
    model = model.double().eval()
    found = []
    for x in inputs:
        text = not x.is_floating_point()
        y = torch.randint(0, classes, x.shape if text else x.shape[:1])
        batches = [(x if text else x.double(), y)]
        found.append(Loss(model, batches, tokens if text else F.cross_entropy, {}))
    return *found, params_of(model)


def outputs(loss, params):
    return torch.func.functional_call(loss.model, params, (loss.batches[0][0],)).detach()


@pytest.mark.parametrize(
    "optimiser",
    [
        lambda p: torch.optim.Adam(p, lr=0.01),
        lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=0.01),
    ],
    ids=["adam", "sgd"],
)
@pytest.mark.parametrize("make", NETWORKS)
def test_all_inputs_held_the_function_stays_on_them_however_far_one_goes(make, optimiser) -> None:
    first, second, start = tasks(make)
    flat = LayerInputs.of(first, start, share=1)
    end = tune(start, second, flat, optimiser=optimiser, epochs=12)
    assert torch.allclose(outputs(first, end), outputs(first, start), rtol=1e-9, atol=1e-12)
    assert second(end) < second(start) - 1e-3
    freely = tune(start, second, optimiser=optimiser, epochs=12)
    assert not torch.allclose(outputs(first, freely), outputs(first, start), rtol=1e-2)


@pytest.mark.parametrize("part", ["weight", "bias"])
def test_it_also_stays_where_only_some_parameters_are_trained(part) -> None:
    first, second, start = tasks(mlp)
    flat = LayerInputs.of(first, start, share=1)
    held = [p for n, p in first.model.named_parameters() if n.endswith(part)]
    optimiser = Projected(torch.optim.Adam(held, lr=0.01), first.model, flat)
    for _ in range(5):
        first.model.zero_grad()
        second.criterion(first.model(second.batches[0][0]), second.batches[0][1]).backward()
        optimiser.step()
    end = params_of(first.model)
    assert torch.allclose(outputs(first, end), outputs(first, start), rtol=1e-9, atol=1e-12)
    assert (second(end) < second(start)) == (part == "weight")


def test_less_of_the_inputs_held_leaves_more_free() -> None:
    first, _, start = tasks(mlp)
    free = [LayerInputs.of(first, start, share).free for share in (1, 0.9, 0.5)]
    assert free == sorted(set(free))
    free = 12 * (31 - 8) + 16 * (13 - 8) + 4 * (17 - 8)  # eight samples, a bias in each layer
    found = str(LayerInputs.of(first, start, 1))
    assert found == f"LayerInputs: {free} of {12 * 31 + 16 * 13 + 4 * 17} directions are free"


def test_weights_that_are_read_in_two_ways_rest() -> None:
    torch.manual_seed(0)
    model = Gpt(nn.LayerNorm, 1, True, width=8, hidden=20, vocabulary=30, positions=6).double()
    x = torch.randint(0, 5, (2, 6))
    flat = LayerInputs.of(Loss(model, [(x, x)], tokens, {}), params_of(model), 1)
    found = flat.project({n: torch.ones_like(t) for n, t in params_of(model).items()})
    assert not found["token.weight"].any()
    assert not found["position"].any()
    assert found["blocks.0.fc1.weight"].any()


def test_an_embedding_moves_where_no_symbol_was_seen() -> None:
    first, _, start = tasks(gpt)
    found = LayerInputs.of(first, start, 1).project({"token.weight": torch.ones(30, 12)})
    seen = first.batches[0][0].unique()
    assert not found["token.weight"][seen].any()
    assert int(found["token.weight"].sum()) == 12 * (30 - len(seen))


def spaces(make):
    """All kinds of flat directions of a task."""
    first, _, start = tasks(make)
    symmetry = isthmus.discover(first.model, first.batches[0][0], gauge="asis")
    return start, (
        LayerInputs.of(first, start, 0.9),
        LowRankFisher.of(first, start, rank=5),
        OrbitTangent.of(symmetry, start),
    )


KEPT = {make: spaces(make) for make in (mlp, gpt)}


@settings(max_examples=10)
@given(st.sampled_from([mlp, gpt]), st.integers(0, 2), st.integers(0, 1000))
def test_they_are_orthogonal_projections(make, kind, seed) -> None:
    start, found = KEPT[make]
    flat, generator = found[kind], torch.Generator().manual_seed(seed)
    u, v = (
        {n: torch.randn(t.shape, generator=generator).double() for n, t in start.items()}
        for _ in range(2)
    )

    def inner(a, b):
        return float(sum((a[n] * b[n]).sum() for n in a))

    flat_u = flat.project(u)
    again = flat.project(flat_u)
    assert max(float((again[n] - flat_u[n]).abs().max()) for n in u) < 1e-12
    assert inner(flat_u, v) == pytest.approx(inner(u, flat.project(v)), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("kind", range(3))
def test_they_count_what_is_free(kind) -> None:
    start, found = KEPT[mlp]
    flat = found[kind]
    trace = 0.0
    for name, tensor in start.items():
        for k in range(tensor.numel()):
            one = {n: torch.zeros_like(t) for n, t in start.items()}
            one[name].view(-1)[k] = 1
            trace += float(flat.project(one)[name].view(-1)[k])
    assert trace == pytest.approx(flat.free, rel=1e-9)
    assert flat.width == sum(t.numel() for t in start.values())


@pytest.mark.parametrize("make", [mlp, gpt])
def test_no_gradient_has_a_part_along_the_orbit(make) -> None:
    """So the orbit can learn nothing; and it is free in the Fisher matrix, of any rank."""
    start, (_, steep, orbit) = KEPT[make]
    _, second, _ = tasks(make)
    for slope in drawn_gradients(second, start, samples=5):
        size = sum(float(t.square().sum()) for t in slope.values())
        along = orbit.project(slope)
        assert sum(float(t.square().sum()) for t in along.values()) < 1e-20 * size
    for row in orbit.basis[:: max(1, orbit.free // 20)]:
        parts = row.split([t.numel() for t in start.values()])
        change = {n: p.view_as(start[n]) for n, p in zip(start, parts, strict=True)}
        assert float(steep.energy(change)) < 1e-20 * float(steep.values[0])


def test_nonsense_is_refused() -> None:
    first, second, start = tasks(mlp)
    with pytest.raises(BadInput, match="share is 0; give a number above 0"):
        LayerInputs.of(first, start, 0)
    with pytest.raises(BadInput, match="rank is 0, expected at least 1"):
        LowRankFisher.of(first, start, rank=0)
    with pytest.raises(BadInput, match="epochs is 0"):
        tune(start, second, epochs=0)
    with pytest.raises(isthmus.IsthmusError, match="take smaller steps"):
        tune(start, second, optimiser=lambda p: torch.optim.SGD(p, lr=1e30), epochs=5)

"""WeightAverage and Snapshots, in a training loop."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from isthmus.ground import BadInput, ShapeMismatch, UnknownName, params_of
from isthmus.landscape import CyclicRate, Snapshots, WeightAverage, recompute_statistics
from isthmus.landscape.curves.mixing import mixture


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=8), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_the_running_mean_is_the_weighted_mean(weights: list[float], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    models = [{"w": torch.randn(3, 2, generator=generator, dtype=torch.float64)} for _ in weights]
    average = WeightAverage()
    for params, weight in zip(models, weights, strict=True):
        average.add(params, weight)
    expected = mixture(models, [w / sum(weights) for w in weights])["w"]
    assert torch.allclose(average.params["w"], expected, rtol=1e-12, atol=1e-12)
    assert average.count == len(weights)
    assert average.weight == pytest.approx(sum(weights))


def test_dtypes_integers_and_copies() -> None:
    first = {"w": torch.ones(2, dtype=torch.bfloat16), "n": torch.tensor(3)}
    average = WeightAverage.of([first])
    second = {"w": torch.full((2,), 2.0, dtype=torch.bfloat16), "n": torch.tensor(9)}
    average.add(second)
    first["w"].zero_()  # nothing of what was given is kept
    first["n"].zero_()
    found = average.params
    assert found["w"].dtype == torch.bfloat16
    assert found["w"].tolist() == [1.5, 1.5]
    assert int(found["n"]) == 3
    found["w"].zero_()
    assert average.params["w"].tolist() == [1.5, 1.5]


def test_bad_input() -> None:
    average = WeightAverage()
    with pytest.raises(BadInput, match="an average of nothing"):
        _ = average.params
    with pytest.raises(BadInput, match="weight is 0, expected a positive number"):
        average.add({"w": torch.ones(2)}, 0)
    average.add({"w": torch.ones(2)})
    with pytest.raises(UnknownName):
        average.add({"v": torch.ones(2)})
    with pytest.raises(ShapeMismatch):
        average.add({"w": torch.ones(3)})
    assert average.count == 1


def test_in_a_training_loop_with_batch_norm() -> None:
    """Snapshots at the lowest steps; their mean with statistics of its own computes well."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1))
    x = torch.randn(64, 3)
    y = x.prod(1, keepdim=True)
    rate = CyclicRate(0.1, 0.01, cycle=10)
    optimiser = torch.optim.SGD(model.parameters(), lr=1.0)
    snapshots = Snapshots(rate.lowest, begin=20)
    taken = []
    for step in range(50):
        optimiser.param_groups[0]["lr"] = rate(step)
        optimiser.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()
        optimiser.step()
        if snapshots.after(step, model):
            taken.append(step)
            now = params_of(model)
            assert all(torch.equal(t, snapshots.members[-1][n]) for n, t in now.items())
    assert taken == [24, 34, 44]
    assert not torch.equal(snapshots.members[0]["0.weight"], snapshots.members[2]["0.weight"])
    average = WeightAverage.of(snapshots.members)
    settled = recompute_statistics(model, average.params, [(x, y)])
    hidden = nn.functional.linear(x, settled["0.weight"], settled["0.bias"])
    assert torch.allclose(settled["1.running_mean"], hidden.mean(0), atol=1e-5)
    assert not torch.allclose(average.params["1.running_mean"], hidden.mean(0), atol=1e-3)

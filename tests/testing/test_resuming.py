"""A training that is interrupted ends where one that was not ends; schedules are the formula."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from isthmus.ground import BadCheckpoint, BadInput
from isthmus.testing.schedules import WarmupCosine
from isthmus.testing.training import seeded, train


class Interrupted(Exception):
    pass


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 6), nn.Dropout(0.3), nn.ReLU(), nn.Linear(6, 2))


def fit(epochs: int = 6, rate: float = 0.2, kept: Path | None = None, stop: int = 0) -> Tensor:
    """All weights after a training that breaks off in the epoch after ``stop``."""
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(20, 3, generator=generator)

    def after(epoch: int, loss: float) -> None:
        if epoch == stop:
            raise Interrupted

    model = train(
        seeded(network, 1), x, (x[:, 0] > 0).long(), epochs=epochs, batch=6,
        lr=WarmupCosine(rate, 5), seed=2, optimiser=partial(torch.optim.SGD, momentum=0.9),
        after_epoch=after, kept=kept,
    )  # fmt: skip
    return torch.cat([p.detach().flatten() for p in model.parameters()])


@pytest.mark.parametrize("stop", [1, 4])
def test_an_interrupt_changes_nothing(stop: int, tmp_path: Path) -> None:
    kept = tmp_path / "state.pt"
    with pytest.raises(Interrupted):
        fit(kept=kept, stop=stop)
    assert kept.exists()
    assert torch.equal(fit(kept=kept), fit())


def test_the_state_of_another_training_is_refused(tmp_path: Path) -> None:
    kept = tmp_path / "state.pt"
    with pytest.raises(Interrupted):
        fit(kept=kept, stop=1)
    with pytest.raises(BadInput, match=r"state\.pt holds the state of another training; delete"):
        fit(rate=0.1, kept=kept)
    with pytest.raises(BadInput, match="another training"):
        fit(epochs=7, kept=kept)


@pytest.mark.parametrize("damage", [b"", b"not a state"])
def test_a_damaged_state_is_refused(damage: bytes, tmp_path: Path) -> None:
    kept = tmp_path / "state.pt"
    kept.write_bytes(damage)
    with pytest.raises(BadCheckpoint, match="not the state of a training"):
        fit(kept=kept)


def test_warm_up_and_cosine() -> None:
    schedule = WarmupCosine(0.4, warmup=10, start=0.1)
    rates = [schedule(step, 110) for step in range(110)]
    assert rates[0] == 0.1
    assert rates[5] == pytest.approx(0.25)
    assert rates[10] == 0.4
    assert rates[60] == pytest.approx(0.2)
    assert rates[35] == pytest.approx(0.4 * (1 + math.sqrt(0.5)) / 2)
    assert 0 < rates[109] < 1e-3
    assert schedule(110, 110) == pytest.approx(0)


@pytest.mark.parametrize("options", [{"peak": -1}, {"peak": math.nan}, {"peak": 1, "warmup": -3}])
def test_a_schedule_that_makes_no_sense_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(BadInput, match="of the schedule is"):
        WarmupCosine(**options)  # type: ignore[arg-type]


def test_the_schedule_is_what_the_optimiser_steps_with() -> None:
    """One weight, gradient 1: the way is the sum of all step sizes."""
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    schedule = WarmupCosine(0.3, warmup=3)
    train(
        model, torch.ones(4, 1), torch.zeros(4, 1), epochs=3, batch=2, lr=schedule, seed=0,
        criterion=lambda out, _: out.mean(), optimiser=torch.optim.SGD,
    )  # fmt: skip
    way = -sum(schedule(step, 6) for step in range(6))
    assert float(model.weight.detach()) == pytest.approx(way)

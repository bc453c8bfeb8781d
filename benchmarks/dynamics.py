"""Dynamics: charges along a training, and what teleportation gains.

A ReLU MLP on Fashion-MNIST, some seeds, minibatch SGD. The first table follows the charges of the
hidden layers under plain descent, weight decay and momentum: how far they drift, how far from
gradient flow, how far from what descent predicts exactly (float32: rounding). The second compares
plain training with one that teleports once or several times: the loss after so many steps, the
steps to a loss, the test loss and accuracy at the end, each at the step size of ``--rates`` that
suits it best (the lowest training loss); teleports count their own passes.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from measuring import median, options, table, use_threads, write

DESCENTS: dict[str, dict[str, float]] = {
    "plain": {"lr": 0.1},
    "weight decay": {"lr": 0.1, "weight_decay": 5e-3},
    "momentum": {"lr": 0.01, "momentum": 0.9},
    "both": {"lr": 0.01, "momentum": 0.9, "weight_decay": 5e-3},
}


def main(words: list[str]) -> None:
    """Train, and print both tables."""
    parser = options(__doc__, runs=3)
    parser.add_argument("--steps", type=int, default=400, help="of a training")
    parser.add_argument("--rates", type=float, nargs="+", default=[0.05, 0.1, 0.2, 0.4])
    parser.add_argument("--samples", type=int, default=10_000, help="images to train on")
    chosen = parser.parse_args(words)
    use_threads(chosen.threads)
    problem = Problem.load(chosen.samples)
    drifts = [_drift(problem, name, chosen) for name in DESCENTS]
    print(table(["descent", "drift", "off flow", "off descent"], drifts), flush=True)
    rows = [_summary(problem, name, chosen) for name in _plans()]
    print(
        table(["training", "rate", "loss", "steps to 0.5", "test loss", "accuracy", "passes"], rows)
    )
    write(chosen.json, "dynamics", chosen.threads, {"charges": drifts, "teleport": rows})


@dataclass(frozen=True)
class Problem:
    """Data, and how batches are drawn."""

    x: Any
    y: Any
    x_test: Any
    y_test: Any

    @classmethod
    def load(cls, samples: int) -> Problem:
        """Fashion-MNIST, pixels centred."""
        from isthmus.testing.datasets import load

        data = load("fashion-mnist")
        shown = data.x_train[:samples].flatten(1), data.y_train[:samples]
        return cls(*shown, data.x_test.flatten(1), data.y_test)

    def batches(self, steps: int, seed: int, size: int = 128) -> Iterator[tuple[Any, Any]]:
        """So many random batches."""
        import torch

        generator = torch.Generator().manual_seed(seed)
        for _ in range(steps):
            index = torch.randint(len(self.x), (size,), generator=generator)
            yield self.x[index], self.y[index]

    def network(self, seed: int) -> tuple[Any, Any]:
        """A network and its symmetry."""
        from torch import nn

        import isthmus
        from isthmus.testing.training import seeded

        def build() -> nn.Module:
            widths = [784, 128, 128]
            layers = [nn.Linear(i, o) for i, o in itertools.pairwise(widths)]
            hidden = [module for layer in layers for module in (layer, nn.ReLU())]
            return nn.Sequential(*hidden, nn.Linear(128, 10))

        model = seeded(build, seed)
        return model, isthmus.discover(model, self.x[:2], gauge="asis")


def _drift(problem: Problem, name: str, chosen: Any) -> list[Any]:
    import torch
    import torch.nn.functional as F

    import isthmus

    model, symmetry = problem.network(0)
    optimiser = torch.optim.SGD(model.parameters(), **DESCENTS[name])
    monitor = isthmus.ChargeMonitor(symmetry, model, optimiser)
    for x, y in problem.batches(chosen.steps, 0):
        optimiser.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimiser.step()
        last = monitor.record()
    figures = [max(part.values()) for part in (last.drift, last.off_flow, last.off_descent)]
    return [name, *(f"{figure:.1e}" for figure in figures)]


def _plans() -> dict[str, tuple[tuple[int, ...], Callable[[], Any] | None]]:
    """At which steps a training teleports, and by what."""
    import isthmus

    return {
        "plain": ((), None),
        "steepest, at the start": ((0,), isthmus.Steepest),
        "steepest, four times": ((0, 25, 50, 75), isthmus.Steepest),
        "flattest, at the start": ((0,), isthmus.Flattest),
        "flattest, at 100 and 200": ((100, 200), isthmus.Flattest),
    }


def _summary(problem: Problem, name: str, chosen: Any) -> list[Any]:
    """The medians over the seeds, at the best step size."""
    tried = []
    for rate in chosen.rates:
        runs = [_train(problem, seed, rate, *_plans()[name], chosen) for seed in range(chosen.runs)]
        tried.append([rate, *(median(figures) for figures in zip(*runs, strict=True))])
    best = min(tried, key=lambda row: row[1])
    return [name, *(f"{figure:.3g}" for figure in best)]


def _train(
    problem: Problem, seed: int, rate: float, moments: tuple[int, ...], objective: Any, chosen: Any
) -> tuple[float, ...]:
    """(last training loss, steps to 0.5, test loss, test accuracy, passes over a batch)."""
    import torch
    import torch.nn.functional as F

    import isthmus
    from isthmus.ground import params_of
    from isthmus.landscape import Loss

    model, symmetry = problem.network(seed)
    optimiser = torch.optim.SGD(model.parameters(), lr=rate)
    seen: list[float] = []
    passes = 0
    reached = chosen.steps
    for step, (x, y) in enumerate(problem.batches(chosen.steps, seed)):
        if step in moments:
            loss = Loss(model, [(x, y)], F.cross_entropy, {})
            found = isthmus.teleport(params_of(model), loss, symmetry, objective(), steps=5)
            model.load_state_dict(found.params)
            passes += 6 if isinstance(objective(), isthmus.Steepest) else 6 * 8
        optimiser.zero_grad()
        value = F.cross_entropy(model(x), y)
        value.backward()
        optimiser.step()
        passes += 1
        seen.append(float(value.detach()))
        if reached == chosen.steps and len(seen) >= 10 and sum(seen[-10:]) / 10 < 0.5:
            reached = step
    with torch.no_grad():
        outputs = model(problem.x_test)
        test = float(F.cross_entropy(outputs, problem.y_test))
        right = float((outputs.argmax(-1) == problem.y_test).float().mean())
    return sum(seen[-20:]) / 20, reached, test, right, passes

"""The work of the study: two networks trained, matched in every way, measured halfway."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from isthmus.algebra import Symmetry
from isthmus.alignment import align
from isthmus.discovery import discover
from isthmus.ground import Params, lerp, params_of
from isthmus.landscape import Loss
from isthmus.papers.bench import Bench
from isthmus.papers.ferbach2023.layers import dimensions, input_moments, layers
from isthmus.papers.ferbach2023.methods import METHODS, Method
from isthmus.papers.ferbach2023.settings import Data, Settings, network
from isthmus.testing.datasets import batches
from isthmus.testing.schedules import WarmupCosine
from isthmus.testing.training import seeded, train


@dataclass(frozen=True)
class Pair:
    """One data set, one peak rate, one repetition."""

    settings: Settings
    data: str
    rate: int
    repetition: int

    @property
    def name(self) -> str:
        """As the step is called."""
        return f"{self.data}-rate{self.rate}-{self.repetition}"


def scores(bench: Bench, pair: Pair) -> Params:
    """What is measured of a pair; networks and scores are steps of the bench.

    ``loss`` and ``accuracy`` on the test set halfway, ``distance`` and ``seconds`` of every method;
    ``end_loss`` and ``end_accuracy`` of both networks; ``dimension``, ``(2, 3, hidden layers)``.
    """
    return bench.step(f"{pair.name}-scores", lambda: _Work(bench, pair).scores())


@dataclass(frozen=True)
class _Work:
    """Done once for every pair."""

    bench: Bench
    pair: Pair

    @cached_property
    def data(self) -> Data:
        return Data.of(self.pair.data, self.pair.settings.samples)

    def network(self) -> nn.Module:
        return network(self.data.x.shape[1], self.pair.settings.widths)

    def scores(self) -> Params:
        a, b = (self.trained(which) for which in "ab")
        model = self.network()
        symmetry = discover(model, self.data.x[:2])
        count = self.pair.settings.matched
        known = batches(self.data.x[:count], self.data.y[:count], 1000)
        loss = Loss(model, batches(self.data.x_test, self.data.y_test, 1000), cross_entropy)
        found = [self.halfway(method, a, b, symmetry, known, loss) for method in METHODS]
        ends = [loss.evaluate(params) for params in (a, b)]
        row = layers(symmetry)
        spread = [
            dimensions(one, row, input_moments(model, known, symmetry, row, one)) for one in (a, b)
        ]
        return {
            **{name: torch.stack([one[name] for one in found]) for name in found[0]},
            "end_loss": _numbers(*(end.loss for end in ends)),
            "end_accuracy": _numbers(*(end.metrics["accuracy"] for end in ends)),
            "dimension": torch.stack(spread),
        }

    def trained(self, which: str) -> Params:
        """A network of the pair; a step of its own, and resumable within."""
        name = f"{self.pair.name}-{which}"
        kept = self.bench.training(name)
        found = self.bench.step(name, lambda: self._train(name, which))
        kept.unlink(missing_ok=True)
        return found

    def _train(self, name: str, which: str) -> Params:
        settings = self.pair.settings
        rate = settings.rates[self.pair.rate]
        seed = _seed(self.bench.seed, self.pair.data, self.pair.repetition, which)

        def tell(epoch: int, loss: float) -> None:
            self.bench.tell(f"network {which}, loss {loss:.4f}", epoch, settings.epochs)

        model = train(
            seeded(self.network, seed),
            self.data.x,
            self.data.y,
            epochs=settings.epochs,
            batch=settings.batch,
            lr=WarmupCosine(rate, settings.warmup),
            seed=seed,
            optimiser=partial(torch.optim.SGD, momentum=settings.momentum),
            after_epoch=tell,
            kept=self.bench.training(name),
        )
        return params_of(model)

    def halfway(
        self,
        method: Method,
        a: Params,
        b: Params,
        symmetry: Symmetry,
        known: list[tuple[Tensor, Tensor]],
        loss: Loss,
    ) -> Mapping[str, Tensor]:
        """What one method gives."""
        self.bench.tell(f"{method.name}", 0, 1)
        begun, moved = time.perf_counter(), b
        if method.make is not None:
            matcher = method.make(self.network(), known)
            moved = align(b, to=a, symmetry=symmetry, method=matcher, seed=self.bench.seed).params
        seconds = time.perf_counter() - begun
        middle = loss.evaluate(lerp(a, moved, 0.5))
        gap = sum(float((a[n] - moved[n]).double().square().sum()) for n in a) ** 0.5
        figures = {
            "loss": middle.loss,
            "accuracy": middle.metrics["accuracy"],
            "distance": gap,
            "seconds": seconds,
        }
        return {name: torch.tensor(x, dtype=torch.float64) for name, x in figures.items()}


def _numbers(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def _seed(*words: object) -> int:
    """A seed for each run that has nothing to do with that of any other."""
    return int.from_bytes(hashlib.sha256(repr(words).encode()).digest()[:4])

"""Dynamics and tuning: what watching charges, teleporting and keeping a first task cost.

A ReLU MLP on Fashion-MNIST: the time of a plain step, of one whose charges are followed, of one
that is projected or penalised, and of what is done once: a move along the orbit, and looking at the
first task. What all of that gains is measured by `isthmus reproduce zhao2025.tuning`,
`zhao2025.teleportation` and `zhao2025.charges`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from measuring import median, options, table, timed, use_threads, write


def main(words: list[str]) -> None:
    """Measure, and print the table."""
    parser = options(__doc__, runs=5)
    parser.add_argument("--steps", type=int, default=20, help="of a training, in each measurement")
    chosen = parser.parse_args(words)
    use_threads(chosen.threads)
    problem = _Problem()
    rows = []
    for name, work in problem.steps().items():
        seconds = [timed(partial(_often, work, chosen.steps))[0] for _ in range(chosen.runs)]
        rows.append([f"a step, {name}", f"{1000 * median(seconds) / chosen.steps:.2f}"])
    for name, work in problem.once().items():
        seconds = [timed(work)[0] for _ in range(chosen.runs)]
        rows.append([name, f"{1000 * median(seconds):.1f}"])
    print(table(["what", "milliseconds"], rows))
    write(chosen.json, "dynamics", chosen.threads, {"milliseconds": rows})


def _often(work: Callable[[], None], times: int) -> None:
    for _ in range(times):
        work()


class _Problem:
    """The network, a batch, and what is looked at of the first task."""

    def __init__(self) -> None:
        import isthmus
        from isthmus.ground import params_of
        from isthmus.landscape import DiagonalFisher, LayerInputs, LowRankFisher
        from isthmus.papers.tasks import fashion_perceptron

        self.task = fashion_perceptron(128, 128).fewer(2000, 500)
        self.model = self.task.fresh()
        self.start = params_of(self.model)
        self.symmetry = isthmus.discover(self.model, self.task.x[:2], gauge="asis")
        loss = self.task.loss()
        self.looks: dict[str, Callable[[], Any]] = {
            "diagonal Fisher, 200 samples": lambda: DiagonalFisher.of(loss, self.start, 200),
            "low-rank Fisher, rank 25, 200 samples": lambda: LowRankFisher.of(
                loss, self.start, 25, 200
            ),
            "layer inputs, 2000 samples": lambda: LayerInputs.of(loss, self.start, 0.98),
        }

    def steps(self) -> dict[str, Callable[[], None]]:
        """One step each, by its kind."""
        import torch

        from isthmus.landscape import ChargeMonitor, ElasticPenalty, Projected

        diagonal, sketch, layers = (look() for look in self.looks.values())
        optimiser = torch.optim.SGD(self.model.parameters(), lr=0.01)
        monitor = ChargeMonitor(self.symmetry, self.model, optimiser)
        off_inputs, off_steep = (
            Projected(optimiser, self.model, flat) for flat in (layers, sketch)
        )
        x, y = self.task.x[:128], self.task.y[:128]

        def step(
            by: torch.optim.Optimizer, penalty: Any = None, after: Callable[[], Any] | None = None
        ) -> None:
            by.zero_grad()
            value = self.task.criterion(self.model(x), y)
            (value if penalty is None else value + penalty(self.model)).backward()
            by.step()
            if after is not None:
                after()

        return {
            "plain": lambda: step(optimiser),
            "charges followed": lambda: step(optimiser, after=monitor.record),
            "off layer inputs": lambda: step(off_inputs),
            "off 25 directions": lambda: step(off_steep),
            "penalised, diagonal": lambda: step(optimiser, ElasticPenalty(self.start, diagonal)),
            "penalised, low rank": lambda: step(optimiser, ElasticPenalty(self.start, sketch)),
        }

    def once(self) -> dict[str, Callable[[], Any]]:
        """What is done once."""
        import torch.nn.functional as F

        from isthmus.landscape import Flattest, Loss, teleport

        loss = Loss(self.model, [(self.task.x[:128], self.task.y[:128])], F.cross_entropy, {})
        return self.looks | {
            "teleport, steepest, 5 steps": lambda: teleport(
                self.start, loss, self.symmetry, steps=5
            ),
            "teleport, flattest, 5 steps": lambda: teleport(
                self.start, loss, self.symmetry, Flattest(), steps=5
            ),
        }

"""federated: rounds of local training and merging, with or without alignment and connectivity."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor, nn

from isthmus.algebra import Symmetry
from isthmus.alignment import align
from isthmus.ground import BadInput, Params, Result, distance, params_of
from isthmus.landscape.evaluation.metrics import Criterion
from isthmus.landscape.running import Batch, evaluation_mode, pair, run, tensors
from isthmus.merging.average import Average
from isthmus.merging.federated.calibration import LogitCalibration, class_counts
from isthmus.merging.federated.penalty import ConnectivityPenalty
from isthmus.merging.federated.sharpness import SharpnessAware
from isthmus.merging.running import standing


@final
@dataclass(frozen=True)
class LocalTraining:
    """How a client trains between two rounds.

    Args:
        epochs: Passes over its data.
        lr: Step size.
        optimiser: Makes the optimiser, anew in each round, as ``optimiser(parameters, lr=lr)``.
        beta: Of the `ConnectivityPenalty` (FedGuCci); 0 trains without one (FedAvg).
        anchors: How many of the latest common models are its anchors, that of this round included.
        calibration: τ of the `LogitCalibration` by the client's own classes; 0 trains without.
        rho: ρ of the `SharpnessAware` steps; 0 takes plain ones. All three make FedGuCci+.

    Raises:
        BadInput: ``epochs`` or ``anchors`` is less than 1, ``calibration`` or ``rho`` negative.
    """

    epochs: int = 1
    lr: float = 0.05
    optimiser: Callable[..., torch.optim.Optimizer] = torch.optim.SGD
    beta: float = 0.0
    anchors: int = 3
    calibration: float = 0.0
    rho: float = 0.0

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.anchors < 1:
            raise BadInput(
                f"epochs is {self.epochs} and anchors is {self.anchors}, expected at least 1",
                "give positive numbers",
            )
        if not (0 <= self.calibration < math.inf and 0 <= self.rho < math.inf):
            raise BadInput(
                f"calibration is {self.calibration} and rho is {self.rho}, "
                "expected finite numbers of 0 or more",
                "give 0 to train without",
            )


@final
@dataclass(frozen=True)
class FederatedTraining(Result):
    """The common model, and how it came about.

    Attributes:
        params: The common model after the last round.
        samples: Of each client: its weight in every mean.
        drift: For each round, the mean distance of the clients' models from the one they began at.
        spread: For each round, their mean distance from the mean, aligned if they were.
    """

    params: Params = field(repr=False, metadata={"json": False})
    samples: tuple[int, ...]
    drift: tuple[float, ...]
    spread: tuple[float, ...]

    def __str__(self) -> str:
        return (
            f"{len(self.drift)} rounds of {len(self.samples)} clients; in the last they moved by "
            f"{self.drift[-1]:.4g} and ended {self.spread[-1]:.4g} from their mean"
        )


_PLAIN = LocalTraining()


def federated(
    model: nn.Module,
    clients: Sequence[Iterable[Batch]],
    criterion: Criterion,
    rounds: int = 10,
    local: LocalTraining = _PLAIN,
    *,
    start: Mapping[str, Tensor] | None = None,
    symmetry: Symmetry | None = None,
    seed: int = 0,
    after_round: Callable[[int, Params], None] | None = None,
) -> FederatedTraining:
    """Train a common model on data that stay with their clients.

    In each round every client trains from the common model, and the mean of what comes out,
    weighed by samples, is the next (McMahan et al. 2017, FedAvg). ``local.beta`` adds the
    connectivity of Li et al. 2024 (FedGuCci), ``local.calibration`` and ``local.rho`` what makes it
    FedGuCci+.

    Args:
        model: The architecture; copied. Its buffers are averaged too.
        clients: Batches (inputs, targets) of each, as of a data loader.
        criterion: Outputs and targets to their mean loss.
        rounds: How many.
        local: How clients train.
        start: The first common model; None takes the weights of ``model``.
        symmetry: Of the architecture: clients' models are aligned to the common one before they are
            averaged. None leaves them where they are.
        seed: Fixes dropout, the order of loaders that shuffle, the points of the penalty and the
            alignment.
        after_round: Called with the round, from 1, and the common model.

    Raises:
        BadInput: There are no clients or rounds, a client has no data, or these do not fit.
        UnknownName: ``start`` is not of this model; so ShapeMismatch.
    """
    if not clients or rounds < 1:
        raise BadInput(
            f"{len(clients)} clients and {rounds} rounds, expected at least one", "give more"
        )
    data = [tuple(c) if iter(c) is c else c for c in clients]  # generators are read again
    common = params_of(standing(model, start) if start is not None else model)
    past, drift, spread = [common], list[float](), list[float]()
    samples: list[int] = []
    for number in range(1, rounds + 1):
        seeds = range(seed + number * len(data), seed + (number + 1) * len(data))
        penalty = ConnectivityPenalty(past[-local.anchors :], local.beta) if local.beta else None
        trained = [
            _trained(model, common, client, criterion, local, penalty, own)
            for client, own in zip(data, seeds, strict=True)
        ]
        models, samples = [m for m, _ in trained], [n for _, n in trained]
        drift.append(_mean_distance(models, common))
        if symmetry is not None:
            models = [align(m, to=common, symmetry=symmetry, seed=seed).params for m in models]
        common = Average(samples)(models)
        spread.append(_mean_distance(models, common))
        past.append(common)
        if after_round is not None:
            after_round(number, common)
    return FederatedTraining(common, tuple(samples), tuple(drift), tuple(spread))


def _trained(
    model: nn.Module,
    start: Params,
    batches: Iterable[Batch],
    criterion: Criterion,
    local: LocalTraining,
    penalty: ConnectivityPenalty | None,
    seed: int,
) -> tuple[Params, int]:
    """A client's model after a round, and how many samples it has."""
    twin = standing(model, start).train()
    steps = SharpnessAware(local.optimiser(twin.parameters(), lr=local.lr), local.rho)
    if local.calibration:
        criterion = _calibrated(twin, batches, criterion, local.calibration)
    generator = torch.Generator().manual_seed(seed)
    seen = 0
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        for _ in range(local.epochs):
            for index, given in enumerate(batches):
                batch = pair(given, index)
                seen += len(next(iter(tensors(batch[0]))))
                drawn = generator.get_state()

                def closure(batch: Batch = batch, drawn: Tensor = drawn) -> Tensor:
                    steps.optimiser.zero_grad(set_to_none=True)
                    loss: Tensor = criterion(run(twin, {}, batch[0]), batch[1])
                    if penalty is not None:
                        generator.set_state(drawn)  # the same points in both passes
                        loss = loss + penalty(twin, batch, criterion, generator)
                    loss.backward()  # type: ignore[no-untyped-call]
                    return loss

                steps.step(closure)
    if not seen:
        raise BadInput("a client has no data", "give each at least one batch")
    return params_of(twin), seen // local.epochs


def _calibrated(
    model: nn.Module, batches: Iterable[Batch], criterion: Criterion, tau: float
) -> Criterion:
    """The criterion with what the client knows of its classes; their number is the model's."""
    data = [pair(given, index) for index, given in enumerate(batches)]
    if not data:
        raise BadInput("a client has no data", "give each at least one batch")
    with torch.no_grad(), evaluation_mode(model):
        outputs = run(model, {}, data[0][0])
    if not all(isinstance(one, Tensor) for one in (outputs, *(y for _, y in data))):
        raise BadInput(
            "the outputs, or targets, are no tensor: there are no logits to calibrate",
            "leave calibration at 0, or give a model of logits and targets that are classes",
        )
    classes = outputs.shape[-1]
    counts = sum(class_counts(targets, classes) for _, targets in data)
    return LogitCalibration(criterion, torch.as_tensor(counts), tau)


def _mean_distance(models: Sequence[Params], to: Params) -> float:
    return sum(distance(model, to) for model in models) / len(models)

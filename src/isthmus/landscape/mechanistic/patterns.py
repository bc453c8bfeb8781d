"""Activation patterns on a line: units that switch between interpolating networks bend it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from isthmus.ground import BadInput, Certificate, Result, UnknownName, Verdict
from isthmus.landscape.paths import require_alike

SAME = 1e-12
"""Switches nearer to each other than this in t count as one."""


@final
@dataclass(frozen=True)
class ActivationSwitches(Result):
    """Which units of a ReLU layer switch on the line, and whether the outputs can bear it.

    Attributes:
        samples: How many.
        units: Of the hidden layer.
        switched: Pairs of a sample and a unit that is on at one end and off at the other.
        turn: The largest ``‖Σ |u_j'| (v_j^a, v_j^b)‖`` over all samples and all times of
            switching; the sum is over the units that switch then.
        relative: The same over what it is at most for a single unit.
        sample: Where the largest turn is; None where nothing switches.
        at: The t at which.
        certificate: That the line leaves the minimum, PROVED where ``turn`` is beyond rounding.
    """

    samples: int
    units: int
    switched: int
    turn: float
    relative: float
    sample: int | None
    at: float | None
    certificate: Certificate

    @property
    def share(self) -> float:
        """Of all pairs of a sample and a unit, those that switch."""
        return self.switched / (self.samples * self.units)

    def __str__(self) -> str:
        where = f" at t = {self.at:.3g} on sample {self.sample}" if self.switched else ""
        return (
            f"{self.switched} of {self.samples * self.units} activations switch on the line; the "
            f"sharpest turn of the outputs is {self.turn:.4g}{where}"
        )


def activation_switches(
    a: Mapping[str, Tensor],
    b: Mapping[str, Tensor],
    inputs: Tensor,
    hidden: str = "0",
    reader: str = "2",
) -> ActivationSwitches:
    """Lemma 2 of Lubana et al. 2023, made exact, for networks ``V relu(W x + c) + d``.

    The lemma: where two networks interpolate the data and the line between them does too, their
    units have the same activation patterns on the data. Here is when. On the line every unit's
    input ``u_j(t)`` and reading weights ``v_j(t)`` are affine, so that the outputs ``Σ v_j(t)
    relu(u_j(t))`` are a quadratic polynomial between switches, and at a switch a polynomial is
    added: ``(t - t*) Σ |u_j'| v_j(t)``, over the units that switch at t*. Outputs that stay at
    their target leave no room for it: it is zero, so ``Σ |u_j'| v_j`` is zero at both ends. One
    such sum that is not zero proves that the line leaves the minimum of any loss that is zero at
    the targets alone. Patterns may still differ in two ways: a unit that switches alone is read by
    nothing, in both networks, or units that switch together cancel. The lemma needs that there
    are no such units; almost no network has them.

    Args:
        a: Params of a network with one hidden layer.
        b: The other's.
        inputs: The data, ``(samples, ...)``; flattened.
        hidden: Name of the module whose outputs ReLU takes.
        reader: Name of the module that reads them.

    Raises:
        UnknownName: There is no weight of that name; or names of ``a`` and ``b`` differ. So
            ShapeMismatch.
        BadInput: The layers do not fit each other or the inputs.
    """
    require_alike(a, b)
    _check(a, inputs, hidden, reader)
    x = inputs.double().flatten(1)
    first, last = (_before(end, x, hidden) for end in (a, b))
    switching = (first > 0) != (last > 0)
    when = torch.where(switching, first / (first - last), torch.inf)
    inside = (when > 0) & (when < 1)  # a unit that is at 0 at an end turns nothing between
    speed = torch.where(inside, (last - first).abs(), 0.0)
    reading = torch.cat([end[f"{reader}.weight"].double() for end in (a, b)]).mT
    sums, singles, places = _turns(when, speed, reading)
    largest, single = float(sums.max()), float(singles.max())
    flat, some = int(sums.argmax()), bool(switching.any())
    relative = largest / single if single else 0.0
    sample = flat // first.shape[1] if some else None
    return ActivationSwitches(
        samples=len(first),
        units=first.shape[1],
        switched=int(switching.sum()),
        turn=largest,
        relative=relative,
        sample=sample,
        at=float(places.flatten()[flat]) if some else None,
        certificate=_certificate(largest, relative, sample),
    )


def _before(end: Mapping[str, Tensor], x: Tensor, name: str) -> Tensor:
    """What ReLU takes, ``(samples, units)``."""
    bias = end.get(f"{name}.bias")
    return torch.nn.functional.linear(
        x, end[f"{name}.weight"].double(), None if bias is None else bias.double()
    )


def _turns(when: Tensor, speed: Tensor, reading: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Sizes of the turns, of all units at once as one; those of single units; and when.

    Each ``(samples, units)``, of a sample the earliest switch first; empty places are 0.
    ``reading`` is ``(units, outputs of both ends)``.
    """
    when, order = when.sort(1)
    turns = reading[order] * speed.gather(1, order).unsqueeze(-1)
    apart = torch.diff(when, dim=1) > SAME
    group = torch.nn.functional.pad(apart.long().cumsum(1), (1, 0))
    index = group.unsqueeze(-1).expand_as(turns)
    sums = torch.zeros_like(turns).scatter_add(1, index, turns)
    began = torch.full_like(when, torch.inf).scatter_reduce(1, group, when, "amin")
    return _length(sums), _length(turns), began


def _length(x: Tensor) -> Tensor:
    found: Tensor = torch.linalg.vector_norm(x, dim=-1)
    return found


def _certificate(turn: float, relative: float, sample: int | None) -> Certificate:
    bent = relative > 1e-9
    return Certificate(
        "the outputs of the line are not constant: where both ends interpolate, the loss between "
        "them is not zero",
        Verdict.PROVED if bent else Verdict.UNKNOWN,
        margin=turn,
        evidence={"turn": turn, "relative": relative, "sample": sample},
    )


def _check(end: Mapping[str, Tensor], inputs: Tensor, hidden: str, reader: str) -> None:
    for name in (f"{hidden}.weight", f"{reader}.weight"):
        if name not in end:
            raise UnknownName(
                f"there is no parameter {name!r}", "name the two layers with hidden and reader"
            )
    first, last = (end[f"{name}.weight"] for name in (hidden, reader))
    width = inputs.flatten(1).shape[1]
    if first.dim() != 2 or last.dim() != 2 or first.shape != (last.shape[1], width):
        raise BadInput(
            f"{hidden!r} has shape {tuple(first.shape)} and {reader!r} {tuple(last.shape)}, for "
            f"inputs of {width} numbers",
            "give a network with one hidden layer, whose outputs the reader takes",
        )

"""ChargeMonitor: conserved quantities along a real training, beside what theory predicts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

import torch
from torch import Tensor, nn

from isthmus.algebra import Symmetry
from isthmus.ground import BadInput, Result, params_of
from isthmus.landscape.dynamics.charges import Charges, Pairing


@final
@dataclass(frozen=True)
class ChargeRecord(Result):
    """Charges after a step; every difference is relative to the squared norm of what a space moves.

    Attributes:
        step: How many steps were taken.
        drift: By space, how far the charges are from where they began.
        off_flow: By space, how far from those of gradient flow with this weight decay:
            ``e^{-2λt}`` times the first ones, t the sum of the step sizes.
        off_descent: By space, how far from what `ChargeMonitor` predicts exactly, from the first
            charges and the velocities; of `torch.optim.SGD` only.
    """

    step: int
    drift: Mapping[str, float]
    off_flow: Mapping[str, float]
    off_descent: Mapping[str, float]


@dataclass
class _Law:
    """What the charges of one space ought to be by now."""

    start: Tensor
    flow: float
    charge: Tensor
    mixed: Tensor
    """``⟨w, ξ v⟩``, v the last velocity."""

    def decay(self, settings: _Settings) -> None:
        """One step of gradient flow."""
        self.flow *= math.exp(-2 * settings.rate * settings.decay)

    def descend(self, settings: _Settings, square: Tensor) -> None:
        """One step of descent; ``square`` is ``⟨v, ξ v⟩`` of its velocity."""
        mixed = settings.momentum * self.mixed + settings.decay * self.charge
        self.charge = self.charge - 2 * settings.rate * mixed + settings.rate**2 * square
        self.mixed = mixed - settings.rate * square


@dataclass(frozen=True)
class _Settings:
    rate: float
    decay: float
    momentum: float
    exact: bool
    """Whether the optimiser is known to step ``w - rate v``, ``v = momentum v + ∇L + decay w``."""


@dataclass(eq=False)
class ChargeMonitor:
    """Watches the charges of a model in training, in any training loop.

    With `torch.optim.SGD` (momentum μ, weight decay λ, step η: ``v ← μ v + ∇L + λ w``,
    ``w ← w - η v``) charges Q follow exactly, as ``⟨∇L, ξ w⟩ = 0``:

        C = μ P + λ Q,   Q ← Q - 2η C + η² ⟨v, ξ v⟩,   P ← C - η ⟨v, ξ v⟩

    A difference beyond rounding says that the loss is not the same along the orbit: a penalty on
    weights inside it, say. Of other optimisers only the drift is told, and the distance from flow.

    Args:
        symmetry: Of the model, in the gauge "asis".
        model: What is trained, at its start.
        optimiser: What trains it.

    Raises:
        BadInput: The gauge is folded.

    Example:
        >>> monitor = ChargeMonitor(symmetry, model, optimiser)  # doctest: +SKIP
        >>> criterion(model(x), y).backward()  # doctest: +SKIP
        >>> optimiser.step()  # doctest: +SKIP
        >>> monitor.record().drift  # doctest: +SKIP
    """

    symmetry: Symmetry
    model: nn.Module
    optimiser: torch.optim.Optimizer
    records: list[ChargeRecord] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self._parameters = dict(self.model.named_parameters())
        self._pairing = Pairing(self.symmetry, self._parameters)
        self._held = self._coordinates()
        self._laws = {
            name: _Law(charge, 1.0, charge, torch.zeros_like(charge))
            for name, charge in self._pairing.of(self._held).items()
        }

    @property
    def charges(self) -> Charges:
        """Those of the model as it is now."""
        now = self._coordinates()
        return Charges(self._pairing.of(now), self._pairing.sizes(now))

    def record(self) -> ChargeRecord:
        """Note the step that the optimiser has just taken, while its gradients are still there.

        Raises:
            BadInput: A parameter has no gradient.
        """
        before, self._held = self._held, self._coordinates()
        measured, sizes = self._pairing.of(self._held), self._pairing.sizes(self._held)
        settings = {name: self._settings(names) for name, names in self._pairing.moved.items()}
        squares = self._pairing.of(self._velocity(before))
        off: tuple[dict[str, float], ...] = ({}, {}, {})
        for name, law in self._laws.items():
            expected = [law.start]
            chosen = settings[name]
            if chosen is not None:
                law.decay(chosen)
                expected.append(law.flow * law.start)
                if chosen.exact:
                    law.descend(chosen, squares[name])
                    expected.append(law.charge)
            for part, value in zip(off, expected, strict=False):
                part[name] = float((measured[name] - value).abs().max()) / sizes[name]
        self.records.append(ChargeRecord(len(self.records) + 1, *off))
        return self.records[-1]

    def _coordinates(self) -> dict[str, Tensor]:
        return self._pairing.coordinates(params_of(self.model))

    def _group(self, name: str) -> Mapping[str, Any] | None:
        """The optimiser's settings for a parameter; None where it does not train it."""
        wanted = self._parameters[name]
        for group in self.optimiser.param_groups:
            if any(one is wanted for one in group["params"]):
                return dict(group)
        return None

    def _settings(self, names: list[str]) -> _Settings | None:
        """Those of a space; None where its parameters have different ones."""
        found = set()
        for name in names:
            group = self._group(name)
            if group is None:
                return None
            plain = isinstance(self.optimiser, torch.optim.SGD) and not any(
                group[key] for key in ("dampening", "nesterov", "maximize")
            )
            shifted = group.get("weight_decay", 0) and self.symmetry.reps[name].offset
            found.add(
                _Settings(
                    float(group["lr"]),
                    float(group.get("weight_decay", 0)),
                    float(group.get("momentum", 0)),
                    plain and not shifted,
                )
            )
        return found.pop() if len(found) == 1 else None

    def _velocity(self, before: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What the optimiser subtracted, over the step size, if it is SGD."""
        out = {}
        for name, held in before.items():
            parameter, group = self._parameters[name], self._group(name)
            if parameter.grad is None:
                raise BadInput(
                    f"{name} has no gradient", "call record() after step(), before zero_grad()"
                )
            moving = self.optimiser.state[parameter].get("momentum_buffer")
            if moving is None:
                decay = float(group.get("weight_decay", 0)) if group else 0.0
                moving = parameter.grad + decay * held.to(parameter.grad)
            out[name] = moving.detach().to(held)
        return out

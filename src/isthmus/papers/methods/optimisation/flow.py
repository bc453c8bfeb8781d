"""Gradient flow by Runge-Kutta, and the small networks whose charges it conserves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear, mse_loss

from isthmus.algebra import Symmetry
from isthmus.discovery import discover
from isthmus.ground import Params, params_of
from isthmus.landscape import charges as charges_of
from isthmus.testing.training import Criterion, seeded


class UnitFirst(nn.Module):
    """A perceptron whose first weight is divided by its length: no scale of it is felt."""

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.up = nn.Linear(inputs, hidden, bias=False)
        self.down = nn.Linear(hidden, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """``(samples, outputs)``."""
        weight = self.up.weight
        found: Tensor = self.down(torch.tanh(linear(x, 3 * weight / weight.norm())))
        return found


@dataclass(frozen=True, eq=False)
class Conserver:
    """A network whose loss is the same along some directions, and what that conserves.

    Attributes:
        name: The symmetry.
        model: In float64.
        x: Inputs; so ``y``, targets.
        criterion: Of the loss.
        charge: Params to the charges, flat, in float64.
        power: With weight decay λ charges are ``e^{-power λ t}`` times the first.
    """

    name: str
    model: nn.Module
    x: Tensor
    y: Tensor
    criterion: Criterion
    charge: Callable[[Params], Tensor]
    power: int

    @property
    def start(self) -> Params:
        """The first weights."""
        return params_of(self.model)

    def slope(self, params: Params, decay: float) -> Params:
        """``∇L + λ w``."""
        found: Params = torch.func.grad(self._loss)(params)
        return {name: slope + decay * params[name] for name, slope in found.items()}

    def _loss(self, params: Params) -> Tensor:
        outputs = torch.func.functional_call(self.model, params, (self.x,))
        return self.criterion(outputs, self.y)

    def run(
        self,
        step: float,
        steps: int,
        decay: float = 0.0,
        *,
        every: int = 1,
        runge_kutta: bool = True,
    ) -> Tensor:
        """The charges along ``w' = -∇L - λ w``, ``(steps // every + 1, charges)``.

        By the classical Runge-Kutta method of fourth order; else by Euler's, which is descent.
        """
        params, found = self.start, [self.charge(self.start)]
        advance = _fourth if runge_kutta else _first
        for done in range(1, steps + 1):
            params = advance(lambda w: self.slope(w, decay), params, step)
            if done % every == 0:
                found.append(self.charge(params))
        return torch.stack(found)


def _first(slope: Callable[[Params], Params], params: Params, step: float) -> Params:
    return _moved(params, slope(params), -step)


def _fourth(slope: Callable[[Params], Params], params: Params, step: float) -> Params:
    one = slope(params)
    two = slope(_moved(params, one, -step / 2))
    three = slope(_moved(params, two, -step / 2))
    four = slope(_moved(params, three, -step))
    mean = {n: (one[n] + 2 * two[n] + 2 * three[n] + four[n]) / 6 for n in params}
    return _moved(params, mean, -step)


def _moved(params: Params, by: Params, share: float) -> Params:
    return {name: tensor + share * by[name] for name, tensor in params.items()}


def conservers(samples: int = 40, seed: int = 0) -> tuple[Conserver, ...]:
    """One for each kind of symmetry: scales of units, shears, scale, translation."""
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(samples, 6, generator=draw, dtype=torch.float64)
    mixed = torch.randn(6, 4, generator=draw, dtype=torch.float64)
    classes = (x @ mixed).argmax(1)

    def make(build: Callable[[], nn.Module]) -> nn.Module:
        return seeded(build, seed).double()

    rectifier = make(lambda: nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4)))
    pair = make(lambda: nn.Sequential(nn.Linear(6, 5, bias=False), nn.Linear(5, 4, bias=False)))
    smooth = make(lambda: nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 4)))
    return (
        Conserver("rescaling (ReLU)", rectifier, x, classes, cross_entropy, _noether(rectifier), 2),
        Conserver("shears (linear)", pair, x, x @ mixed, mse_loss, _noether(pair), 2),
        Conserver("scale", make(lambda: UnitFirst(6, 8, 4)), x, classes, cross_entropy, _square, 2),
        Conserver("translation (softmax)", smooth, x, classes, cross_entropy, _total, 1),
    )


def _noether(model: nn.Module) -> Callable[[Params], Tensor]:
    """The charges of the group that is discovered."""
    symmetry: Symmetry = discover(model, torch.zeros(2, 6, dtype=torch.float64), gauge="asis")
    return lambda params: torch.cat(
        [value.flatten() for value in charges_of(symmetry, params).values.values()]
    )


def _square(params: Params) -> Tensor:
    """``‖w‖²`` of the weight whose scale is not felt."""
    return params["up.weight"].detach().square().sum()[None]


def _total(params: Params) -> Tensor:
    """The sum over classes of what the last layer adds to every logit."""
    return torch.cat([params["2.weight"].detach().sum(0), params["2.bias"].detach().sum()[None]])

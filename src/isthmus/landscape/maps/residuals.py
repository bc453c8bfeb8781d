"""Where on a line between two ReLU networks a barrier is made: a bound with a term for each layer.

With activations ``a``, ``b`` of the two models, ``m`` of the model at t, and pre-activations ``u``,
``v``, the residual ``m - (1 - t) a - t b`` of layer l is at most (mathematics.md 1.18; triangle
inequality, and ReLU is 1-Lipschitz)

    η_l = ‖W_t‖ η_{l-1} + t (1 - t) ‖(W_b - W_a)(b - a)‖ + ‖min((1 - t)|u|, t|v|) where u v < 0‖.

The second term is what fails to commute, the third where the two models disagree on which units are
on. For every t at once, ``‖W_t‖ ≤ max(‖W_a‖, ‖W_b‖)``, ``t (1 - t) ≤ 1/4`` and
``min((1 - t)|u|, t|v|) ≤ |u| |v| / (|u| + |v|)``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor, nn

from isthmus.ground import BadInput, Certificate, Result, UnknownOperator, Verdict
from isthmus.landscape.loss import Loss
from isthmus.landscape.running import pair, place, tensors, weights_for
from isthmus.landscape.straight import Line

SOFTMAX = math.sqrt(2)
"""Cross-entropy is convex and Lipschitz with this constant: its gradient is p - e_y."""


@final
@dataclass(frozen=True)
class ResidualBound(Result):
    """How far a network on a line can be from the mix of its ends, layer by layer.

    All are means over the samples, and hold for every t.

    Attributes:
        layers: Names of the linear layers.
        commuting: What each adds because weights and activations move together.
        switching: What each adds because units are on in one model and off in the other.
        gains: By how much each can stretch what came before: the larger spectral norm.
        shares: What of ``output`` was made in each layer: its terms times all later gains.
        output: The bound of the residual of the outputs.
        barrier: The bound of the barrier, for a loss convex and Lipschitz in the outputs.
        certificate: That claim.
    """

    layers: tuple[str, ...]
    commuting: tuple[float, ...]
    switching: tuple[float, ...]
    gains: tuple[float, ...]
    shares: tuple[float, ...]
    output: float
    barrier: float
    certificate: Certificate

    def __str__(self) -> str:
        head = ("layer", "commuting", "switching", "gain", "share")
        columns = (self.commuting, self.switching, self.gains, self.shares)
        rows = [[f"{value:.4g}" for value in row] for row in zip(*columns, strict=True)]
        lines = [head, *([name, *row] for name, row in zip(self.layers, rows, strict=True))]
        text = ["  " + line[0].ljust(12) + "".join(w.rjust(11) for w in line[1:]) for line in lines]
        return "\n".join([f"barrier ≤ {self.barrier:.4g} for every t on the line", *text])


def residual_bound(loss: Loss, line: Line, lipschitz: float = SOFTMAX) -> ResidualBound:
    """Bound the barrier on a line between two ReLU networks, and say which layer makes it.

    Computed in float64 from one pass of each model over the data; the bound has room for the
    rounding of all that, but is of the line of the given numbers, not of its rounded points.

    Args:
        loss: A `nn.Sequential` of linear layers and ReLU, and a criterion that is the mean over the
            samples of a convex function of the outputs.
        line: Its ends are what is compared.
        lipschitz: The constant of that function in the Euclidean norm; the default is that of
            cross-entropy.

    Raises:
        BadInput: There are no samples.
        UnknownOperator: The model has another module; it is named.
    """
    chain = _chain(loss.model)
    ends = [weights_for(loss.model, params, torch.float64) for params in (line.a, line.b)]
    device = next(iter(ends[0].values())).device
    layers = [_Layer.of(name, bends, *ends) for name, bends in chain]
    sums = torch.zeros(len(layers), 2, dtype=torch.float64)
    samples = 0
    for index, batch in enumerate(loss.batches):
        (inputs,) = tensors(place(pair(batch, index)[0], device, torch.float64))
        samples += len(inputs)
        a, b = (_Activations(inputs.flatten(1), 0 * inputs.flatten(1)[:, 0]) for _ in ends)
        for row, layer in zip(sums, layers, strict=True):
            commuting, switching, a, b = layer(a, b)
            row += torch.stack([commuting.sum(), switching.sum()]).cpu()
    if not samples:
        raise BadInput("no samples to bound the residual on", "give at least one batch")
    return _result(layers, sums / samples, lipschitz, samples)


def _result(layers: list[_Layer], terms: Tensor, lipschitz: float, samples: int) -> ResidualBound:
    gains = [layer.gain for layer in layers]
    shares = [float(row.sum()) * math.prod(gains[k + 1 :]) for k, row in enumerate(terms)]
    output = math.fsum(shares) * (1 + 1e-12)
    bound = lipschitz * output
    certificate = Certificate(
        f"the barrier on the line is at most {bound:.4g} for every t, on the given data, for a "
        f"loss convex and {lipschitz:.4g}-Lipschitz in the outputs",
        Verdict.PROVED if math.isfinite(bound) else Verdict.UNKNOWN,
        evidence={
            "upper": bound,
            "shares": dict(zip((layer.name for layer in layers), shares, strict=True)),
            "lipschitz": lipschitz,
            "samples": samples,
        },
    )
    commuting, switching = (tuple(column) for column in terms.T.tolist())
    names = tuple(layer.name for layer in layers)
    return ResidualBound(
        names, commuting, switching, tuple(gains), tuple(shares), output, bound, certificate
    )


@dataclass(frozen=True)
class _Activations:
    """What a layer takes, shape (samples, width), and how far rounding may have moved each row."""

    values: Tensor
    error: Tensor


@dataclass(frozen=True)
class _Layer:
    """A linear layer of both models, with bounds of its spectral norms."""

    name: str
    bends: bool
    weights: tuple[Tensor, Tensor]
    biases: tuple[Tensor, Tensor]
    norms: tuple[float, float]
    difference: float

    @classmethod
    def of(cls, name: str, bends: bool, a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> _Layer:
        weights = (a[f"{name}.weight"], b[f"{name}.weight"])
        none = weights[0].new_zeros(len(weights[0]))
        biases = (a.get(f"{name}.bias", none), b.get(f"{name}.bias", none))
        found = [_norm(w) for w in (*weights, weights[1] - weights[0])]
        return cls(name, bends, weights, biases, (found[0], found[1]), found[2])

    @property
    def gain(self) -> float:
        return max(self.norms)

    def __call__(
        self, a: _Activations, b: _Activations
    ) -> tuple[Tensor, Tensor, _Activations, _Activations]:
        """Both terms for each sample, with room for rounding, and what comes after."""
        u, v = (self._pre(side, x) for side, x in enumerate((a, b)))
        apart = b.values - a.values
        moved = apart @ (self.weights[1] - self.weights[0]).T
        both = _length(a.values) + _length(b.values)
        rounding = self._slack * self._size * both
        commuting = (_length(moved) + self.difference * (a.error + b.error) + rounding) / 4
        if not self.bends:
            return commuting, torch.zeros_like(commuting), u, v
        high, low = u.values.abs(), v.values.abs()
        least = high * low / (high + low).clamp_min(torch.finfo(high.dtype).tiny)
        least = torch.where(u.values * v.values < 0, least, torch.zeros_like(least))
        switching = _length(least) + u.error + v.error  # each is 1-Lipschitz in u and in v
        on_a, on_b = (_Activations(x.values.relu(), x.error) for x in (u, v))
        return commuting, switching, on_a, on_b

    def _pre(self, side: int, x: _Activations) -> _Activations:
        values = x.values @ self.weights[side].T + self.biases[side]
        size = self._size * _length(x.values) + float(_length(self.biases[side]))
        return _Activations(values, self.norms[side] * x.error + self._slack * size)

    @property
    def _slack(self) -> float:
        """A bound of the relative rounding of a sum of products (Higham 2002, section 3.1)."""
        return 4 * (self.weights[0].shape[1] + 4) * torch.finfo(torch.float64).eps

    @property
    def _size(self) -> float:
        return float(sum(torch.linalg.vector_norm(w) for w in self.weights))


def _norm(weight: Tensor) -> float:
    """A bound of the spectral norm, above what rounding may have hidden."""
    return float(torch.linalg.matrix_norm(weight, 2)) * (1 + 1e-10)


def _length(rows: Tensor) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(rows, dim=-1) * (1 + 1e-12)
    return length


def _chain(model: nn.Module) -> list[tuple[str, bool]]:
    """The linear layers by name, and whether ReLU follows; first of all a `nn.Flatten` may come."""
    found: list[tuple[str, bool]] = []
    modules: list[tuple[str, Any]] = list(model.named_children())
    if not isinstance(model, nn.Sequential):
        modules = [("", model)]
    for name, module in modules:
        if isinstance(module, nn.Linear) and name:
            found.append((name, False))
        elif isinstance(module, nn.ReLU) and found and not found[-1][1]:
            found[-1] = (found[-1][0], True)
        elif not (isinstance(module, nn.Flatten) and not found):
            where = f"module {name!r}" if name else "the model"
            raise UnknownOperator(
                f"{where} is a {type(module).__name__}, and the residual bound knows linear "
                "layers, each with at most one ReLU behind it",
                "give a nn.Sequential of nn.Linear and nn.ReLU",
            )
    return found

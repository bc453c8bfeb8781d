"""Networks of linear layers: one for each activation, gated, residual, shared, tied.

Where a space carries GL(n), its inputs and its readers are at least n wide. Otherwise parameters
have flat directions (what no input reaches, what no reader sees) that belong to no group: those of
a product of matrices whose rank is less than its inner width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isthmus.testing.zoo.entry import Entry, define, floats

Activation = Callable[[Tensor], Tensor]


def _cube(x: Tensor) -> Tensor:
    return x**3


def _relu_squared(x: Tensor) -> Tensor:
    return F.relu(x).square()


def _gaussian(x: Tensor) -> Tensor:
    return torch.exp(-(x**2))


SMOOTH: Mapping[str, Activation] = MappingProxyType(
    {
        "gelu": F.gelu,
        "silu": F.silu,
        "softplus": F.softplus,
        "mish": F.mish,
        "tanh": torch.tanh,
        "erf": torch.erf,
        "arctan": torch.atan,
        "sigmoid": torch.sigmoid,
        "square": torch.square,
        "cube": _cube,
        "sin": torch.sin,
        "cos": torch.cos,
        "exp": torch.exp,
        "gaussian": _gaussian,
    }
)
"""Activations with derivatives of every order."""

PIECEWISE: Mapping[str, Activation] = MappingProxyType(
    {
        "leaky_relu": F.leaky_relu,
        "relu_squared": _relu_squared,
        "abs": torch.abs,
        "elu": F.elu,
        "selu": F.selu,
        "hardswish": F.hardswish,
        "hardtanh": F.hardtanh,
        "softsign": F.softsign,
        "sign": torch.sign,
    }
)
"""Activations with a kink, a jump or a higher derivative that jumps."""


class Mlp(nn.Module):
    """Three linear layers with one pointwise activation between them."""

    def __init__(self, activation: Activation) -> None:
        super().__init__()
        self.activation = activation
        self.fc1 = nn.Linear(6, 8)
        self.fc2 = nn.Linear(8, 7)
        self.head = nn.Linear(7, 4)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 6) to (batch, 4)."""
        x = self.activation(self.fc1(x))
        x = self.activation(self.fc2(x))
        out: Tensor = self.head(x)
        return out


def mlp_with(activation: Activation) -> nn.Module:
    """A 6-8-7-4 network with the given pointwise activation."""
    return Mlp(activation)


def _linear_net() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 8), nn.Linear(8, 7), nn.Linear(7, 4))


def _prelu_net(slopes: tuple[int, int]) -> nn.Module:
    first, second = slopes
    return nn.Sequential(
        nn.Linear(6, 8), nn.PReLU(first), nn.Linear(8, 7), nn.PReLU(second), nn.Linear(7, 4)
    )


class LearnedSoftplus(nn.Module):
    """Softplus with a trainable sharpness for each unit."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(6, 8)
        self.beta = nn.Parameter(torch.ones(8))
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 6) to (batch, 4)."""
        out: Tensor = self.head(F.softplus(self.beta * self.fc1(x)) / self.beta)
        return out


class FourierFeatures(nn.Module):
    """Both the cosine and the sine of each frequency, concatenated."""

    def __init__(self) -> None:
        super().__init__()
        self.frequencies = nn.Linear(6, 8)
        self.head = nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 6) to (batch, 4)."""
        phase = self.frequencies(x)
        out: Tensor = self.head(torch.cat([torch.cos(phase), torch.sin(phase)], dim=-1))
        return out


class Maxout(nn.Module):
    """Each unit is the largest of three linear pieces."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces = nn.Linear(6, 8 * 3)
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 6) to (batch, 4)."""
        out: Tensor = self.head(self.pieces(x).view(-1, 8, 3).amax(dim=-1))
        return out


class ResidualBlock(nn.Module):
    """x + fc2(relu(fc1(norm(x))))."""

    def __init__(self, width: int, hidden: int, normalised: bool) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width) if normalised else nn.Identity()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, width) to the same shape."""
        out: Tensor = x + self.fc2(F.relu(self.fc1(self.norm(x))))
        return out


def _residual_mlp(normalised: bool) -> nn.Module:
    return nn.Sequential(
        nn.Linear(6, 8),
        ResidualBlock(8, 10, normalised),
        ResidualBlock(8, 12, normalised),
        nn.LayerNorm(8) if normalised else nn.Identity(),
        nn.Linear(8, 4),
    )


class GatedMlp(nn.Module):
    """down(gate activation(gate(x)) * up(x))."""

    def __init__(self, activation: Activation) -> None:
        super().__init__()
        self.activation = activation
        self.embed = nn.Linear(8, 8)
        self.gate = nn.Linear(8, 10)
        self.up = nn.Linear(8, 10)
        self.down = nn.Linear(10, 8)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 8) to the same shape."""
        x = self.embed(x)
        out: Tensor = self.down(self.activation(self.gate(x)) * self.up(x))
        return out


class GluMlp(nn.Module):
    """One linear layer for value and gate, split by ``F.glu``."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(8, 8)
        self.both = nn.Linear(8, 20)
        self.down = nn.Linear(10, 8)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 8) to the same shape."""
        out: Tensor = self.down(F.glu(self.both(self.embed(x)), dim=-1))
        return out


class FusedGatedMlp(nn.Module):
    """One linear layer for gate and up, split by ``chunk``; SiLU gate."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(8, 8)
        self.gate_up = nn.Linear(8, 20)
        self.down = nn.Linear(10, 8)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 8) to the same shape."""
        gate, up = self.gate_up(self.embed(x)).chunk(2, dim=-1)
        out: Tensor = self.down(F.silu(gate) * up)
        return out


class UsedTwice(nn.Module):
    """The middle layer is applied twice."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(6, 8)
        self.shared = nn.Linear(8, 8)
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 6) to (batch, 4)."""
        x = F.relu(self.embed(x))
        x = F.relu(self.shared(x))
        x = F.relu(self.shared(x))
        out: Tensor = self.head(x)
        return out


class TiedAutoencoder(nn.Module):
    """The decoder is the encoder's transpose."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(8, 6) / 6**0.5)
        self.hidden_bias = nn.Parameter(torch.zeros(8))
        self.output_bias = nn.Parameter(torch.zeros(6))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 6) to (batch, 6)."""
        code = F.relu(F.linear(x, self.weight, self.hidden_bias))
        return F.linear(code, self.weight.T, self.output_bias)


def entries() -> tuple[Entry, ...]:
    """The dense part of the zoo."""
    x, wide = floats(2, 6), floats(2, 8)
    named = [
        *(define(f"mlp_{name}", partial(Mlp, f), x, "smooth") for name, f in SMOOTH.items()),
        *(define(f"mlp_{name}", partial(Mlp, f), x, "relu") for name, f in PIECEWISE.items()),
    ]
    return (
        define("mlp", partial(Mlp, F.relu), x, "relu peers15"),
        *named,
        define("linear_net", _linear_net, x, "smooth"),
        define("prelu_net", partial(_prelu_net, (8, 7)), x, "relu"),
        define("prelu_net_shared_slope", partial(_prelu_net, (1, 1)), x, "relu"),
        define("softplus_learned_beta", LearnedSoftplus, x, "smooth"),
        define("fourier_features", FourierFeatures, x, "smooth"),
        define("maxout", Maxout, x, "relu"),
        define("residual_mlp", partial(_residual_mlp, True), x, "relu norm peers15"),
        define("residual_mlp_plain", partial(_residual_mlp, False), x, "relu"),
        define("gated_swiglu", partial(GatedMlp, F.silu), wide, "smooth peers15"),
        define("gated_geglu", partial(GatedMlp, F.gelu), wide, "smooth"),
        define("gated_reglu", partial(GatedMlp, F.relu), wide, "relu"),
        define("gated_bilinear", partial(GatedMlp, nn.Identity()), wide, "smooth"),
        define("gated_tanh", partial(GatedMlp, torch.tanh), wide, "smooth"),
        define("gated_glu", GluMlp, wide, "smooth"),
        define("gated_fused", FusedGatedMlp, wide, "smooth"),
        define("layer_used_twice", UsedTwice, x, "relu tied peers15"),
        define("tied_autoencoder", TiedAutoencoder, x, "relu tied peers15"),
    )

"""Teleports on ellipsoids, level sets that are orbits; and on the hyperbola of two factors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from isthmus.discovery import discover
from isthmus.ground import params_of
from isthmus.landscape import Loss, Steepest, teleport
from isthmus.landscape.dynamics.charges import Pairing
from isthmus.landscape.dynamics.teleport import Tangent


@dataclass(frozen=True, eq=False)
class Bowl:
    """``L(w) = ½ wᵀ A w``, with the group ``A^(-½) O(n) A^(½)``, whose orbits are its level sets.

    Attributes:
        values: Eigenvalues of A, ``(n,)``.
        vectors: Its eigenvectors, the columns.
    """

    values: Tensor
    vectors: Tensor

    @classmethod
    def drawn(cls, condition: float, size: int, seed: int) -> Bowl:
        """With eigenvalues from 1 to ``condition``, and random eigenvectors."""
        draw = torch.Generator().manual_seed(seed)
        square = torch.randn(size, size, generator=draw, dtype=torch.float64)
        exponents = torch.linspace(0, 1, size, dtype=torch.float64)
        return cls(condition**exponents, torch.linalg.qr(square).Q)

    def matrix(self, power: float = 1.0) -> Tensor:
        """A power of A."""
        return self.vectors * self.values**power @ self.vectors.T

    def loss(self, w: Tensor) -> float:
        """``½ wᵀ A w``."""
        return float(w @ self.matrix() @ w) / 2

    def teleported(self, w: Tensor, steps: int) -> Tensor:
        """``g w`` with the largest gradient, by ascent on the rotations.

        With ``y = R A^(½) w`` the square of the gradient is ``yᵀ A y``, with the slope
        ``A y yᵀ - y yᵀ A`` by the skew matrices.
        """
        matrix, y = self.matrix(), self.matrix(0.5) @ w
        rate = 1 / float(self.values.max() * (y @ y))
        for _ in range(steps):
            outer = torch.outer(matrix @ y, y)
            y = torch.linalg.matrix_exp(rate * (outer - outer.T)) @ y
        return self.matrix(-0.5) @ y

    def newton(self, w: Tensor, damping: float = 0.0) -> Tensor:
        """``(H + damping I)⁻¹ ∇L``."""
        eye = torch.eye(len(w), dtype=w.dtype)
        found: Tensor = torch.linalg.solve(self.matrix() + damping * eye, self.matrix() @ w)
        return found

    def descent(self, w: Tensor, rate: float, below: float, most: int = 10000) -> int:
        """The steps of gradient descent until the loss is below a share of the first."""
        wanted, matrix = below * self.loss(w), self.matrix()
        for done in range(most):
            if self.loss(w) <= wanted:
                return done
            w = w - rate * (matrix @ w)
        return most


class Factors(nn.Module):
    """``u v x``: the orbit of its scale is a hyperbola, a level set of the loss."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.Linear(1, 1, bias=False)
        self.down = nn.Linear(1, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """``(samples, 1)``."""
        found: Tensor = self.down(self.up(x))
        return found


@dataclass(frozen=True)
class Gentlest:
    """The least gradient: `Steepest` with its sign changed."""

    def __call__(
        self, loss: Loss, params: Mapping[str, Tensor], pairing: Pairing, step: int
    ) -> tuple[float, Tangent]:
        """One pass over the data."""
        figure, slope = Steepest()(loss, params, pairing, step)
        return -figure, {name: -part for name, part in slope.items()}


def hyperbola(u: float, v: float, steps: int) -> tuple[float, float]:
    """``1 - |cos|`` of gradient and Newton's direction of ``(uv - 2)²``, before and after a move.

    Along the hyperbola the gradient has no largest length; where it is least it is an eigenvector
    of the Hessian as well.
    """
    model = Factors().double()
    one = torch.ones(1, 1, dtype=torch.float64)
    loss = Loss(model, [(one, 2 * one)], nn.functional.mse_loss)
    names = list(params_of(model))
    start = {n: torch.full((1, 1), x).double() for n, x in zip(names, (u, v), strict=True)}
    found = teleport(start, loss, discover(model, one, gauge="asis"), Gentlest(), steps, 0.05)
    first, last = (
        _off_newton(torch.cat([point[n].flatten() for n in names]))
        for point in (start, found.params)
    )
    return first, last


def _off_newton(w: Tensor) -> float:
    u, v = w.tolist()
    off = u * v - 2
    slope = torch.tensor([2 * off * v, 2 * off * u], dtype=w.dtype)
    mixed = 2 * (off + u * v)
    hessian = torch.tensor([[2 * v**2, mixed], [mixed, 2 * u**2]], dtype=w.dtype)
    return off_parallel(slope, torch.linalg.solve(hessian, slope))


def off_parallel(one: Tensor, other: Tensor) -> float:
    """``1 - |cos|`` of the angle between two vectors."""
    return float(1 - (one @ other).abs() / (one.norm() * other.norm()))

"""How wide the layers of a deep network must be: the recursion of Ferbach et al. (2024).

**Reconstructed.** The displays of the theorems were not read, only a detailed note of them
(mathematics.md 2.4), so neither constants nor powers of logarithms are known. What is here is

* Theorem 5.2: layer l counts as if it had ``m_l = C_l (T_l/ε)^{m_{l-1}}`` distinct neurons, m_0 the
  inputs: as many balls of radius ε cover one of radius T_l in m_{l-1} dimensions. Layers at least
  that wide are connected linearly up to permutation, within ε, with high probability. The constants
  C_l, into which goes what Õ hides, are given by who asks, never made up.
* Theorem 5.4: where the weights lie within η of a k_l-dimensional set,
  ``m_l = C_l (T_l/max(ε, η))^{k_l} (η/min(ε, η))^{m_{l-1}}``: the exponent is k_l up to about
  ``η^-k`` units, and beyond that the rate of Theorem 5.2 is back.
* Theorem 5.3: for independent weights with a bounded density no permutation does better than
  `matching_floor`, derived here with its constants, so that the growth is real.
* Lemma 4.1: how errors of layers add up, `propagated_error`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from isthmus.ground import BadInput, Result
from isthmus.transport.bounds.depth.towers import Tower
from isthmus.transport.rates import nearest_floor

_FEWEST_INPUTS = 5
_HALVINGS = 200
_ROUNDING = 1e-9


@final
@dataclass(frozen=True)
class EffectiveWidths(Result):
    """The widths at which layers count as connected.

    Attributes:
        error: ε.
        widths: By hidden layer, the first first.
        hypotheses: What is assumed, and what of it can be told to fail.
    """

    error: float
    widths: tuple[Tower, ...]
    hypotheses: tuple[str, ...]

    def reached(self, widths: Sequence[int]) -> int:
        """How many layers, from the first on, are as wide as needed in a row."""
        pairs = list(zip(self.widths, widths, strict=False))
        enough = [needed.value <= width * (1 + _ROUNDING) for needed, width in pairs]
        return enough.index(False) if False in enough else len(enough)

    def __str__(self) -> str:
        rows = [f"  layer {k}: {width} units" for k, width in enumerate(self.widths, 1)]
        assumed = [f"  assumed: {text}" for text in self.hypotheses]
        head = f"effective widths for error {self.error:.4g} (reconstructed, constants as given)"
        return "\n".join([head, *rows, *assumed])


@final
@dataclass(frozen=True)
class WidthRecursion(Result):
    """The recursion, for a network and constants that are given.

    Args:
        inputs: m_0, the dimension of the inputs.
        radii: T_l of every hidden layer: the radius in which its weights lie.
        constants: C_l of every hidden layer, positive.
        dimensions: k_l of every hidden layer, for Theorem 5.4; None is Theorem 5.2.
        thickness: η: how far the weights are at most from sets of these dimensions.

    Raises:
        BadInput: A number is out of range, or there is not one for every layer.
    """

    inputs: int
    radii: tuple[float, ...]
    constants: tuple[float, ...]
    dimensions: tuple[float, ...] | None = None
    thickness: float = 0.0

    def __post_init__(self) -> None:
        given = {"radii": self.radii, "constants": self.constants}
        if self.dimensions is not None:
            given["dimensions"] = self.dimensions
        for name, values in given.items():
            if len(values) != len(self.radii) or not values:
                raise BadInput(
                    f"{len(values)} {name} and {len(self.radii)} radii",
                    "give one of each for every hidden layer",
                )
            if not all(0 < value < math.inf for value in values):
                raise BadInput(f"{name} are {values}, expected positive numbers", "give such")
        if self.inputs < 1 or not 0 <= self.thickness < math.inf:
            raise BadInput(
                f"inputs is {self.inputs} and thickness {self.thickness}, expected at least 1 and "
                "at least 0",
                "give the dimension of the inputs, and how far weights are from their sets",
            )

    def at(self, error: float) -> EffectiveWidths:
        """The widths for one error ε.

        Raises:
            BadInput: It is not positive.
        """
        if not 0 < error < math.inf:
            raise BadInput(f"error is {error}, expected a positive number", "give one")
        before, widths = Tower(0, float(self.inputs)), []
        for layer in range(len(self.radii)):
            before = self._next(layer, before, error)
            widths.append(before)
        return EffectiveWidths(error, tuple(widths), self._hypotheses())

    def _next(self, layer: int, before: Tower, error: float) -> Tower:
        radius, shift = self.radii[layer], math.log(self.constants[layer])
        if self.dimensions is None:
            return before.power(max(math.log(radius / error), 0.0), shift)
        coarse = max(error, self.thickness)
        along = self.dimensions[layer] * max(math.log(radius / coarse), 0.0)
        return before.power(math.log(coarse / error), along + shift)

    def error(self, widths: Sequence[int]) -> float:
        """The least ε for which all hidden layers of these widths are wide enough.

        By bisection: needs grow as ε falls. Infinite where a layer has fewer units than its C_l.

        Raises:
            BadInput: There is not one width for every hidden layer.
        """
        if len(widths) != len(self.radii):
            raise BadInput(
                f"{len(widths)} widths for {len(self.radii)} hidden layers", "give one for each"
            )
        high = math.log(max(*self.radii, self.thickness))
        low = high - 1000
        if self.at(math.exp(high)).reached(widths) < len(widths):
            return math.inf
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            enough = middle > -700 and self.at(math.exp(middle)).reached(widths) == len(widths)
            low, high = (low, middle) if enough else (middle, high)
        return math.exp(high)

    def _hypotheses(self) -> tuple[str, ...]:
        enough = f"at least {_FEWEST_INPUTS} inputs: there are {self.inputs}"
        if self.inputs < _FEWEST_INPUTS:
            enough += ", so that it FAILS, and the rate is N^-1/2 at best"
        found = [
            "weights of a layer are independent draws from one law, and so are layers",
            "the activation is 1-Lipschitz and 0 at 0; the loss is convex in the outputs",
            enough,
        ]
        if self.dimensions is not None:
            near = f"within {self.thickness:.4g} of sets of dimension"
            found.append(f"weights lie {near} {', '.join(f'{k:g}' for k in self.dimensions)}")
        return tuple(found)


def matching_floor(
    width: float, dimension: float, density: float, eigenvalue: float = 1.0, power: float = 2.0
) -> float:
    """What no permutation comes below: ``E |z_i - z'_π(i)|^p`` of matched pre-activations.

    Two layers of ``width`` neurons drawn independently in R^D with density at most F, on inputs the
    second moment of which has no eigenvalue below λ. A ball of radius r around a neuron meets one
    of the others with probability at most ``N F ω_D r^D``, so the nearest is on average at least
    ``D/(D+p) (N F ω_D)^{-p/D}`` away, to the power p; times ``λ^{p/2}`` for p = 2 (p <= 2 otherwise
    only for distances of weights, λ = 1). The content of Theorem 5.3, with its constants.

    Args:
        width: N.
        dimension: D.
        density: F, the largest value of the density.
        eigenvalue: λ.
        power: p.

    Raises:
        BadInput: A number is not positive.
    """
    numbers = {"width": width, "dimension": dimension, "density": density, "power": power}
    for name, value in {**numbers, "eigenvalue": eigenvalue}.items():
        if not 0 < value < math.inf:
            raise BadInput(f"{name} is {value}, expected a positive number", "give one")
    smallest = math.exp(power / 2 * math.log(eigenvalue))
    return smallest * nearest_floor(width, dimension, density, power)


def propagated_error(
    matching: Sequence[float],
    widths: Sequence[float],
    first: float,
    second: float,
    start: float = 0.0,
) -> tuple[float, ...]:
    """Lemma 4.1: how far layers are from the mix of the ends, ``E' = 2 C₂ E + 2 C₁ m Ē``.

    Args:
        matching: Ē_l of every layer: the mean error of matching its weights.
        widths: m_l, the effective widths.
        first: C₁, as given: not known from what was read.
        second: C₂, so.
        start: E at the inputs.

    Raises:
        BadInput: There is not one width for each error, or a number is negative.
    """
    if len(matching) != len(widths) or min([first, second, start, *matching, *widths]) < 0:
        raise BadInput(
            f"{len(matching)} errors and {len(widths)} widths, expected as many of both and no "
            "negative number",
            "give one of each for every layer",
        )
    errors = [start]
    for error, width in zip(matching, widths, strict=True):
        errors.append(2 * second * errors[-1] + 2 * first * width * error)
    return tuple(errors[1:])


def entezari_error(width: float, inputs: int) -> float:
    """``h^{-1/(2d+4)}``: Theorem 3.1 of Entezari et al. (2022), for two layers, to a constant.

    By it an error ε needs ``ε^{-(2d+4)}`` hidden units, where Theorem 5.2 needs ``ε^{-d}``.

    Raises:
        BadInput: The width or the number of inputs is below 1.
    """
    if not (width >= 1 and inputs >= 1):
        raise BadInput(f"width is {width} and inputs {inputs}, expected at least 1", "give such")
    return math.exp(-math.log(width) / (2 * inputs + 4))

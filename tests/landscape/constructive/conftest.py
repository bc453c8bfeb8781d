"""Models of the zoo with their symmetries, in float64 and off every special value."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from isthmus import Symmetry, discover, params_of
from isthmus.ground import Params
from isthmus.landscape.constructive.units import Units
from isthmus.testing.zoo import as_dtype, entry, randomise


class Model(NamedTuple):
    """A module, what it is fed, its symmetry and its params."""

    module: nn.Module
    example: tuple[Tensor, ...]
    symmetry: Symmetry
    params: Params

    def outputs(self, params) -> Tensor:
        """The function values at ``params``."""
        return torch.func.functional_call(self.module, dict(params), self.example)

    def drift(self, params, other) -> float:
        """The largest difference of outputs, relative to the largest output."""
        wanted = self.outputs(other)
        return float((self.outputs(params) - wanted).abs().max() / wanted.abs().max())

    def without(self, space: str, units: list[int], inside: tuple[int, ...] = ()) -> Params:
        """The params with the columns of some units set to zero."""
        found = Units(self.symmetry, space, inside)
        kept = torch.ones(found.size, dtype=torch.float64)
        kept[units] = 0
        here = found.mixed(self.symmetry.coordinates(self.params), columns=torch.diag(kept))
        return self.symmetry.parameters(here, self.params)


@cache
def _model(name: str, gauge: str) -> Model:
    one = entry(name)
    module = randomise(one.build(), seed=0).double()
    example = as_dtype(one.example(), torch.float64)
    with warnings.catch_warnings(action="ignore"):
        symmetry = discover(module, example, gauge=gauge)
    return Model(module, example, symmetry, params_of(module))


@pytest.fixture
def model() -> Callable[..., Model]:
    """``model("gpt")``, or ``model("gpt", gauge="asis")``."""
    return lambda name, gauge="folded": _model(name, gauge)


@pytest.fixture(scope="session")
def mlp() -> Model:
    """The multilayer perceptron."""
    return _model("mlp", "folded")

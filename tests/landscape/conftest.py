"""Two networks with hand-written symmetries, and data that fit them."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from isthmus.algebra import Rep, Space, Symmetry
from isthmus.algebra.groups import GeneralLinear, Group, Monomial
from isthmus.ground import Params, params_of


class Case(NamedTuple):
    """A model in float64 with its symmetry, its params and some inputs."""

    model: nn.Module
    symmetry: Symmetry
    params: Params
    x: Tensor

    def outputs(self, params: Params) -> Tensor:
        """The function values at ``params``."""
        return torch.func.functional_call(self.model, params, (self.x,))


def _case(activation: type[nn.Module], groups: dict[str, Group]) -> Case:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = nn.Sequential(
            nn.Linear(3, 5), activation(), nn.Linear(5, 4), activation(), nn.Linear(4, 2)
        ).double()
        x = torch.randn(7, 3, dtype=torch.float64)
    spaces = {name: Space(name, group.size, group) for name, group in groups.items()}
    texts = {
        "0.weight": "fc1 ⊗ 3",
        "0.bias": "fc1",
        "2.weight": "fc2 ⊗ fc1*",
        "2.bias": "fc2",
        "4.weight": "2 ⊗ fc2*",
        "4.bias": "2",
    }
    reps = {name: Rep.parse(text, spaces) for name, text in texts.items()}
    return Case(model, Symmetry(spaces, reps), params_of(model), x)


@pytest.fixture(scope="session")
def relu() -> Case:
    """A ReLU network: positive scales and permutations."""
    return _case(nn.ReLU, {"fc1": Monomial(5), "fc2": Monomial(4)})


@pytest.fixture(scope="session")
def linear() -> Case:
    """A linear network: GL of both hidden layers."""
    return _case(nn.Identity, {"fc1": GeneralLinear(5), "fc2": GeneralLinear(4)})

"""Linear networks known by their symmetry."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from isthmus.discovery import discover
from isthmus.ground import BadInput, params_of
from isthmus.topology.linear.minimum import LinearMinimum
from isthmus.topology.linear.recognition import linear_layers

X = torch.zeros(4, 3)


def chain(*widths: int, bias: bool = False) -> nn.Sequential:
    pairs = pairwise(widths)
    return nn.Sequential(*(nn.Linear(i, o, bias=bias) for i, o in pairs))


def layers_of(model: nn.Module) -> dict[str, tuple[int, int]]:
    return linear_layers(discover(model, X), model, X)


def test_layers_are_found_in_the_order_in_which_they_are_applied():
    class Backwards(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last = nn.Parameter(torch.zeros(2, 5))
            self.first = nn.Linear(3, 4, bias=False)
            self.middle = nn.Linear(4, 5, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            return self.middle(self.first(x)) @ self.last.T

    found = layers_of(Backwards())
    assert list(found.items()) == [
        ("first.weight", (4, 3)),
        ("middle.weight", (5, 4)),
        ("last", (2, 5)),
    ]
    minimum = LinearMinimum(found, torch.eye(3), torch.eye(3)[:, :2])
    assert minimum.components.count == 1
    assert layers_of(chain(3, 2)) == {"0.weight": (2, 3)}


def test_layers_follow_from_params_too():
    model = chain(3, 4, 2)
    by_hand = {name: tuple(weight.shape) for name, weight in params_of(model).items()}
    assert by_hand == layers_of(model)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (chain(3, 4, 2, bias=True), r"[01]\.bias, [01]\.bias: no matrices"),
        (
            nn.Sequential(nn.Linear(3, 4, bias=False), nn.ReLU(), nn.Linear(4, 2, bias=False)),
            r"the space 0 has M⁺\(4\): the network is not a chain of matrices",
        ),
        (nn.Sequential(chain(3, 2), nn.ReLU()), "not the product of the weights"),
        (nn.Sequential(nn.Tanh(), chain(3, 2)), "not the product of the weights"),
    ],
)
def test_other_networks_are_refused(model, message):
    with pytest.raises(BadInput, match=message):
        layers_of(model)


def test_a_skip_is_no_chain():
    class Skip(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            return self.b(self.a(x)) + x

    with pytest.raises(BadInput, match="not the product of the weights"):
        layers_of(Skip())

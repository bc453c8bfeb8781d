"""Writes in place: the program computes what the model does, whoever else sees the tensor."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isthmus import discover
from isthmus.discovery.capture import capture
from isthmus.discovery.gauge.graphs.constants import run
from isthmus.discovery.program import Program
from isthmus.discovery.rebinding import rebind


class Two(nn.Module):
    """Two layers and what stands between them."""

    def __init__(self, between: Callable[[Two, Tensor], Tensor]) -> None:
        super().__init__()
        self.up, self.down, self.between = nn.Linear(4, 6), nn.Linear(6, 3), between

    def forward(self, x: Tensor) -> Tensor:
        return self.between(self, x)


def _read_by_its_name(m: Two, x: Tensor) -> Tensor:
    h = m.up(x)
    h.relu_()
    return m.down(h)


def _twice(m: Two, x: Tensor) -> Tensor:
    h = m.up(x)
    g = h.relu_().mul_(2.0)
    h += 1
    return m.down(g) + m.down(h)


def _through_dropout(m: Two, x: Tensor) -> Tensor:
    h = m.up(x)
    F.dropout(h, 0.5, m.training).relu_()
    return m.down(h)


def _after_a_view(m: Two, x: Tensor) -> Tensor:
    h = m.up(x)
    scaled = h[:, :3] * 2
    h.relu_()
    return m.down(h) + scaled


def _returned(m: Two, x: Tensor) -> Tensor:
    h = m.up(x)
    h.tanh_()
    return h


def _before_a_view(m: Two, x: Tensor) -> Tensor:
    h = m.up(x)
    view = h[:, :3]
    h.relu_()
    return m.down(h) + view


def _into_a_view(m: Two, x: Tensor) -> Tensor:
    h = m.up(x)
    h[:, :3].relu_()
    return m.down(h)


def _into_another_shape(m: Two, x: Tensor) -> Tensor:
    h = m.up(x)
    h.view(-1).relu_()
    return m.down(h)


def _into_an_entry(m: Two, x: Tensor) -> Tensor:
    h = m.up(x)
    h[:, 0] = 0.0
    return m.down(h)


def _into_a_slice_of_a_slice(m: Two, x: Tensor) -> Tensor:
    h = m.up(x)
    part = h[:, 1:5]
    part[:, :2] = torch.tanh(part[:, 2:])
    return m.down(h) + part.sum()


def _into_a_slice_twice(m: Two, x: Tensor) -> Tensor:
    h = m.up(x)
    part = h[:, 1:5]
    part[:, :2] = torch.tanh(part[:, 2:])
    part[:, 0].mul_(2.0)
    return m.down(h) + part.sum()


def _into_the_other_slice(m: Two, x: Tensor) -> Tensor:
    h = m.up(x)
    one, other = h[:, :4], h[:, 2:]
    one.relu_()
    return m.down(h) + other.sum()


def _dropped_in_place(m: Two, x: Tensor) -> Tensor:
    return m.down(F.dropout(m.up(x), 0.5, m.training, inplace=True))


REBOUND = [
    _read_by_its_name, _twice, _through_dropout, _after_a_view, _returned, _into_a_view,
    _into_an_entry, _into_a_slice_of_a_slice, _into_a_slice_twice, _dropped_in_place,
]  # fmt: skip
LEFT = [_before_a_view, _into_another_shape, _into_the_other_slice]
X = torch.linspace(-1, 1, 8).view(2, 4)


def _value(program: Program, model: nn.Module, x: Tensor) -> Tensor:
    """What a program computes."""
    state = model.state_dict()
    values: dict[str, Tensor | None] = dict(program.values) | dict.fromkeys(program.inputs, x)
    values |= {name: state[parameter] for name, parameter in program.parameters.items()}
    for name in program.constants:  # numbers that export lifts to tensors: here they are zeros
        values.setdefault(name, torch.zeros(program.shapes[name].sizes))
    for op in program.ops:
        made = run(op, values)
        values.update(zip(op.outputs, made if isinstance(made, list) else [made], strict=True))
    found = values[program.outputs[0]]
    assert found is not None
    return found


@pytest.mark.parametrize("between", REBOUND + LEFT)
def test_the_program_computes_what_the_model_does(between: Callable[..., Tensor]) -> None:
    torch.manual_seed(0)
    model = Two(between).eval()
    torch.testing.assert_close(_value(capture(model, X), model, X), model(X))


@pytest.mark.parametrize("between", REBOUND + LEFT)
def test_what_a_view_sees_is_left_to_torch(between: Callable[..., Tensor]) -> None:
    exported = torch.export.export(Two(between).eval(), (X,), strict=False)
    assert rebind([exported.graph_module.graph]) == (between in REBOUND)


def test_the_group_is_that_of_the_same_program_without_writes() -> None:
    def kind(inplace: bool) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=inplace),
            nn.Dropout(0.5, inplace), nn.Conv2d(4, 5, 3), nn.SiLU(inplace=inplace),
            nn.Flatten(), nn.Linear(80, 2),
        )  # fmt: skip

    image = torch.zeros(2, 3, 8, 8)
    assert str(discover(kind(True), image)) == str(discover(kind(False), image))

"""Constants of one number: zeros move with anything, other numbers with permutations alone."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from isthmus.discovery import discover

Start = Callable[[Tensor], Tensor]

STARTS: dict[str, tuple[Start, str]] = {
    "made": (lambda y: y.new_zeros(2, 8), "GL(8)"),
    "cast": (lambda y: torch.zeros(2, 8, dtype=torch.float16).to(y.dtype), "GL(8)"),
    "typed as": (lambda y: torch.zeros(2, 8, dtype=torch.float16).type_as(y), "GL(8)"),
    "expanded": (lambda y: torch.zeros_like(y[..., :1]).expand(2, 8), "GL(8)"),
    "expanded as": (lambda y: torch.zeros_like(y[..., :1]).expand_as(y), "GL(8)"),
    "viewed": (lambda y: torch.zeros(4, 4).view(2, 8), "GL(8)"),
    "cut": (lambda y: torch.zeros(3, 9)[1:, :8].contiguous(), "GL(8)"),
    "in pieces": (lambda y: torch.zeros(2, 16).chunk(2, -1)[1], "GL(8)"),
    "joined": (lambda y: torch.cat([torch.zeros(2, 5), torch.zeros(2, 3)], -1), "GL(8)"),
    "computed": (lambda y: torch.ones(2, 8).log() * 3, "GL(8)"),
    "bent": (lambda y: torch.zeros(2, 8).cos(), "S(8)"),
    "filled": (lambda y: torch.zeros(2, 8).fill_(0.5), "S(8)"),
    "ones expanded": (lambda y: torch.ones(2, 1).expand(2, 8), "S(8)"),
    "rounded to zero": (lambda y: torch.full((2, 8), 1e-12).half().to(y.dtype), "GL(8)"),
    "of two numbers": (lambda y: torch.cat([torch.zeros(2, 5), torch.ones(2, 3)], -1), "1"),
    "counted": (lambda y: torch.zeros(2, 8).exp().cumsum(-1), "1"),
    "padded": (lambda y: F.pad(torch.zeros(2, 7), (0, 1), value=1.0), "1"),
    "from the input": (lambda y: torch.zeros(2, 8) + torch.arange(8) / 8, "1"),
}  # fmt: skip


@pytest.mark.parametrize("name", STARTS)
def test_constants(tools: SimpleNamespace, name: str) -> None:
    start, group = STARTS[name]

    def forward(m: torch.nn.Module, x: Tensor) -> Tensor:
        y = x @ m.a
        return (y + start(y)) @ m.b  # type: ignore[no-any-return]

    assert tools.groups(forward, a=[6, 8], b=[8, 4]) == group


def test_noise_is_no_constant(tools: SimpleNamespace) -> None:
    """Dropout that is always on tells coordinates apart: none may be exchanged."""

    def forward(m: torch.nn.Module, x: Tensor) -> Tensor:
        mask = F.dropout(torch.ones(2, 8), 0.5, training=True)
        return torch.tanh(x @ m.a * mask) @ m.b  # type: ignore[no-any-return]

    model = tools.written(forward, a=[6, 8], b=[8, 4])
    assert tools.headline(discover(model, tools.noise(2, 6))) == "±1(8)"


def test_tensors_read_for_their_shape(tools: SimpleNamespace) -> None:
    """What is taken of a tensor only for its shape does not cut it; what is read as well, does."""

    def forward(m: torch.nn.Module, x: Tensor) -> Tensor:
        y = x @ m.a
        part = y[..., :3].exp()
        return torch.cat([torch.zeros_like(part), part, y @ m.b], -1)

    parts = {"a": [6, 8], "b": [8, 4]}
    assert tools.groups(forward, **parts) == "GL(5)"
    assert tools.groups(lambda m, x: _shaped(x @ m.a) + x @ m.a @ m.b, **parts) == "GL(8)"


def _shaped(y: Tensor) -> Tensor:
    return torch.zeros_like(y[..., 2:6].exp())

"""Further operators: the group of each holds, and the next larger one does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from isthmus.algebra.groups import (
    GeneralLinear,
    Group,
    Monomial,
    Orthogonal,
    SignedPermutation,
)
from isthmus.algebra.symmetry import Symmetry
from isthmus.discovery import discover, verify
from isthmus.ground.certificates import Verdict


def enlarged(symmetry: Symmetry, name: str, group: Group) -> Symmetry:
    """The same types with another group on one space."""

    def character(factor: Any) -> Any:
        if factor.space != name:
            return factor.character
        return group.natural.inverse() if factor.character.dual else group.natural

    spaces = {**symmetry.spaces, name: replace(symmetry.spaces[name], group=group)}
    reps = {n: rep.recharacter(character) for n, rep in symmetry.reps.items()}
    return replace(symmetry, spaces=spaces, reps=reps)


def rotary(m: Any, x: Tensor) -> Tensor:
    """Rotary embedding by complex numbers, as in the first implementation of Llama."""

    def turned(y: Tensor) -> Tensor:
        pairs = torch.view_as_complex(y.view(2, 3, 2, 2, 2))
        return torch.view_as_real(pairs * m.phases.view(1, 3, 1, 2)).flatten(3).transpose(1, 2)

    q, k = turned(m.q(x)), turned(m.k(x))
    v = m.v(x).view(2, 3, 2, 4).transpose(1, 2)
    return m.o(((q @ k.mT / 2).softmax(-1) @ v).transpose(1, 2).flatten(2))


def phases() -> Tensor:
    return torch.polar(torch.ones(3, 2), torch.outer(torch.arange(3.0), torch.tensor([1.0, 0.1])))


def spectral_block(m: Any, x: Tensor) -> Tensor:
    """A Fourier neural operator: channels are mixed frequency by frequency."""
    y = m.a(x).mT
    mixed = torch.einsum("bim,iom->bom", torch.fft.rfft(y)[..., :3], torch.view_as_complex(m.w))
    return m.h(F.gelu(torch.fft.irfft(mixed, n=6).mT + m.b(y.mT)))


def unpooled(m: Any, x: Tensor) -> Tensor:
    """Where the largest were goes with the channels of the other branch, too."""
    _, places = F.max_pool2d(m.a(x), 2, return_indices=True)
    return m.h(F.max_unpool2d(F.avg_pool2d(m.b(x), 2), places, 2))


def one_by_one(size: int, to: int) -> Callable[[], nn.Module]:
    return lambda: nn.Conv2d(size, to, 1)


def steps(m: Any, x: Tensor) -> Tensor:
    """A recurrent cell, step by step."""
    state = None
    for k in range(x.shape[1]):
        state = m.cell(x[:, k], state)
    return m.h(state[0] if isinstance(state, tuple) else state)


IMAGE = (2, 3, 4, 4)
SEQUENCE = (2, 3, 6)
CELL = {"h": (8, 4)}

CASES: dict[str, tuple[Callable[..., Tensor], tuple[int, ...], dict[str, Any], str]] = {
    "rotary, complex": (
        rotary,
        SEQUENCE,
        dict.fromkeys("qkv", (6, 8)) | {"o": (8, 4), "phases": phases},
        "S(2) × R*(2)≀ × GL(4)≀",
    ),
    "Fourier operator": (
        spectral_block,
        (2, 6, 1),
        {"a": (1, 8), "w": lambda: nn.Parameter(torch.randn(8, 8, 3, 2)), "b": (8, 8), "h": (8, 4)},
        "GL(8) × S(8)",
    ),
    "Fourier over positions": (
        lambda m, x: m.h(torch.relu(torch.fft.fft(m.a(x), dim=1).real)),
        SEQUENCE,
        {"a": (6, 8), "h": (8, 4)},
        "M⁺(8)",
    ),
    "Fourier over features": (
        lambda m, x: m.h(torch.fft.fft(m.a(x)).real),
        SEQUENCE,
        {"a": (6, 8), "h": (8, 4)},
        "1",
    ),
    "real and imaginary": (
        lambda m, x: m.h(torch.complex(m.a(x), m.b(x)).abs()),
        (2, 6),
        {"a": (6, 8), "b": (6, 8), "h": (8, 4)},
        "M(8)",
    ),
    "unpooling": (
        unpooled,
        IMAGE,
        {"a": one_by_one(3, 8), "b": one_by_one(3, 8), "h": one_by_one(8, 4)},
        "M(8;2,1)",
    ),
    "places of the largest": (
        lambda m, x: m.h(F.max_pool2d(m.a(x), 2, return_indices=True)[1].to(x.dtype)),
        IMAGE,
        {"a": one_by_one(3, 8), "h": one_by_one(8, 4)},
        "M⁺(8)",
    ),
    "places of a maximum": (
        lambda m, x: m.h(m.a(x).max(1)[1].to(x.dtype)),
        (2, 5, 6),
        {"a": (6, 8), "h": (8, 4)},
        "M⁺(8)",
    ),
    "distances": (
        lambda m, x: torch.cdist(m.a(x), m.c[None]),
        SEQUENCE,
        {"a": (6, 8), "c": lambda: nn.Parameter(torch.randn(5, 8))},
        "O(8)",
    ),
    "city-block distances": (
        lambda m, x: torch.cdist(m.a(x), m.c[None], p=1.0),
        SEQUENCE,
        {"a": (6, 8), "c": lambda: nn.Parameter(torch.randn(5, 8))},
        "B(8)",
    ),
    "distances of a set": (
        lambda m, x: torch.cdist(m.a(x), m.a(x)),
        SEQUENCE,
        {"a": (6, 8)},
        "O(8)",
    ),
    "distances of pairs": (lambda m, x: F.pdist(m.a(x)), (4, 6), {"a": (6, 8)}, "O(8)"),
    "a bag of words": (
        lambda m, x: m.h(m.e(x.abs().mul(9).long().clamp(0, 9))),
        (2, 6),
        {"e": lambda: nn.EmbeddingBag(10, 8), "h": (8, 4)},
        "GL(8)",
    ),
    "the largest of a bag": (
        lambda m, x: m.h(m.e(x.abs().mul(9).long().clamp(0, 9))),
        (2, 6),
        {"e": lambda: nn.EmbeddingBag(10, 8, mode="max"), "h": (8, 4)},
        "M⁺(8)",
    ),
    "LSTM cell": (steps, SEQUENCE, {"cell": lambda: nn.LSTMCell(6, 8), **CELL}, "B(8)"),
    "GRU cell": (steps, SEQUENCE, {"cell": lambda: nn.GRUCell(6, 8), **CELL}, "B(8)"),
    "RNN cell": (steps, SEQUENCE, {"cell": lambda: nn.RNNCell(6, 8), **CELL}, "B(8)"),
    "RNN cell, ReLU": (
        steps,
        SEQUENCE,
        {"cell": lambda: nn.RNNCell(6, 8, nonlinearity="relu"), **CELL},
        "M⁺(8)",
    ),
    "a cell from one state to another": (
        lambda m, x: m.h(m.cell(x, torch.relu(m.a(x)))),
        (2, 6),
        {"a": (6, 8), "cell": lambda: nn.RNNCell(6, 8), "h": (8, 4)},
        "M⁺(8) × B(8)",
    ),
    "LSTM with projections": (
        lambda m, x: m.h(m.r(x)[0]),
        SEQUENCE,
        {"r": lambda: nn.LSTM(6, 8, proj_size=5, batch_first=True), "h": (5, 4)},
        "B(8) × GL(5)",
    ),
    "two projected layers, both ways": (
        lambda m, x: m.h(m.r(x)[0]),
        SEQUENCE,
        {"r": lambda: nn.LSTM(6, 4, 2, proj_size=3, bidirectional=True), "h": (6, 4)},
        " × ".join(["B(4) × GL(3)"] * 4),
    ),
    "weight norm": (
        lambda m, x: m.h(torch.relu(m.a(x))),
        (2, 6),
        {"a": lambda: parametrizations.weight_norm(nn.Linear(6, 8)), "h": (8, 4)},
        "M(8;2,1)",
    ),
    "spectral norm": (
        lambda m, x: m.h(torch.relu(m.a(x))),
        (2, 6),
        {"a": lambda: parametrizations.spectral_norm(nn.Linear(6, 8)), "h": (8, 4)},
        "M⁺(8)",
    ),
}


@pytest.mark.parametrize("kind", CASES)
def test_groups(kind: str, tools: SimpleNamespace) -> None:
    forward, shape, parts, expected = CASES[kind]
    found = tools.groups(forward, tools.noise(*shape), **parts)
    assert sorted(found.split(" × ")) == sorted(expected.split(" × "))


LARGER: dict[str, tuple[str, Group]] = {
    "Fourier over positions": ("a", SignedPermutation(8)),
    "unpooling": ("a", Orthogonal(8)),
    "places of the largest": ("a", SignedPermutation(8)),
    "places of a maximum": ("a", SignedPermutation(8)),
    "distances": ("c", GeneralLinear(8)),
    "city-block distances": ("c", Orthogonal(8)),
    "distances of a set": ("a", GeneralLinear(8)),
    "the largest of a bag": ("e", SignedPermutation(8)),
    "LSTM cell": ("cell", Monomial(8)),
    "GRU cell": ("cell", Monomial(8)),
    "RNN cell": ("cell", Orthogonal(8)),
    "RNN cell, ReLU": ("cell", SignedPermutation(8)),
    "real and imaginary": ("a", Orthogonal(8)),
    "spectral norm": ("a", SignedPermutation(8)),
}


@pytest.mark.parametrize("kind", LARGER)
def test_the_next_larger_group_is_caught(kind: str, tools: SimpleNamespace) -> None:
    forward, shape, parts, _ = CASES[kind]
    name, group = LARGER[kind]
    model, example = tools.written(forward, **parts), tools.noise(*shape)
    symmetry = discover(model, example)
    found = next(n for n in symmetry.spaces if n.startswith(name))
    certificate = verify(enlarged(symmetry, found, group), model, example)
    assert certificate.verdict is Verdict.REFUTED
    assert certificate.evidence["relative_error"] > 1e-3
    assert found in certificate.evidence["culprits"]

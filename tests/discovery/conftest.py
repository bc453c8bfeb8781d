"""Modules written as functions, and what is found of them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, Literal

import pytest
import torch
from torch import Tensor, nn

from isthmus.algebra.groups import Translation
from isthmus.algebra.symmetry import Symmetry
from isthmus.discovery.discover import discover
from isthmus.discovery.verify import verify
from isthmus.ground.certificates import Certificate, Verdict

Forward = Callable[..., Any]


@pytest.fixture(autouse=True)
def _quiet_torch() -> Iterator[None]:
    """PyTorch's export warns about its own use of pytree; only that is left out."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
        yield


class Written(nn.Module):
    """A module whose forward is a function of itself and its inputs."""

    def __init__(self, forward: Forward, parts: dict[str, Any]) -> None:
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)
        self.written = forward

    def forward(self, *inputs: Any) -> Any:
        """What was written."""
        return self.written(self, *inputs)


def written(forward: Forward, **parts: Any) -> nn.Module:
    """A seeded module from a function; integers ``(in, out)`` stand for linear layers."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        made = {name: part() if callable(part) and not isinstance(part, nn.Module) else part
                for name, part in parts.items()}  # fmt: skip
        return Written(forward, {n: _part(part) for n, part in made.items()}).eval()


def _part(part: Any) -> Any:
    if isinstance(part, tuple):
        return nn.Linear(*part)
    if isinstance(part, list):
        return nn.Parameter(torch.randn(part))
    return part


def noise(*shape: int) -> Tensor:
    """Inputs, equal at every call."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(3))


def typed(
    forward: Forward,
    example: Any = None,
    samples: int = 6,
    gauge: Literal["folded", "asis"] = "folded",
    **parts: Any,
) -> tuple[Symmetry, Certificate]:
    """The symmetry of a written module, and whether it holds."""
    model = written(forward, **parts)
    example = noise(2, 6) if example is None else example
    symmetry = discover(model, example, gauge=gauge)
    return symmetry, verify(symmetry, model, example, samples=samples)


def groups(forward: Forward, example: Any = None, **parts: Any) -> str:
    """The groups, in order, that act on a written module as it is; they hold.

    So does the symmetry in the folded gauge, which is no smaller.
    """
    symmetry, certificate = typed(forward, example, gauge="asis", **parts)
    assert certificate.verdict is Verdict.TESTED, f"{certificate}\n{symmetry}"
    model = written(forward, **parts)
    example = noise(2, 6) if example is None else example
    folded = discover(model, example)
    certificate = verify(folded, model, example)
    assert certificate.verdict is Verdict.TESTED, f"{certificate}\n{folded}"
    assert folded.lie_dim >= symmetry.lie_dim, f"{folded}\n{symmetry}"
    return headline(symmetry)


def headline(symmetry: Symmetry) -> str:
    """The groups without the names of spaces: ``S(2) × GL(4)≀``, ``≀`` for indexed ones."""
    shown = [f"{s.group}{'≀' if s.over else ''}" for s in symmetry.spaces.values()]
    return " × ".join(shown) or "1"


@pytest.fixture(scope="session")
def tools() -> SimpleNamespace:
    """What the tests of discovery share."""
    return SimpleNamespace(
        written=written, noise=noise, typed=typed, groups=groups, headline=headline
    )


def shifted(symmetry: Symmetry) -> set[str]:
    """Coordinates that may be shifted."""
    return {
        name for name in symmetry.chart.canonical
        if isinstance(symmetry.spaces[symmetry.reps[name].spaces[0]].group, Translation)
    }  # fmt: skip

"""Models of the zoo with their symmetries, and pairs of one orbit."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import cache
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from isthmus.algebra.symmetry import Params, Symmetry
from isthmus.alignment.gauged import gauged_distance
from isthmus.discovery import discover
from isthmus.ground.params import distance, params_of
from isthmus.testing.zoo import entry, randomise


@pytest.fixture(autouse=True)
def _quiet_torch() -> Iterator[None]:
    """PyTorch's export warns about its own use of pytree; only that is left out."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
        yield


@cache
def symmetry_of(name: str) -> Symmetry:
    one = entry(name)
    if one.needs:
        pytest.importorskip("transformers")
    return discover(one.build(), one.example())


def model_of(name: str, seed: int = 3) -> nn.Module:
    return randomise(entry(name).build(), seed)


def example_of(name: str) -> tuple[Tensor, ...]:
    """Inputs in float64 where they are real."""
    example = entry(name).example()
    given = example if isinstance(example, tuple) else (example,)
    return tuple(t.double() if t.is_floating_point() else t for t in given)


def params(name: str, seed: int = 3) -> Params:
    return {n: t.detach().clone() for n, t in params_of(model_of(name, seed)).items()}


def independent(name: str, seed: int) -> Params:
    """Weights that share nothing with those of another seed."""
    generator = torch.Generator().manual_seed(seed)
    out: Params = {}
    for n, tensor in params(name).items():
        noise = torch.randn(tensor.shape, generator=generator)
        fan = max(tensor[0].numel(), 1) if tensor.dim() > 1 else 1
        out[n] = noise / fan**0.5 if tensor.is_floating_point() else tensor
        if n.endswith("running_var"):
            out[n] = noise.abs() + 0.5
    return out


def wide(params: Params) -> Params:
    """The same in float64."""
    return {n: t.double() if t.is_floating_point() else t for n, t in params.items()}


def outputs(name: str, params: Params) -> Tensor:
    """What the model of the zoo computes in float64 with ``params``, on its example."""
    inputs = entry(name).example()
    keyword = inputs if isinstance(inputs, dict) else {}
    positional = () if isinstance(inputs, dict) else tuple(wide(dict(enumerate(inputs))).values())
    with torch.no_grad():
        model = entry(name).build().double().eval()
        out: Tensor = torch.func.functional_call(model, params, positional, keyword)
    return out


def norm(of: Params) -> float:
    return distance(of, {n: torch.zeros_like(t) for n, t in of.items()})


def gap(a: Params, b: Params) -> float:
    """The relative distance."""
    return distance(a, b) / norm(a)


def essential(name: str) -> tuple[Symmetry, Params]:
    """What acts on essential coordinates, and those of the usual parameters in float64."""
    symmetry = symmetry_of(name)
    core, whole = symmetry.essential, symmetry.coordinates(params(name))
    wide = {n: t.double() if t.is_floating_point() else t for n, t in whole.items()}
    return core, {n: wide[n] for n in core.reps}


def gaussian(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture(scope="session")
def tools() -> SimpleNamespace:
    """What the tests of alignment share."""
    return SimpleNamespace(
        symmetry_of=symmetry_of,
        model_of=model_of,
        example_of=example_of,
        params=params,
        independent=independent,
        wide=wide,
        outputs=outputs,
        norm=norm,
        gap=gap,
        essential=essential,
        gauged_distance=gauged_distance,
        gaussian=gaussian,
    )

"""One model of the zoo: how to build it and what to feed it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

Inputs = tuple[Tensor, ...] | dict[str, Tensor]
"""Positional or keyword inputs of a model."""

Example = Callable[[], Inputs]
"""Makes them, equal at every call."""


@dataclass(frozen=True)
class Entry:
    """A small model as a user would write it.

    Attributes:
        name: snake_case, unique in the zoo.
        build: Makes the model, in evaluation mode; equal weights at every call.
        example: Makes its inputs; equal values at every call. Batch size 2.
        tags: What kind it is: "smooth" (as a function of its parameters) or "relu" (piecewise),
            "conv", "norm", "attention", "experts", "recurrent", "tokens" (integer inputs), "tied",
            "unused" (some parameters, such as a pooler's, are not read by this output), "hf"
            (of transformers), "small" (one block so narrow that its flat directions can be
            counted), "peers15" (the nets of the peer survey).
        needs: The optional extra it needs, if any.
    """

    name: str
    build: Callable[[], nn.Module]
    example: Example
    tags: frozenset[str]
    needs: str | None = None

    def __str__(self) -> str:
        """The name: what a test id shows."""
        return self.name


def define(
    name: str,
    factory: Callable[[], nn.Module],
    example: Example,
    tags: str,
    needs: str | None = None,
) -> Entry:
    """An entry whose build is seeded; ``tags`` is a list of words."""

    def build() -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return factory().eval()

    return Entry(name, build, example, frozenset(tags.split()), needs)


def floats(*shape: int) -> Callable[[], tuple[Tensor, ...]]:
    """An example of one standard normal tensor."""

    def example() -> tuple[Tensor, ...]:
        return (torch.randn(shape, generator=torch.Generator().manual_seed(1)),)

    return example


def tokens(vocabulary: int, *shape: int) -> Callable[[], tuple[Tensor, ...]]:
    """An example of one tensor of token ids."""

    def example() -> tuple[Tensor, ...]:
        generator = torch.Generator().manual_seed(1)
        return (torch.randint(vocabulary, shape, generator=generator),)

    return example


def run(model: nn.Module, inputs: Inputs) -> Any:
    """The model's output on positional or keyword inputs."""
    return model(**inputs) if isinstance(inputs, dict) else model(*inputs)


def as_dtype(inputs: Inputs, dtype: torch.dtype) -> Inputs:
    """The inputs with floating tensors cast to ``dtype``; integers stay."""

    def cast(value: Tensor) -> Tensor:
        return value.to(dtype) if value.is_floating_point() else value

    if isinstance(inputs, dict):
        return {name: cast(value) for name, value in inputs.items()}
    return tuple(map(cast, inputs))


def randomise(model: nn.Module, seed: int) -> nn.Module:
    """Move every float parameter and running statistic off its special value, in place.

    Freshly initialised models hide errors: gains of one, zero biases, running means of zero.
    Afterwards a tensor that was constant and not zero (a gain) lies between half and one and a
    half times that constant, a zero tensor or a bias is random of size 0.3, a weight has ten
    per cent of noise, running means are of size 0.5 and running variances in [0.5, 2].

    Returns:
        The model, in evaluation mode.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.is_floating_point():
                parameter.copy_(_moved(parameter, generator))
        for name, buffer in model.named_buffers():
            noise = torch.rand(buffer.shape, generator=generator, dtype=torch.float64)
            if name.endswith("running_mean"):
                buffer.copy_(2 * noise - 1)
            elif name.endswith("running_var"):
                buffer.copy_(0.5 + 1.5 * noise)
    return model.eval()


def _moved(parameter: Tensor, generator: torch.Generator) -> Tensor:
    value = parameter.detach().double().cpu()
    normal = torch.randn(value.shape, generator=generator, dtype=torch.float64)
    uniform = torch.rand(value.shape, generator=generator, dtype=torch.float64)
    first = float(value.flatten()[0])
    if bool((value == first).all()) and first != 0:
        return value * (0.5 + uniform)
    if first == 0 and not bool(value.any()):
        return 0.3 * normal
    if value.ndim < 2:
        return value + 0.3 * normal
    return value * (1 + 0.1 * normal)

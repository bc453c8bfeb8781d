"""A tiny random instance of any architecture of transformers, from its config alone."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from isthmus.ground.errors import MissingExtra
from isthmus.testing.zoo.entry import Entry, Inputs, define, tokens

VOCABULARY, POSITIONS = 19, 5

Settings = dict[str, Any]


class Answer(nn.Module):
    """A transformers model that takes keyword inputs and returns one field of its output."""

    def __init__(self, model: nn.Module, field: str) -> None:
        super().__init__()
        self.model = model
        self.field = field

    def forward(self, **inputs: Tensor) -> Tensor:
        """The field: logits, or the last hidden state, of shape (batch, ...)."""
        out: Tensor = getattr(self.model(**inputs), self.field)
        return out


def tiny(architecture: str, field: str, settings: Settings) -> nn.Module:
    """The architecture with these settings of its config; nothing is downloaded.

    Weights are of size 0.25, and kernels so large that many layers keep a signal: the usual 0.02
    would hide the blocks behind their residual stream.

    Raises:
        MissingExtra: transformers is not installed.
    """
    try:
        import transformers
    except ImportError as error:
        raise MissingExtra(
            f"{architecture} is made by transformers, which is not installed",
            "install it with pip install 'isthmus[hf]'",
        ) from error
    made = getattr(transformers, architecture)
    config = made.config_class(**settings)
    config.use_cache = False
    model: nn.Module = made(config)
    if "num_experts" in settings or "num_local_experts" in settings or _expert(config):
        # Pure tensor code: the default kernel takes no float64, the loop depends on the data.
        model.set_experts_implementation("batched_mm")  # type: ignore[operator]
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.is_floating_point() and parameter.ndim > 1:
                kernel = parameter.ndim == 4
                parameter.normal_(std=3 / parameter[0].numel() ** 0.5 if kernel else 0.25)
    return Answer(model, field)


def _expert(config: Any) -> bool:
    return getattr(config, "n_routed_experts", None) is not None


def hugging_face(
    name: str,
    architecture: str,
    inputs: Any,
    tags: str = "smooth attention norm tokens",
    field: str = "logits",
    **settings: Any,
) -> Entry:
    """The entry ``hf_name``: an architecture of transformers with these settings."""
    factory = partial(tiny, architecture, field, settings)
    return define(f"hf_{name}", factory, inputs, f"{tags} hf", "hf")


def ids(**more: tuple[int, ...]) -> Inputs:
    """Token ids (batch 2, five positions), and float inputs of the shapes that are given."""
    generator = torch.Generator().manual_seed(2)
    made: dict[str, Tensor] = {"input_ids": tokens(VOCABULARY - 2, 2, POSITIONS)()[0] + 2}
    for name, shape in more.items():
        made[name] = torch.randn(shape, generator=generator)
    return made


def pair() -> Inputs:
    """Token ids for an encoder and for a decoder."""
    made = ids()
    assert isinstance(made, dict)
    return {**made, "decoder_input_ids": made["input_ids"].flip(1)[:, :4]}


def picture(size: int, name: str = "pixel_values", channels: int = 3) -> Inputs:
    """Two square pictures."""
    generator = torch.Generator().manual_seed(2)
    return {name: torch.randn((2, channels, size, size), generator=generator)}

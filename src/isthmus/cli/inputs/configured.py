"""The example inputs of a model that a configuration describes."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from isthmus.ground.errors import BadInput

TOKENS = 16
"""Length of a text: enough for every operator, and short for the graph."""

IMAGE = 64
"""Side of an image where the configuration names none."""

SAMPLES_OF_SOUND = 4000
"""Length of a recording."""


def configured_example(model: nn.Module) -> dict[str, Tensor]:
    """Inputs by keyword, on the model's device: whole numbers below the vocabulary, floats random.

    The model says which of its inputs is the main one; a decoder gets its own tokens, and a model
    whose parts read different kinds of data without a token for either gets one input for each.

    Raises:
        BadInput: the main input is of an unknown kind.
    """
    config: Mapping[str, Any] = model.config.to_dict()  # type: ignore[operator, union-attr]
    accepted = inspect.signature(model.forward).parameters
    main = str(getattr(model, "main_input_name", "input_ids"))
    names = [main]
    if "decoder_input_ids" in accepted and _first(config, "is_encoder_decoder"):
        names.append("decoder_input_ids")
    if _first(config, "projection_dim") and {"input_ids", "pixel_values"} <= set(accepted):
        names = ["input_ids", "pixel_values"]
    generator = torch.Generator().manual_seed(0)
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    return {name: _make(name, config, generator).to(device) for name in names}


def _make(name: str, config: Mapping[str, Any], generator: torch.Generator) -> Tensor:
    if name.endswith("input_ids"):
        text = ("max_position_embeddings", "n_positions")
        limits = ("max_target_positions", *text) if name.startswith("decoder") else text
        length = min(TOKENS, int(_first(config, *limits) or TOKENS))
        high = int(_first(config, "vocab_size") or 2)
        return torch.randint(high, (1, length), generator=generator)
    if name == "pixel_values":
        side = _first(config, "image_size") or IMAGE
        sides = tuple(side) if isinstance(side, (list, tuple)) else (side, side)
        shape = (1, int(_first(config, "num_channels") or 3), *map(int, sides))
    elif name == "input_features":
        # Encoders with a convolution of stride two before their positions read twice as many.
        frames = 2 * int(_first(config, "max_source_positions") or 50)
        shape = (1, int(_first(config, "num_mel_bins", "feature_size") or 80), frames)
    elif name == "input_values":
        shape = (1, SAMPLES_OF_SOUND)
    else:
        raise BadInput(
            f"the model reads {name!r}, for which no example is known",
            f"give --example {name}=1x16:int or of another shape and type",
        )
    return torch.randn(shape, generator=generator)


def _first(config: Mapping[str, Any], *names: str) -> Any:
    """The first of the names that the configuration, or one nested in it, has a value for."""
    for level in _levels(config):
        for name in names:
            if level.get(name):
                return level[name]
    return None


def _levels(config: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield config
    for value in config.values():
        if isinstance(value, Mapping):
            yield from _levels(value)

"""Models from a Hugging Face folder: built from config.json alone, without weights or its code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from isthmus.ground.errors import BadInput, MissingExtra, closest

SEED = 0
"""Fixes the random weights of a model that is needed with numbers."""

MOST_NUMBERS = 300_000_000
"""A model with more parameters is not filled with random numbers."""

_OWN_CHOICE = ("attn_implementation", "experts_implementation")
_INTERMEDIATE = ("hidden_states", "attentions", "past_key_values", "router_logits", "rope_deltas")


def from_folder(folder: Path, *, values: bool) -> nn.Module:
    """The model that ``config.json`` in a folder describes.

    The class is the one that "architectures" names, out of transformers itself: no code of the
    folder is imported, and nothing is downloaded. Outputs are the model's results alone, without
    caches and intermediate states.

    Args:
        folder: holds config.json; weights are not read.
        values: random weights on the CPU; otherwise meta tensors, which take no memory.

    Raises:
        MissingExtra: transformers is not installed.
        BadInput: there is no config.json, or transformers does not know its model.
    """
    given = _read(folder)
    transformers = _transformers(folder)
    model_class = _class(transformers, given, folder)
    try:
        config = transformers.CONFIG_MAPPING[given["model_type"]].from_dict(_plain(given))
        config.use_cache = False
        if hasattr(config, "_experts_implementation"):
            # The others have operators without a derivative, or branch on data.
            config._experts_implementation = "batched_mm"
        with torch.device("meta"):
            model: nn.Module = model_class(config)
        if values:
            model = _filled(model, model_class, config, folder)
    except BadInput:
        raise
    except Exception as error:
        raise BadInput(
            f"{folder / 'config.json'}: {model_class.__name__} cannot be built: {error}",
            "check the sizes, or give file.py:factory",
        ) from error
    model.register_forward_hook(_results)
    model.eval()
    return model


def _transformers(folder: Path) -> Any:
    try:
        import transformers
    except ImportError as error:
        raise MissingExtra(
            f"{folder} is a Hugging Face folder, which needs transformers",
            "install it: pip install 'isthmus[hf]'",
        ) from error
    return transformers


def _read(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    if not path.is_file():
        raise BadInput(
            f"{folder} has no config.json", "give a Hugging Face folder, or file.py:factory"
        )
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"{path} cannot be read: {error}", "download it again") from error
    if not isinstance(given, dict) or not isinstance(given.get("model_type"), str):
        raise BadInput(f'{path} has no "model_type"', "give the config.json of a model")
    return given


def _class(transformers: Any, given: Mapping[str, Any], folder: Path) -> Any:
    """The class of transformers that "architectures" names."""
    known = transformers.CONFIG_MAPPING
    if given["model_type"] not in known:
        near = closest(given["model_type"], known)
        own = " (its own code, which is never run)" if "auto_map" in given else ""
        raise BadInput(
            f"{folder}: transformers {transformers.__version__} does not know the model type "
            f"{given['model_type']!r}{own}",
            f"did you mean {near!r}? or"
            if near
            else "update transformers, or give file.py:factory, a callable that returns the module",
        )
    names = given.get("architectures")
    name = names[0] if isinstance(names, list) and names else None
    found = getattr(transformers, name, None) if isinstance(name, str) else None
    if not isinstance(found, type) or not issubclass(found, transformers.PreTrainedModel):
        raise BadInput(
            f'{folder / "config.json"}: "architectures" is {names!r}, expected the name of a model '
            "of transformers",
            'write it into config.json, such as "architectures": ["LlamaForCausalLM"]',
        )
    return found


def _plain(given: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration without what would fetch kernels or weights from elsewhere."""
    out: dict[str, Any] = {}
    for key, value in given.items():
        if key.endswith(_OWN_CHOICE) or key in ("auto_map", "quantization_config"):
            continue
        out[key] = _plain(value) if isinstance(value, Mapping) else value
    return {**out, "use_pretrained_backbone": False} if "backbone" in out else out


def _filled(model: nn.Module, model_class: Any, config: Any, folder: Path) -> nn.Module:
    count = sum(p.numel() for p in model.parameters())
    if count > MOST_NUMBERS:
        raise BadInput(
            f"{folder} has {count} parameters, too many to fill with random numbers",
            "leave out what computes with the model: --verify, --complete",
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        made: nn.Module = model_class(config)
    return made.float()


def _results(model: nn.Module, args: Any, output: Any) -> Any:
    """Of a model's named outputs, those that are results: no caches, no states on the way."""
    if not isinstance(output, Mapping):
        return output
    kept = {
        name: value
        for name, value in output.items()
        if isinstance(value, Tensor)
        and not name.endswith(_INTERMEDIATE)
        and not name.startswith("encoder_")
    }
    return kept or output

"""Print the README's table of networks and groups: ``python docs/groups.py``."""

from __future__ import annotations

import re
from itertools import groupby

from isthmus import Symmetry, discover
from isthmus.testing.zoo import entry

NETWORKS = {
    "mlp": "MLP, ReLU",
    "mlp_gelu": "MLP, GELU",
    "mlp_tanh": "MLP, tanh",
    "gated_swiglu": "gated MLP, SwiGLU",
    "layer_used_twice": "a layer used twice",
    "tied_autoencoder": "tied autoencoder",
    "vgg": "VGG with BatchNorm and flatten",
    "resnet20": "ResNet-20, a quarter of its width",
    "densenet": "DenseNet concatenation",
    "unet": "U-Net, transposed convolution",
    "depthwise_grouped": "depthwise and grouped convolution",
    "attention_separate": "multi-head attention",
    "encoder_layer_gelu": "`nn.TransformerEncoderLayer`",
    "lstm_classifier": "LSTM",
    "gpt": "GPT, LayerNorm, learned positions",
    "gpt_tied": "the same with tied embeddings",
    "llama": "Llama, RMSNorm, rotary, SwiGLU",
}


def short(symmetry: Symmetry) -> str:
    """The group without paths of modules; runs of equal factors are counted."""
    factors = []
    for space in symmetry.spaces.values():
        over = "".join(f" per {outer.rsplit('.', 1)[-1]}" for outer in space.over)
        factors.append(f"{space.group}{over}")
    runs = ((factor, len(list(run))) for factor, run in groupby(factors))
    return " × ".join(f if n == 1 else f"{f} ({n} times)" for f, n in runs)


def table() -> str:
    """The table in Markdown."""
    rows = ["| zoo name | network | group | free | dimension |", "|---|---|---|--:|--:|"]
    for name, words in NETWORKS.items():
        one = entry(name)
        symmetry = discover(one.build(), one.example())
        core = symmetry.essential
        group = re.sub(r"\|", r"\\|", short(core))
        free = symmetry.lie_dim - core.lie_dim
        rows.append(f"| `{name}` | {words} | {group} | {free} | {symmetry.lie_dim} |")
    return "\n".join(rows)


if __name__ == "__main__":
    print(table())

"""Networks on sequences without attention: recurrent, mixing, pooled.

Heads are as wide as the linear streams that they read, and all steps are read: a direction that
nothing reads (the reverse pass, had only the last step been used) is flat without any group.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch.nn.functional as F
from torch import Tensor, nn

from isthmus.testing.zoo.entry import Entry, define, floats, tokens


class RecurrentClassifier(nn.Module):
    """A recurrent layer; the mean over its steps is classified."""

    def __init__(self, recurrent: Callable[[], nn.Module], features: int) -> None:
        super().__init__()
        self.recurrent = recurrent()
        self.head = nn.Linear(features, 4)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, steps, 6) to (batch, 4)."""
        hidden, _ = self.recurrent(x)
        out: Tensor = self.head(hidden.mean(dim=1))
        return out


class TextClassifier(nn.Module):
    """Embedding, mean over positions, linear head."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(11, 8)
        self.head = nn.Linear(8, 8)

    def forward(self, ids: Tensor) -> Tensor:
        """(batch, positions) to (batch, 8)."""
        out: Tensor = self.head(self.embed(ids).mean(dim=1))
        return out


class MixerBlock(nn.Module):
    """An MLP across positions, then one across channels; both residual with layer norm."""

    def __init__(self, positions: int, channels: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels)
        self.mix_in = nn.Linear(positions, 10)
        self.mix_out = nn.Linear(10, positions)
        self.norm2 = nn.LayerNorm(channels)
        self.fc1 = nn.Linear(channels, 12)
        self.fc2 = nn.Linear(12, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, positions, channels) to the same shape."""
        y = self.norm1(x).transpose(1, 2)
        x = x + self.mix_out(F.gelu(self.mix_in(y))).transpose(1, 2)
        out: Tensor = x + self.fc2(F.gelu(self.fc1(self.norm2(x))))
        return out


class MlpMixer(nn.Module):
    """Patches of 4x4, two mixer blocks, mean over patches."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, stride=4)
        self.blocks = nn.Sequential(MixerBlock(4, 8), MixerBlock(4, 8))
        self.norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 3, 8, 8) to (batch, 8)."""
        x = self.patches(x).flatten(2).transpose(1, 2)
        out: Tensor = self.head(self.norm(self.blocks(x)).mean(dim=1))
        return out


def entries() -> tuple[Entry, ...]:
    """The recurrent and mixing part of the zoo."""
    x = floats(2, 5, 6)

    def recurrent(
        name: str, layer: Callable[..., nn.Module], tags: str = "", **options: int
    ) -> Entry:
        build = partial(layer, 6, 8, batch_first=True, **options)
        features = 16 if options.get("bidirectional") else 8
        factory = partial(RecurrentClassifier, build, features)
        return define(name, factory, x, f"smooth recurrent {tags}")

    return (
        recurrent("lstm_classifier", nn.LSTM, "peers15"),
        recurrent("lstm_two_layers", nn.LSTM, num_layers=2),
        recurrent("lstm_bidirectional", nn.LSTM, bidirectional=True),
        recurrent("gru_classifier", nn.GRU),
        recurrent("gru_two_layers_bidirectional", nn.GRU, num_layers=2, bidirectional=True),
        recurrent("rnn_tanh", nn.RNN),
        recurrent("rnn_two_layers", nn.RNN, num_layers=2),
        define("text_classifier", TextClassifier, tokens(11, 2, 5), "smooth tokens"),
        define("mlp_mixer", MlpMixer, floats(2, 3, 8, 8), "smooth conv norm"),
    )

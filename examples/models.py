"""Model factories for the examples: ``--model examples/models.py:mlp``."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn


def mlp() -> nn.Module:
    """A 784-512-512-512-10 ReLU network; takes images (N, 28, 28) or vectors (N, 784)."""
    return nn.Sequential(
        OrderedDict(
            flatten=nn.Flatten(),
            fc1=nn.Linear(784, 512),
            relu1=nn.ReLU(),
            fc2=nn.Linear(512, 512),
            relu2=nn.ReLU(),
            fc3=nn.Linear(512, 512),
            relu3=nn.ReLU(),
            head=nn.Linear(512, 10),
        )
    )

"""Whole models: those of the zoo, a CNN with batch norm, a transformer."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from isthmus.discovery import discover
from isthmus.ground import Params, UnknownOperator, params_of
from isthmus.landscape import Line, Loss, barrier, certify
from isthmus.testing.zoo import Entry, entry, zoo

OWN = [one for one in zoo() if "hf" not in one.tags]
REFUSED = {"mlp_sign": "sign"}
QUICK = (
    "squeeze_excite",
    "convnext",
    "lstm_classifier",
    "mlp_mixer",
    "attention_module",
    "gpt_tied",
    "llama",
)


def mean_square(outputs, _):
    """Of whatever a model returns first."""
    while not isinstance(outputs, torch.Tensor):
        outputs = outputs[0] if isinstance(outputs, tuple | list) else next(iter(outputs.values()))
    return outputs.square().mean()


def nearby(params: Params, seed: int, share: float) -> Params:
    """Every number moved by a share of the mean size of its tensor."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: t + share * t.abs().mean() * torch.randn(t.shape, generator=generator).to(t.dtype)
        if t.is_floating_point()
        else t
        for name, t in params.items()
    }


def lies(one: Entry) -> float:
    """By how much samples in any interval are above its bound."""
    model = one.build()
    a = params_of(model)
    loss = Loss(model, [(one.example(), torch.zeros(2))], mean_square, {}, dtype=torch.float64)
    line = Line(a, nearby(a, 0, 0.1))
    evidence = certify(loss, line, intervals=3, work=6, points=3).evidence
    start, end = loss(line.a), loss(line.b)
    exact = Line(wide(line.a), wide(line.b))  # a line of float32 rounds its points
    worst = -math.inf
    for low, high, upper in evidence["intervals"]:
        for t in (low, (low + high) / 2, high):
            value = loss(exact(t))
            worst = max(worst, value - (1 - t) * start - t * end - upper - 1e-9 * (1 + value))
    return worst


def wide(params: Params) -> Params:
    """In float64."""
    return {name: t.double() if t.is_floating_point() else t for name, t in params.items()}


@pytest.mark.parametrize("name", QUICK)
def test_models_of_the_zoo(name):
    assert lies(entry(name)) <= 0


@pytest.mark.slow
@pytest.mark.parametrize("one", OWN, ids=str)
def test_every_model_of_the_zoo(one):
    if one.name in REFUSED:
        with pytest.raises(UnknownOperator, match=f"'{REFUSED[one.name]}'"):
            lies(one)
    else:
        assert lies(one) <= 0


def test_a_cnn_with_batch_norm():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(6, 3),
    )  # fmt: skip
    x = torch.randn(12, 1, 10, 10)
    model(x)  # in training mode: statistics
    model.eval()
    near_to_sampled(model, x, model(x).detach(), F.mse_loss)


def test_a_transformer_of_one_block():
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.head = nn.Embedding(7, 8), nn.Linear(8, 7)
            self.block = nn.TransformerEncoderLayer(8, 2, 16, norm_first=True, batch_first=True)

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            return self.head(self.block(self.embed(ids))).transpose(1, 2)

    torch.manual_seed(0)
    model, ids = Block().eval(), torch.randint(7, (3, 6))
    near_to_sampled(model, ids, model(ids).argmax(1), lambda x, y: F.cross_entropy(4 * x, y))


def near_to_sampled(model: nn.Module, x: torch.Tensor, y: torch.Tensor, criterion: Any) -> None:
    """On the line to a copy that is moved by the model's symmetry.

    The bound is proved, within a tenth of the sampled barrier, and not below it.
    """
    symmetry = discover(model, x)
    a = params_of(model)
    line = Line(a, symmetry.act(symmetry.sample(seed=0), a))
    loss = Loss(model, [(x, y)], criterion, {})
    sampled = barrier(loss, line, 51).height
    assert sampled > 1e-3
    found = certify(loss, line, tolerance=0, relative=0.1)
    assert found
    assert sampled - 1e-6 <= found.evidence["upper"] <= 1.11 * sampled

"""Ensemble: the mean of predictions, its scores by hand, and what must hold of any members."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from isthmus.ground import BadInput, ShapeMismatch, params_of
from isthmus.landscape import Loss
from isthmus.merging import Ensemble


def network(outputs: int = 3) -> nn.Module:
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, outputs)).double()


def members(count: int, seed: int, outputs: int = 3) -> list:
    generator = torch.Generator().manual_seed(seed)
    like = params_of(network(outputs))
    return [
        {n: torch.randn(t.shape, generator=generator, dtype=t.dtype) for n, t in like.items()}
        for _ in range(count)
    ]


def classes(seed: int, samples: int = 23, split: int = 7) -> list:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(samples, 4, generator=generator, dtype=torch.float64)
    y = torch.randint(3, (samples,), generator=generator)
    return list(zip(x.split(split), y.split(split), strict=True))


@settings(max_examples=10)
@given(seed=st.integers(0, 10**6), count=st.integers(1, 5), split=st.integers(1, 23))
def test_scores_of_classes_are_those_by_hand(seed, count, split) -> None:
    batches, found = classes(seed, split=split), members(count, seed)
    scores = Ensemble(Loss(network(), batches, F.cross_entropy), found).evaluate()
    x, y = (torch.cat(part) for part in zip(*batches, strict=True))
    said = torch.stack([torch.func.functional_call(network(), w, x).softmax(-1) for w in found])
    mean = said.mean(0)
    assert math.isclose(scores.loss, float(F.nll_loss(mean.log(), y)), rel_tol=1e-9)
    hits = float((mean.argmax(-1) == y).double().mean())
    assert math.isclose(scores.ensemble.metrics["accuracy"], hits, rel_tol=1e-9)
    spread = float((said - mean).square().mean().sqrt())
    assert math.isclose(scores.spread, spread, rel_tol=1e-9, abs_tol=1e-9)
    chosen = said.argmax(-1)
    pairs = list(itertools.combinations(range(count), 2))
    differ = [float((chosen[i] != chosen[j]).double().mean()) for i, j in pairs]
    assert math.isclose(scores.disagreement, sum(differ) / max(1, len(pairs)), abs_tol=1e-12)
    for score, one in zip(scores.members, said, strict=True):
        assert math.isclose(score.loss, float(F.nll_loss(one.log(), y)), rel_tol=1e-9)
    # Jensen: the logarithm is concave.
    assert scores.gain >= -1e-12
    assert scores.gain > 1e-6 or count == 1


@settings(max_examples=10)
@given(seed=st.integers(0, 10**6), count=st.integers(1, 4))
def test_the_squared_error_falls_by_the_variance(seed, count) -> None:
    generator = torch.Generator().manual_seed(seed)
    x, y = (torch.randn(9, n, generator=generator, dtype=torch.float64) for n in (4, 3))
    loss = Loss(network(), [(x[:5], y[:5]), (x[5:], y[5:])], F.mse_loss)
    scores = Ensemble(loss, members(count, seed)).evaluate()
    assert math.isclose(scores.gain, scores.spread**2, rel_tol=1e-9, abs_tol=1e-12)
    assert scores.disagreement == 0
    assert not scores.ensemble.metrics


def test_one_member_is_the_model() -> None:
    loss = Loss(network(), classes(0), F.cross_entropy)
    (only,) = members(1, 0)
    scores = Ensemble(loss, [only]).evaluate()
    assert math.isclose(scores.loss, loss(only), rel_tol=1e-12)
    assert (scores.disagreement, scores.spread) == (0, 0)


def test_predictions_are_probabilities_or_outputs() -> None:
    found, x = members(3, 1), torch.randn(6, 4, dtype=torch.float64)
    outputs = torch.stack([torch.func.functional_call(network(), w, x) for w in found])
    of_classes = Ensemble(Loss(network(), classes(0), F.cross_entropy), found)
    torch.testing.assert_close(of_classes.predict(x), outputs.softmax(-1).mean(0))
    values = [(x, torch.zeros(6, 3, dtype=torch.float64))]
    of_values = Ensemble(Loss(network(), values, F.mse_loss), found)
    torch.testing.assert_close(of_values.predict(x), outputs.mean(0))


def test_classes_of_tokens() -> None:
    """Outputs (samples, tokens, classes): the classes are found, whatever dimension they are in."""
    x, y = torch.randn(5, 6, 4, dtype=torch.float64), torch.randint(3, (5, 6))

    def criterion(outputs, targets):
        return F.cross_entropy(outputs.flatten(0, 1), targets.flatten())

    found = members(2, 0)
    scores = Ensemble(Loss(network(), [(x, y)], criterion), found).evaluate()
    mean = torch.stack(
        [torch.func.functional_call(network(), w, x).softmax(-1) for w in found]
    ).mean(0)
    assert math.isclose(scores.loss, float(criterion(mean.log(), y)), rel_tol=1e-9)
    assert {"accuracy", "calibration error"} == set(scores.ensemble.metrics)


def test_own_metrics_are_those_reported() -> None:
    def top(outputs, targets):
        return outputs.softmax(-1).amax(-1).mean()

    loss = Loss(network(), classes(0), F.cross_entropy, {"confidence": top})
    scores = Ensemble(loss, members(2, 0)).evaluate()
    assert set(scores.ensemble.metrics) == {"confidence"}


def test_it_reads_well() -> None:
    scores = Ensemble(Loss(network(), classes(0), F.cross_entropy), members(3, 0)).evaluate()
    assert str(scores).startswith("3 members: loss ")
    assert "disagreement" in str(scores)
    data = scores.to_json()
    assert data["gain"] == scores.gain
    assert len(data["members"]) == 3


def test_what_is_refused() -> None:
    loss = Loss(network(), classes(0), F.cross_entropy)
    with pytest.raises(BadInput, match="an ensemble without members; give at least one"):
        Ensemble(loss, [])
    with pytest.raises(ShapeMismatch):
        Ensemble(loss, [*members(1, 0), *members(1, 0, outputs=2)]).evaluate()

    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = network()

        def forward(self, x):
            return {"logits": self.inner(x)}

    named = Named()
    with pytest.raises(BadInput, match="the model returns a dict, expected a tensor"):
        Ensemble(
            Loss(named, classes(0), lambda o, y: F.cross_entropy(o["logits"], y), {}),
            [params_of(named)],
        ).evaluate()

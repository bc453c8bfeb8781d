"""Figures that follow from sums over all samples, whatever the steps."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from isthmus.ground import BadInput
from isthmus.landscape import CalibrationError, ClassAccuracy, Loss, Metric

SCORES = torch.randn(50, 4, generator=torch.Generator().manual_seed(0)).double()
TARGETS = torch.randint(0, 3, (50,), generator=torch.Generator().manual_seed(1))


def evaluated(metrics, micro_batch, scores=SCORES, targets=TARGETS):
    loss = Loss(nn.Identity(), [(scores, targets)], F.cross_entropy, metrics, None, micro_batch)
    return loss.evaluate({}).metrics


@pytest.mark.parametrize("micro_batch", [None, 1, 7])
def test_accuracy_by_class(micro_batch):
    found = evaluated({"class": ClassAccuracy()}, micro_batch)
    hit = SCORES.argmax(1) == TARGETS
    assert list(found) == ["class 0", "class 1", "class 2"]  # no target is of class 3
    for k in range(3):
        assert found[f"class {k}"] == pytest.approx(float(hit[k == TARGETS].double().mean()))


@pytest.mark.parametrize("micro_batch", [None, 1, 7])
@pytest.mark.parametrize("bins", [1, 4, 15])
def test_calibration_error_is_the_mean_gap_over_bins(bins, micro_batch):
    confidence, guess = SCORES.softmax(1).max(1)
    expected = 0.0
    for k in range(bins):
        held = (confidence > k / bins) & (confidence <= (k + 1) / bins)
        if held.any():
            gap = (guess == TARGETS)[held].double().mean() - confidence[held].mean()
            expected += float(held.double().mean() * gap.abs())
    found = evaluated({"calibration": CalibrationError(bins)}, micro_batch)
    assert found == {"calibration": pytest.approx(expected, rel=1e-9)}


def test_a_calibrated_model_has_no_error_and_a_wrong_one_has_its_confidence():
    sure = torch.tensor([[60.0, 0.0]] * 4)
    right = torch.zeros(4, dtype=torch.long)
    assert evaluated({"e": CalibrationError()}, None, sure, right)["e"] == pytest.approx(0)
    assert evaluated({"e": CalibrationError()}, None, sure, 1 - right)["e"] == pytest.approx(1)


def test_a_score_that_is_no_number_gives_no_number():
    scores = SCORES.clone()
    scores[3, 1] = math.nan
    assert math.isnan(evaluated({"e": CalibrationError()}, 7, scores)["e"])


class Largest(Metric):
    """The share of the largest sum among two."""

    def sums(self, outputs, targets):
        return outputs.abs().sum(0)[:2]

    def value(self, total):
        return float(total.max() / total.sum())


def test_own_metrics_see_the_sums_over_all_samples():
    sums = SCORES.abs().sum(0)[:2]
    found = evaluated({"share": Largest()}, 7)
    assert found["share"] == pytest.approx(float(sums.max() / sums.sum()))


def test_metrics_that_do_not_fit_are_named():
    with pytest.raises(BadInput, match=r"the metric 'class' cannot compare outputs of shape "):
        evaluated({"class": ClassAccuracy()}, None, SCORES, SCORES)
    with pytest.raises(BadInput, match=r"the metric 'sum' gives shape \(4,\), expected one number"):
        evaluated({"sum": lambda o, y: o.sum(0)}, None)
    with pytest.raises(BadInput, match="bins is 0, expected at least 1"):
        CalibrationError(0)

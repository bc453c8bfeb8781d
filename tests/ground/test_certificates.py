"""Only a proof is truthy."""

import dataclasses
import math
import pickle

import pytest
import torch

from isthmus.ground import Certificate, Verdict


@pytest.mark.parametrize("verdict", Verdict)
def test_only_proved_is_truthy(verdict):
    proved = verdict is Verdict.PROVED
    assert bool(verdict) is proved
    assert bool(Certificate("claim", verdict)) is proved


def test_text():
    evidence = {"upper": 0.04, "relative_error": 1e-9, "samples": 8, "witness": torch.ones(3)}
    certificate = Certificate("loss ≤ 0.05", Verdict.PROVED, 0.01, evidence)
    expected = "PROVED: loss ≤ 0.05 (margin 0.01; upper 0.04, relative error 1e-09, samples 8)"
    assert str(certificate) == expected
    assert str(Certificate("it holds", Verdict.UNKNOWN)) == "UNKNOWN: it holds"
    assert str(Certificate("it holds", Verdict.TESTED, 1.0)) == "TESTED: it holds (margin 1)"


def test_data():
    certificate = Certificate("c", Verdict.REFUTED, evidence={"t": torch.tensor([0.5])})
    assert certificate.to_json() == {
        "claim": "c",
        "verdict": "REFUTED",
        "margin": "nan",
        "evidence": {"t": [0.5]},
    }


def test_frozen_and_picklable():
    certificate = Certificate("c", Verdict.TESTED, 1.0, {"n": 1})
    assert pickle.loads(pickle.dumps(certificate)) == certificate
    with pytest.raises(dataclasses.FrozenInstanceError):
        certificate.margin = math.inf

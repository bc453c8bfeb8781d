"""Transfer and adapters, at the smallest scale: they run, are drawn, and their identities hold."""

from dataclasses import replace

import pytest
import torch

from isthmus.papers.bench import Scale, Standing
from isthmus.papers.methods.transfer.lora import lora
from isthmus.papers.methods.transfer.transformer_fusion import transformer_fusion
from isthmus.papers.methods.transfer.transfusion import transfusion

pytestmark = pytest.mark.xdist_group("transfer methods")  # what all tests look at is made once


def test_claims_on_a_transfer_can_fail(smoke) -> None:
    found, _ = smoke(transfusion)
    learned = replace(found, settings=transfusion.settings[Scale.QUICK])
    rows = torch.tensor([[4.0, 4.0, 4.0], [4.0, 3.0, 3.5], [4.0, 2.5, 3.0], [4.0, 2.0, 2.5]])
    good = replace(learned, chosen=rows.repeat(2, 1, 1), losses=rows.repeat(2, 1, 1))
    assert good.best[0].tolist() == [4.0, 3.0, 2.5, 2.0]
    assert good.passed
    bad = replace(good, losses=rows.flip(0).repeat(2, 1, 1), chosen=rows.flip(0).repeat(2, 1, 1))
    assert {c.name for c in bad.check() if not c.passed} == {
        "permutations, perceptron", "whole group, perceptron", "activations, perceptron",
        "permutations, GPT", "whole group, GPT", "activations, GPT", "attention",
    }  # fmt: skip
    off = found.planted.clone()
    off[0, 1], off[2, 2] = 1e-6, 1e-12
    names = {c.name for c in replace(good, planted=off).check() if not c.passed}
    assert names == {"law, perceptron", "alignment, GPT"}


def test_claims_on_adapters_can_fail(smoke) -> None:
    found, _ = smoke(lora)
    learned = replace(found, settings=lora.settings[Scale.QUICK])
    good = replace(learned, accuracies=torch.tensor([0.1, 0.8, 0.3, 0.6, 0.7, 0.71]))
    assert good.passed
    bad = replace(good, accuracies=torch.tensor([0.1, 0.8, 0.6, 0.6, 0.6, 0.7]), off=found.off + 1)
    assert [c.name for c in bad.check() if c.passed] == ["no symmetry"]
    still = replace(good, scaled=torch.tensor(0.0))
    assert {c.name for c in still.check() if not c.passed} == {"no symmetry"}


def test_claims_on_fused_transformers_can_fail(smoke) -> None:
    found, _ = smoke(transformer_fusion)
    learned = replace(found, settings=transformer_fusion.settings[Scale.QUICK])
    rows = torch.tensor([[3.0, 2.8, 2.9], [2.9, 2.8, 2.9], [3.1, 2.9, 3.0], [3.2, 3.1, 3.3]])
    tuned = torch.tensor([2.7, 2.85, 2.8, 2.6, 2.5, 2.6])
    good = replace(learned, chosen=rows, losses=rows, plain=torch.tensor(3.3), tuned=tuned)
    assert good.soft == pytest.approx([2.8, 2.8, 2.9, 3.1])
    assert all(check.standing is Standing.PASSED for check in good.check())
    hard = torch.tensor([[2.9, 3.0, 3.0]]).repeat(4, 1)
    hard[3, 1:] = 2.7
    worse = replace(
        good,
        chosen=hard,
        losses=hard,
        plain=torch.tensor(2.8),
        tuned=torch.tensor([2.6, 2.7, 2.8, 2.9, 2.9, 2.9]),
    )
    assert {c.name: c.standing.value for c in worse.check() if not c.passed} == {
        "transport": "failed",
        "soft": "failed",
        "other widths": "failed",
        "tuned": "failed",
        "parents": "finding",
        "not fading": "finding",
    }
    behind = replace(good, tuned=torch.tensor([2.5, 2.9, 2.8, 2.6, 2.6, 2.7]))
    (late,) = [c for c in behind.check() if not c.passed]
    assert (late.name, late.standing) == ("parents", Standing.FINDING)
    off = replace(good, off=torch.tensor([0.0, 1e-6]))
    assert {c.name for c in off.check() if not c.passed} == {"doubled"}

"""The figures of Zhao et al., at the smallest scale: they run, and what they claim holds."""

import json
from dataclasses import replace

import pytest
import torch

from isthmus.ground import load
from isthmus.papers import zhao2025
from isthmus.papers.bench import Standing
from isthmus.papers.zhao2025.figure4 import Growth

FIGURES = [one for one in zhao2025.EXPERIMENTS if one not in zhao2025.SECTION7]
"""The uses of section 7 are tested in files of their own."""


@pytest.mark.parametrize("experiment", FIGURES, ids=lambda one: one.name)
def test_every_figure_runs_and_is_drawn(experiment, tmp_path) -> None:
    found = experiment.run("smoke", folder=tmp_path)
    assert found.passed, [str(check) for check in found.check()]
    for name in found.draw():
        assert (tmp_path / f"{name}.svg").read_text("utf-8").startswith("<svg")
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    data = json.loads((tmp_path / "result.json").read_text("utf-8"))
    assert data["environment"]["torch"].startswith(torch.__version__[:4])
    kept = load(tmp_path / "arrays.safetensors")
    assert kept.keys() == found.arrays().keys()
    assert str(found)


def test_the_same_seed_gives_the_same_figure() -> None:
    one, two = (zhao2025.figure3.run("smoke", seed=3) for _ in range(2))
    assert all(torch.equal(x, two.arrays()[name]) for name, x in one.arrays().items())
    assert not torch.equal(one.before, zhao2025.figure3.run("smoke", seed=4).before)


def test_what_the_paper_gets_wrong_is_a_finding() -> None:
    standing = {one.name: one.standing for one in zhao2025.figure3.run("smoke").check()}
    assert standing.pop("start") is Standing.FINDING
    assert set(standing.values()) == {Standing.PASSED}


def test_a_wrong_barrier_fails() -> None:
    found: Growth = zhao2025.figure4.run("smoke")
    wrong = replace(found, measured=found.measured * (1 + 1e-6))
    assert {one.name for one in wrong.check() if not one.passed} == {"closed form"}

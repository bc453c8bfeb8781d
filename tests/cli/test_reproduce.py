"""`isthmus reproduce`: the list, a run and a rerun, the exit codes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from isthmus.cli import reproduce
from isthmus.ground import Params
from isthmus.papers import experiments
from isthmus.papers.bench import Bench, Check, Experiment, Findings, Scale
from isthmus.papers.figures import Picture

NAME = "ferbach2023.learning_rates"


def test_without_a_name_there_is_a_list(run) -> None:
    ran = run("reproduce", "--json", "-")
    assert ran.code == 0
    assert [line.split(":")[0] for line in ran.err.splitlines()] == [e.name for e in experiments()]
    assert json.loads(ran.out)[NAME]["source"].startswith("Ferbach")
    assert experiments("all") == experiments() == experiments(None)


@dataclass(frozen=True)
class Off:
    """By how much the claim is missed, and whether why is known."""

    off: float
    why: str = ""


@dataclass(frozen=True)
class Found(Findings):
    """One number."""

    number: float
    off: Off

    def arrays(self) -> Params:
        return {"number": torch.tensor(self.number)}

    def check(self) -> list[Check]:
        return [Check("claim", "it holds", self.off.off, finding=self.off.why)]

    def draw(self) -> Mapping[str, Picture]:
        return {}

    def __str__(self) -> str:
        return f"the number is {self.number}"


def perform(bench: Bench, settings: Off) -> Found:
    done = bench.step("number", lambda: {"x": torch.rand(())})  # another one, if done again
    return Found(float(done["x"]), settings)


@pytest.mark.parametrize("verdict", ["passed", "finding", "failed"])
def test_checks_make_the_exit_code(verdict: str, run, tmp_path: Path, monkeypatch) -> None:
    off = Off(0.0 if verdict == "passed" else 1.0, "known" if verdict == "finding" else "")
    one = Experiment("paper.number", "A number", "A paper", {Scale.QUICK: off}, perform)
    monkeypatch.setattr(reproduce, "experiments", lambda name: (one,))
    words = ["reproduce", "paper", "-o", tmp_path / "out"]
    ran = run(*words, "--json", tmp_path / "found.json")
    assert ran.code == (1 if verdict == "failed" else 0), ran.err
    assert f"{verdict:<8} claim: it holds" in ran.out
    found = json.loads((tmp_path / "found.json").read_text())["paper.number"]
    assert f"the number is {found['found']['number']}" in ran.out
    assert found["checks"][0]["standing"] == verdict
    stored = json.loads((tmp_path / "out" / "paper.number-quick-0" / "result.json").read_text())
    assert stored["checks"] == found["checks"]
    again = run(*words)
    assert (again.code, again.out) == (ran.code, ran.out)
    ran = run(*words, "--seed", 1)
    assert ran.code == again.code
    assert ran.out != again.out


def test_bad_input(run, tmp_path: Path) -> None:
    ran = run("reproduce", "ferbach2023.learning_rate")
    assert ran.code == 2
    (error,) = ran.errors
    assert "no experiment called 'ferbach2023.learning_rate'" in error
    assert error.endswith("did you mean 'ferbach2023.learning_rates'?")
    (tmp_path / "file").touch()
    ran = run("reproduce", NAME, "--scale", "smoke", "-o", tmp_path / "file")
    assert ran.code == 2
    assert "it is a file" in ran.errors[0]
    place = tmp_path / "out" / f"{NAME}-smoke-0"
    place.mkdir(parents=True)
    (place / "other").touch()
    ran = run("reproduce", NAME, "--scale", "smoke", "-o", tmp_path / "out")
    assert ran.code == 2
    assert "holds files that are no experiment's" in ran.errors[0]
    assert run("reproduce", NAME, "--scale", "huge").code == 2

"""An experiment: done once, gone on with after an interrupt, never mixed with another."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from isthmus.ground import BadCheckpoint, BadInput, OutputExists, load
from isthmus.papers.bench import Bench, Check, Standing


def test_the_folder_holds_everything(experiment, tmp_path: Path) -> None:
    found = experiment.run("quick", seed=3, folder=tmp_path / "out")
    assert found.sums == (3.0, 4.0, 5.0, 6.0)
    names = {file.name for file in (tmp_path / "out").iterdir()}
    pictures = {"sums.svg", "sums.png", "page.html"}
    assert names == {"experiment.json", "steps", "arrays.safetensors", "result.json", *pictures}
    assert torch.equal(load(tmp_path / "out" / "arrays.safetensors")["sums"], torch.arange(3.0, 7))
    data = json.loads((tmp_path / "out" / "result.json").read_text())
    assert (data["experiment"], data["scale"], data["seed"]) == ("tests.sums", "quick", 3)
    assert data["settings"] == {"parts": 4}
    assert data["found"] == {"sums": [3, 4, 5, 6]}
    assert [check["standing"] for check in data["checks"]] == ["passed", "finding"]
    assert data["environment"]["torch"] == torch.__version__
    assert "cores" in data["environment"]["processor"]
    page = (tmp_path / "out" / "page.html").read_text()
    assert "<h1>Sums &amp; parts</h1>" in page
    assert "they &lt;grow&gt;" in page
    assert "Numbers are &lt;ours&gt;." in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")


def test_without_a_folder_nothing_is_kept(experiment, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert experiment.run("smoke").sums == (0.0, 1.0)
    assert not list(tmp_path.iterdir())


def test_a_run_that_broke_off_goes_on_and_does_nothing_twice(experiment, tmp_path: Path) -> None:
    (tmp_path / "break-2").touch()
    with pytest.raises(Exception, match=r"^$"):
        experiment.run("quick", folder=tmp_path / "out")
    steps = tmp_path / "out" / "steps"
    before = {file.name: file.stat().st_mtime_ns for file in steps.iterdir()}
    assert set(before) == {"part-0.safetensors", "part-1.safetensors"}
    assert not (tmp_path / "out" / "result.json").exists()
    (tmp_path / "break-2").unlink()
    for number in (0, 1):
        (tmp_path / f"break-{number}").touch()  # would break if they were done again
    found = experiment.run("quick", folder=tmp_path / "out")
    assert found == experiment.run("quick")
    assert all((steps / name).stat().st_mtime_ns == time for name, time in before.items())


def test_another_seed_or_scale_is_refused_and_force_begins_anew(experiment, tmp_path: Path) -> None:
    experiment.run("quick", folder=tmp_path / "out")
    with pytest.raises(BadInput, match=r"other settings \(seed 0\); choose another folder"):
        experiment.run("quick", seed=1, folder=tmp_path / "out")
    with pytest.raises(BadInput, match=r"other settings \(scale 'quick', settings\)"):
        experiment.run("smoke", folder=tmp_path / "out")
    assert experiment.run("quick", 1, tmp_path / "out", force=True).sums == (1, 2, 3, 4)
    (tmp_path / "out" / "experiment.json").write_text("{")
    with pytest.raises(BadInput, match=r"experiment\.json is damaged"):
        experiment.run("quick", 1, tmp_path / "out")


def test_a_folder_of_other_files_is_refused(experiment, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    for force in (False, True):
        with pytest.raises(OutputExists, match=r"holds files that are no experiment's"):
            experiment.run("smoke", folder=tmp_path, force=force)
    assert len(list(tmp_path.iterdir())) == 1
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_damaged_step_is_refused(experiment, tmp_path: Path) -> None:
    experiment.run("smoke", folder=tmp_path / "out")
    (tmp_path / "out" / "steps" / "part-1.safetensors").write_bytes(b"half")
    with pytest.raises(BadCheckpoint, match=r"part-1.*; delete it, and run again to redo it"):
        experiment.run("smoke", folder=tmp_path / "out")


def test_bad_arguments(experiment, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no scale 'paper'; use one of smoke, quick"):
        experiment.run("paper")
    with pytest.raises(BadInput, match="workers is 0"):
        experiment.run(workers=0)
    with pytest.raises(BadInput, match=r"a step is called '\.\./x'"):
        Bench(tmp_path).step("../x", dict)


def test_steps_say_how_long_they_took(experiment, tmp_path: Path) -> None:
    experiment.run("smoke", folder=tmp_path / "out")
    with safe_open(tmp_path / "out" / "steps" / "part-0.safetensors", framework="pt") as step:
        facts = step.metadata()
    assert float(facts["seconds"]) >= 0
    assert facts["torch"] == torch.__version__
    assert Bench(tmp_path / "out").seconds >= 0


def test_progress_is_told(experiment) -> None:
    told: list[tuple[str, int, int]] = []
    experiment.run("smoke", tell=lambda *words: told.append(words))
    assert told == [
        ("part 0: adding", 0, 2), ("part 0", 1, 2), ("part 1: adding", 1, 2), ("part 1", 2, 2),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("off", "finding", "standing"),
    [
        (-1.0, "", Standing.PASSED),
        (0.1, "", Standing.PASSED),
        (0.2, "", Standing.FAILED),
        (0.2, "known", Standing.FINDING),
        (-1.0, "known", Standing.PASSED),
        (math.nan, "", Standing.FAILED),
    ],
)
def test_how_a_check_comes_out(off: float, finding: str, standing: Standing) -> None:
    check = Check("size", "it is small", off, 0.1, finding)
    assert check.standing is standing
    assert str(check).startswith(standing.value)
    assert check.to_json()["standing"] == standing.value
    assert ("known" in str(check)) == (standing is Standing.FINDING)

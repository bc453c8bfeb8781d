"""`isthmus slice`: planes through one, two or three checkpoints, pages and pictures, refusals."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch.distributed as dist

from isthmus.ground import save

SOURCE = Path(__file__).resolve().parents[2] / "src"

pytest.importorskip("PIL")


def words(files, *more, models=()):
    """The arguments of a quick slice."""
    given = ["--model", files.model(), "--data", files.data, "-o", files.folder / "out"]
    return ["slice", *(models or (files.a, files.b)), *given, "--steps", 5, *more]


def third(files):
    path = files.folder / "c.safetensors"
    save(files.params(7), path)
    return path


def test_three_checkpoints(files, run):
    ran = run(*words(files, "--json", "-", models=(files.a, files.b, third(files))))
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    assert set(found["passes"]) == {"A, B", "A, C", "B, C"}
    surface = found["test"]["surface"]
    assert len(surface["corners"]) == 3
    assert [len(surface["losses"]), len(surface["losses"][0])] == [5, 5]
    assert "5 x 5 places with 4 neighbours" in ran.err
    assert "may be joined outside the plane" in ran.err
    assert "loss up to" in ran.err
    drawn = {"slice", "tree", "barcode", "persistence"}
    names = {f"{name}.{kind}" for name in drawn for kind in ("svg", "png")}
    out = files.folder / "out"
    assert {path.name for path in out.iterdir()} == names | {"slice.html", "result.json"}
    assert json.loads((out / "result.json").read_text()) == found["test"]
    # The loss where the pass is cannot be below that at its ends.
    assert found["passes"]["A, B"] >= min(map(min, surface["losses"]))


def test_one_checkpoint_and_random_directions(files, run):
    first = run(*words(files, "--seed", 3, "--diagonal", "--json", "-", models=[files.a]))
    assert first.code == 0, first.err
    found = json.loads(first.out)
    assert found["passes"] == {}
    assert found["test"]["surface"]["corners"] == [[0, 0]]
    assert "8 neighbours" in first.err
    before = {path.name: path.read_bytes() for path in (files.folder / "out").iterdir()}
    again = run(*words(files, "--seed", 3, "--diagonal", "--force", models=[files.a]))
    assert again.code == 0, again.err
    assert {path.name: path.read_bytes() for path in (files.folder / "out").iterdir()} == before


def test_two_and_the_second_aligned(files, run):
    ran = run(*words(files, "--align", "--split", "train", "--samples", 9, "--json", "-"))
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    assert set(found["passes"]) == {"A, B", "A, B′", "B, B′"}
    assert "train" in found
    assert ">B′</text>" in (files.folder / "out" / "slice.svg").read_text(encoding="utf-8")


def test_statistics_are_recomputed_where_there_are_some(files, run):
    path = files.folder / "normed.safetensors"
    save(files.params(0, "normed"), path)
    given = ["--data", files.data, "-o", files.folder / "out", "--steps", 3, "--json", "-"]
    losses = []
    for repair in ("statistics", "none"):
        ran = run("slice", path, "--model", files.model("normed"), "--repair", repair,
                  "--force", *given)  # fmt: skip
        assert ran.code == 0, ran.err
        losses.append(json.loads(ran.out)["test"]["surface"]["losses"])
    assert losses[0] != losses[1]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--align", "third"], "3 checkpoints with --align"),
        (["third", "third"], "4 checkpoints"),
        (["--reach", "0"], "a reach above 0"),
    ],
)
def test_bad_input_is_refused(files, run, more, message):
    c = third(files)
    more = [c if word == "third" else word for word in more]
    models = [files.a] if "--reach" in more else ()
    ran = run(*words(files, *more, models=models))
    assert ran.code == 2, ran.out
    assert len(ran.errors) == 1
    assert message in ran.errors[0]
    assert not (files.folder / "out").exists()


def test_the_same_checkpoint_twice_is_no_plane(files, run):
    ran = run(*words(files, models=(files.a, files.a)))
    assert ran.code == 2
    assert "lie on one line" in ran.errors[0]


def test_what_exists_is_not_replaced_unasked(files, run):
    out = files.folder / "out"
    out.mkdir()
    (out / "slice.html").write_text("mine")
    ran = run(*words(files))
    assert ran.code == 2
    assert "exists already" in ran.errors[0]
    assert (out / "slice.html").read_text() == "mine"


@pytest.mark.slow
@pytest.mark.skipif(
    not (dist.is_available() and dist.is_gloo_available()), reason="torch has no gloo"
)
def test_under_torchrun_one_process_writes_what_one_alone_finds(files, run):
    alone = run(*words(files, "--json", "-", models=[files.a]))
    assert alone.code == 0, alone.err
    start = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    given = [str(word) for word in words(files, "--json", "-", "--force", models=[files.a])]
    path = os.pathsep.join([str(SOURCE), os.environ.get("PYTHONPATH", "")])
    ran = subprocess.run(
        [sys.executable, *start, "-m", "isthmus.cli", *given],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    found, expected = (
        json.loads(one)["test"]["surface"]["losses"] for one in (ran.stdout, alone.out)
    )
    for row, other in zip(found, expected, strict=True):
        assert row == pytest.approx(other, abs=1e-6)
    kept = json.loads((files.folder / "out" / "result.json").read_text())
    assert kept["surface"]["losses"] == found

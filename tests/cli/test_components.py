"""`isthmus components`: the census of checkpoints from the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from isthmus.cli.inputs import load_model
from isthmus.discovery import discover
from isthmus.ground import save

SOURCE = Path(__file__).resolve().parents[2] / "src"


@pytest.fixture
def words(files) -> Callable[..., list[str]]:
    """The arguments of a quick census of four networks: A, two of A's orbit, and B."""
    symmetry = discover(load_model(files.model()), torch.zeros(2, 8, 8))
    a = files.params(0)
    flow, swap = (symmetry.sample(1).split()[k] for k in (1, 0))
    save(symmetry.act(flow, a), files.folder / "near.safetensors")
    save(symmetry.act(flow @ swap, a), files.folder / "far.safetensors")

    def arguments(*more: object) -> list[str]:
        found = [files.folder / f"{name}.safetensors" for name in ("a", "near", "far", "b")]
        words = ["components", *found, "--model", files.model(), "--data", files.data]
        return [*map(str, words), "--points", "5", *map(str, more)]

    return arguments


def test_the_orbit_is_one_solution_and_two_components(words, run, files):
    level = 3.1
    ran = run(*words("--level", level, "--connector", "orbit", "--json", "-"))
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    assert found["names"] == ["a", "near", "far", "b"]
    assert found["components"]["members"] == [[0, 1], [2], [3]]
    assert found["solutions"]["members"] == [[0, 1, 2], [3]]
    assert found["orbits"] == [[0, 1, 2], [3]]
    assert found["prediction"]["verdict"] == "TESTED"
    for text in (
        "level 3.1: 3 components in parameter space, 2 up to symmetry",
        "a, near",
        "merge tree up to symmetry:",
        "3 seen in 4 draws, 2 of them once",
    ):
        assert text in ran.err


def test_all_heights_without_a_level(words, run):
    ran = run(*words("--connector", "line", "--no-interval", "--json", "-"))
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    assert len(found["meetings"]) == 6
    assert len(found["tree"]["merges"]) == 3
    assert "components" not in found
    assert "up to symmetry" not in ran.err


def test_uncertain_pairs_are_shown(words, run):
    first = json.loads(run(*words("--connector", "line", "--json", "-")).out)
    heights = [one["crossings"][0] for one in first["meetings"]]
    level = max(first["births"]) * 1.001
    unsure = [c for c in heights if c["interval"]["low"] <= level < c["interval"]["high"]]
    assert unsure
    ran = run(*words("--connector", "line", "--level", level, "--json", "-"))
    assert "Uncertain pairs" in ran.err
    clusters = json.loads(ran.out)["components"]
    assert clusters["fewest"] < clusters["most"]


def test_curves_are_tried_in_their_turn(words, run):
    two = [*words()[:2], *words()[4:]]
    births = json.loads(run(*two, "--connector", "line", "--json", "-").out)["births"]
    more = ["--connector", "line,bezier,aligned-polygon", "--steps", "3"]
    ran = run(*two, *more, "--level", max(births), "--json", "-")
    (meeting,) = json.loads(ran.out)["meetings"]
    tried = [(one["connector"], one["steps"]) for one in meeting["crossings"]]
    assert tried == [("line", 0), ("Bezier", 3), ("aligned PolygonalChain", 3)]


def test_bad_input_is_two(words, run, files):
    cases = [
        (words("--level", "nan"), "level is nan, expected a finite number"),
        (words("--level", 0.1), "minimum a has loss"),
        (words("--connector", "bezir"), "no 'bezir'; did you mean 'bezier'?"),
        (words("--connector", ","), "--connector names none"),
        (words("-o", files.folder), "exists already and is no folder of a census"),
        ([*words()[:2], *words()[5:]], "1 minima to compare; give at least two"),
        ([*words(), str(files.a)], "5 names, 4 of them different, for 5 minima"),
    ]
    before = sorted(files.folder.iterdir())
    for arguments, text in cases:
        ran = run(*arguments)
        assert (ran.code, len(ran.errors)) == (2, 1), ran.err
        assert text in ran.errors[0]
    assert sorted(files.folder.iterdir()) == before


@pytest.mark.slow  # what torchrun does to a verb is tested on `barrier`
@pytest.mark.skipif(
    not (dist.is_available() and dist.is_gloo_available()), reason="torch has no gloo"
)
def test_under_torchrun_the_pairs_are_shared_and_the_result_is_the_same(words, run, files):
    folder = files.folder / "census"
    arguments = words("--level", 3.1, "--json", "-")
    alone = run(*arguments)
    assert alone.code == 0, alone.err
    start = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    path = os.pathsep.join([str(SOURCE), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, *start, "-m", "isthmus.cli", *arguments, "-o", str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    ran = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == json.loads(alone.out)
    assert ran.stderr.count("merge tree up to symmetry") == 1
    pairs = len(json.loads(alone.out)["meetings"])
    assert len(list((folder / "pairs").iterdir())) == pairs
    assert json.loads((folder / "result.json").read_text()) == json.loads(alone.out)
    assert (folder / "pictures" / "trees.html").exists()
    again = run(*arguments, "-o", str(folder))
    assert json.loads(again.out) == json.loads(alone.out)

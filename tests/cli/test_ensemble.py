"""`isthmus ensemble` and `isthmus factors`: what is written and printed, and what is refused."""

from __future__ import annotations

import json

import pytest
import torch

from isthmus.ground import load, save


def words(files, *more):
    return [
        *("ensemble", files.a, "--model", files.model(), "--data", files.data),
        *("-o", files.folder / "out", "--count", 2, "--steps", 3, *more),
    ]


@pytest.mark.parametrize("members", ["orbit", "data", "curve", "simplex", "trained"])
def test_members_are_written_and_scored(files, run, members) -> None:
    ran = run(*words(files, "--members", members, "--json", "-"))
    assert ran.code == 0, ran.err
    out = files.folder / "out"
    assert {path.name for path in out.iterdir()} == {
        "member-1.safetensors",
        "member-2.safetensors",
        "ensemble.json",
    }
    found = json.loads(ran.out)
    assert found == json.loads((out / "ensemble.json").read_text("utf-8"))
    assert len(found[members]["members"]) == 3
    start, one = load(files.a), load(out / "member-1.safetensors")
    assert any(not torch.equal(one[name], start[name]) for name in start)
    if members == "orbit":
        assert found["orbit"]["disagreement"] == 0
        assert found["cost"] == {"steps": 0, "passes": 0}
        assert abs(found["orbit"]["gain"]) < 1e-5
    assert "calibration error" in ran.err


def test_several_checkpoints_are_scored_together(files, run) -> None:
    arguments = words(files, "--members", "orbit", "--json", "-")
    arguments.insert(2, files.b)
    ran = run(*arguments)
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    assert len(found["all checkpoints"]["members"]) == 2
    assert found["all checkpoints"]["disagreement"] > 0
    again = run(*arguments)
    assert again.code == 2
    assert "--force" in again.err


def test_a_smaller_ensemble_replaces_a_larger_one_but_no_input(files, run) -> None:
    out = files.folder / "out"
    assert run(*words(files, "--members", "orbit")).code == 0
    fewer = words(files, "--members", "orbit", "--count", 1, "--force")
    assert run(*fewer).code == 0
    assert {path.name for path in out.iterdir()} == {"member-1.safetensors", "ensemble.json"}
    save(load(files.b), out / "member-2.safetensors")
    fewer[1:2] = [files.a, out / "member-2.safetensors"]
    assert run(*fewer).code == 0
    assert (out / "member-2.safetensors").exists()


def test_a_model_without_linear_readers_is_refused(files, run) -> None:
    path = files.folder / "normed.safetensors"
    save(files.params(0, "normed"), path)
    given = ["--model", files.model("normed"), "--data", files.data, "-o", files.folder / "out"]
    ran = run("ensemble", path, *given, "--members", "data")
    assert ran.code == 2
    assert "no hidden space is read by linear layers alone" in ran.err
    assert not (files.folder / "out").exists()


def test_factors(files, run) -> None:
    given = ["--model", files.model(), "--data", files.data, "--points", 3, "--json", "-"]
    ran = run("factors", files.a, files.b, *given)
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    assert [one["added"] for one in found["stages"]] == ["nothing", "permutations", "scales"]
    assert len(found["ends"]) == 2
    assert "merged loss" in ran.err
    missing = run("factors", files.a, files.folder / "none.safetensors", *given)
    assert missing.code == 2

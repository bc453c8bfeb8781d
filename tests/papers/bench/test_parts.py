"""Parts shared out among processes: the results of one process, and no process left behind."""

from __future__ import annotations

import importlib
import multiprocessing
import os
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from isthmus.ground import BadInput
from isthmus.papers.bench import Bench, each

MODULE = '''
"""Work that processes find by name."""
import os, signal, time
import torch


def work(bench, part):
    def made():
        bench.tell("at it", 0, 1)
        if part == "bad":
            raise ValueError("bad part")
        if part == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if part == "long":
            time.sleep(600)
        return {"x": torch.tensor([part, bench.seed, torch.get_num_threads(), os.getpid()])}

    return bench.step(f"part-{part}", made)
'''


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    (tmp_path / "work_of_parts.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    return importlib.import_module("work_of_parts")


def test_processes_do_what_one_does(module: ModuleType, tmp_path: Path) -> None:
    told: list[str] = []
    bench = Bench(tmp_path / "out", 7, 2, tell=lambda what, done, total: told.append(what))
    found = [one["x"].tolist() for one in each(bench, module.work, {"one": 1, "two": 2})]
    assert [row[:3] for row in found] == [[1, 7, 1], [2, 7, 1]]
    assert os.getpid() not in [row[3] for row in found]
    assert {"one: at it", "two: at it"} <= set(told)
    again = each(replace(bench, workers=1), module.work, {"one": 1, "two": 2})
    assert [one["x"].tolist() for one in again] == found


@pytest.mark.slow
def test_an_error_ends_all_processes(module: ModuleType, tmp_path: Path) -> None:
    bench = Bench(tmp_path / "out", 0, 2)
    with pytest.raises(ValueError, match="bad part"):
        each(bench, module.work, {"bad": "bad", "long": "long"})
    for child in multiprocessing.active_children():
        child.join(10)
    assert not multiprocessing.active_children()


@pytest.mark.slow
def test_a_killed_process_is_told(module: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"was killed; run again with fewer workers"):
        each(Bench(tmp_path / "out", 0, 2), module.work, {"killed": "killed", "one": 1})

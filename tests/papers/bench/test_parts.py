"""Parts shared out among processes: the results of one process, and no process left behind."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
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
        bench.folder.mkdir(exist_ok=True)
        (bench.folder / str(os.getpid())).touch()
        bench.tell("at it", 0, 1)
        if part == "bad":
            raise ValueError("bad part")
        if part == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if part in ("long", "longer"):
            time.sleep(600)
        return {"x": torch.tensor([part, bench.seed, torch.get_num_threads(), os.getpid()])}

    return bench.step(f"part-{part}", made)
'''


PROGRAM = """
import signal
import sys
from pathlib import Path

signal.signal(signal.SIGINT, signal.default_int_handler)  # where it began in the background
sys.path.insert(0, sys.argv[1])
import work_of_parts
from isthmus.papers.bench import Bench, each

if __name__ == "__main__":
    bench = Bench(Path(sys.argv[1]) / "out", 0, 2, lambda *words: print(*words, flush=True))
    each(bench, work_of_parts.work, {"a": "long", "b": "longer", "c": 1})
"""


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
    bench, others = Bench(tmp_path / "out", 0, 2), multiprocessing.active_children()
    with pytest.raises(ValueError, match="bad part"):
        each(bench, module.work, {"long": "long", "bad": "bad", "later": "long", "last": "long"})
    mine = [child for child in multiprocessing.active_children() if child not in others]
    for child in mine:
        child.join(60)
    assert not [child for child in mine if child.is_alive()]


@pytest.mark.slow
def test_a_killed_process_is_told(module: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"was killed; run again with fewer workers"):
        each(Bench(tmp_path / "out", 0, 2), module.work, {"killed": "killed", "one": 1})


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="processes are looked for in /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_processes_end_with_their_parent(number: int, module: ModuleType, tmp_path: Path) -> None:
    """Whatever ends it; what a part was about to write is not left half-written."""
    (tmp_path / "program.py").write_text(PROGRAM)
    words = [sys.executable, str(tmp_path / "program.py"), str(tmp_path)]
    quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(words, text=True, **quiet) as parent:  # type: ignore[call-overload]
        for _ in range(2):
            assert "at it" in parent.stdout.readline()
        parent.send_signal(number)
    children = [int(file.name) for file in (tmp_path / "out").glob("*") if file.name.isdigit()]
    assert len(children) == 2
    for _ in range(300):
        if not any(Path(f"/proc/{child}").exists() for child in children):
            break
        time.sleep(0.1)
    else:
        pytest.fail("a process was left behind")
    assert not list((tmp_path / "out").glob("steps/*"))

"""Processes that share the samples give what one gives."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch.distributed as dist

from isthmus.ground import BadInput
from isthmus.landscape import Ranks, ranks

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parents[2] / "src"

needs_gloo = pytest.mark.skipif(
    not (dist.is_available() and dist.is_gloo_available()), reason="torch has no gloo"
)


def torchrun(*words: str) -> subprocess.CompletedProcess[str]:
    """Two processes of ``words``, found by each other on this machine."""
    run = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    path = os.pathsep.join([str(SOURCE), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, *run, *words],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def close(one, other):
    """Whether two results are alike to 1e-6."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(close(one[k], other[k]) for k in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(close, one, other))
    return one == other if isinstance(one, str | None) else one == pytest.approx(other, abs=1e-6)


@needs_gloo
def test_two_processes_give_the_barrier_of_one(tmp_path):
    figures = runpy.run_path(str(HERE / "two_processes.py"))["figures"]
    done = torchrun(str(HERE / "two_processes.py"), str(tmp_path))
    assert done.returncode == 0, done.stderr
    first, second = (json.loads((tmp_path / f"{k}.json").read_text()) for k in (0, 1))
    assert first.pop("count") == second.pop("count") == 2
    assert first == second
    alone = figures(Ranks())
    assert alone.pop("count") == 1
    for name in ("given", "fresh"):
        for found in (alone[name], first[name]):
            found["certificate"]["claim"] = ""  # it has the height in words
        assert close(alone[name], first[name])
    assert alone["given"]["losses"] != alone["fresh"]["losses"]


@pytest.mark.parametrize("count", [1, 2, 3, 7])
@pytest.mark.parametrize("samples", [0, 1, 5, 100])
def test_every_sample_goes_to_one_process(count, samples):
    for turn in range(3):
        parts = [Ranks(rank, count).part(samples, turn) for rank in range(count)]
        taken = [k for part in parts for k in range(samples)[part]]
        assert sorted(taken) == list(range(samples))
        sizes = [part.stop - part.start for part in parts]
        assert max(sizes) - min(sizes) <= 1


def test_alone_there_is_one_rank(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with ranks() as alone:
        assert alone == Ranks(0, 1)
        assert alone.first
        assert alone.gather("own") == ["own"]


def test_processes_that_cannot_find_each_other_are_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    monkeypatch.delenv("MASTER_PORT", raising=False)
    with (
        pytest.raises(
            BadInput,
            match="WORLD_SIZE is 2, but MASTER_ADDR, MASTER_PORT is not set; start the processes",
        ),
        ranks(),
    ):
        pass

"""Under torchrun, several processes are one program."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch.distributed as dist

SOURCE = Path(__file__).resolve().parents[2] / "src"


@pytest.mark.skipif(
    not (dist.is_available() and dist.is_gloo_available()), reason="torch has no gloo"
)
def test_barrier_is_that_of_one_process_and_is_printed_once(files, run):
    words = ["barrier", files.a, files.b, "--model", files.model(), "--data", files.data]
    words = [*map(str, words), "--paths", "line", "--points", "3", "--json", "-"]
    alone = run(*words)
    assert alone.code == 0, alone.err
    start = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    path = os.pathsep.join([str(SOURCE), os.environ.get("PYTHONPATH", "")])
    ran = subprocess.run(
        [sys.executable, *start, "-m", "isthmus.cli", *words],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    found, expected = json.loads(ran.stdout), json.loads(alone.out)  # one document, not two
    losses = [one["test"]["line"]["losses"] for one in (found, expected)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)
    assert ran.stderr.count("barrier") == alone.err.count("barrier") > 0

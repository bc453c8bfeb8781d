"""Matching: aligning two networks, side by side with the field.

The networks: ``mlp``, 784-512-512-512-10, ReLU, at random; ``trained``, the same after two epochs
on Fashion-MNIST; ``wrn``, a WideResNet-22-4 with group norm (one group), 4.3 million parameters, at
random.

Beside `rebasin` from PyPI stand methods of which no package can be installed, written from their
papers (``benchmarks/field``). Each way is a worker process of one program, and they take turns on
every pair, so that a busy moment of the machine meets all. `rebasin` lives in an environment of its
own under ``.envs/``, made on the first run. Ways that take seconds run once for each pair, two of
them with a budget of processor time, at the end of which they give what they have.

A time is that of one matching, tracing apart, with the processor time beside it, which a busy
machine changes less; ``Git / it`` is the processor time of Git Re-Basin over that of the way. A
distance is Euclidean over all parameters, between a and the moved b. Scales change the distance
itself: the row of the whole group is shown and not compared.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

from measuring import environment, median, options, spread, table, write
from networks import network
from ways import LABELS, SLOW, way_of

HERE = Path(__file__).resolve().parent
PEER = "rebasin==0.0.47"
NEEDS = ("numpy", "scipy", "torchview", "tqdm", "graphviz")


def main(words: list[str]) -> None:
    """Run all workers in alternation and print the tables."""
    chosen = _options(words)
    if chosen.net == "trained":
        for seed in range(2 * chosen.pairs):
            network("trained", seed)  # once, for all workers
    workers = {way: Worker(way, chosen) for way in chosen.ways}
    found: list[dict[str, Any]] = []
    try:
        for way, worker in workers.items():
            if way not in SLOW:
                worker.ask(0)  # imports, caches, first calls
        for run in range(chosen.runs):
            for pair in range(chosen.pairs):
                for way, worker in workers.items():
                    if way in SLOW and (run or (way == "whole" and pair >= chosen.whole)):
                        continue
                    found.append({"way": way, "pair": pair, "run": run, **worker.ask(pair)})
    finally:
        for worker in workers.values():
            worker.close()
    print(_summary(found), _pairs(found, chosen.pairs), sep="\n\n", end="\n\n")
    fast = "scipy" if chosen.scipy else "lapx where it is installed"
    print(f"budget {chosen.budget:g} s; our assignments by {fast}; load {os.getloadavg()[0]:.1f}")
    write(chosen.json, "matching", chosen.threads, found)


def _options(words: list[str]) -> Any:
    parser = options(__doc__, runs=3)
    parser.add_argument("--net", choices=("mlp", "trained", "wrn"), default="mlp")
    parser.add_argument("--pairs", type=int, default=5, help="pairs; the first has seeds 0 and 1")
    parser.add_argument("--whole", type=int, default=1, help="pairs for the whole group")
    parser.add_argument("--budget", type=float, default=60, help="seconds for c2m3 and sinkhorn")
    parser.add_argument("--ways", nargs="+", choices=LABELS, default=list(LABELS))
    parser.add_argument("--scipy", action="store_true", help="our assignments without lapx")
    parser.add_argument("--peer", metavar="PYTHON", help="an interpreter that has rebasin")
    chosen = parser.parse_args(words)
    if "rebasin" in chosen.ways:
        chosen.peer = chosen.peer or make_peer()
    return chosen


def _summary(found: list[dict[str, Any]]) -> str:
    rows = []
    git = {(one["pair"], one["run"]): one["cpu"] for one in found if one["way"] == "git"}
    for way in dict.fromkeys(one["way"] for one in found):
        mine = [one for one in found if one["way"] == way]
        ratio = [git[one["pair"], one["run"]] / one["cpu"] for one in mine] if git else []
        rows.append(
            (
                LABELS[way],
                spread([one["matching"] for one in mine]),
                f"{median([one['cpu'] for one in mine]):.3f}",
                f"{median([one['tracing'] for one in mine]):.3f}",
                f"{median(ratio):.2g}" if ratio else "",
                f"{median([one['after'] for one in mine]):.3f}",
                f"{max(one['error'] for one in mine):.1e}",
            )
        )
    head = ("", "matching, s", "CPU, s", "tracing, s", "Git / it", "distance", "output error")
    return table(head, rows)


def _pairs(found: list[dict[str, Any]], pairs: int) -> str:
    """Distance and processor seconds of each pair."""
    rows = []
    for way in dict.fromkeys(one["way"] for one in found):
        cells = []
        for pair in range(pairs):
            mine = [one for one in found if (one["way"], one["pair"]) == (way, pair)]
            seconds = median([one["cpu"] for one in mine]) if mine else 0.0
            cells.append(f"{mine[0]['after']:.3f} in {seconds:.2f}" if mine else "")
        rows.append((LABELS[way], *cells))
    before = {one["pair"]: one["before"] for one in found}
    rows.insert(0, ("before", *(f"{before[k]:.3f}" for k in range(pairs))))
    return table(
        ("distance in CPU s", *(f"seeds {2 * k}, {2 * k + 1}" for k in range(pairs))), rows
    )


def make_peer() -> str:
    """The interpreter of an environment with rebasin, made if it is not there."""
    place = HERE / ".envs" / "rebasin"
    python = place / "bin" / "python"
    if (place / "ready").exists():
        return str(python)
    print(f"making {place}", file=sys.stderr)
    venv.create(place, with_pip=True, clear=True)
    pip = [str(python), "-m", "pip", "install", "-q", "-c", str(HERE.parent / "constraints.txt")]
    # Without its own list of needs: torchvision, which is on it, is not used here.
    for step in (["torch==2.13.0"], [*NEEDS], ["--no-deps", PEER]):
        subprocess.run([*pip, *step], check=True, stdout=sys.stderr)
    (place / "ready").touch()
    return str(python)


class Worker:
    """A process that matches one pair whenever it is asked."""

    def __init__(self, way: str, chosen: Any) -> None:
        python = chosen.peer if way == "rebasin" else sys.executable
        words = [way, chosen.net, str(chosen.budget), "scipy" if chosen.scipy else "any"]
        self.process = subprocess.Popen(
            [python, str(Path(__file__).resolve()), *words],
            env=environment(chosen.threads),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def ask(self, pair: int) -> dict[str, Any]:
        """Match a pair; returns times, distances and the error of the moved model's output."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(pair, file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"a worker stopped with exit code {self.process.wait()}")
        return dict(json.loads(answer))

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(timeout=60)


def work(way: str, net: str, budget: float) -> None:
    """The worker's side: a pair's number on each line in, a line of JSON out."""
    import torch

    example = (4, 3, 32, 32) if net == "wrn" else (16, 784)

    def apart(a: Any, b: Any) -> float:
        return float(sum((a[n] - b[n]).double().square().sum() for n in a) ** 0.5)

    match = way_of(way, budget)
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        a, b = network(net, 2 * int(line)), network(net, 2 * int(line) + 1)
        before = apart(a.state_dict(), b.state_dict())
        x = torch.randn(example)
        with torch.no_grad():
            expected = b(x)
        tracing, matching, cpu, moved = match(a, b, x)
        b.load_state_dict(moved)
        with torch.no_grad():
            error = float((b(x) - expected).norm() / expected.norm())
        after = apart(a.state_dict(), moved)
        times = {"tracing": tracing, "matching": matching, "cpu": cpu}
        distances = {"before": before, "after": after, "error": error}
        print(json.dumps({**times, **distances}), file=answers, flush=True)


if __name__ == "__main__":
    way, net, budget, solver = sys.argv[1:]
    if solver == "scipy":
        sys.modules["lap"] = None  # type: ignore[assignment]
    with contextlib.suppress(KeyboardInterrupt):
        work(way, net, float(budget))

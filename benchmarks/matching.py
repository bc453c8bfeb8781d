"""Matching: aligning two networks, side by side with `rebasin`.

The networks: ``mlp``, 784-512-512-512-10, ReLU, at random; ``trained``, the same after two epochs
on Fashion-MNIST; ``wrn``, a WideResNet-22-4 with group norm (one group), 4.3 million parameters, at
random.

Both libraries run as worker processes of one program, in turn on every pair, so that a busy moment
of the machine meets both. `rebasin` lives in an environment of its own under ``.envs/``, made on
the first run. A time is that of one matching, tracing apart, with the processor time beside it,
which a busy machine changes less. A distance is Euclidean over all parameters, between a and the
moved b. Scales change the distance itself: the row of the whole group is shown and not compared.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
import venv
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from measuring import environment, median, options, spread, table, timed, write

HERE = Path(__file__).resolve().parent
PEER = "rebasin==0.0.47"
NEEDS = ("numpy", "scipy", "torchview", "tqdm", "graphviz")
WAYS = {
    "rebasin": "rebasin 0.0.47",
    "once": "isthmus, permutations, one start",
    "default": "isthmus, permutations, default",
    "wolfe": "isthmus, permutations, Frank-Wolfe",
    "whole": "isthmus, whole group, default",
}


def main(words: list[str]) -> None:
    """Run both workers in alternation and print the table."""
    parser = options(__doc__, runs=3)
    parser.add_argument("--net", choices=("mlp", "trained", "wrn"), default="mlp")
    parser.add_argument("--pairs", type=int, default=5, help="pairs; the first has seeds 0 and 1")
    parser.add_argument("--whole", type=int, default=1, help="pairs for the whole group, run once")
    parser.add_argument("--peer", metavar="PYTHON", help="an interpreter that has rebasin")
    chosen = parser.parse_args(words)
    peer = chosen.peer or make_peer()
    if chosen.net == "trained":
        for seed in range(2 * chosen.pairs):
            network("trained", seed)  # once, for all workers
    workers = {
        way: Worker(peer if way == "rebasin" else sys.executable, way, chosen.net, chosen.threads)
        for way in WAYS
    }
    found: list[dict[str, Any]] = []
    try:
        for way, worker in workers.items():
            if way != "whole":
                worker.ask(0)  # imports, caches, first calls
        for run in range(chosen.runs):
            for pair in range(chosen.pairs):
                for way, worker in workers.items():
                    if way == "whole" and (run or pair >= chosen.whole):
                        continue
                    found.append({"way": way, "pair": pair, "run": run, **worker.ask(pair)})
    finally:
        for worker in workers.values():
            worker.close()
    print(_tables(found, chosen.pairs))
    write(chosen.json, "matching", chosen.threads, found)


def _tables(found: list[dict[str, Any]], pairs: int) -> str:
    rows, each = [], []
    for way, label in WAYS.items():
        mine = [one for one in found if one["way"] == way]
        if not mine:
            continue
        ratio = [
            other["matching"] / one["matching"]
            for one in mine
            for other in found
            if (other["way"], other["pair"], other["run"]) == ("rebasin", one["pair"], one["run"])
        ]
        rows.append(
            (
                label,
                spread([one["matching"] for one in mine]),
                f"{median([one['cpu'] for one in mine]):.3f}",
                f"{median([one['tracing'] for one in mine]):.3f}",
                "" if way == "rebasin" else f"{median(ratio):.1f}",
                f"{median([one['after'] for one in mine]):.3f}",
                f"{max(one['error'] for one in mine):.1e}",
            )
        )
        after = {one["pair"]: one["after"] for one in mine}
        each.append((label, *(f"{after[k]:.3f}" if k in after else "" for k in range(pairs))))
    before = {one["pair"]: one["before"] for one in found}
    each.insert(0, ("before", *(f"{before[k]:.3f}" for k in range(pairs))))
    head = ("", "matching, s", "CPU, s", "tracing, s", "times faster", "distance", "output error")
    seeds = tuple(f"seeds {2 * k}, {2 * k + 1}" for k in range(pairs))
    return f"{table(head, rows)}\n\n{table(('distance', *seeds), each)}\n"


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

    def __init__(self, python: str, way: str, net: str, threads: int) -> None:
        self.process = subprocess.Popen(
            [python, str(Path(__file__).resolve()), way, net],
            env=environment(threads),
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


def work(way: str, net: str) -> None:
    """The worker's side: a pair's number on each line in, a line of JSON out."""
    import torch

    example = (4, 3, 32, 32) if net == "wrn" else (16, 784)

    def apart(a: Any, b: Any) -> float:
        return float(sum((a[n] - b[n]).double().square().sum() for n in a) ** 0.5)

    match = _rebasin if way == "rebasin" else _isthmus(way)
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


def network(net: str, seed: int) -> Any:
    """One of the networks."""
    import torch

    torch.manual_seed(seed)
    made = wide_resnet() if net == "wrn" else mlp()
    return _trained(made, seed) if net == "trained" else made.eval()


def mlp() -> Any:
    """784-512-512-512-10, ReLU."""
    from torch import nn

    layers: list[nn.Module] = []
    for n, m in pairwise((784, 512, 512, 512, 10)):
        layers += [nn.Linear(n, m), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def _trained(model: Any, seed: int) -> Any:
    """After two epochs on Fashion-MNIST; kept under ``.trained/`` for all workers."""
    import torch

    place = HERE / ".trained" / f"mlp-{seed}.pt"
    if not place.exists():
        from isthmus.testing.datasets import load
        from isthmus.testing.training import train

        data = load("fashion-mnist")
        train(model, data.x_train.flatten(1), data.y_train, epochs=2, batch=128, lr=1e-3, seed=seed)
        place.parent.mkdir(exist_ok=True)
        torch.save(model.state_dict(), place)
    model.load_state_dict(torch.load(place, weights_only=True))
    return model.eval()


def wide_resnet(depth: int = 22, factor: int = 4) -> Any:
    """Zagoruyko and Komodakis 2016, with group norm of one group in place of batch norm."""
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self, inner: int, outer: int, stride: int) -> None:
            super().__init__()
            self.norm1, self.norm2 = nn.GroupNorm(1, inner), nn.GroupNorm(1, outer)
            self.conv1 = nn.Conv2d(inner, outer, 3, stride, 1, bias=False)
            self.conv2 = nn.Conv2d(outer, outer, 3, 1, 1, bias=False)
            same = inner == outer
            self.skip = nn.Identity() if same else nn.Conv2d(inner, outer, 1, stride, bias=False)

        def forward(self, x: Any) -> Any:
            y = torch.relu(self.norm1(x))
            return self.skip(y) + self.conv2(torch.relu(self.norm2(self.conv1(y))))

    widths = (16, *(16 * factor * 2**k for k in range(3)))
    blocks = [
        Block(widths[k] if i == 0 else widths[k + 1], widths[k + 1], 2 if i == 0 and k else 1)
        for k in range(3)
        for i in range((depth - 4) // 6)
    ]
    first = nn.Conv2d(3, 16, 3, padding=1, bias=False)
    head = [nn.GroupNorm(1, widths[-1]), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(first, *blocks, *head, nn.Linear(widths[-1], 10))


def _rebasin(a: Any, b: Any, x: Any) -> tuple[float, float, float, Any]:
    from rebasin import PermutationCoordinateDescent

    tracing, descent = timed(lambda: PermutationCoordinateDescent(a, b, x))
    start = time.process_time()
    matching, _ = timed(descent.rebasin)
    cpu = time.process_time() - start
    return tracing, matching, cpu, {n: t.clone() for n, t in b.state_dict().items()}


def _isthmus(way: str) -> Callable[[Any, Any, Any], tuple[float, float, float, Any]]:
    from isthmus.algebra.groups import Permutation
    from isthmus.alignment import FrankWolfe, Outward, WeightMatching, align
    from isthmus.discovery import discover

    def match(a: Any, b: Any, x: Any) -> tuple[float, float, float, Any]:
        def trace() -> Any:
            symmetry = discover(a, x)
            return symmetry if way == "whole" else symmetry.restrict(Permutation)

        once = WeightMatching(starts=(Outward(),), tolerance=1e-4)
        ways = {"once": once, "wolfe": FrankWolfe(matching=once, shares=(0.2,))}
        method = ways.get(way, WeightMatching())
        tracing, symmetry = timed(trace)
        params = {n: t.clone() for n, t in a.state_dict().items()}
        moving = {n: t.clone() for n, t in b.state_dict().items()}
        start = time.process_time()
        matching, fit = timed(lambda: align(moving, to=params, symmetry=symmetry, method=method))
        return tracing, matching, time.process_time() - start, fit.params

    return match


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        work(sys.argv[1], sys.argv[2])

"""Many points of a path at once, against a plain loop, and within a memory budget.

The plain loop loads every point of the path into the model (``load_state_dict``) and runs the
whole batch, without gradients. Both are run one after the other in one process, ``--runs`` times;
the figures are the smallest times and their ratio. ``memory`` is by how much the peak resident
memory of a process of its own rises while the engine runs with a budget of ``--memory`` MB.

    python benchmarks engine --networks mlp resnet20 --points 25 101
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from measuring import environment, options, table, timed, use_threads, write

HERE = Path(__file__).resolve().parent
SAMPLES = {"mlp": 10_000, "resnet20": 1000, "cnn": 1000, "gpt": 64, "tiny": 1000}


def main(words: list[str]) -> None:
    """Measure and print."""
    parser = options(__doc__, runs=3)
    parser.add_argument("--networks", nargs="+", default=list(SAMPLES), choices=list(SAMPLES))
    parser.add_argument("--points", nargs="+", type=int, default=[25])
    parser.add_argument("--samples", type=int, help="in place of the usual numbers")
    parser.add_argument("--memory", type=int, default=1024, help="MB that the engine may use")
    parser.add_argument("--one", action="store_true", help="measure memory in this process")
    chosen = parser.parse_args(words)
    use_threads(chosen.threads)
    if chosen.one:
        print(_growth(chosen.networks[0], chosen.points[0], chosen.samples, chosen.memory))
        return
    rows, figures = [], []
    for name in chosen.networks:
        for points in chosen.points:
            samples = chosen.samples or SAMPLES[name]
            found = _measured(name, points, samples, chosen)
            figures.append({"network": name, "points": points, "samples": samples} | found)
            rows.append([name, points, samples, *(f"{v:.3g}" for v in found.values())])
            print(table(["network", "points", "samples", *found], rows[-1:]), flush=True)
    print(table(["network", "points", "samples", *found], rows))
    write(chosen.json, "engine", chosen.threads, figures)


def _measured(name: str, points: int, samples: int, chosen: Any) -> dict[str, float]:
    import torch

    torch.set_num_threads(chosen.threads)
    loss, line, ts, plain = case(name, points, samples, chosen.memory)
    loss.along(line, ts[:1])
    ours, loops = [], []
    for _ in range(chosen.runs):
        seconds, found = timed(lambda: [one.loss for one in loss.along(line, ts)])
        ours.append(seconds)
        seconds, expected = timed(lambda: [plain(line(t)) for t in ts])
        loops.append(seconds)
    apart = max(abs(x - y) / abs(y) for x, y in zip(found, expected, strict=True))
    words = [sys.executable, str(HERE), "engine", "--one", "--networks", name]
    words += ["--points", str(points), "--samples", str(samples), "--memory", str(chosen.memory)]
    done = subprocess.run(
        words, env=environment(chosen.threads), capture_output=True, text=True, check=True
    )
    return {
        "engine": min(ours),
        "loop": min(loops),
        "ratio": min(loops) / min(ours),
        "difference": apart,
        "memory": json.loads(done.stdout),
    }


def case(
    name: str, points: int, samples: int, memory: int
) -> tuple[Any, Any, list[float], Callable[[Any], float]]:
    """(loss, line, ts, the plain loss of params)."""
    import torch
    import torch.nn.functional as F

    from isthmus.ground import params_of
    from isthmus.landscape import Line, Loss

    torch.manual_seed(0)
    model, other, x, y = _networks(name, samples)
    model.eval()

    def criterion(outputs: Any, targets: Any) -> Any:
        return F.cross_entropy(outputs.flatten(0, -2), targets.flatten())

    def plain(params: Any) -> float:
        model.load_state_dict(params, strict=False)
        with torch.no_grad():
            return float(criterion(model(x), y))

    loss = Loss(model, [(x, y)], criterion, {}, memory=memory * 2**20)
    line = Line(params_of(model), params_of(other))
    return loss, line, [k / (points - 1) for k in range(points)], plain


def _networks(name: str, samples: int) -> tuple[Any, Any, Any, Any]:
    """Two networks of one kind, inputs, targets."""
    import torch
    from torch import nn

    if name == "gpt":
        import language_models

        one, two = (language_models.trained("gpt", seed, 1500) for seed in (0, 1))
        x = torch.randint(0, 60, (samples, 64))
        return one, two, x, torch.randint(0, 60, (samples, 64))
    if name == "resnet20":
        from isthmus.testing.zoo import resnet20 as build

        x = torch.randn(samples, 3, 32, 32)
    elif name == "cnn":
        from vision_models import RECIPES

        build, x = RECIPES["cnn"].build, torch.randn(samples, 1, 28, 28)
    elif name == "mlp":
        from networks import mlp as build

        x = torch.randn(samples, 784)
    else:

        def build() -> Any:
            return nn.Sequential(
                nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 4)
            )

        x = torch.randn(samples, 20)
    classes = 4 if name == "tiny" else 10
    return build(), build(), x, torch.randint(0, classes, (samples,))


def _growth(name: str, points: int, samples: int, memory: int) -> float:
    """MB by which the peak of resident memory rises while the engine runs."""
    loss, line, ts, _ = case(name, points, samples, memory)
    loss.along(line, ts[:1])  # what torch allocates once, for good
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = _status("VmRSS")
    loss.along(line, ts)
    return _status("VmHWM") - before


def _status(what: str) -> float:
    """A figure of this process in MB (Linux)."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(what)) / 1024

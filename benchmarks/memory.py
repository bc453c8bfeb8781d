"""Memory: what `align` holds at its peak beyond the two models it is given, in checkpoints.

Each case is a process of its own, in which a small one was aligned before, so that what libraries
load once is not counted. Peaks are those of resident memory, which includes what the allocator
keeps; beyond the models given counts the moved model that is returned, one checkpoint.
"""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

from measuring import environment, options, table, timed, write

CASES = {
    "MLP 784-1024³-10": ("mlp", 1024),
    "GPT, 6 layers of width 384": ("gpt", 384),
}
GROUPS = ("permutations", "whole group")


def main(words: list[str]) -> None:
    """Measure every case with permutations and with the whole group."""
    parser = options(__doc__, runs=1)
    parser.add_argument(
        "--alone", nargs=2, metavar=("CASE", "GROUP"), help="measure this one, here"
    )
    chosen = parser.parse_args(words)
    if chosen.alone:
        print(json.dumps(_measure(*chosen.alone)))
        return
    found = []
    for case in CASES:
        for group in GROUPS:
            command = [sys.executable, __file__, "--alone", case, group]
            done = subprocess.run(
                command,
                env=environment(chosen.threads),
                check=True,
                capture_output=True,
                text=True,
            )
            found.append(json.loads(done.stdout.splitlines()[-1]))
    head = ("", "group", "checkpoint, MB", "peak beyond, MB", "checkpoints", "seconds")
    rows = [
        (one["case"], one["group"], f"{one['checkpoint']:.0f}", f"{one['peak']:.0f}",
         f"{one['peak'] / one['checkpoint']:.1f}", f"{one['seconds']:.0f}")
        for one in found
    ]  # fmt: skip
    print(table(head, rows))
    write(chosen.json, "memory", chosen.threads, found)


def _measure(case: str, group: str) -> dict[str, Any]:
    """One case in this process: independent random models."""
    from isthmus import align, discover, params_of
    from isthmus.algebra.groups import Motion

    warnings.simplefilter("ignore")
    kind, width = CASES[case]

    def pair(width: int) -> tuple[Any, Any, Any]:
        (one, example), (two, _) = (_network(kind, width, seed) for seed in (0, 1))
        symmetry = discover(one, example)
        symmetry = symmetry.restrict([Motion.SWAP]) if group == GROUPS[0] else symmetry
        return symmetry, params_of(one), params_of(two)

    small, first, second = pair(24)
    align(second, to=first, symmetry=small)
    symmetry, a, b = pair(width)
    size = sum(t.numel() * t.element_size() for t in a.values()) / 2**20
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
    before = _resident("VmRSS")
    seconds, _ = timed(lambda: align(b, to=a, symmetry=symmetry))
    peak = _resident("VmHWM") - before
    return {"case": case, "group": group, "checkpoint": size, "peak": peak, "seconds": seconds}


def _network(kind: str, width: int, seed: int) -> tuple[Any, Any]:
    """A network with random weights, and an example of its input."""
    import torch
    from torch import nn

    from isthmus.testing.zoo.language import Gpt

    torch.manual_seed(seed)
    if kind == "gpt":
        sizes = {"width": width, "hidden": 4 * width, "vocabulary": 1000, "positions": 128}
        return Gpt(nn.LayerNorm, 6, heads=6, **sizes), torch.zeros(2, 128, dtype=torch.int64)
    inner = [nn.Linear(784, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()]
    outer = [nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 10)]
    return nn.Sequential(*inner, *outer), torch.zeros(2, 784)


def _resident(key: str) -> float:
    """A figure of this process's memory on Linux, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(key)).split()[1]) / 1024


if __name__ == "__main__":
    main(sys.argv[1:])

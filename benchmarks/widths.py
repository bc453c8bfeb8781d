"""Widths: one wide layer, its alignment split into matrix products and assignment.

A layer of as many hidden units as its width reads a stream and writes to it: two products make the
matrix to be assigned. The stream is as wide as the layer, up to 4096 (Llama-3-8B: 4096 and 14336).
Pairs are ``matching``: b is a with its hidden units in random order, plus noise of a tenth of its
size; or ``independent``. All is float32; times are of the processor.

The assignment is timed four times on the same matrix: as the library does it without lapx
(`assignment`: the best of every row where that is proof, else scipy from soft potentials) and with
it, by scipy alone and by lapx alone. All must reach the same sum. What `align` does around it is no
part of it.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Callable
from typing import Any
from unittest import mock

from measuring import median, options, table, use_threads, write

WIDTHS = (1024, 4096, 14336)
KINDS = ("matching", "independent")
NOISE = 0.1
KEYS = ("products", "ours", "with lapx", "scipy", "lapx")


def main(words: list[str]) -> None:
    """One row for each width and kind of pair."""
    parser = options(__doc__, runs=1)
    parser.add_argument("--widths", type=int, nargs="+", default=WIDTHS)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--stream", type=int, default=4096, help="the widest stream")
    parser.add_argument("--no-scipy", type=int, metavar="WIDTH", default=20_000,
                        help="of independent pairs, leave scipy out from this width")  # fmt: skip
    chosen = parser.parse_args(words)
    use_threads(chosen.threads)
    head = ("width", "pair", "products, s", "ours, s", "with lapx, s", "scipy, s", "lapx, s", "GB")
    figures, rows = [], []
    for width in chosen.widths:
        for kind in chosen.kinds:
            scipy = kind == "matching" or width < chosen.no_scipy
            found = [
                _measure(width, min(width, chosen.stream), kind, seed, scipy)
                for seed in range(chosen.runs)
            ]
            figures += found
            cells = [[one[key] for one in found] for key in KEYS]
            times = ["" if None in of else f"{median(of):.3f}" for of in cells]
            rows.append((width, kind, *times, f"{found[0]['memory']:.1f}"))
            print(table(head, rows[-1:]).splitlines()[-1], flush=True)
    print("\n" + table(head, rows), end=f"\n\nload {os.getloadavg()[0]:.1f}\n")
    write(chosen.json, "widths", chosen.threads, figures)


def _measure(width: int, stream: int, kind: str, seed: int, scipy: bool) -> dict[str, Any]:
    """Seconds of each part for one pair, and the largest sum."""
    import numpy as np
    from scipy.optimize import linear_sum_assignment

    from isthmus.ground.assignment import accelerator, assignment

    products, cost = _cost(width, stream, kind, seed)
    with mock.patch.dict(sys.modules, {"lap": None}):
        ours, perm = _timed(lambda: assignment(cost, maximise=True))
    matrix, units = cost.numpy(), np.arange(width)
    best = float(matrix[units, perm].sum(dtype=np.float64))
    out: dict[str, Any] = {"width": width, "kind": kind, "seed": seed, "sum": best}
    out |= {**dict.fromkeys(KEYS), "products": products, "ours": ours}
    solver = accelerator()
    if solver:
        out["with lapx"], _ = _timed(lambda: assignment(cost, maximise=True))
    np.negative(matrix, out=matrix)
    solvers = {
        "scipy": (lambda: linear_sum_assignment(matrix)[1]) if scipy else None,
        "lapx": (lambda: solver(matrix, return_cost=False)[1]) if solver else None,
    }
    for name, solve in solvers.items():
        if solve is not None:
            out[name], found = _timed(solve)
            there = -float(matrix[units, found].sum(dtype=np.float64))
            assert abs(there - best) <= 1e-9 * abs(best), (name, there, best)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return {**out, "memory": peak}


def _cost(width: int, stream: int, kind: str, seed: int) -> tuple[float, Any]:
    """Seconds of the two products, and the matrix that they add up to."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(width, generator=generator)
    total, cost = 0.0, torch.zeros(width, width)
    # One row for each hidden unit: what it reads with, then what it writes with.
    for _ in range(2):
        a, b = (torch.randn(width, stream, generator=generator) for _ in range(2))
        if kind == "matching":
            b = a[order].add_(b, alpha=NOISE)
        seconds, _ = _timed(lambda a=a, b=b: cost.addmm_(a, b.T))
        total += seconds
    return total, cost


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Processor seconds that ``work()`` takes, and what it returns."""
    start = time.process_time()
    made = work()
    return time.process_time() - start, made

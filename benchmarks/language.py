"""Language: which part of the group lowers the barrier between two character models by how much.

Two GPT-style and two Llama-style models (`language_models.py`) trained from different seeds; the
second is aligned to the first with more and more of the group, by its data, and by the loss. The
barrier is that of the loss on test text, over the line between the models in their own parameters.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from measuring import options, table, use_threads, write

STEPS = {"gpt": 1500, "llama": 700}


def main(words: list[str]) -> None:
    """Train what is not there, align in every way, print a table for each kind."""
    parser = options(__doc__, runs=1)
    parser.add_argument("--kinds", nargs="+", choices=list(STEPS), default=list(STEPS))
    parser.add_argument("--points", type=int, default=11, help="of the barrier")
    parser.add_argument("--descent", type=int, default=300, help="steps of the loss descent")
    parser.add_argument("--only", metavar="WORD", help="ways whose name contains this")
    chosen = parser.parse_args(words)
    use_threads(chosen.threads)
    figures = []
    for kind in chosen.kinds:
        found = list(_pair(kind, chosen))
        rows = [
            (one["way"], *(f"{one[k]:.3f}" for k in ("distance", "barrier", "ratio")),
             f"{one['at']:.2f}", f"{one['seconds']:.1f}")
            for one in found
        ]  # fmt: skip
        ends = ", ".join(f"{loss:.3f}" for loss in found[0]["ends"])
        head = (kind, "distance", "barrier", "of naive", "at t", "seconds")
        print(f"losses of the two: {ends}\n{table(head, rows)}\n", flush=True)
        figures.append({"kind": kind, "ways": found})
    write(chosen.json, "language", chosen.threads, figures)


def _pair(kind: str, chosen: Any) -> Iterator[dict[str, Any]]:
    import language_models as models
    import torch

    from isthmus import Line, Loss, align, barrier, discover, params_of
    from isthmus.alignment.gauged import gauged_distance

    one, two = (models.trained(kind, seed, STEPS[kind]) for seed in (0, 1))
    a, b = params_of(one), params_of(two)
    symmetry = discover(one, torch.zeros(2, models.CONTEXT, dtype=torch.int64))
    test = models.windows("test", 128, seed=9)
    loss = Loss(one, [tuple(t.split(32)[k] for t in test) for k in range(4)], models.criterion, {})
    naive = 0.0
    for way, align_it in _ways(symmetry, one, models, chosen.descent).items():
        if chosen.only and chosen.only not in way and way != "naive":
            continue
        begin = time.perf_counter()
        fit = align_it(a, b, align)
        seconds = time.perf_counter() - begin
        moved = b if fit is None else fit.params
        found = barrier(loss, Line(a, moved), points=chosen.points)
        naive = naive or found.height
        yield {
            "way": way,
            "distance": gauged_distance(symmetry, a, moved),
            "barrier": found.height,
            "ratio": found.height / naive,
            "at": found.at,
            "ends": [found.losses[0], found.losses[-1]],
            "seconds": seconds,
        }


def _ways(symmetry: Any, model: Any, models: Any, steps: int) -> dict[str, Callable[..., Any]]:
    """Name, and from a and b to an alignment."""
    from isthmus import ActivationMatching, Loss, LossDescent, WeightMatching
    from isthmus.algebra.groups import Motion
    from isthmus.alignment import natural_weights

    x, y = models.windows("train", 4096, seed=5)
    batches = list(zip(x.split(16), y.split(16), strict=True))
    loss = Loss(model, batches, models.criterion, {})
    held = Loss(model, batches[:4], models.criterion, {})
    swaps = symmetry.restrict([Motion.SWAP])
    rigid = symmetry.restrict([Motion.SWAP, Motion.FLIP, Motion.TURN])

    def by(group: Any, method: Any) -> Callable[..., Any]:
        return lambda a, b, align: align(b, to=a, symmetry=group, method=method)

    activation = ActivationMatching(model, batches[:8])
    return {
        "naive": lambda a, b, align: None,
        "permutations": by(swaps, WeightMatching()),
        "+ signs, rotations": by(rigid, WeightMatching()),
        "+ GL, scales, planes": by(symmetry, WeightMatching()),
        "+ weighed as parameters": lambda a, b, align: align(
            b, to=a, symmetry=symmetry, method=WeightMatching(weights=natural_weights(symmetry, a))
        ),
        "activations, permutations": by(swaps, activation),
        "activations": by(symmetry, activation),
        "loss descent": by(
            symmetry, LossDescent(loss, held=held, start=activation, steps=steps, rate=0.01)
        ),
    }

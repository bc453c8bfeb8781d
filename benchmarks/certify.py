"""Certify: how near a proved bound of the barrier comes to the sampled one, and how long it takes.

``aligned`` and ``unaligned``: the Fashion-MNIST MLP pair (784-512-512-512-10, `vision_models.py`)
on test images; ``cnn``: the CNN with BatchNorm in evaluation mode; ``transformer``: two GPTs of
one block, width 32 and context 16, trained here for seconds. The sampled maximum: of 101 points.
Beside the seconds stand those of the processor, which other work on the machine changes less.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from measuring import options, table, use_threads, write

IMAGES, SEQUENCES, CONTEXT = 32, 8, 16


def main(words: list[str]) -> None:
    """Certify every pair that is asked for and print a table."""
    parser = options(__doc__, runs=1)
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--images", type=int, nargs="+", default=[256], help="for the MLPs")
    chosen = parser.parse_args(words)
    use_threads(chosen.threads)
    figures = []
    for kind in chosen.kinds:
        for images in chosen.images if KINDS[kind] is _mlp else [None]:
            for _ in range(chosen.runs):
                figures.append(_certified(kind, images))
                print(figures[-1], file=sys.stderr, flush=True)
    measured = ("sampled", "upper", "above", "relative", "intervals", "seconds", "processor")
    rows = [
        (
            one["pair"],
            one["samples"],
            *(f"{one[key]:.4f}" for key in ("sampled", "upper", "above")),
            f"{one['relative']:.1%}" if one["sampled"] else "-",
            one["intervals"],
            *(f"{one[key]:.1f}" for key in ("seconds", "processor")),
        )
        for one in figures
    ]
    print(table(("pair", "samples", *measured), rows))
    write(chosen.json, "certify", chosen.threads, figures)


def _certified(kind: str, images: int | None) -> dict[str, Any]:
    from isthmus import barrier
    from isthmus.landscape import certify

    loss, line, wanted = KINDS[kind](kind, images)
    sampled = barrier(loss, line, points=101).height
    begin, busy = time.perf_counter(), time.process_time()
    found = certify(loss, line, **wanted)
    seconds, busy = time.perf_counter() - begin, time.process_time() - busy
    upper = found.evidence["upper"]
    return {
        "pair": kind,
        "samples": found.evidence["samples"],
        "sampled": sampled,
        "upper": upper,
        "above": upper - sampled,
        "relative": upper / sampled - 1 if sampled else None,
        "intervals": found.evidence["bounded"],
        "verdict": found.verdict.name,
        "seconds": seconds,
        "processor": busy,
    }


def _mlp(kind: str, images: int | None) -> tuple[Any, Any, dict[str, Any]]:
    loss, line = _pictures("mlp", images or 256, align=kind == "aligned")
    return loss, line, {"tolerance": 0.002} if kind == "aligned" else {"relative": 0.02}


def _cnn(kind: str, images: int | None) -> tuple[Any, Any, dict[str, Any]]:
    loss, line = _pictures("cnn", IMAGES, align=False)
    return loss, line, {"relative": 0.1}


def _pictures(kind: str, images: int, align: bool) -> tuple[Any, Any]:
    """The loss on test images, and the line between two image models."""
    import torch.nn.functional as F
    import vision_models as models

    from isthmus import Line, Loss, discover, params_of
    from isthmus import align as aligned

    one, two = (models.trained(kind, seed) for seed in (0, 1))
    x, y, _ = models.pictures(models.RECIPES[kind].data, 28, "test")
    x, y = x[:images], y[:images]
    loss = Loss(one, list(zip(x.split(1000), y.split(1000), strict=True)), F.cross_entropy, {})
    a, b = params_of(one), params_of(two)
    if align:
        b = aligned(b, to=a, symmetry=discover(one, x[:2])).params
    return loss, Line(a, b)


def _transformer(kind: str, images: int | None) -> tuple[Any, Any, dict[str, Any]]:
    import language_models as models

    from isthmus import Line, Loss, params_of

    models.CONTEXT = CONTEXT
    one, two = (_block(seed, models) for seed in (0, 1))
    loss = Loss(one, [models.windows("test", SEQUENCES, seed=9)], models.criterion, {})
    return loss, Line(params_of(one), params_of(two)), {"relative": 0.1, "work": 4096}


def _block(seed: int, models: Any, steps: int = 300, batch: int = 32) -> Any:
    """A GPT of one block after a few hundred steps of Adam."""
    import torch
    from torch import nn

    from isthmus.testing.training import seeded
    from isthmus.testing.zoo.language import Gpt

    sizes: dict[str, int] = {"width": 32, "hidden": 64, "vocabulary": 65, "positions": CONTEXT}
    model = seeded(lambda: Gpt(nn.LayerNorm, 1, heads=2, **sizes), seed)
    x, y = models.windows("train", steps * batch, seed)
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    for some, next_ in zip(x.split(batch), y.split(batch), strict=True):
        optimiser.zero_grad()
        models.criterion(model(some), next_).backward()
        optimiser.step()
    return model.eval()


KINDS: dict[str, Callable[[str, int | None], tuple[Any, Any, dict[str, Any]]]] = {
    "aligned": _mlp,
    "unaligned": _mlp,
    "cnn": _cnn,
    "transformer": _transformer,
}

if __name__ == "__main__":
    main(sys.argv[1:])

"""Vision: what alignment leaves of the barrier between two image models, per way to align.

Pairs trained from different seeds (`vision_models.py`): an MLP and a CNN with BatchNorm on
Fashion-MNIST, ResNet-20 at widths x1 and x4 on a part of CIFAR-10. The second is aligned to the
first; the barrier is that of the loss on test images, over the line between the models in their
own parameters, with BatchNorm's statistics as interpolated and recomputed on training images.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from measuring import options, table, timed, use_threads, write
from vision_models import RECIPES

KINDS = ("mlp", "cnn", "resnet20", "resnet20-small", "resnet20x4-small")
SIDES = ("as it is", "recomputed")


def main(words: list[str]) -> None:
    """Train what is not there, align in every way, print a table for each kind."""
    parser = options(__doc__, runs=1)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--points", type=int, default=11, help="of the barrier")
    parser.add_argument("--descent", type=int, default=150, help="steps of the loss descent")
    parser.add_argument("--only", nargs="+", metavar="WORD", help="ways that contain one of these")
    chosen = parser.parse_args(words)
    use_threads(chosen.threads)
    figures = []
    for kind in chosen.kinds:
        pair = Pair(kind)
        print(f"{kind}: {pair.about}", flush=True)
        found = list(_aligned(pair, chosen))
        print(f"{_table(found)}\n", flush=True)
        figures.append({"kind": kind, "about": pair.about, "ways": found})
    write(chosen.json, "vision", chosen.threads, figures)


class Pair:
    """Two trained models, their symmetry, and the data they meet."""

    def __init__(self, kind: str) -> None:
        import torch.nn.functional as F
        import vision_models as models
        from torch import nn

        from isthmus import Loss, discover, params_of
        from isthmus.testing.datasets import batches

        recipe = RECIPES[kind]
        self.model, other = (models.trained(kind, seed) for seed in (0, 1))
        self.a, self.b = params_of(self.model), params_of(other)
        x, y, version = models.pictures(recipe.data, recipe.pixels, "train")
        self.symmetry = discover(self.model, x[:2])
        self.batches = batches(x[: recipe.shown], y[: recipe.shown], 100)
        x, y, _ = models.pictures(recipe.data, recipe.pixels, "test")
        self.test = Loss(
            self.model, batches(x[: recipe.shown], y[: recipe.shown], 100), F.cross_entropy
        )
        self.train = Loss(self.model, self.batches, F.cross_entropy, {})
        self.normed = any(isinstance(m, nn.BatchNorm2d) for m in self.model.modules())
        self.about = (
            f"{version}, {recipe.pixels}x{recipe.pixels}; trained on {recipe.images} images for "
            f"{recipe.epochs} epochs; methods and statistics see {recipe.shown} training images, "
            f"barriers as many test images"
        )


def _aligned(pair: Pair, chosen: Any) -> Iterator[dict[str, Any]]:
    from isthmus import Line, align, barrier

    naive: dict[str, float] = {}
    for way, (symmetry, method) in _ways(pair, chosen.descent).items():
        if chosen.only and way != "naive" and not any(word in way for word in chosen.only):
            continue
        moved, seconds = pair.b, 0.0
        if method is not None:
            seconds, fit = timed(
                lambda g=symmetry, m=method: align(pair.b, to=pair.a, symmetry=g, method=m)
            )
            moved = fit.params
        row: dict[str, Any] = {"way": way, "seconds": seconds}
        for side in SIDES if pair.normed else SIDES[:1]:
            again = pair.batches if side == "recomputed" else None
            found = barrier(pair.test, Line(pair.a, moved), chosen.points, again)
            naive.setdefault(side, found.height)
            accuracy = found.metrics["accuracy"]
            row[side] = {
                "barrier": found.height,
                "ratio": found.height / naive[side],
                "at": found.at,
                "ends": [*found.ends, accuracy[0], accuracy[-1]],
                "middle": accuracy[chosen.points // 2],
            }
        shown = ", ".join(f"{row[side]['barrier']:.3f}" for side in SIDES if side in row)
        print(f"  {way}: {shown}, {seconds:.1f} s", file=sys.stderr, flush=True)
        yield row


def _table(found: list[dict[str, Any]]) -> str:
    """The losses and accuracies of the models themselves, then a row for each way."""
    sides = [side for side in SIDES if side in found[0]]
    one, two, right, good = found[0]["as it is"]["ends"]
    head = [""]
    for side in sides:
        head += ["barrier" if side == SIDES[0] else side, "of naive", "at half"]
    rows = []
    for row in found:
        cells = [row["way"]]
        for side in sides:
            part = row[side]
            cells += [f"{part['barrier']:.3f}", f"{part['ratio']:.1%}", f"{part['middle']:.1%}"]
        rows.append([*cells, f"{row['seconds']:.1f}"])
    ends = f"test losses {one:.3f} and {two:.3f}, accuracies {right:.1%} and {good:.1%}"
    return f"{ends}\n{table([*head, 'seconds'], rows)}"


def _ways(pair: Pair, steps: int) -> dict[str, tuple[Any, Callable[..., Any] | None]]:
    """Name, the group that may act, and how."""
    from isthmus import ActivationMatching, CovarianceMatching, Loss, LossDescent, WeightMatching
    from isthmus.algebra.groups import Motion

    whole = pair.symmetry
    swaps = whole.restrict([Motion.SWAP])
    activation = ActivationMatching(pair.model, pair.batches)
    held = Loss(pair.model, pair.batches[:5], pair.train.criterion, {})
    # Only what is continuous moves: from a good start, latent permutations end farther away.
    descent = LossDescent(
        pair.train, held=held, steps=steps, every=50, swap_rate=0.0, statistics=pair.normed
    )
    found: dict[str, tuple[Any, Callable[..., Any] | None]] = {
        "naive": (whole, None),
        "weights, permutations": (swaps, WeightMatching()),
        "weights, whole group": (whole, WeightMatching()),
        "covariances": (whole, CovarianceMatching(pair.model, pair.batches)),
        "activations, permutations": (swaps, activation),
        "activations": (whole, activation),
        "loss descent from weights": (
            whole,
            replace(descent, start=_within(swaps, WeightMatching())),
        ),
        "loss descent from activations": (
            whole,
            replace(descent, start=_within(swaps, activation)),
        ),
    }
    return found


def _within(group: Any, method: Any) -> Callable[..., Any]:
    """A matcher that uses a part of the group only."""
    from isthmus.alignment import Match

    def matcher(a: Any, b: Any, symmetry: Any, generator: Any) -> Any:
        return Match(symmetry.lift(method(a, b, group, generator).element))

    return matcher

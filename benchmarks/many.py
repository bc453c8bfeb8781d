"""Many: the mean of five models, against what the models are by themselves.

Five MLPs on Fashion-MNIST, 784-256-256-10 and 784-512-512-10, from different seeds
(`vision_models.py`), moved together by every strategy; then the test loss of the mean of their
parameters, less the mean of their own test losses. The mean is not repaired or trained.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from measuring import options, table, timed, use_threads, write

KINDS = ("mlp-256", "mlp-512")


def main(words: list[str]) -> None:
    """Train what is not there, align in every way, print a table for each width."""
    parser = options(__doc__, runs=1)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--models", type=int, default=5)
    parser.add_argument("--descent", type=int, default=60, help="steps of each loss descent")
    chosen = parser.parse_args(words)
    use_threads(chosen.threads)
    figures = []
    for kind in chosen.kinds:
        found = _found(kind, chosen)
        head = (kind, "loss of the mean", "above single", "accuracy", "seconds")
        rows = [
            (one["way"], f"{one['loss']:.4f}", f"{one['above']:+.4f}", f"{one['accuracy']:.1%}",
             f"{one['seconds']:.1f}")
            for one in found
        ]  # fmt: skip
        print(f"{table(head, rows)}\n", flush=True)
        figures.append({"kind": kind, "ways": found})
    write(chosen.json, "many", chosen.threads, figures)


def _found(kind: str, chosen: Any) -> list[dict[str, Any]]:
    import torch.nn.functional as F
    import vision_models

    from isthmus import Loss, align_all, discover, params_of
    from isthmus.alignment.many.mean import mean_of
    from isthmus.testing.datasets import batches

    recipe = vision_models.RECIPES[kind]
    trained = [vision_models.trained(kind, seed) for seed in range(chosen.models)]
    models, model = [params_of(one) for one in trained], trained[0]
    x, y, _ = vision_models.pictures(recipe.data, recipe.pixels, "test")
    test = Loss(model, [(x, y)], F.cross_entropy)
    single = [test.evaluate(one) for one in models]
    level = sum(one.loss for one in single) / len(single)
    accuracy = sum(one.metrics["accuracy"] for one in single) / len(single)
    rows = [{"way": "single", "loss": level, "above": 0.0, "accuracy": accuracy, "seconds": 0.0}]
    x, y, _ = vision_models.pictures(recipe.data, recipe.pixels, "train")
    shown = batches(x[: recipe.shown], y[: recipe.shown], 250)
    for way, arguments in _ways(discover(model, x[:2]), model, shown, chosen.descent).items():
        seconds, mean = 0.0, mean_of(models)
        if arguments is not None:
            seconds, fits = timed(partial(align_all, models, **arguments))
            mean = fits.mean
        seen = test.evaluate(mean)
        row = {"way": way, "loss": seen.loss, "above": seen.loss - level}
        rows.append(row | {"accuracy": seen.metrics["accuracy"], "seconds": seconds})
    return rows


def _ways(symmetry: Any, model: Any, batches: Any, steps: int) -> dict[str, dict[str, Any] | None]:
    """Name, and what `align_all` is told."""
    import torch.nn.functional as F

    from isthmus import ActivationMatching, Loss, LossDescent, MeanDescent, Star, Universe
    from isthmus.algebra.groups import Motion

    swaps = symmetry.restrict([Motion.SWAP])
    held = Loss(model, batches[:8], F.cross_entropy, {})
    descent = LossDescent(Loss(model, batches, F.cross_entropy, {}), held=held, steps=steps)
    learned = MeanDescent(descent)
    activation = ActivationMatching(model, batches[:8])
    return {
        "as they are": None,
        "star": {"symmetry": symmetry, "strategy": Star()},
        "star, activations": {"symmetry": symmetry, "strategy": Star(), "method": activation},
        "universe, permutations": {"symmetry": swaps, "strategy": Universe()},
        "universe": {"symmetry": symmetry, "strategy": Universe()},
        "mean descent, permutations": {"symmetry": swaps, "strategy": learned},
        "mean descent": {"symmetry": symmetry, "strategy": learned},
    }

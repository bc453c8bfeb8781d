"""Mean-field bounds: what they say of two-layer networks, by width, beside what is measured.

``cube``: means of tanh units drawn from a cube of three dimensions, widths of mathematics.md 2.8.
``rates``: units drawn from a sphere of five dimensions; the exponents of dropout stability and of
the line, and the law. ``trained``: 784-N-10 on 20,000 images of Fashion-MNIST, 3 epochs of Adam
with learning rate 1e-3, batches of 128; gaps and barriers on 1000 test images.
"""

from __future__ import annotations

import sys
from typing import Any

from measuring import options, table, use_threads, write

NAMES = ("Lipschitz, on the hull", "Lipschitz, by pairs", "smooth, on the hull", "smooth, by pairs")
SHARPEST = "products, by pairs"


def main(words: list[str]) -> None:
    """Measure all that is asked for and print a table of each."""
    parser = options(__doc__, runs=4)
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    chosen = parser.parse_args(words)
    use_threads(chosen.threads)
    figures = {kind: KINDS[kind](chosen.runs) for kind in chosen.kinds}
    write(chosen.json, "mean_field", chosen.threads, figures)


def _network(inputs: int, width: int, outputs: int, kind: str, mean: bool) -> Any:
    """One hidden layer; a mean over its units, or their sum."""
    import torch
    from torch import nn

    class TwoLayers(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.up, self.down = nn.Linear(inputs, width), nn.Linear(width, outputs)

        def forward(self, x: Any) -> Any:
            out = self.down(getattr(torch.nn.functional, kind)(self.up(x)))
            return out / width if mean else out

    return TwoLayers()


def _pair(width: int, seed: int, kind: str, inputs: int, sphere: bool) -> tuple[Any, ...]:
    """A loss, two networks whose units are drawn at random, and their symmetry."""
    import torch
    from torch import nn

    from isthmus import Loss, discover

    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Any:
        return 2 * torch.rand(*shape, generator=generator, dtype=torch.float64) - 1

    def params() -> dict[str, Any]:
        units = draw(width, inputs + 2)
        if sphere:
            units = torch.randn(width, inputs + 2, generator=generator, dtype=torch.float64)
            units = units / units.norm(dim=1, keepdim=True)
        up, bias, down = units.split([inputs, 1, 1], 1)
        parts = {"up.weight": up, "up.bias": bias[:, 0], "down.weight": down.mT}
        return {**parts, "down.bias": draw(1)}

    model = _network(inputs, width, 1, kind, mean=True).double()
    x, y = draw(40, inputs), draw(40, 1)
    loss = Loss(model, [(x, y)], nn.MSELoss())
    return loss, params(), params(), discover(model, x)


def _cube(runs: int) -> list[dict[str, Any]]:
    from isthmus.transport.bounds import SquaredLoss, mean_field_bound

    rows = []
    for width in (50, 200, 800):
        found = [
            mean_field_bound(*_pair(width, seed, "tanh", 1, False), convex=SquaredLoss())
            for seed in range(runs)
        ]
        gaps = [{**f.bounds, "measured": f.measured, "unmatched": f.unmatched} for f in found]
        rows.append({n: sum(g[n].mean for g in gaps) / runs for n in gaps[0]} | {"units": width})
    names = (*NAMES, SHARPEST, "measured", "unmatched")
    print("gap of the outputs, mean over inputs and pairs (tanh, 3 dimensions)")
    print(table(("units", *names), [(r["units"], *(f"{r[n]:.4g}" for n in names)) for r in rows]))
    return rows


def _rates(runs: int) -> list[Any]:
    from isthmus.transport.bounds import SquaredLoss, width_rates

    found = []
    for kind in ("tanh", "relu"):
        rates = width_rates(
            lambda width, seed, kind=kind: _pair(width, seed, kind, 4, True),
            (64, 128, 256, 512, 1024),
            max(runs, 2),
            SquaredLoss(),
        )
        print(f"{kind} units on a sphere of 5 dimensions: the law of W₁ is N^-0.2")
        print(rates)
        found.append(rates.to_json() | {"activation": kind})
    return found


def _trained(runs: int) -> list[dict[str, Any]]:
    import torch.nn.functional as F

    from isthmus import Loss, discover, params_of
    from isthmus.testing.datasets import load
    from isthmus.testing.training import seeded, train
    from isthmus.transport.bounds import mean_field_bound

    data = load("fashion-mnist")
    x, y = data.x_train.flatten(1)[:20000], data.y_train[:20000]
    test = data.x_test.flatten(1)[:1000], data.y_test[:1000]
    rows = []
    for kind in ("relu", "gelu"):
        for width in (64, 256, 512):
            models = [
                seeded(lambda k=kind, w=width: _network(784, w, 10, k, False), s) for s in (0, 1)
            ]
            for seed, model in enumerate(models):
                train(model, x, y, epochs=3, batch=128, lr=1e-3, seed=seed)
            loss = Loss(models[0], [test], F.cross_entropy, {})
            found = mean_field_bound(
                loss, *map(params_of, models), discover(models[0], test[0][:2]), power=1.0
            )
            rows.append({"network": f"{kind} {width}", **found.to_json()})
            print(f"{kind}, trained\n{found}")
    head = ("network", "bound of the gap", "measured", "unmatched", "barrier", "unmatched")
    lines = [
        (
            one["network"],
            f"{one['bounds'][SHARPEST]['mean']:.3g}",
            *(f"{one[name]['mean']:.3g}" for name in ("measured", "unmatched")),
            *(f"{one[name]['barrier']:.3g}" for name in ("measured", "unmatched")),
        )
        for one in rows
    ]
    print(table(head, lines))
    return rows


KINDS = {"cube": _cube, "rates": _rates, "trained": _trained}

if __name__ == "__main__":
    main(sys.argv[1:])

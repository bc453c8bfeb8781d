"""Planted recovery: b = g·a for a random g of the whole group; does `align` undo it?

The parameters of a are moved off every special value first (gains, biases, running statistics); g
covers every factor: swaps, signs, scales, rotations, shears, planes, heads, experts. A case is
recovered when what is left is at most 1e-9 of the norm of a in float64, 1e-5 in float32. With
noise on b, the distance found should be at most that at the planted element.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

from measuring import median, options, table, timed, use_threads, write

CLOSE = {"float64": 1e-9, "float32": 1e-5}
NOISE = (1e-2, 1e-1)
FIVE = ("mlp", "resnet20", "hf_vit", "hf_gpt2", "hf_llama")


def main(words: list[str]) -> None:
    """Plant and recover, seed by seed."""
    parser = options(__doc__, runs=100)
    parser.add_argument("--zoo", action="store_true", help="all models of the zoo, five seeds each")
    parser.add_argument("--only", metavar="WORD", help="models whose name contains this")
    parser.add_argument("--scale", type=float, default=0.3, help="size of the continuous part of g")
    chosen = parser.parse_args(words)
    use_threads(chosen.threads)
    runs = min(chosen.runs, 5) if chosen.zoo else chosen.runs
    figures = []
    for name in _names(chosen.zoo):
        if chosen.only is None or chosen.only in name:
            found = list(_seeds(name, runs, chosen.scale, noisy=not chosen.zoo))
            figures.append({"name": name, "seeds": found})
            print(table(HEAD, [_row(name, found)]).splitlines()[-1], flush=True)
    print("\n" + table(HEAD, [_row(one["name"], one["seeds"]) for one in figures]), end="\n\n")
    write(chosen.json, "planted", chosen.threads, figures)


HEAD = ("model", "parameters", "dimension", "float64", "float32", "noise 1%", "noise 10%",
        "seconds", "slowest", "worst, f64", "worst, f32")  # fmt: skip


def _row(name: str, found: list[dict[str, Any]]) -> tuple[Any, ...]:
    def rate(good: list[bool]) -> str:
        return f"{sum(good)} of {len(good)}" if good else ""

    return (
        name,
        found[0]["parameters"],
        found[0]["dimension"],
        *(rate([one[dtype] <= CLOSE[dtype] for one in found]) for dtype in CLOSE),
        *(rate([one["noisy"][k] <= 1.0 for one in found if one["noisy"]]) for k in range(2)),
        f"{median([one['seconds'] for one in found]):.2f}",
        f"{max(one['seconds'] for one in found):.2f}",
        *(f"{max(one[dtype] for one in found):.0e}" for dtype in CLOSE),
    )


def _names(whole: bool) -> list[str]:
    from isthmus.testing.zoo import zoo

    return [entry.name for entry in zoo()] if whole else list(FIVE)


def _seeds(name: str, runs: int, scale: float, noisy: bool) -> Iterator[dict[str, Any]]:
    """A model of the zoo, and an element for each seed."""
    from isthmus import discover, params_of
    from isthmus.testing.zoo import entry, randomise

    one = entry(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = randomise(one.build(), 3)
        symmetry = discover(model, one.example())
    a = params_of(model)
    for seed in range(runs):
        yield {
            "parameters": sum(t.numel() for t in a.values()),
            "dimension": symmetry.lie_dim,
            **_one(symmetry, a, seed, scale, noisy),
        }


def _one(symmetry: Any, a: Any, seed: int, scale: float, noisy: bool) -> dict[str, Any]:
    """One element: what is left of it in either precision, and how noise is borne."""
    import torch

    from isthmus import align
    from isthmus.alignment.gauged import gauged_distance
    from isthmus.ground import norm

    g = symmetry.sample(seed=1000 + seed, scale=scale)
    out: dict[str, Any] = {"noisy": []}
    for dtype in (torch.float32, torch.float64):
        there = {n: t.to(dtype) if t.is_floating_point() else t for n, t in a.items()}
        b = symmetry.act(g, there)
        seconds, fit = timed(lambda b=b, to=there: align(b, to=to, symmetry=symmetry, seed=seed))
        size = norm(symmetry.coordinates(there))
        out[str(dtype).removeprefix("torch.")] = fit.after / size
        out["seconds"] = seconds
    generator = torch.Generator().manual_seed(seed)
    for level in NOISE if noisy else ():
        rough = {
            n: t + level * t.norm() / t.numel() ** 0.5 * torch.randn(t.shape, generator=generator)
            if t.is_floating_point() and not n.endswith("running_var")
            else t
            for n, t in b.items()
        }
        planted = gauged_distance(symmetry, there, symmetry.act(~g, rough))
        out["noisy"].append(align(rough, to=there, symmetry=symmetry, seed=seed).after / planted)
    return out

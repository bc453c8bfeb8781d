"""Ways to match two networks: ours, the field's package, and baselines written from papers.

A way is called with the networks a and b and an example input. It gives the seconds of tracing and
of matching, the processor seconds of matching, and b's parameters after it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from measuring import timed

Way = Callable[[Any, Any, Any], tuple[float, float, float, Any]]

LABELS = {
    "rebasin": "rebasin 0.0.47",
    "git": "Git Re-Basin, weight matching",
    "c2m3": "C2M3, Frank-Wolfe",
    "sinkhorn": "Sinkhorn re-basin",
    "start": "isthmus, permutations, outward alone",
    "once": "isthmus, permutations, one start",
    "default": "isthmus, permutations, default",
    "wolfe": "isthmus, permutations, Frank-Wolfe",
    "rounds": "isthmus, permutations, Frank-Wolfe, three rounds",
    "whole": "isthmus, whole group, default",
}
FIELD = ("git", "c2m3", "sinkhorn")
SLOW = ("c2m3", "sinkhorn", "whole")
"""Run once for each pair."""


def way_of(name: str, budget: float) -> Way:
    """The way of a label; c2m3 and sinkhorn get ``budget`` seconds of processor time."""
    if name == "rebasin":
        return _rebasin
    return _field(name, budget) if name in FIELD else _isthmus(name)


def _field(name: str, budget: float) -> Way:
    from field import frank_wolfe, sinkhorn, weight_matching
    from field.models import permuted

    from isthmus.alignment.interchange.axes import to_axes
    from isthmus.discovery import discover

    methods: dict[str, Callable[..., Any]] = {
        "git": weight_matching,
        "c2m3": lambda *models: frank_wolfe(*models, seconds=budget),
        "sinkhorn": lambda *models: sinkhorn(*models, seconds=budget),
    }

    def match(a: Any, b: Any, x: Any) -> tuple[float, float, float, Any]:
        # The mapping is ours, and made as the papers' authors made theirs: apart from the matching.
        tracing, axes = timed(lambda: to_axes(discover(a, x, gauge="asis")).mapping)
        one, two = ({n: t.clone() for n, t in m.state_dict().items()} for m in (a, b))
        start = time.process_time()
        matching, perms = timed(lambda: methods[name](one, two, axes))
        cpu = time.process_time() - start
        return tracing, matching, cpu, {n: permuted(two, axes, perms, n) for n in two}

    return match


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
        ways = {
            "start": WeightMatching(starts=(Outward(),), sweeps=0),
            "once": once,
            "wolfe": FrankWolfe(matching=once, shares=(0.2,)),
            "rounds": FrankWolfe(matching=once),
        }
        method = ways.get(way, WeightMatching())
        tracing, symmetry = timed(trace)
        params = {n: t.clone() for n, t in a.state_dict().items()}
        moving = {n: t.clone() for n, t in b.state_dict().items()}
        start = time.process_time()
        matching, fit = timed(lambda: align(moving, to=params, symmetry=symmetry, method=method))
        return tracing, matching, time.process_time() - start, fit.params

    return match

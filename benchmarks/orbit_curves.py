"""Exact curves: ``exp(t log g).w`` at many points, against one matrix exponential for each.

Of ``g W`` and of the pair ``(g W₁, W₂ g⁻¹)``, g a rotation or any matrix near 1, all n × n and in
double precision. Both start from g: factorisation and logarithm are counted, and for the library
also the choice between two curves. One process, in turn; the smallest time of each counts.
"""

from __future__ import annotations

import sys
from typing import Any

from measuring import options, table, timed, use_threads, write

POINTS = 101


def main(words: list[str]) -> None:
    """Measure both cases."""
    parser = options(__doc__, runs=3)
    parser.add_argument("--size", type=int, default=512, help="n")
    chosen = parser.parse_args(words)
    use_threads(chosen.threads)
    cases = [(kind, readers) for kind in ("turn", "linear") for readers in (0, 1)]
    found = [_measure(kind, readers, chosen.size, chosen.runs) for kind, readers in cases]
    head = ("group", "readers", "this library, s", "an exponential each, s", "ratio", "apart")
    rows = [
        (one["group"], one["readers"], f"{one['ours']:.2f}", f"{one['plain']:.2f}",
         f"{one['ratio']:.1f}", f"{one['apart']:.1g}")
        for one in found
    ]  # fmt: skip
    print(table(head, rows))
    write(chosen.json, "orbit_curves", chosen.threads, found)


def _measure(kind: str, readers: int, size: int, runs: int) -> dict[str, Any]:
    """One group; the largest relative difference at t = 1/2 shows that both are the same curve."""
    import torch

    symmetry, element, params = _case(kind, readers, size)
    ts = [k / (POINTS - 1) for k in range(POINTS)]
    best: dict[str, float] = {}
    last: dict[str, Any] = {}
    for _ in range(runs):
        for name, work in (("ours", _ours), ("plain", _plain)):
            seconds, last[name] = timed(lambda work=work: work(symmetry, element, params, ts))
            best[name] = min(seconds, best.get(name, seconds))
    ours = last["ours"]
    gaps = [float((ours[n] - x).abs().max() / x.abs().max()) for n, x in last["plain"].items()]
    return {
        "group": str(symmetry.spaces["h"].group),
        "readers": readers,
        **best,
        "ratio": best["plain"] / best["ours"],
        "apart": max(gaps),
        "torch": torch.__version__,
    }


def _case(kind: str, readers: int, size: int) -> tuple[Any, Any, Any]:
    """A symmetry of a writer and a reader, an element near the identity, weights."""
    import torch

    from isthmus.algebra import Element, Rep, Space, Symmetry
    from isthmus.algebra.groups import GeneralLinear, Orthogonal

    rng = torch.Generator().manual_seed(0)
    normal = torch.randn(size, size, generator=rng, dtype=torch.float64) / size**0.5
    group = Orthogonal(size) if kind == "turn" else GeneralLinear(size)
    log = (normal - normal.mT) if kind == "turn" else normal
    spaces = {"h": Space("h", size, group)}
    texts = {"writer": f"h ⊗ {size}"} | ({"reader": f"{size} ⊗ h*"} if readers else {})
    symmetry = Symmetry(spaces, {n: Rep.parse(text, spaces) for n, text in texts.items()})
    params = {n: torch.randn(size, size, generator=rng, dtype=torch.float64) for n in texts}
    return symmetry, Element(symmetry, {"h": torch.linalg.matrix_exp(log)}), params


def _ours(symmetry: Any, element: Any, params: Any, ts: list[float]) -> Any:
    """The path, made and evaluated; the middle point."""
    from isthmus import OrbitPath

    path = OrbitPath(symmetry, element, params)
    for t in ts:
        point = path(t)
        if t == 0.5:
            middle = point
    return middle


def _plain(symmetry: Any, element: Any, params: Any, ts: list[float]) -> Any:
    """One logarithm, then for each t an exponential, its inverse and the products."""
    import torch

    from isthmus.algebra.groups.curves import principal_log, rotation_log

    g = element.values["h"]
    turns = bool((g @ g.mT - torch.eye(len(g))).abs().max() < 1e-8)
    log = rotation_log(g) if turns else principal_log(g)
    assert log is not None
    for t in ts:
        moved = torch.linalg.matrix_exp(t * log)
        point = {"writer": moved @ params["writer"]}
        if "reader" in params:
            back = moved.mT if turns else torch.linalg.inv(moved)
            point["reader"] = params["reader"] @ back
        if t == 0.5:
            middle = point
    return middle


if __name__ == "__main__":
    main(sys.argv[1:])

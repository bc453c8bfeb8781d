"""Completeness: flat directions of the zoo's models, and those that the discovered group explains.

Parameters, rank of the Jacobian, nullity, the dimension of the orbit, and what the directions left
over move. Smooth models by default; of a piecewise-linear one the nullity is that at one point.
"""

from __future__ import annotations

import sys
import warnings
from typing import Any

from measuring import options, table, timed, use_threads, write


def main(words: list[str]) -> None:
    """Count for every case and print the table, then the directions that stay unexplained."""
    parser = options(__doc__, runs=1)
    parser.add_argument("--only", metavar="WORD", help="models whose name contains this")
    parser.add_argument("--tag", default="smooth", help='models of this kind; "all" for every one')
    parser.add_argument("--most", type=int, default=1500, help="most parameters; small: any")
    chosen = parser.parse_args(words)
    use_threads(chosen.threads)
    found = [_count(one) for one in _cases(chosen.only, chosen.tag, chosen.most)]
    head = ("", "parameters", "rank", "nullity", "explained", "missing", "gap", "residual", "s")
    rows = [
        (
            one["name"],
            one["parameters"],
            one["rank"],
            one["nullity"],
            one["explained"],
            one["nullity"] - one["explained"] or "",
            f"{one['gap']:.0e}" + ("" if one["clear"] else "?"),
            f"{one['residual']:.0e}",
            f"{one['seconds']:.1f}",
        )
        for one in found
    ]
    print(table(head, rows))
    whole = sum(one["nullity"] == one["explained"] for one in found)
    print(f"\n{whole} of {len(found)} explained in full\n")
    for one in found:
        if one["moves"]:
            print("\n  ".join([one["name"], *one["moves"]]))
    write(chosen.json, "completeness", chosen.threads, found)


def _cases(only: str | None, tag: str, most: int) -> list[Any]:
    from isthmus.testing.zoo import zoo

    def size(one: Any) -> int:
        state = one.build().state_dict().values()
        return sum(t.numel() for t in state if t.is_floating_point())

    named = [one for one in zoo() if (only or "") in one.name and (tag == "all" or tag in one.tags)]
    return [one for one in named if "small" in one.tags or size(one) <= most]


def _count(one: Any) -> dict[str, Any]:
    from isthmus.discovery import completeness, discover

    print(f"\r{one.name:40}", end="", file=sys.stderr, flush=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model, example = one.build(), one.example()
        symmetry = discover(model, example)
        seconds, found = timed(lambda: completeness(symmetry, model, example))
    print("\r", end="", file=sys.stderr)
    return {
        "name": one.name,
        "seconds": seconds,
        **{
            name: getattr(found, name)
            for name in ("parameters", "rank", "nullity", "explained", "gap", "clear", "residual")
        },
        "moves": found.moves(),
    }


if __name__ == "__main__":
    main(sys.argv[1:])

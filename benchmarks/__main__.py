"""Benchmarks: ``python benchmarks`` runs all, ``python benchmarks NAME`` one, ``--list`` lists.

Each is one file of this folder: it prints a table of medians and, with ``--json FILE``, writes the
same as data. One thread unless ``--threads`` says otherwise. No benchmark is a test: none fails for
being slow.
"""

from __future__ import annotations

import importlib
import sys

NAMES = (
    "matching",
    "widths",
    "language",
    "vision",
    "curves",
    "certify",
    "many",
    "discovery",
    "planted",
    "memory",
    "completeness",
    "engine",
    "full_size",
    "zoo",
    "orbit_curves",
    "dynamics",
    "mean_field",
)


def main(words: list[str]) -> int:
    """Run the benchmark that is named, or all of them one after the other."""
    if words[:1] in (["-h"], ["--help"], ["--list"]):
        print((__doc__ or "").strip(), end="\n\n")
        for name in NAMES:
            summary = (importlib.import_module(name).__doc__ or "").strip().splitlines()[0]
            print(f"{name:12} {summary}")
        return 0
    chosen, options = (words[:1], words[1:]) if words[:1] and words[0] in NAMES else (NAMES, words)
    if words and chosen is NAMES:
        print(f"no benchmark is called {words[0]!r}; use one of {', '.join(NAMES)}, or --list")
        return 2
    for name in chosen:
        importlib.import_module(name).main(options)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The zoo: every model's group, its checks and its times; `--write docs/zoo.md` makes the table.

Each model has randomised parameters. Its group is discovered, twenty random elements of the whole
of it are checked in float64 at two scales, and the flat directions of small models are counted
(`completeness`). Times are medians; "beyond export" is what `discover` takes longer than
`torch.export` alone. Needs transformers for the models that it makes.
"""

from __future__ import annotations

import datetime
import platform
import sys
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

from measuring import median, options, table, timed, use_threads, write

HEAD = (
    "model", "parameters", "spaces", "group", "Lie dimension", "ln π₀", "error at 0.1",
    "error at 1", "explained / flat", "export, s", "beyond export, s",
)  # fmt: skip
SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
TOLERANCE = 1e-9
LEGEND = """\
*Error*: the largest relative change of the outputs under 20 random elements of the whole group, in
float64, at two scales. *Explained / flat*: independent directions of the group's orbit, and all
directions in which the function does not change to first order. ≀: a group for every value of
another space; powers count equal groups.
"""


def main(words: list[str]) -> None:
    """Measure every model, print the table, and write it where that is asked for."""
    parser = options(__doc__, runs=3)
    parser.add_argument("--only", metavar="WORD", help="models whose name contains this")
    parser.add_argument("--most", type=int, default=3000, help="count flat directions up to here")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the table as Markdown")
    chosen = parser.parse_args(words)
    use_threads(chosen.threads)
    found = [_measure(one, chosen.runs, chosen.most) for one in _entries(chosen.only)]
    print(table(HEAD, [_row(one) for one in found]))
    print("\n" + "\n".join(_summary(found)) + "\n")
    if chosen.write is not None:
        chosen.write.write_text(_document(found, words), encoding="utf-8")
        print(f"wrote {chosen.write}")
    write(chosen.json, "zoo", chosen.threads, found)


def _entries(only: str | None) -> list[Any]:
    import transformers  # a clear failure now, not a table without half of its rows

    from isthmus.testing.zoo import zoo

    transformers.logging.set_verbosity_error()
    return [one for one in zoo() if (only or "") in one.name]


def _measure(one: Any, runs: int, most: int) -> dict[str, Any]:
    """All figures of one model, or why it was refused."""
    from isthmus.ground.errors import IsthmusError
    from isthmus.testing.zoo import randomise

    print(f"\r{one.name:40}", end="", file=sys.stderr, flush=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model, example = randomise(one.build(), seed=3), one.example()
        size = sum(p.numel() for p in model.parameters())
        try:
            figures = _figures(model, example, runs, most)
        except IsthmusError as error:
            figures = {"refused": str(error)}
    print("\r", end="", file=sys.stderr)
    return {"name": one.name, "tags": sorted(one.tags), "parameters": size, **figures}


def _figures(model: Any, example: Any, runs: int, most: int) -> dict[str, Any]:
    import torch

    from isthmus.discovery import completeness, discover, verify
    from isthmus.discovery.capture import as_inputs
    from isthmus.ground.params import params_of

    args, kwargs = as_inputs(example)
    exports, discoveries = [], []
    for _ in range(runs):
        # Turn by turn, so that a busy machine slows both.
        exports.append(timed(lambda: torch.export.export(model, args, kwargs, strict=False))[0])
        seconds, symmetry = timed(lambda: discover(model, example))
        discoveries.append(seconds)
    small, large = (
        verify(symmetry, model, example, samples=20, seed=1, scale=scale) for scale in (0.1, 1.0)
    )
    out = {
        "spaces": len(symmetry.spaces),
        "group": _short(symmetry),
        "lie_dim": symmetry.lie_dim,
        "log_components": symmetry.log_components,
        "error_small": small.evidence["relative_error"],
        "error_large": large.evidence["relative_error"],
        "culprits": sorted({*small.evidence["culprits"], *large.evidence["culprits"]}),
        "export": median(exports),
        "beyond": max(0.0, median([d - e for d, e in zip(discoveries, exports, strict=True)])),
        "warnings": list(symmetry.warnings),
    }
    floats = [t for t in params_of(model).values() if t.is_floating_point()]
    if sum(t.numel() for t in floats) <= most:
        counted = completeness(symmetry, model, example)
        out |= {name: getattr(counted, name) for name in ("nullity", "explained", "clear")}
        out["moves"] = counted.moves()
    return out


def _short(symmetry: Any) -> str:
    """The groups, equal ones counted, ``≀`` for those that an outer space indexes."""
    counts = Counter(f"{s.group}{'≀' if s.over else ''}" for s in symmetry.spaces.values())
    shown = [
        group + (str(n).translate(SUPERSCRIPTS) if n > 1 else "") for group, n in counts.items()
    ]
    return " × ".join(shown[:6] + (["…"] if len(shown) > 6 else [])) or "1"


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    if "refused" in one:
        return (one["name"], str(one["parameters"]), "refused", *[""] * (len(HEAD) - 3))
    flat = f"{one['explained']} / {one['nullity']}" if "nullity" in one else "–"
    return (
        one["name"],
        str(one["parameters"]),
        str(one["spaces"]),
        one["group"],
        str(one["lie_dim"]),
        f"{one['log_components']:.1f}",
        f"{one['error_small']:.0e}",
        f"{one['error_large']:.0e}",
        flat if one.get("clear", True) else f"{flat} (no clear gap)",
        f"{one['export']:.2f}",
        f"{one['beyond']:.2f}",
    )


def _summary(found: list[dict[str, Any]]) -> list[str]:
    typed = [one for one in found if "refused" not in one]
    wrong = [o for o in typed if not max(o["error_small"], o["error_large"]) <= TOLERANCE]
    counted = [one for one in typed if "nullity" in one]
    whole = [one for one in counted if one["explained"] == one["nullity"]]
    slow = sorted((o for o in typed if o["beyond"] > 0.5), key=lambda o: -o["beyond"])
    times = ", ".join(f"{o['name']} {o['beyond']:.2f} s" for o in slow) or "none"
    names = ", ".join(o["name"] for o in wrong) or "none"
    refused = ", ".join(o["name"] for o in found if "refused" in o) or "none"
    return [
        f"{len(found)} models; wrong: {names}; refused: {refused}.",
        f"Something kept fixed for want of a rule: {sum(bool(o['warnings']) for o in typed)}.",
        f"Flat directions counted for {len(counted)}, explained in full for {len(whole)}.",
        f"More than 0.5 s beyond the export: {times}.",
    ]


def _document(found: list[dict[str, Any]], words: list[str]) -> str:
    """The table in Markdown, with its origin above and the refusals below."""
    import torch
    import transformers

    import isthmus

    def line(cells: Any) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    origin = (
        f"Made by `python benchmarks {' '.join(['zoo', *words])}` (`make zoo`) on "
        f"{datetime.datetime.now(datetime.UTC).date()}: isthmus {isthmus.__version__}, "
        f"torch {torch.__version__}, transformers {transformers.__version__}, Python "
        f"{platform.python_version()}. Every model is of `isthmus.testing.zoo`, with randomised "
        "parameters.\n"
    )
    made = [
        "# The zoo\n",
        origin,
        LEGEND,
        *(f"* {said}" for said in _summary(found)),
        "",
        line(HEAD),
        line(["---", *["---:"] * 2, "---", *["---:"] * 7]),
        *(line(_row(one)) for one in found),
        *_refusals(found),
    ]
    return "\n".join(made) + "\n"


def _refusals(found: list[dict[str, Any]]) -> list[str]:
    """What was kept fixed, and where; which directions stay unexplained."""
    out = ["\n## Kept fixed for want of a rule\n"]
    for one in found:
        said = [one["refused"]] if "refused" in one else one["warnings"]
        for text, times in Counter(said).items():
            out.append(f"* {one['name']}: {text}{f' ({times} times)' if times > 1 else ''}")
    out += [] if len(out) > 1 else ["Nothing."]
    out.append("\n## Directions that stay unexplained\n")
    out += [f"* {one['name']}: {'; '.join(one['moves'])}" for one in found if one.get("moves")] or [
        "None."
    ]
    return out


if __name__ == "__main__":
    main(sys.argv[1:])

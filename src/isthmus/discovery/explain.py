"""explain: why a space got its group, and not a larger one; and why a parameter is pinned."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from isthmus.algebra.folding import Entry, Run, fold, name_of
from isthmus.algebra.groups import (
    AbstractMonomial,
    GeneralLinear,
    Group,
    MeanOrthogonal,
    Motion,
    Orthogonal,
    PlaneRotation,
    Wreath,
    monomial,
)
from isthmus.algebra.printing import folded_rows
from isthmus.algebra.spaces import WORDS, Reason, Space, leaves
from isthmus.algebra.symmetry import Symmetry
from isthmus.ground.errors import UnknownName, closest


def explain(symmetry: Symmetry, name: str) -> str:
    """Why a space has its group and not a larger one, or why a parameter's axes are as they are.

    For a space: where it acts; the operators that forbade a motion, with the module and the line
    of the user's code, once for all blocks that repeat; what was left; and what each next larger
    group would have needed. For a parameter: for each axis the spaces that act on it, and who
    pinned the rest. A name that is both a space's and a parameter's gets both.

    Raises:
        UnknownName: the symmetry has no such space and no such parameter.
    """
    kept = symmetry.aliases.get(name, name)
    parts = []
    if name in symmetry.spaces:
        parts.append(_space_lines(symmetry, symmetry.spaces[name]))
    if kept in symmetry.reps:
        parts.append(_parameter_lines(symmetry, name, kept))
    if parts:
        return "\n\n".join("\n".join(lines) for lines in parts)
    near = closest(name, [*symmetry.spaces, *symmetry.reps])
    hint = f"did you mean {near!r}?" if near else "print the symmetry to see its spaces"
    raise UnknownName(f"no space or parameter is called {name!r}", hint)


def _space_lines(symmetry: Symmetry, space: Space) -> list[str]:
    head = f"{space}: {space.size} coordinates"
    if space.over:
        head += f", one element for each of {' × '.join(space.over)}"
    where = [name for name, rep in symmetry.reps.items() if space.name in rep.spaces]
    acts = [f"  acts on {name} : {text}" for name, text in folded_rows(symmetry, where)]
    reasons = [*space.why, *_unsaid(symmetry, space)]
    why = _reason_lines(reasons, space.group.motions, "  ")
    left = ", ".join(word for motion, word in WORDS.items() if motion in space.group.motions)
    larger = [
        f"  {group} would need {_words(needed)}{_forbidden(needed, reasons)}"
        for group, needed in ([] if _is_free(space) else next_larger(space.group))
    ]
    free = ["  nothing forbids anything: all is linear"]
    return [head, *acts, *(why or free * (not larger)), f"  left: {left or 'nothing'}", *larger]


def _unsaid(symmetry: Symmetry, space: Space) -> list[Reason]:
    """Reasons for what is lost and no single operator forbade."""
    said = {motion for reason in space.why for motion in reason.lost}
    lost = frozenset(_possible(space.size) - space.group.motions - said)
    inner = [other.name for other in symmetry.spaces.values() if space.name in other.over]
    if not lost or _is_free(space):
        return []
    if inner:
        owned = f"it tells the copies of {', '.join(inner)} apart, which have their own"
        return [Reason(owned, lost)]
    return [Reason("all that reads and writes it, taken together", lost)]


def _is_free(space: Space) -> bool:
    """Whether nothing else depends on the space: then its reason says what became of it."""
    return bool(space.why) and not any(reason.lost for reason in space.why)


def _possible(size: int) -> set[Motion]:
    """The motions that there are: one coordinate can be scaled and turn its sign."""
    return set(Motion) - {Motion.SHIFT} if size > 1 else {Motion.FLIP, Motion.STRETCH}


def next_larger(group: Group) -> list[tuple[Group, frozenset[Motion]]]:
    """The groups one step above, with the motions that each has more."""
    if isinstance(group, Wreath):
        return [(Wreath(inner, group.blocks), more) for inner, more in next_larger(group.inner)]
    found: list[Group] = []
    if isinstance(group, AbstractMonomial):
        swaps, flips, scales = group.swaps, group.flips, group.scales
        if not swaps and group.size > 1:
            found.append(monomial(group.size, swaps=True, flips=flips, scales=scales))
        if not flips:
            found.append(monomial(group.size, swaps=swaps, flips=1, scales=scales))
        if not scales:
            found.append(monomial(group.size, swaps=swaps, flips=flips, scales=1))
        if not scales and group.size > 1:
            found.append(Orthogonal(group.size))
    if group.size > 1 and Motion.SHEAR not in group.motions and Motion.STRETCH in group.motions:
        found.append(GeneralLinear(group.size))
    if isinstance(group, (MeanOrthogonal, PlaneRotation)):
        found.append(Orthogonal(group.size))
    if isinstance(group, Orthogonal) and group.size > 1:
        found.append(GeneralLinear(group.size))
    return [(one, one.motions - group.motions) for one in found]


def _words(motions: Iterable[Motion]) -> str:
    held = set(motions)
    return ", ".join(word for motion, word in WORDS.items() if motion in held)


def _forbidden(needed: frozenset[Motion], reasons: Sequence[Reason]) -> str:
    """By whom, in a few words."""
    who = list(dict.fromkeys(r.where for r in reasons if r.lost & needed))
    if not who:
        return ""
    more = f" and {len(who) - 1} more" if len(who) > 1 else ""
    return f": forbidden by {who[0]}{more}"


def _reason_lines(reasons: Iterable[Reason], held: frozenset[Motion], margin: str) -> list[str]:
    """One line for equal reasons of repeated blocks; then the line of the user's code."""
    alike: dict[tuple[str, str, str, frozenset[Motion]], list[Reason]] = {}
    for reason in dict.fromkeys(reasons):
        key = (reason.operator, reason.source, reason.line, reason.lost)
        alike.setdefault(key, []).append(reason)
    lines, shown = [], ""
    for (operator, source, line, lost), same in alike.items():
        for run in fold(Entry.of(reason.module, "", lambda _: False) for reason in same):
            lines.append(margin + _reason_line(Reason(operator, lost, "", source), run, held))
            if line and line != shown:
                lines.append(f"{margin}    {line}")
            shown = line
    return lines


def _reason_line(reason: Reason, run: Run, held: frozenset[Motion]) -> str:
    module, count = name_of(run), len(run.entries)
    where = Reason(reason.operator, module=module, source=reason.source).where
    gone, kept = _words(reason.lost - held), _words(reason.lost & held)
    # A motion that the space still has is lost only in the place that the operator sees.
    said = [f"no {gone}"] * bool(gone) + [f"no {kept} where it reads"] * bool(kept)
    return (f"{count} × " if count > 1 else "") + where + (": " if said else "") + "; ".join(said)


def _parameter_lines(symmetry: Symmetry, name: str, kept: str) -> list[str]:
    rep = symmetry.reps[kept]
    tied = f" (tied to {kept})" if kept != name else ""
    lines = [f"{name}{tied} : {rep.text(symmetry.spaces)}"]
    told = symmetry.pinned.get(kept, ((),) * len(rep.axes))
    for number, (axis, reasons) in enumerate(zip(rep.axes, told, strict=True)):
        names = dict.fromkeys(f.space for f in leaves(axis) if f.space is not None)
        size = rep.shape[number]
        acting = [str(symmetry.spaces[n]) for n in names]
        rest = f"{'the rest ' * bool(acting)}fixed"
        held = acting if acting and not reasons else [*acting, rest]
        lines.append(f"  axis {number} ({size}): {', '.join(held)}")
        lines += _pins(reasons, size)
    return lines


def _pins(reasons: Sequence[Reason], size: int) -> list[str]:
    """Who pinned an axis: those who left nothing, or where none did, all together."""
    whole = [reason for reason in reasons if reason.lost >= _possible(size)]
    return [
        "  " + line.partition(": no ")[0]
        for line in _reason_lines(whole or reasons, frozenset(), "  ")
    ]

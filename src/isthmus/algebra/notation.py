"""Printing and parsing of axes, in the notation of `isthmus.algebra.spaces`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from isthmus.algebra.groups import Character
from isthmus.algebra.spaces import Axis, Choice, Factor, Space, Sum, Term, axis_size, step_of
from isthmus.ground.errors import BadInput


def axis_text(axis: Axis, spaces: Mapping[str, Space]) -> str:
    """A product, in parentheses where it does not have exactly one term."""
    words = " ".join(_term_text(term, spaces) for term in axis)
    return words if len(axis) == 1 else f"({words})"


def _term_text(term: Term, spaces: Mapping[str, Space]) -> str:
    if isinstance(term, Factor):
        return _factor_text(term, spaces)
    label = f"{term.label}:" if term.label else ""
    parts = [axis_text(part, spaces) for part in term.parts]
    if isinstance(term, Choice):
        return f"{label}{{{' | '.join(parts)}}}"
    return f"{label}({' + '.join(parts)}){_places_text(term)}"


def _places_text(term: Sum) -> str:
    """Where the parts lie, if not one after the other: start and step, or all of them."""
    words = []
    for places in term.spans() if term.places else ():
        step = step_of(places)
        words.append(".".join(map(str, places)) if step is None else f"{places[0]}:{step}")
    return "@" + ",".join(words) if words else ""


def _factor_text(factor: Factor, spaces: Mapping[str, Space]) -> str:
    if factor.space is None:
        return str(factor.size)
    natural = spaces[factor.space].group.natural
    character = factor.character
    if character == natural:
        return quoted(factor.space)
    if character.dual and character == natural.inverse():
        return f"{_marked(factor.space)}*"
    dual = "*" if character.dual else ""
    felt = [(k, power) for k, power in enumerate(character.scales) if power]
    scales = " ".join(f"{_letter(k)}{'' if power == 1 else power}" for k, power in felt)
    flips = " ".join(_letter(k) for k, power in enumerate(character.flips) if power % 2)
    return f"{_marked(factor.space)}{dual}^({scales};{flips})"


_PLAIN = re.compile(r"[^\s(){}*^+|⊗:`]+")


def quoted(name: str) -> str:
    """A space's name; in backticks where it would read as something else (``0``: a size)."""
    if _PLAIN.fullmatch(name) and not name.isdigit() and name not in ("scalar", "-"):
        return name
    return "`" + name.replace("`", "``") + "`"


def _marked(name: str) -> str:
    """A name before a star or a caret, where a number is no size."""
    return name if name.isdigit() else quoted(name)


def pieces(text: str, separator: str) -> list[str]:
    """``text.split(separator)``, blind to what stands in backticks."""
    found, inside = [""], False
    for part in re.split(f"(`|{re.escape(separator)})", text):
        inside ^= part == "`"
        if part == separator and not inside:
            found.append("")
        else:
            found[-1] += part
    return found


def _letter(k: int) -> str:
    """a, b, …, z, ba, bb, …: the name of the k-th scale or sign of a space."""
    return (_letter(k // 26) if k >= 26 else "") + chr(ord("a") + k % 26)


_POWER = re.compile(r"([a-z]+)(-?\d+)?")
_PLACES = re.compile(r"@((?:\d+(?::-?\d+|(?:\.\d+)*),?)+)")
_TOKEN = re.compile(
    r"\s*(?:(?P<open>(?:[^\s(){}*^+|⊗:`]+:)?[({])|(?P<close>[)}])|(?P<bar>[+|])"
    r"|(?P<name>`(?:[^`]|``)*`|[^\s(){}*^+|⊗:`]+)(?P<dual>\*)?(?:\^\((?P<scales>[^;)]*);(?P<flips>[^)]*)\))?)"
)


class _Reader:
    """A recursive-descent reader of one axis."""

    def __init__(self, text: str, spaces: Mapping[str, Space]) -> None:
        self.text, self.spaces, self.position = text, spaces, 0

    def fail(self) -> BadInput:
        rest = self.text[self.position :].strip()
        return BadInput(
            f"cannot read the axis {self.text.strip()!r} from {rest!r}",
            "write it as in `(head key*)`, `8`, or `(query + key)`",
        )

    def peek(self) -> re.Match[str] | None:
        return _TOKEN.match(self.text, self.position)

    def terms(self) -> Axis:
        """Terms until a bar, a closing bracket or the end."""
        out: list[Term] = []
        while (match := self.peek()) and match.lastgroup is not None:
            if match["close"] or match["bar"]:
                break
            if match["open"]:
                self.position = match.end()
                out += self.bracket(match["open"])
            else:
                out.append(self.factor(match))
                self.position = match.end()
        return tuple(out)

    def bracket(self, opened: str) -> Axis:
        label, kind = opened[:-1].rstrip(":"), opened[-1]
        parts = [self.terms()]
        while (match := self.peek()) and match["bar"]:
            self.position = match.end()
            parts.append(self.terms())
        closing = self.peek()
        if closing is None or closing["close"] != {"(": ")", "{": "}"}[kind]:
            raise self.fail()
        self.position = closing.end()
        if kind == "{":
            return (Choice(tuple(parts), label),)
        places = self.places(parts)
        return (
            (Sum(tuple(parts), label, places),) if len(parts) > 1 or label or places else parts[0]
        )

    def places(self, parts: Sequence[Axis]) -> tuple[int, ...]:
        """Where the parts lie, as `_places_text` writes it; nothing where that is not said."""
        match = _PLACES.match(self.text, self.position)
        if match is None:
            return ()
        words = match[1].split(",")
        if len(words) != len(parts):
            raise self.fail()
        self.position = match.end()
        found: list[int] = []
        for word, part in zip(words, parts, strict=True):
            start, _, step = word.partition(":")
            evenly = (int(start) + int(step) * k for k in range(axis_size(part))) if step else ()
            found += evenly if step else map(int, start.split("."))
        return tuple(found)

    def powers(self, text: str, count: int) -> tuple[int, ...]:
        """Letters with powers, as `_factor_text` writes them."""
        powers = {match[1]: int(match[2] or 1) for match in _POWER.finditer(text)}
        known = [_letter(k) for k in range(count)]
        if _POWER.sub("", text).strip() or not powers.keys() <= set(known):
            raise self.fail()
        return tuple(powers.get(letter, 0) for letter in known)

    def factor(self, match: re.Match[str]) -> Factor:
        name = match["name"]
        if name.isascii() and name.isdigit() and not match["dual"] and match["scales"] is None:
            return Factor(int(name))
        if name.startswith("`"):
            name = name[1:-1].replace("``", "`")
        if name not in self.spaces:
            known = ", ".join(self.spaces) or "none"
            raise BadInput(f"unknown space {name!r} in a rep", f"known spaces: {known}")
        space = self.spaces[name]
        character = space.group.natural
        if match["scales"] is not None:
            scales = self.powers(match["scales"], len(character.scales))
            flips = self.powers(match["flips"], len(character.flips))
            character = Character(bool(match["dual"]), scales, flips)
        elif match["dual"]:
            character = character.inverse()
        return Factor(space.size, name, character)


def parse_axis(text: str, spaces: Mapping[str, Space]) -> Axis:
    """The inverse of `axis_text`.

    Raises:
        BadInput: the text is not in the notation, or names a space that is not given.
    """
    reader = _Reader(text, spaces)
    axis = reader.terms()
    if text[reader.position :].strip():
        raise reader.fail()
    return axis

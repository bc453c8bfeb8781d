"""Errors: what was found and where, what was expected, and what to do about it, on one line.

Every error that Isthmus raises on purpose is an `IsthmusError`; the command line turns one into
exit code 2 and prints its text. Anything else that escapes is a bug in Isthmus.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class IsthmusError(Exception):
    """The base of all: a one-line `cause` and `remedy`, which `str` joins as "cause; remedy".

    Example:
        >>> str(BadInput("steps is -1, expected at least 1", "give a positive number of steps"))
        'steps is -1, expected at least 1; give a positive number of steps'

    Args:
        cause: What was found, where, and what was expected. Line breaks become spaces.
        remedy: What to do about it.
    """

    def __init__(self, cause: str, remedy: str) -> None:
        self.cause = " ".join(cause.split())
        self.remedy = " ".join(remedy.split())
        super().__init__(self.cause, self.remedy)

    def __str__(self) -> str:
        return f"{self.cause}; {self.remedy}"


class BadInput(IsthmusError):
    """An argument has a value that makes no sense here."""


class BadCheckpoint(IsthmusError):
    """A checkpoint cannot be read: missing, damaged, unsafe, or not a dict of tensors."""


class UnknownName(IsthmusError):
    """A parameter that is expected is missing, or one is there that is not expected."""


class ShapeMismatch(IsthmusError):
    """A tensor has another shape than expected."""


class DtypeMismatch(IsthmusError):
    """A tensor has another dtype than expected."""


class NotFinite(IsthmusError):
    """A tensor or a loss holds NaN or infinity."""


class OutputExists(IsthmusError):
    """An output is already there, or is also an input."""


class CannotWrite(IsthmusError):
    """An output cannot be written: no permission, no space, no folder."""


class CaptureFailed(IsthmusError):
    """A model could not be run or traced on the example."""


class UnknownOperator(IsthmusError):
    """No typing rule covers an operator of the model."""


class NotAMember(IsthmusError):
    """A value is not an element of the group that was named."""


class NotASymmetry(IsthmusError):
    """A claimed symmetry changes the function of the model."""


class Disconnected(IsthmusError):
    """No continuous path of the wanted kind joins two points."""


class MissingExtra(IsthmusError):
    """An optional dependency that this feature needs is not installed."""


def closest(name: str, names: Iterable[str]) -> str | None:
    """The one of `names` most like `name`, or None where none is like it.

    Example:
        >>> closest("fc.wieght", ["fc.weight", "fc.bias"])
        'fc.weight'
    """
    return next(iter(difflib.get_close_matches(name, list(names), n=1, cutoff=0.6)), None)

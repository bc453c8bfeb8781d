"""Certificates: a claim, how sure it is, and what is needed to check it again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, final

from isthmus.ground.results import Result


class Verdict(Enum):
    """How sure a claim is. Only `PROVED` is truthy: tested is never proved.

    Example:
        >>> [verdict.name for verdict in Verdict if verdict]
        ['PROVED']
    """

    PROVED = "proved"
    TESTED = "tested"
    REFUTED = "refuted"
    UNKNOWN = "unknown"

    def __bool__(self) -> bool:
        return self is Verdict.PROVED


@final
@dataclass(frozen=True, slots=True)
class Certificate(Result):
    """A claim with its verdict, its margin and its evidence; true only where it is proved.

    Example:
        >>> print(Certificate("loss ≤ 0.05 on the path", Verdict.PROVED, 0.01, {"upper": 0.04}))
        PROVED: loss ≤ 0.05 on the path (margin 0.01; upper 0.04)

    Args:
        claim: One sentence.
        verdict: How sure it is.
        margin: Distance from the edge, in the claim's units; NaN where it has none.
        evidence: Named data, enough to check the claim again without the work that found it.
    """

    claim: str
    verdict: Verdict
    margin: float = math.nan
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.verdict)

    def __str__(self) -> str:
        parts = [] if math.isnan(self.margin) else [f"margin {self.margin:.4g}"]
        facts = [
            f"{name.replace('_', ' ')} {value:.4g}"
            if isinstance(value, float)
            else f"{name} {value}"
            for name, value in self.evidence.items()
            if isinstance(value, bool | int | float | str)
        ]
        parts += [", ".join(facts)] if facts else []
        return f"{self.verdict.name}: {self.claim}" + (f" ({'; '.join(parts)})" if parts else "")

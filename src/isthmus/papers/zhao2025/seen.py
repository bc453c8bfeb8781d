"""What an experiment on propositions saw: tensors by name, each statement measured in a step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from torch import Tensor

from isthmus.ground import Params
from isthmus.papers.bench import Bench, Findings


@dataclass(frozen=True)
class Seen(Findings):
    """Findings that are tensors by name; the functions that measured them say what they are.

    Attributes:
        settings: What was run.
        seen: What was measured.
    """

    settings: Any
    seen: Mapping[str, Tensor] = field(metadata={"json": False})

    def arrays(self) -> Params:
        """All of it."""
        return dict(self.seen)


def gathered(bench: Bench, settings: Any, *works: Callable[[Bench, Any], Params]) -> Params:
    """What all ``works`` measured; a step for each, of its name."""
    seen: Params = {}
    for work in works:
        seen |= bench.step(work.__name__.replace("_", "-"), partial(work, bench, settings))
    return seen

"""Charts: a list of steps, there and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from isthmus.algebra.charts.norms import Mean, Readout, Tap
from isthmus.algebra.charts.reading import built, checked, listed, named, unreadable
from isthmus.algebra.charts.step import Step
from isthmus.algebra.charts.streams import Shared, Shear, Size
from isthmus.algebra.charts.vectors import Carry, Flat, Gain, Multiple, Offset, Part
from isthmus.algebra.charts.waves import Rise, Turn, Wrap

STEPS: tuple[type[Any], ...] = (
    Offset, Multiple, Gain, Carry, Part, Mean, Readout, Tap, Flat, Rise, Turn, Wrap,
    Shared, Size, Shear,
)  # fmt: skip
"""All kinds of steps."""


@dataclass(frozen=True)
class Chart:
    """Steps from parameters to coordinates: essential ones under their own names, and free ones.

    Attributes:
        steps: in the order in which they lead into the gauge.
        canonical: the value of each free coordinate in the gauge: 0 of shifts, 1 of scales.
        shapes: of the parameters; empty where there are no steps.
    """

    steps: tuple[Step, ...] = ()
    canonical: Mapping[str, float] = field(default_factory=dict)
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def settled(self, coordinates: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The same coordinates with the free ones in the gauge; a level of zero stays."""
        out = dict(coordinates)
        for name, value in self.canonical.items():
            full = torch.full_like(out[name], value)
            if value:
                out[name] = torch.where(out[name] == 0, out[name], full)
            else:
                full[-1] = 1.0
                out[name] = full
        return out

    def to(self, params: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Coordinates of parameters."""
        out = dict(params)
        self.enter(out)
        return out

    def enter(self, params: dict[str, Tensor]) -> None:
        """The same in place: what a step has read is held no longer."""
        for step in self.steps:
            step.forward(params)

    def back(self, coordinates: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Parameters at coordinates."""
        out = dict(coordinates)
        for step in reversed(self.steps):
            step.back(out)
        return out

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        steps = [{"kind": step.kind, **_plain(asdict(step))} for step in self.steps]  # type: ignore[call-overload]
        shapes = {name: list(shape) for name, shape in self.shapes.items()}
        return {"steps": steps, "canonical": dict(self.canonical), "shapes": shapes}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Chart:
        """The inverse of `to_json`.

        Raises:
            BadInput: a step is of no known kind, or lacks a field.
        """
        steps = tuple(_step(given) for given in listed(data.get("steps"), "steps"))
        shapes = {
            name: tuple(checked(n, int, name) for n in listed(shape, name))
            for name, shape in named(data.get("shapes"), "shapes").items()
        }
        canonical = {
            name: float(checked(value, float, name))
            for name, value in named(data.get("canonical"), "canonical").items()
        }
        return cls(steps, canonical, shapes)


def _plain(value: Any) -> Any:
    """Tuples as lists, all through."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, (list, tuple)) else value


def _step(given: object) -> Step:
    fields = dict(named(given, "a step"))
    kinds: dict[object, type[Any]] = {kind.kind: kind for kind in STEPS}
    word = fields.pop("kind", None)
    kind = kinds.get(word) if isinstance(word, str) else None
    if kind is None:
        raise unreadable(f"no step is of the kind {word!r}")
    made: Step = built(kind, fields, f"the step {word}")
    return made

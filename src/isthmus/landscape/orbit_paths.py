"""The curve along which a symmetry carries Params, with exactly the same function everywhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import final

from torch import Tensor

from isthmus.algebra import Element, Symmetry
from isthmus.ground import BadInput, Params
from isthmus.landscape.paths import AbstractPath, Jump


@final
@dataclass(frozen=True, eq=False)
class OrbitPath(AbstractPath):
    """From ``params`` to ``act(element, params)`` inside the orbit: a jump, then a smooth curve.

    The element is ``flow @ jump``, with a discrete part ``jump`` (swaps, signs, mirrors) and a part
    ``flow`` that a curve in the group joins to the identity (``exp(t log flow)``, or two
    exponentials where no real logarithm exists: mathematics.md 1.15; Zhao et al. 2025, eq. 4-5).
    Then ``path(t) = act(flow ** t, act(jump, params))``, so

        ``path(0)`` is ``act(jump, params)``, which is ``params`` where nothing jumps;
        ``path(1)`` is ``act(element, params)``, to the last bit;
        ``ends`` is ``(params, act(element, params))``, the two that the path joins;
        ``jump`` is the step from ``ends[0]`` to ``path(0)``: declared, never interpolated over.

    Args:
        symmetry: The group and its action.
        element: One of its elements, or of a subgroup made by `Symmetry.restrict`.
        params: The point that moves.

    Raises:
        BadInput: The element belongs to another symmetry.
        UnknownName: ``params`` are not of the symmetry's model; so ShapeMismatch.
    """

    symmetry: Symmetry
    element: Element
    params: Mapping[str, Tensor]
    kind = "exact-flat"

    def __post_init__(self) -> None:
        self.symmetry.check(self.params)
        if set(self.element.values) != set(self.symmetry.spaces):
            raise BadInput(
                f"the element has values for {', '.join(self.element.values) or 'no space'}, "
                f"expected {', '.join(self.symmetry.spaces) or 'none'}",
                "take an element of the same symmetry",
            )

    @cached_property
    def _whole(self) -> Element:
        """The element, as one of the symmetry."""
        same = self.element.symmetry is self.symmetry
        return self.element if same else self.symmetry.lift(self.element)

    @cached_property
    def _parts(self) -> tuple[Element, Element]:
        """(jump, flow)."""
        return self._whole.split()

    @cached_property
    def _curve(self) -> Callable[[float], Element]:
        return self._parts[1].curve()

    @cached_property
    def _start(self) -> Params:
        return self.symmetry.act(self._parts[0], self.params)

    @property
    def jump(self) -> Jump | None:
        """The discrete part by space, as "fc1: moves 5 of 8 units"; None where nothing jumps."""
        moved = self._parts[0].moved
        return Jump(0.0, moved) if moved else None

    @property
    def jumps(self) -> tuple[Jump, ...]:
        """The jump at t = 0, if there is one."""
        return () if self.jump is None else (self.jump,)

    @property
    def ends(self) -> tuple[Mapping[str, Tensor], Mapping[str, Tensor]]:
        """``params`` and ``act(element, params)``."""
        return self.params, self.end

    def _at(self, t: float) -> Params:
        if t == 0:
            return {name: tensor.clone() for name, tensor in self._start.items()}
        if t == 1:
            return self.symmetry.act(self._whole, self.params)
        return self.symmetry.act(self._curve(t), self._start)

"""The curve along which a symmetry carries Params, with exactly the same function everywhere."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import final

from torch import Tensor

from isthmus.algebra import Element, Symmetry
from isthmus.algebra.flows import Flow
from isthmus.ground import BadInput, Params, norm
from isthmus.ground.params import is_real_valued
from isthmus.landscape.geometry import derivatives
from isthmus.landscape.paths import AbstractPath, Joined, Jump
from isthmus.landscape.straight import Line


@final
@dataclass(frozen=True, eq=False)
class OrbitPath(AbstractPath):
    """From ``params`` to ``act(element, params)`` inside the orbit: a jump, then a smooth curve.

    The element is ``flow @ jump``, with a discrete part ``jump`` (swaps, signs, mirrors) and a part
    ``flow`` that a curve in the group joins to the identity (``exp(t log flow)``, or two
    exponentials where no real logarithm exists, or where they move ``params`` less far:
    mathematics.md 1.15; Zhao et al. 2025, eq. 4-5). Then ``path(t)`` is what the curve's element at
    t makes of ``act(jump, params)``, so

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
    def _flow(self) -> Flow:
        """Factorised once, at the params as they are after the jump."""
        return Flow(self._parts[1], self.symmetry.coordinates(self._start))

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

    def home_from(self, a: Mapping[str, Tensor]) -> Joined:
        """From ``a`` straight to ``end``, and from there back to ``params``: A → g·B → B.

        Raises:
            UnknownName: ``a`` are params of another model; so ShapeMismatch and DtypeMismatch.
        """
        return Line(a, self.end).then(self.reversed())

    @cached_property
    def _plain(self) -> bool:
        """Whether the coordinates are the parameters, but for constants."""
        absorbed = any(rep.absorbed for rep in self.symmetry.reps.values())
        return not self.symmetry.chart.steps and not absorbed

    def derivative_bounds(self, t: float, within: float) -> tuple[float, float] | None:
        """From the norms of the generators; None in a gauge.

        There coordinates are not parameters, and nothing bounds their derivatives.
        """
        if not self._plain:
            return None
        reps, here = self.symmetry.reps, self._flow(t)
        rate = self._flow.rate
        size = math.exp(rate * within) * norm({n: x for n, x in here.items() if not reps[n].fixed})
        return rate**2 * size, rate**3 * size

    def jet(self, t: float, order: int = 2) -> list[Params]:
        """In closed form where the action is linear; through a chart from there by jvp."""
        taylor = self._flow.jet(t, order)
        names = [name for name, x in self.params.items() if is_real_valued(x)]

        def nearby(s: Tensor) -> Params:
            terms = [s**k / math.factorial(k) for k in range(order + 1)]
            shifted = {
                name: sum((c * part[name] for c, part in zip(terms, taylor, strict=True)), 0 * x)
                for name, x in taylor[0].items()
                if is_real_valued(x)
            }
            back = self.symmetry.linearised({**taylor[0], **shifted}, back=True)
            return {name: back[name] for name in names}

        if not self._plain:
            return derivatives(nearby, order)
        back = self.symmetry.linearised(taylor[0], back=True)
        return [{name: part[name] for name in names} for part in [back, *taylor[1:]]]

    def _at(self, t: float) -> Params:
        if t == 0:
            return {name: tensor.clone() for name, tensor in self._start.items()}
        if t == 1:
            return self.symmetry.act(self._whole, self.params)
        return self.symmetry.parameters(self._flow(t), self.params)

"""Typing: the axes of tensors, and what an operator may say about them.

Rules (`isthmus.discovery.rules`) call the methods here: `tie`, `contract`, `blend`, `restrict`,
`still`, `pin`, `cut`. Every statement is an equality of coordinates (unification), of units
(collected, solved at the end), or a smaller set of motions for a space.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch

from isthmus.algebra.groups import Motion
from isthmus.algebra.reps import Absorbed
from isthmus.discovery import cuts, unify
from isthmus.discovery.hidden import Hidden
from isthmus.discovery.indices import Selection
from isthmus.discovery.nodes import (
    ALL,
    NONE,
    SWAPS,
    ZERO,
    Kind,
    Node,
    Occurrence,
    Terms,
    Unit,
    below,
    given,
    settle,
    size_of,
)
from isthmus.discovery.program import Shape
from isthmus.discovery.tensor import Tensor
from isthmus.discovery.ties import Worth


@dataclass
class Typing:
    """All that is known so far: unit equations, tensors, and why motions were lost."""

    scale_equations: list[dict[Unit, int]] = field(default_factory=list)
    flip_equations: list[tuple[Unit, ...]] = field(default_factory=list)
    frozen: list[Node] = field(default_factory=list)
    absorbed: dict[str, list[Absorbed]] = field(default_factory=dict)
    tensors: list[Tensor] = field(default_factory=list)
    selections: list[Selection] = field(default_factory=list)
    hidden: list[Hidden] = field(default_factory=list)
    worth: Mapping[str, Worth] | None = None
    pieces: list[list[Terms]] = field(default_factory=list)
    loosened: set[int] = field(default_factory=set)
    reason: str = ""

    # -- making axes and tensors

    def free(self, size: int, motions: frozenset[Motion] = ALL) -> Terms:
        """An axis of which nothing is known yet."""
        node = Node(size, motions)
        return [Occurrence(node, False, Unit(node))]

    def constant(self, size: int) -> Terms:
        """An axis on which nothing acts."""
        return [Occurrence(given(size, self.reason), False, ZERO)]

    def repeated(self, size: int) -> Terms:
        """An axis along which the tensor does not vary: permutations keep it, scales do not."""
        return [Occurrence(Node(size, SWAPS), False, ZERO)]

    def inert(self, shape: Shape, fill: float | None = None) -> Tensor:
        """A tensor that no parameter enters."""
        return Tensor([self.constant(n) for n in shape.sizes], shape.dtype, True, fill)

    def filled(self, tensor: Tensor) -> Tensor:
        """A tensor of one number: any motion keeps zeros, permutations keep other numbers."""
        make = self.free if tensor.fill == 0 else self.repeated
        return Tensor([make(n) for n in tensor.sizes], tensor.dtype)

    def relabel(self, axis: Terms) -> Terms:
        """The same coordinates with units of their own."""
        return [Occurrence(t.node, t.dual, Unit(t.node)) for t in settle(axis)]

    def number(self, tensor: Tensor) -> Tensor:
        """Enter a new tensor into the books: which nodes occur in it together."""
        self.tensors.append(tensor)
        for axis in tensor.axes:
            for term in settle(axis):
                if term.node.motions or term.node.kind is not Kind.LEAF or term.unit is not ZERO:
                    for node in below(term.node):
                        node.tensors.add(len(self.tensors))
        self._close_families(tensor)
        return tensor

    def hint(self, axis: Terms, name: str) -> None:
        """A word for the spaces of an axis, for names, where nothing better is known."""
        for term in settle(axis):
            term.node.hint = term.node.hint or name

    def mixed(self, axes: Sequence[Terms], gone: Iterable[int]) -> None:
        """The operator mixes positions along some axes: nothing may vary along them."""
        dropped = set(gone)
        kept = [axis for d, axis in enumerate(axes) if d not in dropped]
        self.number(Tensor(kept, torch.float32))

    def _close_families(self, tensor: Tensor) -> None:
        """A family whose key is not in the tensor has no index any more: its members are one."""
        inside = [n for axis in tensor.axes for t in settle(axis) for n in below(t.node)]
        present = {id(node) for node in inside}
        for node in inside:  # families inside sums and families too
            if node.kind is Kind.FAMILY and node.key and id(node.key.find()[0]) not in present:
                unify.collapse(self, node)

    # -- statements

    def note(self, axis: Iterable[Occurrence], motions: frozenset[Motion]) -> None:
        """Keep only ``motions`` on every leaf of the axis, and remember who said so."""
        for term in axis:
            self.bound(term.node, motions)

    def bound(self, node: Node, motions: frozenset[Motion]) -> None:
        """Keep only ``motions`` on every leaf below a node."""
        node, _ = node.find()
        if node.kind is not Kind.LEAF:
            for part, _ in node.parts:
                self.bound(part, motions)
        elif not node.motions <= motions:
            node.because(self.reason, node.motions - motions)
            node.motions &= motions

    def restrict(self, axis: Terms, motions: frozenset[Motion] = SWAPS) -> None:
        """The operator commutes only with these motions of the axis."""
        self.note(settle(axis), motions)

    def keep_mean(self, node: Node) -> None:
        """Only rotations that keep the vector of ones; of a refined node, only permutations."""
        node, _ = node.find()
        if node.kind is Kind.LEAF:
            node.keeps_mean = True
        else:
            self.bound(node, SWAPS)

    def still(self, axis: Terms) -> None:
        """The operator feels scales and signs: there can be none on this axis."""
        self.unscaled(axis)
        self.unflipped(axis)

    def unscaled(self, axis: Terms) -> None:
        """No scale on this axis."""
        for term in settle(axis):
            if term.unit is not ZERO:
                self._blame(term.node, Motion.STRETCH)
                self.scale_equations.append({term.unit: 1})

    def unflipped(self, axis: Terms) -> None:
        """No sign on this axis."""
        for term in settle(axis):
            if term.unit is not ZERO:
                self._blame(term.node, Motion.FLIP)
                self.flip_equations.append((term.unit,))

    def _blame(self, node: Node, lost: Motion) -> None:
        for inner in below(node):
            if inner.kind is Kind.LEAF:
                inner.because(self.reason, {lost})

    def pin(self, axis: Terms) -> None:
        """Nothing acts on this axis."""
        self.restrict(axis, NONE)
        self.still(axis)

    def equate(self, pairs: Iterable[tuple[Occurrence, Occurrence]], sign: int = -1) -> None:
        """Scales ``a + sign b = 0`` and equal signs, pair by pair."""
        for a, b in pairs:
            if a.unit is b.unit:
                self.relate_scales({a.unit: 1 + sign})
                continue
            self.relate_scales({a.unit: 1, b.unit: sign})
            self.relate_flips(a.unit, b.unit)

    def relate_scales(self, equation: dict[Unit, int]) -> None:
        """An integer linear equation between log-scales."""
        kept = {u: k for u, k in equation.items() if u is not ZERO and k}
        if kept:
            self.scale_equations.append(kept)

    def relate_flips(self, *units: Unit) -> None:
        """The product of these signs is 1."""
        kept = tuple(u for u in units if u is not ZERO)
        if kept:
            self.flip_equations.append(kept)

    # -- relations between axes

    def tie(self, a: Terms, b: Terms) -> Terms:
        """Same coordinates, same units (addition, comparison, tied weights)."""
        pairs = unify.match(self, a, b, dual=False)
        self.equate(pairs)
        return a

    def contract(self, a: Terms, b: Terms) -> None:
        """Summed over together: each is the other's dual."""
        self.equate(unify.match(self, a, b, dual=True), sign=1)

    def blend(self, a: Terms, b: Terms, *, invert: bool = False) -> Terms:
        """Same coordinates, multiplied (or, inverted, divided): scales add (or subtract)."""
        self.restrict(a)
        self.restrict(b)
        out: Terms = []
        for x, y in unify.match(self, a, b, dual=False):
            if y.unit is ZERO or x.unit is ZERO:
                unit = x.unit if y.unit is ZERO else Unit(x.node)
                if y.unit is not ZERO:
                    self.relate_scales({unit: 1, y.unit: 1 if invert else -1})
                    self.relate_flips(unit, y.unit)
                out.append(Occurrence(x.node, x.dual, unit))
                continue
            unit = Unit(x.node)
            entering: dict[Unit, int] = {unit: 1, x.unit: -1}
            entering[y.unit] = entering.get(y.unit, 0) + (1 if invert else -1)
            self.relate_scales(entering)
            self.relate_flips(*((unit, x.unit, y.unit) if x.unit is not y.unit else (unit,)))
            out.append(Occurrence(x.node, x.dual, unit))
        # Where the two do not divide alike, `match` has pinned them and pairs only a part.
        return out if size_of(out) == size_of(a) else self.constant(size_of(a))

    def power(self, axis: Terms, numerator: int, denominator: int, *, odd: bool | None) -> Terms:
        """Scales times a rational; signs kept (odd), lost (even) or forbidden (None)."""
        out = self.relabel(axis)
        for new, old in zip(out, settle(axis), strict=True):
            self.relate_scales({new.unit: denominator, old.unit: -numerator})
            if odd:
                self.relate_flips(new.unit, old.unit)
            else:
                self.relate_flips(new.unit)
                if odd is None:
                    self.relate_flips(old.unit)
        return out

    def commute(self, tensor: Tensor, motions: frozenset[Motion] = SWAPS) -> None:
        """Restrict every axis of a tensor."""
        for axis in tensor.axes:
            self.restrict(axis, motions)

    # -- structure

    def wrap(self, axis: Terms) -> Occurrence:
        """An axis as one occurrence of a product node."""
        terms = settle(axis)
        if len(terms) == 1:
            return terms[0]
        node = Node(size_of(terms))
        node.refine(Kind.PRODUCT, [(t.node, t.dual) for t in terms])
        if all(t.unit is ZERO for t in terms):
            return Occurrence(node, False, ZERO)
        return Occurrence(node, False, Unit(node).adopt(t.unit for t in terms))

    def concatenate(self, axes: Sequence[Terms]) -> Terms:
        """The axis that lays these end to end."""
        parts = [self.wrap(axis) for axis in axes]
        if len(parts) == 1:
            return [parts[0]]
        node = Node(sum(p.node.size for p in parts))
        node.refine(Kind.SUM, [(p.node, p.dual) for p in parts])
        if all(p.unit is ZERO for p in parts):
            return [Occurrence(node, False, ZERO)]
        return [Occurrence(node, False, Unit(node).adopt(p.unit for p in parts))]

    def cut(self, axes: Sequence[Terms], dim: int, start: int, stop: int) -> list[Terms]:
        """The axes of ``tensor[..., start:stop, ...]`` along ``dim``."""
        cut = cuts.cut(self, axes, dim, start, stop)
        self.pieces.append(cut)
        return cut

    def split(self, axis: Terms, sizes: Sequence[int]) -> list[Terms] | None:
        """The axis as a row-major product of axes of these sizes; None where it does not divide."""
        rest = settle(axis)
        out: list[Terms] = []
        for size in sizes:
            taken: Terms = []
            while size_of(taken) < size:
                if not rest:
                    return None
                term = rest.pop(0)
                needed = size // size_of(taken)
                if term.node.size > needed:
                    pieces = unify.divide(self, term, needed)
                    if pieces is None:
                        return None
                    rest[:0] = pieces
                    continue
                taken.append(term)
            if size_of(taken) != size:
                return None
            out.append(taken)
        if any(term.node.size > 1 for term in rest):
            return None
        self.pin(rest)
        return out

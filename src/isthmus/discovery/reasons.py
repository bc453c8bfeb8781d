"""Reasons: what the typing noted about every leaf, as data for explanations."""

from __future__ import annotations

from collections.abc import Container

from isthmus.algebra.groups import Motion
from isthmus.algebra.spaces import Reason
from isthmus.discovery.interpret import Reading
from isthmus.discovery.nodes import Node, opened, settle
from isthmus.discovery.program import Program


class Told:
    """Turns what was noted on leaves into `Reason`, each made once."""

    def __init__(self, program: Program) -> None:
        self._ops = {op.where: op for op in program.ops}
        self._rank = {where: k for k, where in enumerate(self._ops)}
        self._made: dict[Reason, Reason] = {}
        self._known: dict[Node, tuple[Reason, ...]] = {}

    def reasons(self, leaf: Node) -> tuple[Reason, ...]:
        """Who bounded a leaf, in the order of the program."""
        if leaf not in self._known:
            last = len(self._rank)
            said = sorted(leaf.why.items(), key=lambda item: self._rank.get(item[0], last))
            found = (self._reason(where, frozenset(lost)) for where, lost in said)
            self._known[leaf] = tuple(found)
        return self._known[leaf]

    def _reason(self, where: str, lost: frozenset[Motion]) -> Reason:
        op = self._ops.get(where)
        if op is None:
            made = Reason(where, lost)
        else:
            made = Reason(op.target, lost, op.module, op.source, op.line)
        return self._made.setdefault(made, made)

    def pinned(
        self, reading: Reading, decided: Container[Node]
    ) -> dict[str, tuple[tuple[Reason, ...], ...]]:
        """For every axis of every parameter, who pinned the leaves on which nothing acts."""
        found = {}
        for name, tensor in reading.parameters.items():
            axes = []
            for axis in tensor.axes:
                still = (t.node for term in settle(axis) for t in opened(term))
                told = (self.reasons(leaf) for leaf in still if leaf not in decided)
                axes.append(tuple(dict.fromkeys(reason for group in told for reason in group)))
            if any(axes):
                found[name] = tuple(axes)
        return found

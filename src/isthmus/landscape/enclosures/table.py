"""The rule table: which function encloses which operator of torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import torch

Rule: TypeAlias = Callable[..., Any]
"""Called as the operator is, with enclosures among the arguments."""

R = TypeVar("R", bound=Rule)

_RULES: dict[str, Rule] = {}


def encloses(*names: str) -> Callable[[R], R]:
    """Make the decorated function the rule of these operators of ``torch.ops.aten``."""

    def note(rule: R) -> R:
        for name in names:
            _RULES[name] = rule
        return rule

    return note


def rule_for(operator: torch._ops.OpOverload) -> Rule | None:
    """The rule of an operator; one that writes in place has that of the operator that does not."""
    name = operator.overloadpacket.__name__
    return _RULES.get(name) or (_RULES.get(name.removesuffix("_")) if mutates(operator) else None)


def mutates(operator: torch._ops.OpOverload) -> bool:
    """Whether the operator writes into its first argument."""
    return bool(operator._schema.is_mutable)

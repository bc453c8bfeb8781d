"""Routers that choose by corrected scores, in groups: what choosing does not see."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from isthmus import Symmetry, verify

TOKENS, GROUPS, EACH, WIDTH, HIDDEN = 5, 2, 2, 6, 3
EXPERTS = GROUPS * EACH
PARTS: dict[str, Any] = {
    "route": [EXPERTS, WIDTH], "correct": [EXPERTS], "gate": [EXPERTS, HIDDEN, WIDTH],
    "up": [EXPERTS, HIDDEN, WIDTH], "down": [EXPERTS, WIDTH, HIDDEN], "out": (WIDTH, 3),
}  # fmt: skip


def experts(m: Any, x: Tensor, ids: Tensor, weights: Tensor) -> Tensor:
    """Each token through its own experts."""
    gate = F.silu(torch.einsum("tkfd,td->tkf", m.gate[ids], x))
    hidden = gate * torch.einsum("tkfd,td->tkf", m.up[ids], x)
    return m.out((torch.einsum("tkdf,tkf->tkd", m.down[ids], hidden) * weights[..., None]).sum(1))


def grouped(
    m: Any, x: Tensor, fill: float = -torch.inf, size: Callable[..., Tensor] | None = None
) -> Tensor:
    """The best of the best group, by corrected scores; weights are those that were not."""
    scores = torch.sigmoid(x @ m.route.T)
    raised = scores + m.correct
    best = raised.view(TOKENS, GROUPS, EACH).topk(2, -1)[0].sum(-1)
    mask = torch.zeros_like(best).scatter(1, best.topk(1, -1, sorted=False)[1], 1.0)
    kept = mask[..., None].expand(TOKENS, GROUPS, EACH).reshape(TOKENS, EXPERTS).bool()
    values, ids = raised.masked_fill(~kept, fill).topk(2, -1, sorted=False)
    weights = scores.gather(1, ids)
    told = experts(m, x, ids, weights / weights.sum(-1, keepdim=True))
    return told if size is None else told * size(values, raised)


def found(tools: SimpleNamespace, forward: Callable[..., Any], **parts: Any) -> Symmetry:
    parts, example = parts or PARTS, tools.noise(TOKENS, WIDTH)
    model = tools.written(forward, **parts)
    symmetry, _ = tools.typed(forward, example, samples=2, **parts)
    for scale in (0.1, 1.0):
        evidence = verify(symmetry, model, example, samples=6, scale=scale).evidence
        assert evidence["relative_error"] < 1e-9, str(symmetry)
    return symmetry  # type: ignore[no-any-return]


def test_scores_raised_alike_choose_alike(tools: SimpleNamespace) -> None:
    assert found(tools, grouped).spaces["correct.shift"].group.lie_dim == 1


FELT: dict[str, Callable[..., Any]] = {
    "hidden scores are zero": lambda m, x: grouped(m, x, fill=0.0),
    "hidden scores are low": lambda m, x: grouped(m, x, fill=-3.0),
    "values are read": lambda m, x: grouped(m, x, size=lambda values, _: values.sum(-1)[:, None]),
    "scores are compared": lambda m, x: grouped(
        m, x, size=lambda _, raised: (raised > 0.5).float().sum(-1)[:, None]
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FELT)
def test_scores_that_are_felt(tools: SimpleNamespace, name: str) -> None:
    assert "correct.shift" not in found(tools, FELT[name]).spaces


def test_experts_of_all_groups_have_scales_of_their_own(tools: SimpleNamespace) -> None:
    symmetry = found(tools, grouped)
    scales = [s for s in symmetry.spaces.values() if str(s.group) == "M(3)"]
    assert [len(s.over) for s in scales] == [2], str(symmetry)
    assert symmetry.lie_dim == EXPERTS * HIDDEN + WIDTH**2 + 1


def test_a_group_s_own_weights_are_no_choice_of_experts(tools: SimpleNamespace) -> None:
    """One weight for each group, by the group chosen, and one for each expert, by the expert."""

    def both(m: Any, x: Tensor) -> Tensor:
        scores = torch.sigmoid(x @ m.route.T).view(TOKENS, GROUPS, EACH)
        group = scores.sum(-1).topk(1, -1)[1][:, 0]
        ids = scores.flatten(1).topk(1, -1)[1][:, 0]
        gate = torch.tanh(torch.einsum("tfd,td->tf", m.first[group], x))
        hidden = gate * torch.einsum("tfd,td->tf", m.up[ids], x)
        return m.out(torch.einsum("tdf,tf->td", m.down[ids], hidden))

    read = {name: part for name, part in PARTS.items() if name not in ("correct", "gate")}
    symmetry = found(tools, both, first=[GROUPS, HIDDEN, WIDTH], **read)
    assert symmetry.lie_dim <= EXPERTS * HIDDEN + WIDTH**2


def test_a_sum_over_places_is_made_up_for_by_nothing(tools: SimpleNamespace) -> None:
    """How much it is depends on how many places there are."""
    symmetry, certificate = tools.typed(
        lambda m, x: m.out(m.up(x).sum(1)), tools.noise(2, 5, 6), up=(6, 4), out=(4, 3)
    )
    assert certificate.evidence["relative_error"] < 1e-9
    assert not any("bias" in name for name in symmetry.chart.canonical)

"""Losses on a path under interventions."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from isthmus.ground import BadInput, params_of
from isthmus.landscape import Line, Loss, barrier
from isthmus.landscape.mechanistic import mechanisms


def case() -> tuple[Loss, dict, dict]:
    """Inputs whose two numbers are equal: one model reads the first, the other the second."""
    torch.manual_seed(0)
    model = nn.Linear(2, 2, bias=False).double()
    x = torch.randn(50, 1).double().expand(50, 2).clone()
    y = (x[:, 0] > 0).long()
    ends = []
    for k in range(2):
        weight = torch.zeros(2, 2).double()
        weight[:, k] = torch.tensor([-2.0, 2.0]).double()
        ends.append({"weight": weight})
    assert params_of(model).keys() == ends[0].keys()
    return Loss(model, [(x[:30], y[:30]), (x[30:], y[30:])], F.cross_entropy), *ends


def without(column: int):
    def changed(x: torch.Tensor) -> torch.Tensor:
        out = x.clone()
        out[:, column] = 0
        return out

    return changed


def test_each_model_relies_on_what_it_reads() -> None:
    loss, a, b = case()
    found = mechanisms(loss, Line(a, b), {"first": without(0), "second": without(1)}, points=5)
    assert found.clean == pytest.approx([loss(Line(a, b)(t)) for t in found.ts])
    assert found.reliance["second"][0] == found.reliance["first"][-1] == 0
    assert found.reliance["first"][0] == pytest.approx(found.reliance["second"][-1])
    assert found.reliance["first"][0] > 0.3
    assert found.gaps["first"] == pytest.approx(found.reliance["first"][0])
    assert not found.similar(0.1)
    assert mechanisms(loss, Line(a, a), {"first": without(0)}).similar(0.0)
    assert found.metrics["first"]["accuracy"][0] < 0.7 < found.metrics[""]["accuracy"][0]
    changed = Loss(loss.model, [(without(0)(x), y) for x, y in loss.batches], F.cross_entropy)
    height = barrier(changed, Line(a, b), 5).height
    assert found.heights["first"] == pytest.approx(height)
    assert "as they are" in str(found)
    assert found.to_json()["kind"] == "linear"


def test_errors_say_what_to_do() -> None:
    loss, a, b = case()
    with pytest.raises(BadInput, match="no intervention with a name"):
        mechanisms(loss, Line(a, b), {})
    with pytest.raises(BadInput, match="points is 1"):
        mechanisms(loss, Line(a, b), {"first": without(0)}, points=1)

"""One layer moves, the others stay."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from isthmus.ground import BadInput, UnknownName, params_of
from isthmus.landscape import Line, Loss, barrier
from isthmus.landscape.maps import layer_barriers


@pytest.fixture
def case():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3)).double()
    a = params_of(model)
    b = {n: t + torch.randn_like(t).abs() if t.is_floating_point() else t for n, t in a.items()}
    batches = [(torch.randn(9, 4).double(), torch.randint(0, 3, (9,)))]
    return Loss(model, batches, F.cross_entropy, {}), a, b


def test_each_line_is_that_of_one_layer(case):
    loss, a, b = case
    found = layer_barriers(loss, a, b, points=5)
    assert list(found.from_a) == list(found.from_b) == ["0", "1", "3"]
    for stays, moves, lines, rises in (
        (a, b, found.from_a, found.rise_from_a),
        (b, a, found.from_b, found.rise_from_b),
    ):
        for name, one in lines.items():
            end = {n: moves[n] if n.startswith(name) else t for n, t in stays.items()}
            expected = [loss(Line(stays, end)(t)) for t in one.ts]
            assert one.losses == pytest.approx(expected, rel=1e-9)
            assert rises[name] == pytest.approx(max(expected) - loss(stays))
    assert str(found).splitlines()[1].split() == ["layer", "from", "a", "from", "b"]


def test_all_layers_together_are_the_whole_line(case):
    loss, a, b = case
    seen = []
    every = {"all": list(a), "head": ["3.weight", "3.bias"]}
    found = layer_barriers(loss, a, b, every, 5, progress=lambda *n: seen.append(n))
    whole = barrier(loss, Line(a, b), 5)
    assert found.from_a["all"].losses == pytest.approx(whole.losses, rel=1e-9)
    assert found.from_b["all"].losses == pytest.approx(whole.losses[::-1], rel=1e-9)
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_layers_that_are_none_are_refused(case):
    loss, a, b = case
    with pytest.raises(UnknownName, match=r"'3\.wieght'; did you mean '3\.weight'\?"):
        layer_barriers(loss, a, b, {"head": ["3.wieght"]})
    with pytest.raises(BadInput, match="layer 'head' has no parameters"):
        layer_barriers(loss, a, b, {"head": []})
    with pytest.raises(BadInput, match="there are no layers"):
        layer_barriers(loss, a, b, {})

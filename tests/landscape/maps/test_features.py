"""Features on a path against the mix of those at its ends."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from isthmus.ground import BadInput, UnknownName, params_of
from isthmus.landscape import Line, Loss, OrbitPath
from isthmus.landscape.maps import feature_connectivity


def case(bias=True, samples=7):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6, bias=bias), nn.ReLU(inplace=True), nn.Linear(6, 3))
    model = model.double()
    a, b = ({n: torch.randn_like(t) for n, t in params_of(model).items()} for _ in range(2))
    batches = [(torch.randn(n, 4).double(), torch.zeros(n, 3).double()) for n in (samples, 3)]
    return model, a, b, batches


@pytest.mark.parametrize("micro_batch", [None, 2])
def test_they_are_those_of_the_definition(micro_batch):
    model, a, b, batches = case()
    loss = Loss(model, batches, nn.MSELoss(), micro_batch=micro_batch)
    found = feature_connectivity(loss, Line(a, b), (0.25, 0.5))
    x = torch.cat([x for x, _ in batches])
    for k, t in enumerate(found.ts):
        outputs = {}
        for name, params in (("0", a), ("1", b), ("t", Line(a, b)(t))):
            first = F.linear(x, params["0.weight"], params["0.bias"])
            outputs[name] = {
                "0": first,
                "1": first.relu(),
                "2": F.linear(first.relu(), params["2.weight"], params["2.bias"]),
            }
        for layer in ("0", "1", "2"):
            here = outputs["t"][layer]
            mix = (1 - t) * outputs["0"][layer] + t * outputs["1"][layer]
            cosine = F.cosine_similarity(here, mix, dim=1).mean()
            assert found.cosine[layer][k] == pytest.approx(float(cosine), rel=1e-9)
            coefficient = (here * mix).sum() / mix.square().sum()
            assert found.coefficient[layer][k] == pytest.approx(float(coefficient), rel=1e-9)
            distance = (here - mix).norm() / mix.norm()
            assert found.distance[layer][k] == pytest.approx(float(distance), abs=1e-7)
    assert found.cosine["0"] == pytest.approx((1, 1))  # the first layer is affine in t
    assert found.cosine["2"][1] < 0.99
    assert "features at t = 0.5 against the mix" in str(found)


def test_on_an_orbit_the_outputs_stay_and_the_features_move(relu):
    path = OrbitPath(relu.symmetry, relu.symmetry.sample(1), relu.params)
    loss = Loss(relu.model, [(relu.x, relu.x)], nn.MSELoss())
    found = feature_connectivity(loss, path, layers=["0", "4"])
    assert list(found.cosine) == ["0", "4"]
    assert found.distance["4"] == pytest.approx((0, 0, 0), abs=1e-6)
    assert max(found.distance["0"]) > 1e-3


class Shared(nn.Module):
    """One module called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x):
        return self.fc(self.fc(x).relu())


def test_each_call_of_a_module_counts_for_itself():
    model = Shared()
    a, b = ({n: torch.randn_like(t) for n, t in params_of(model).items()} for _ in range(2))
    loss = Loss(model, [(torch.randn(5, 4), torch.zeros(5, 4))], nn.MSELoss())
    found = feature_connectivity(loss, Line(a, b))
    assert list(found.cosine) == ["fc", "fc (2)"]
    assert found.cosine["fc"] == pytest.approx((1, 1, 1))
    assert max(found.cosine["fc (2)"]) < 1 - 1e-6


def test_what_is_not_there_is_refused_and_hooks_are_removed():
    model, a, b, batches = case()
    loss = Loss(model, batches, nn.MSELoss())
    with pytest.raises(UnknownName, match="unknown module '7'"):
        feature_connectivity(loss, Line(a, b), layers=["7"])
    with pytest.raises(BadInput, match="no t to look at; give at least one"):
        feature_connectivity(loss, Line(a, b), [])
    with pytest.raises(BadInput, match="no layer gave a tensor"):
        feature_connectivity(loss, Line(a, b), layers=[])
    feature_connectivity(loss, Line(a, b))
    assert not any(module._forward_hooks for module in model.modules())

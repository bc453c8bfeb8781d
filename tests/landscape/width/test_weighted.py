"""Layers between models against powers of theirs."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from isthmus.ground import BadInput, UnknownName, lerp, params_of
from isthmus.landscape import Loss
from isthmus.landscape.width import weighted_connectivity


def chain(width: int = 8) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(3, width, bias=False),
        nn.ReLU(inplace=True),
        nn.Linear(width, width, bias=False),
        nn.ReLU(),
        nn.Linear(width, 2, bias=False),
    ).double()


def apart() -> tuple[nn.Sequential, dict, dict, Loss]:
    """Two networks that live on different halves of the hidden units."""
    torch.manual_seed(0)
    model = chain()
    ends = []
    for half in (slice(0, 4), slice(4, 8)):
        params = {n: torch.zeros_like(t) for n, t in params_of(model).items()}
        params["0.weight"][half] = torch.randn(4, 3).double()
        params["2.weight"][half, half] = torch.randn(4, 4).double()
        params["4.weight"][:, half] = torch.randn(2, 4).double()
        ends.append(params)
    batches = [(torch.randn(n, 3).double(), torch.zeros(n).long()) for n in (5, 9)]
    return model, *ends, Loss(model, batches, F.cross_entropy, {})


@pytest.mark.parametrize("t", [0.5, 0.2])
def test_orthogonal_networks_add_up_exactly(t: float) -> None:
    _, a, b, loss = apart()
    found = weighted_connectivity(loss, a, b, t)
    assert list(found.distance) == ["0", "2", "4"]
    for depth, name in enumerate(found.distance, 1):
        assert found.distance[name] < 1e-7  # the root of rounding
        assert found.rest[name] < 1e-7
        assert found.coefficients[name] == pytest.approx(found.predicted(depth), rel=1e-9)
    assert found.crossing["2"] == found.crossing["4"] == (0.0, 0.0)
    assert found.crossing["0"][0] > 0.1
    assert found.additivity == pytest.approx({"0": 0.0, "2": 0.0}, abs=1e-7)
    assert "powers of the ends" in str(found)


def test_they_are_those_of_the_definition() -> None:
    model, _, _, loss = apart()
    torch.manual_seed(1)
    a, b = ({n: torch.randn_like(t) for n, t in params_of(model).items()} for _ in range(2))
    found = weighted_connectivity(loss, a, b, 0.25)
    x = torch.cat([x for x, _ in loss.batches])

    def second(params: dict) -> tuple[torch.Tensor, torch.Tensor]:
        read = F.linear(x, params["0.weight"]).relu()
        return read, F.linear(read, params["2.weight"])

    read_a, one = second(a)
    read_b, two = second(b)
    _, here = second(lerp(a, b, 0.25))
    predicted = 0.75**2 * one + 0.25**2 * two
    assert found.distance["2"] == pytest.approx(float((here - predicted).norm() / predicted.norm()))
    crossed = F.linear(read_a, b["2.weight"]).norm() / one.norm()
    assert found.crossing["2"][0] == pytest.approx(float(crossed))
    crossed = F.linear(read_b, a["2.weight"]).norm() / two.norm()
    assert found.crossing["2"][1] == pytest.approx(float(crossed))
    mix = (0.75 * F.linear(x, a["0.weight"]) + 0.25 * F.linear(x, b["0.weight"])).relu()
    wanted = 0.75 * read_a + 0.25 * read_b
    assert found.additivity["0"] == pytest.approx(float((mix - wanted).norm() / wanted.norm()))
    columns = torch.stack([one.flatten(), two.flatten()], 1)
    best = torch.linalg.lstsq(columns, here.flatten()[:, None]).solution[:, 0]
    assert found.coefficients["2"] == pytest.approx(tuple(best.tolist()))
    assert found.distance["2"] > found.rest["2"] > 0.1


def test_biases_are_no_part_of_what_crosses() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)).double()
    a = params_of(model)
    b = {n: t + 5 if n.endswith("bias") else 2 * t for n, t in a.items()}
    x = torch.randn(6, 3).double()
    found = weighted_connectivity(
        Loss(model, [(x, torch.zeros(6).long())], F.cross_entropy, {}), a, b
    )
    assert found.crossing["2"][0] == pytest.approx(2.0)
    assert found.crossing["2"][1] == pytest.approx(0.5)


def test_channels_are_layers_too() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))
    a, b = ({n: torch.randn_like(t) for n, t in params_of(model).items()} for _ in range(2))
    batch = (torch.randn(4, 1, 4, 4), torch.zeros(4).long())
    found = weighted_connectivity(Loss(model, [batch], F.cross_entropy, {}), a, b)
    assert found.distance["0"] < 1e-3 < found.distance["3"]


def test_a_layer_may_be_the_whole_model() -> None:
    torch.manual_seed(0)
    model = nn.Linear(3, 2).double()
    a = params_of(model)
    b = {n: 3 * t for n, t in a.items()}
    batch = (torch.randn(4, 3).double(), torch.zeros(4).long())
    found = weighted_connectivity(Loss(model, [batch], F.cross_entropy, {}), a, b)
    assert found.crossing[""] == pytest.approx((3.0, 1 / 3))


def test_errors_say_what_to_do() -> None:
    _, a, b, loss = apart()
    with pytest.raises(BadInput, match="t is 1, expected a number between"):
        weighted_connectivity(loss, a, b, 1)
    with pytest.raises(UnknownName, match="unknown module 'x'"):
        weighted_connectivity(loss, a, b, layers=["x"])
    with pytest.raises(BadInput, match="no layer ran"):
        weighted_connectivity(loss, a, b, layers=[])

"""REPAIR: every hidden channel of the merged model has the moments of the ends."""

import pytest
import torch
from torch import nn

from isthmus.ground import BadInput, params_of
from isthmus.merging import Average, GreedySoup, Renormalise, merge


def network(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 6, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(216, 12),
        nn.ReLU(),
        nn.Linear(12, 12),
        nn.ReLU(),
        nn.Linear(12, 3),
    ).double()


@pytest.fixture
def data():
    generator = torch.Generator().manual_seed(0)
    return [(torch.randn(50, 1, 8, 8, generator=generator).double(), None) for _ in range(3)]


def moments(params, data, upto: int):
    model = network(0)
    model.load_state_dict(params)
    x = torch.cat([one for one, _ in data])
    rows = model[: upto + 1](x).detach().movedim(1, 0).flatten(1)
    return rows.mean(1), rows.std(1, correction=0)


@pytest.mark.parametrize("weights", [None, (3, 1)])
def test_hidden_channels_have_the_moments_of_the_ends(data, weights) -> None:
    model, a, b = network(0), params_of(network(1)), params_of(network(2))
    merged = merge([a, b], Average(weights))
    found = Renormalise(model, data, [a, b], weights)(merged)
    share = 0.5 if weights is None else 0.75
    for layer in (0, 3, 5):
        one, two, got, plain = (moments(p, data, layer) for p in (a, b, found, merged))
        for k in (0, 1):
            assert torch.allclose(got[k], share * one[k] + (1 - share) * two[k], atol=1e-10)
        assert not torch.allclose(plain[1], share * one[1] + (1 - share) * two[1], atol=1e-2)
    assert torch.equal(found["7.weight"], merged["7.weight"])


def test_rescale_sets_deviations_only(data) -> None:
    model, a, b = network(0), params_of(network(1)), params_of(network(2))
    found = merge([a, b], repair=Renormalise(model, data, [a, b], shift=False))
    for layer in (0, 3, 5):
        (mean_a, one), (mean_b, two), (mean, got) = (moments(p, data, layer) for p in (a, b, found))
        assert torch.allclose(got, (one + two) / 2, atol=1e-10)
        assert not torch.allclose(mean, (mean_a + mean_b) / 2, atol=1e-3)


def test_a_model_merged_with_itself_stays(data) -> None:
    a = params_of(network(1))
    found = Renormalise(network(0), data, [a, a])(a)
    assert all(torch.allclose(found[name], a[name], atol=1e-12) for name in a)


def test_units_that_never_change_stay_as_they_are(data) -> None:
    a, b = params_of(network(1)), params_of(network(2))
    merged = merge([a, b])
    merged["3.weight"][4] = 0
    found = Renormalise(network(0), data, [a, b], layers=["3"])(merged)
    assert bool((found["3.weight"][4] == 0).all())
    assert all(bool(torch.isfinite(t).all()) for t in found.values())


def test_names_that_are_no_layers(data) -> None:
    a = params_of(network(1))
    with pytest.raises(BadInput, match="'1' is no linear map or convolution .*name some of 0, 3"):
        Renormalise(network(0), data, [a, a], layers=["1"])(a)


def test_a_greedy_soup_leaves_out_what_harms() -> None:
    target = torch.tensor([1.0, 1.0])

    def loss(params) -> float:
        return float((params["w"] - target).square().sum())

    good = [{"w": torch.tensor(row)} for row in ([1.5, 1.0], [0.6, 1.0])]
    bad = {"w": torch.tensor([9.0, -9.0])}
    found = merge([bad, *good], GreedySoup(loss))
    assert torch.allclose(found["w"], torch.tensor([1.05, 1.0]))

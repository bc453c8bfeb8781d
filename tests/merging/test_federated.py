"""Federated rounds, the penalty on the lines to anchors, data that are spread unevenly."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import cross_entropy

from isthmus.discovery import discover
from isthmus.ground import BadInput, ShapeMismatch, UnknownName, lerp, params_of
from isthmus.landscape import Loss
from isthmus.merging import (
    ConnectivityPenalty,
    LocalTraining,
    federated,
    label_skewed,
)


def network(seed: int = 0, norm: bool = False) -> nn.Module:
    torch.manual_seed(seed)
    middle = (nn.BatchNorm1d(6),) if norm else ()
    return nn.Sequential(nn.Linear(4, 6), *middle, nn.ReLU(), nn.Linear(6, 3)).double()


def batch(seed: int = 0, samples: int = 12):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(samples, 4, generator=generator, dtype=torch.float64)
    return x, torch.arange(samples) % 3


@given(seed=st.integers(0, 10**6), beta=st.floats(0, 5))
def test_the_penalty_is_the_loss_between(seed, beta) -> None:
    model, anchors = network(), [params_of(network(k)) for k in (1, 2)]
    generator = torch.Generator().manual_seed(seed)
    found = ConnectivityPenalty(anchors, beta)(model, batch(), cross_entropy, generator)
    found.backward()
    generator.manual_seed(seed)
    expected, slope = 0.0, torch.zeros(6, 4).double()
    for anchor in anchors:
        share = float(torch.rand((), generator=generator))
        other = network()
        other.load_state_dict(lerp(anchor, params_of(model), share))
        value = cross_entropy(other(batch()[0]), batch()[1])
        value.backward()
        expected += beta * float(value.detach()) / 2
        slope += beta * share * other[0].weight.grad / 2
    assert float(found.detach()) == pytest.approx(expected, rel=1e-12)
    assert torch.allclose(model[0].weight.grad, slope, atol=1e-14)


def test_on_the_anchor_itself_it_is_the_loss() -> None:
    model = network()
    found = ConnectivityPenalty([params_of(model)], 2.0, draws=3)(model, batch(), cross_entropy)
    assert float(found.detach()) == pytest.approx(
        2 * Loss(model, [batch()], cross_entropy)(params_of(model))
    )


def test_statistics_of_the_lines_are_thrown_away() -> None:
    model, anchor = network(0, norm=True).train(), params_of(network(1, norm=True))
    before = params_of(model)
    value = ConnectivityPenalty([anchor])(model, batch(), cross_entropy)
    value.backward()
    assert all(torch.equal(t, before[n]) for n, t in params_of(model).items())
    assert model[1].weight.grad is not None
    assert model.training


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"anchors": []}, "no anchors to stay connected to"),
        ({"anchors": [{}], "beta": -1}, "beta is -1 and draws is 1, expected"),
        ({"anchors": [{}], "draws": 0}, "beta is 1.0 and draws is 0, expected"),
    ],
)
def test_penalties_that_make_no_sense(options, text) -> None:
    with pytest.raises(BadInput, match=text):
        ConnectivityPenalty(**options)


def test_anchors_of_another_model() -> None:
    anchor = params_of(network())
    wide = {**anchor, "2.weight": torch.zeros(3, 7).double()}
    with pytest.raises(ShapeMismatch, match="anchor 0: '2.weight' has shape .3, 7., expected"):
        ConnectivityPenalty([wide])(network(), batch(), cross_entropy)
    with pytest.raises(UnknownName, match="anchor 1: '0.weight' is missing"):
        ConnectivityPenalty([anchor, {}])(network(), batch(), cross_entropy)


def stepped(params, given, lr=0.1):
    """One step of gradient descent."""
    model = network()
    model.load_state_dict(params)
    cross_entropy(model(given[0]), given[1]).backward()
    return {n: t.detach() - lr * t.grad for n, t in model.named_parameters()}


def test_a_round_is_the_weighed_mean_of_what_clients_find() -> None:
    model, data = network(), [batch(1, 6), batch(2, 18)]
    found = federated(
        model, [[one] for one in data], cross_entropy, rounds=2, local=LocalTraining(lr=0.1)
    )
    common = params_of(model)
    for _ in range(2):
        one, two = (stepped(common, given) for given in data)
        common = lerp(one, two, 0.75)
    assert all(torch.allclose(found.params[n], common[n], atol=1e-14) for n in common)
    assert found.samples == (6, 18)
    assert len(found.drift) == len(found.spread) == 2
    assert "2 rounds of 2 clients" in str(found)
    assert torch.equal(model[0].weight, network()[0].weight)


def test_it_is_fixed_by_its_seed_and_learns() -> None:
    data = [[batch(k), batch(k + 9)] for k in range(3)]
    seen = []
    local = LocalTraining(2, 0.1, beta=0.5, anchors=2)

    def go(seed):
        return federated(
            network(0, norm=True),
            data,
            cross_entropy,
            4,
            local,
            seed=seed,
            after_round=lambda k, params: seen.append((k, params)),
        ).params

    one, two, other = go(0), go(0), go(1)
    assert all(torch.equal(one[n], two[n]) for n in one)
    assert not torch.equal(one["0.weight"], other["0.weight"])
    assert [k for k, _ in seen[:4]] == [1, 2, 3, 4]
    loss = Loss(network(0, norm=True), [b for client in data for b in client], cross_entropy)
    assert loss(seen[3][1]) < loss(params_of(network(0, norm=True)))


def test_clients_are_aligned_to_the_common_model() -> None:
    model = network()
    symmetry = discover(model, batch()[0])
    data = [[batch(k)] for k in range(2)]
    local = LocalTraining(1, 0.1)
    plain = federated(model, data, cross_entropy, 1, local)
    aligned = federated(model, data, cross_entropy, 1, local, symmetry=symmetry)
    assert aligned.spread[0] <= plain.spread[0] + 1e-12
    assert aligned.drift == plain.drift


def test_generators_are_read_again_and_nothing_is_refused() -> None:
    found = federated(network(), [(b for b in [batch()])], cross_entropy, rounds=2)
    assert len(found.drift) == 2
    with pytest.raises(BadInput, match="0 clients and 10 rounds, expected at least one"):
        federated(network(), [], cross_entropy)
    with pytest.raises(BadInput, match="a client has no data; give each at least one batch"):
        federated(network(), [[]], cross_entropy)
    with pytest.raises(BadInput, match="epochs is 0 and anchors is 3"):
        LocalTraining(epochs=0)
    with pytest.raises(UnknownName):
        federated(network(), [[batch()]], cross_entropy, start={})


@given(seed=st.integers(0, 10**6), clients=st.integers(1, 4), alpha=st.floats(0.5, 100))
def test_every_sample_is_given_once(seed, clients, alpha) -> None:
    y = torch.arange(400) % 5
    parts = label_skewed(y, clients, alpha, seed)
    assert torch.equal(torch.cat(parts).sort().values, torch.arange(400))
    again = label_skewed(y, clients, alpha, seed)
    assert all(torch.equal(x, z) for x, z in zip(parts, again, strict=True))


def test_a_small_concentration_skews_and_a_large_one_does_not() -> None:
    y = torch.arange(4000) % 4

    def unevenness(alpha):
        counts = torch.stack(
            [torch.bincount(y[part], minlength=4) for part in label_skewed(y, 4, alpha)]
        )
        return float(counts.double().std())

    assert unevenness(0.3) > 10 * unevenness(1000)
    with pytest.raises(BadInput, match="a client of 50 would get none of 4 samples"):
        label_skewed(y[:4], 50)
    with pytest.raises(BadInput, match="0 clients with concentration 0.5"):
        label_skewed(y, 0)

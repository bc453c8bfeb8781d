"""Vanishing features: the split of what layers give, biases calibrated, layers kept."""

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import cross_entropy

from isthmus.ground import BadInput, UnknownName, params_of
from isthmus.landscape import Loss
from isthmus.merging import (
    BiasCalibration,
    PartialMerge,
    TaskArithmetic,
    Trunks,
    early_layers,
    merge,
    vanishing_features,
)
from isthmus.testing.zoo.language import Gpt, GptBlock


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    first = (nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten())
    last = (nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))
    return nn.Sequential(*first, *last).double()


@pytest.fixture
def data():
    generator = torch.Generator().manual_seed(0)
    shown = [torch.randn(20, 1, 6, 6, generator=generator).double() + 0.3 for _ in range(3)]
    return [(x, torch.arange(20) % 3) for x in shown]


def test_the_split_is_that_of_the_definition(data) -> None:
    model, ends = network(), [params_of(network(k)) for k in (1, 2)]
    merged = merge(ends)
    found = vanishing_features(Loss(model, data, cross_entropy), merged, ends)
    x = torch.cat([one for one, _ in data])
    for params, splits in ((merged, found.merged), (ends[1], found.ends[1])):
        model.load_state_dict(params)
        with torch.no_grad():
            outputs = model[:5](x)
        mean = outputs.mean(0)
        varying, offset = ((outputs - mean).square().mean(), mean.square().mean())
        assert splits["4"].varying == pytest.approx(float(varying.sqrt()), rel=1e-9)
        assert splits["4"].offset == pytest.approx(float(offset.sqrt()), rel=1e-9)
        assert splits["4"].share == pytest.approx(float(varying / (varying + offset)), rel=1e-9)
    assert list(found.merged) == [str(k) for k in range(8)]
    assert json.loads(json.dumps(found.to_json()))["left"].keys() == found.left.keys()
    assert "size left" in str(found)


def shrunk(params, factors):
    """Weights times factors, layer by layer; biases as they were."""
    weights = dict(zip(("0", "3", "5", "7"), factors, strict=True))
    found = {n: t.clone() for n, t in params.items()}
    for name, factor in weights.items():
        found[f"{name}.weight"] *= factor
    return found


@settings(max_examples=20)
@given(factors=st.tuples(*[st.floats(0.2, 1.5)] * 4))
def test_calibrated_biases_undo_shrunken_weights_up_to_one_factor(factors) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(30, 1, 6, 6, generator=generator).double()
    model, a = network(), params_of(network(1))
    found = BiasCalibration(model, [(x, None)], [a, a])(shrunk(a, factors))
    plain = torch.func.functional_call(model, a, x)
    assert torch.allclose(
        torch.func.functional_call(model, found, x),
        torch.tensor(factors).double().prod() * plain,
        atol=1e-9 * float(plain.abs().max()),
    )
    assert all(torch.equal(found[n], shrunk(a, factors)[n]) for n in a if n.endswith("weight"))


def test_what_shrinks_is_seen(data) -> None:
    model, a = network(), params_of(network(1))
    loss = Loss(model, data, cross_entropy)
    assert all(v == 1 for v in vanishing_features(loss, a, [a, a]).left.values())
    less = shrunk(a, (0.5, 0.5, 1, 1))
    found = vanishing_features(loss, less, [a], ["0", "3"])
    assert found.left["0"] == pytest.approx(0.5)
    merged, ends = found.shares["3"]
    assert merged < ends
    calibrated = BiasCalibration(model, data, [a])(less)
    again = vanishing_features(loss, calibrated, [a], ["3"])
    assert again.shares["3"][0] == pytest.approx(ends, rel=1e-9)


def test_calls_of_one_module_are_told_apart() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one = nn.Linear(3, 3)

        def forward(self, x):
            return self.one(torch.relu(self.one(x)))

    model = Twice()
    loss = Loss(model, [(torch.randn(5, 3), torch.zeros(5, 3))], nn.functional.mse_loss)
    found = vanishing_features(loss, params_of(model), [params_of(model)])
    assert list(found.merged) == ["one", "one (2)"]
    repaired = BiasCalibration(model, loss.batches, [params_of(model)])(params_of(model))
    assert torch.allclose(repaired["one.bias"], params_of(model)["one.bias"])


def test_no_ends_and_no_such_layer(data) -> None:
    model = network()
    loss, a = Loss(model, data, cross_entropy), params_of(model)
    with pytest.raises(BadInput, match="no ends to compare with; give the models"):
        vanishing_features(loss, a, [])
    with pytest.raises(UnknownName, match="unknown module '9'"):
        vanishing_features(loss, a, [a], ["9"])


class Backwards(nn.Module):
    """Modules stand in another order than they run, with a skip."""

    def __init__(self) -> None:
        super().__init__()
        self.last, self.inner, self.first = (nn.Linear(4, 4) for _ in range(3))

    def forward(self, x):
        x = self.first(x)
        return self.last(x + torch.relu(self.inner(x)))


def test_early_layers_are_those_that_run_first() -> None:
    x = torch.zeros(2, 4)
    assert early_layers(Backwards(), x, 2 / 3) == ("first", "inner")
    assert early_layers(Backwards(), x, 0.0) == ()
    names = early_layers(Gpt(nn.LayerNorm, 2, False), torch.zeros(1, 4, dtype=torch.long), 0.2)
    assert not any("head" in name for name in names)
    with pytest.raises(BadInput, match="share is 2, expected a number in .0, 1.; give 0.5, say"):
        early_layers(Backwards(), x, 2)


def test_kept_layers_are_those_of_one_model() -> None:
    a, b = (params_of(network(k)) for k in (1, 2))
    found = merge([a, b], PartialMerge(["0", "3.bias"], of=1))
    mean = merge([a, b])
    for name in a:
        kept = name.startswith("0.") or name == "3.bias"
        assert torch.equal(found[name], b[name] if kept else mean[name])
    whole = merge([a, b], PartialMerge(["0", "3", "5", "7"], TaskArithmetic(a, 0.3)))
    assert all(torch.equal(whole[n], a[n]) for n in a)


def test_kept_names_that_are_none() -> None:
    a, b = (params_of(network(k)) for k in (1, 2))
    with pytest.raises(UnknownName, match="no parameter is '3.wieght', .* did you mean '3.weight'"):
        merge([a, b], PartialMerge(["3.wieght"]))
    with pytest.raises(BadInput, match="layers of model 2 are to stay, of 2 models; count from 0"):
        merge([a, b], PartialMerge(["3"], of=2))


def test_trunks_of_one_model_are_its_early_layers_kept(data) -> None:
    model, (a, b) = network(), [params_of(network(k)) for k in (1, 2)]
    x, merged = data[0][0], merge([a, b])
    trunks = Trunks(model, [a], merged, "4", x)
    kept = PartialMerge(early_layers(model, x, 0.5))([a, b])
    assert torch.equal(trunks(x), torch.func.functional_call(model, kept, x))
    same = Trunks(model, [a, a], a, "4", x, weights=[1, 3])
    assert torch.allclose(same(x), torch.func.functional_call(model, a, x), atol=1e-12)


def test_features_side_by_side_are_the_mean_after_the_next_layer(data) -> None:
    model, (a, b) = network(), [params_of(network(k)) for k in (1, 2)]
    x, merged = data[0][0], merge([a, b])
    found = Trunks(model, [a, b], merged, "5", x)(x)
    hidden = []
    for params in (a, b):
        model.load_state_dict(params)
        hidden.append(model[:5](x))
    wide = torch.cat([a["5.weight"], b["5.weight"]], 1) / 2
    there = torch.cat(hidden, 1) @ wide.T + merged["5.bias"]
    model.load_state_dict(merged)
    assert torch.allclose(found, model[6:](there), atol=1e-12)


def test_trunks_train_and_are_traced(data) -> None:
    model, (a, b) = network(), [params_of(network(k)) for k in (1, 2)]
    x, y = data[0]
    trunks = Trunks(model, [a, b], merge([a, b]), "4", x)
    cross_entropy(trunks(x), y).backward()
    moved = {n for n, t in trunks.named_parameters() if t.grad is not None}
    assert {"trunks.0.0.weight", "trunks.1.3.bias", "rest.7.weight"} <= moved
    assert not any(n.startswith(("rest.0", "trunks.0.5")) for n in moved)


def test_a_cut_that_is_none() -> None:
    a, x = params_of(Backwards()), torch.randn(3, 4)
    with pytest.raises(BadInput, match="layers after 'inner' see the input past it; name a module"):
        Trunks(Backwards(), [a], a, "inner", x)
    assert Trunks(Backwards(), [a], a, "first", x)(x).shape == (3, 4)
    with pytest.raises(BadInput, match="shape .1, 4., expected two samples at least"):
        Trunks(Backwards(), [a], a, "first", x[:1])
    with pytest.raises(UnknownName, match="unknown module 'fisrt'; did you mean 'first'"):
        Trunks(Backwards(), [a], a, "fisrt", x)
    with pytest.raises(BadInput, match="2 weights for 1 ends, expected one each"):
        Trunks(Backwards(), [a], a, "first", x, [1, 1])


def test_trunks_of_a_transformer() -> None:
    torch.manual_seed(0)
    model = Gpt(nn.LayerNorm, 2, False)
    ids = torch.randint(0, 7, (3, 4))
    a, b = params_of(model), params_of(Gpt(nn.LayerNorm, 2, False))
    merged = merge([a, b])
    block = next(n for n, m in model.named_modules() if isinstance(m, GptBlock))
    found = Trunks(model, [a, b], merged, block, ids)(ids)
    assert found.shape == model(ids).shape
    with pytest.raises(BadInput, match="see the input past it"):
        Trunks(model, [a, b], merged, f"{block}.attention", ids)

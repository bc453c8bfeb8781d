"""Params of a model, their check with its messages, and their arithmetic."""

import math
import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from isthmus.ground import (
    DtypeMismatch,
    NotFinite,
    ShapeMismatch,
    UnknownName,
    aliases,
    check,
    distance,
    distances,
    lerp,
    norm,
    params_of,
)


class Tied(nn.Module):
    """An embedding tied to its head, a buffer that is saved, one that is not, an extra state."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(5, 3)
        self.head = nn.Linear(3, 5, bias=False)
        self.head.weight = self.embed.weight
        self.register_buffer("steps", torch.tensor(7))
        self.register_buffer("mask", torch.ones(2), persistent=False)

    def get_extra_state(self):
        return {"version": 1}

    def set_extra_state(self, state):
        pass


def says(text):
    return "^" + re.escape(text) + "$"


@pytest.fixture
def like():
    return {"fc.weight": torch.zeros(3, 4), "fc.bias": torch.zeros(3), "steps": torch.tensor(1)}


def test_params_of_resolves_ties_and_leaves_out_what_is_not_saved():
    model = Tied()
    params = params_of(model)
    assert list(params) == ["steps", "embed.weight"]
    assert aliases(model) == {"head.weight": "embed.weight"}


def test_params_of_are_detached_clones():
    model = nn.Linear(2, 2)
    params = params_of(model)
    params["weight"].zero_()
    assert not params["weight"].requires_grad
    assert model.weight.abs().sum() > 0


def test_functional_call_ties_the_same_names():
    model = nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 5, bias=False))
    model[1].weight = model[0].weight
    ones = {name: torch.ones_like(tensor) for name, tensor in params_of(model).items()}
    assert list(ones) == ["0.weight"]
    out = torch.func.functional_call(model, ones, torch.tensor([0]))
    assert out.tolist() == [[3.0] * 5]


def test_memory_shared_by_two_parameters_is_no_tie():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[1].weight = nn.Parameter(model[0].weight.data)
    assert aliases(model) == {}


def test_params_of_a_meta_model():
    with torch.device("meta"):
        model = Tied()
    assert params_of(model)["embed.weight"].is_meta


def test_check_returns_the_order_of_like(like):
    shuffled = {name: like[name] for name in reversed(like)}
    assert list(check(shuffled, like)) == list(like)


def test_check_against_meta_tensors(like):
    assert check(like, {name: t.to("meta") for name, t in like.items()}).keys() == like.keys()
    assert check({name: t.to("meta") for name, t in like.items()}, like).keys() == like.keys()


def test_missing_key(like):
    del like["steps"]
    expected = like | {"scale": torch.zeros(1), "shift": torch.zeros(1)}
    text = "a.pt: 'scale' is missing (and 1 more), expected 4 names; use a checkpoint of this model"
    with pytest.raises(UnknownName, match=says(text)):
        check(like, expected, source="a.pt")


def test_missing_key_names_the_nearest_found(like):
    params = {"module.fc.weight" if n == "fc.weight" else n: t for n, t in like.items()}
    text = (
        "params: 'fc.weight' is missing, expected 3 names; "
        "rename 'module.fc.weight', the nearest name found"
    )
    with pytest.raises(UnknownName, match=says(text)):
        check(params, like)


def test_extra_key_with_hint(like):
    text = (
        "params: unknown name 'fc.weihgt', expected 3 names; "
        "did you mean 'fc.weight'? remove it or use a checkpoint of this model"
    )
    with pytest.raises(UnknownName, match=says(text)):
        check(like | {"fc.weihgt": torch.zeros(1)}, like)


def test_extra_keys_without_hint(like):
    extra = {"zzz": torch.zeros(1), "qqq": torch.zeros(1)}
    text = (
        "params: unknown name 'zzz' (and 1 more), expected 3 names; "
        "remove it or use a checkpoint of this model"
    )
    with pytest.raises(UnknownName, match=says(text)):
        check(like | extra, like)


def test_wrong_shape(like):
    text = (
        "params: 'fc.weight' has shape (4, 3), expected (3, 4); "
        "use a checkpoint of the same architecture and width"
    )
    with pytest.raises(ShapeMismatch, match=says(text)):
        check(like | {"fc.weight": torch.zeros(4, 3)}, like)


def test_wrong_dtype(like):
    text = (
        "params: 'fc.bias' has dtype float64, expected float32; convert it with .to(torch.float32)"
    )
    with pytest.raises(DtypeMismatch, match=says(text)):
        check(like | {"fc.bias": torch.zeros(3, dtype=torch.float64)}, like)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([math.nan, 0, 0], "1 NaN"),
        ([math.inf, -math.inf, 0], "2 Inf"),
        ([math.nan, math.nan, -math.inf], "2 NaN and 1 Inf"),
    ],
)
def test_not_finite(like, values, words):
    text = (
        f"params: 'fc.bias' holds {words} among 3 numbers; "
        "use a checkpoint from before the training diverged"
    )
    with pytest.raises(NotFinite, match=says(text)):
        check(like | {"fc.bias": torch.tensor(values)}, like)


def test_equal_alias_is_dropped(like):
    found = check(like | {"head": like["fc.weight"].clone()}, like, aliases={"head": "fc.weight"})
    assert list(found) == list(like)


def test_alias_stands_in_for_the_kept_name(like):
    renamed = {"head" if name == "fc.weight" else name: t for name, t in like.items()}
    found = check(renamed, like, aliases={"head": "fc.weight"})
    assert found["fc.weight"] is like["fc.weight"]


def test_two_aliases_of_a_missing_name_must_agree(like):
    both = {"head": "fc.weight", "tail": "fc.weight"}
    params = {name: tensor for name, tensor in like.items() if name != "fc.weight"}
    params |= {"head": like["fc.weight"], "tail": like["fc.weight"] + 1}
    with pytest.raises(UnknownName, match="'tail' and 'fc.weight' differ"):
        check(params, like, aliases=both)


@pytest.mark.parametrize("other", [torch.ones(3, 4), torch.zeros(2), torch.zeros(3, 4).double()])
def test_different_alias_is_an_error(like, other):
    text = (
        "params: 'head' and 'fc.weight' differ, expected one tied tensor; "
        "delete 'head' from the checkpoint, or untie the two in the model"
    )
    with pytest.raises(UnknownName, match=says(text)):
        check(like | {"head": other}, like, aliases={"head": "fc.weight"})


def test_tied_nan_is_reported_as_nan(like):
    bad = torch.full((3, 4), math.nan)
    with pytest.raises(NotFinite, match="12 NaN among 12 numbers"):
        check(like | {"fc.weight": bad, "head": bad.clone()}, like, aliases={"head": "fc.weight"})


@given(t=st.floats(-2, 3), seed=st.integers(0, 99))
def test_lerp_is_the_chord(t, seed):
    rng = torch.Generator().manual_seed(seed)
    a, b = ({"w": torch.randn(4, generator=rng, dtype=torch.float64)} for _ in "ab")
    torch.testing.assert_close(lerp(a, b, t)["w"], (1 - t) * a["w"] + t * b["w"])


def test_lerp_is_exact_at_the_ends_and_keeps_integers_of_a():
    a = {"w": torch.tensor([0.1, 1e8]), "n": torch.tensor(3)}
    b = {"w": torch.tensor([1e8, 0.1]), "n": torch.tensor(9)}
    assert torch.equal(lerp(a, b, 0)["w"], a["w"])
    assert torch.equal(lerp(a, b, 1)["w"], b["w"])
    assert lerp(a, b, 1)["n"] == 3


def test_lerp_carries_gradients():
    a, b = {"w": torch.zeros(2, requires_grad=True)}, {"w": torch.ones(2)}
    lerp(a, b, 0.25)["w"].sum().backward()
    assert a["w"].grad.tolist() == [0.75, 0.75]


def test_distances_are_float64_and_skip_integers():
    a = {"w": torch.zeros(2), "z": torch.zeros(1, dtype=torch.complex64), "n": torch.tensor(1)}
    b = {"w": torch.tensor([3.0, 4.0]), "z": torch.tensor([12j]), "n": torch.tensor(5)}
    assert distances(a, b) == {"w": 5.0, "z": 12.0}
    assert distance(a, b) == 13.0
    assert norm(b) == 13.0
    assert distance({}, {}) == norm({}) == 0.0


def test_distance_does_not_lose_small_differences():
    a, b = {"w": torch.tensor([1e20])}, {"w": torch.tensor([1e-20])}
    assert distance(a, b) == pytest.approx(1e20)
    assert norm(b) == pytest.approx(1e-20)


@pytest.mark.parametrize("verb", [lambda a, b: lerp(a, b, 0.5), distances, distance])
def test_arithmetic_refuses_different_params(verb):
    a = {"w": torch.zeros(2)}
    with pytest.raises(UnknownName, match="second params: 'w' is missing"):
        verb(a, {})
    with pytest.raises(UnknownName, match="second params: unknown name 'v'"):
        verb(a, {"w": torch.zeros(2), "v": torch.zeros(2)})
    with pytest.raises(
        ShapeMismatch, match=r"second params: 'w' has shape \(3,\), expected \(2,\)"
    ):
        verb(a, {"w": torch.zeros(3)})
    with pytest.raises(DtypeMismatch, match="second params: 'w' has dtype float64"):
        verb(a, {"w": torch.zeros(2).double()})

"""Moves of single units change nothing where they say so, whatever the model; else they refuse."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from isthmus import discover, params_of
from isthmus.algebra import Element
from isthmus.ground import BadInput, Disconnected, ShapeMismatch, UnknownName, distance
from isthmus.landscape.constructive import (
    null_path,
    replicate_path,
    swap_path,
    transfer_path,
)

EXACT = 1e-9

SPACES = {
    "mlp": ("fc2", ()),
    "mlp_sigmoid": ("fc1", ()),
    "mlp_exp": ("fc1", ()),
    "linear_net": ("1", ()),
    "vgg": ("4", ()),
    "squeeze_excite": ("0.0", ()),
    "depthwise_grouped": ("2.inner", (1,)),
    "densenet": ("layers.0.0", ()),
    "residual_mlp": ("1.fc1", ()),
    "layer_used_twice": ("embed", ()),
    "lstm_classifier": ("recurrent", ()),
    "gpt": ("blocks.0.fc1", ()),
    "llama": ("blocks.0.gate", ()),
    "convnext": ("1.fc1", ()),
}
"""A space of each model, and inside what; of every kind that there is."""

FAMILIES = {
    "gpt": ("blocks.0.attention.value", (1,)),
    "depthwise_grouped": ("4.0.inner", (0,)),
}

CASES = [(name, *of) for name, of in (*SPACES.items(), *FAMILIES.items())]


def moved(model, space, first, second, inside):
    """Where the group's own element leads that swaps two units."""
    group, batch = model.symmetry.spaces[space].group, model.symmetry.batch(space)
    order = list(range(group.size))
    order[first], order[second] = second, first
    eye = torch.eye(group.size, dtype=torch.float64)
    swap = group.fit(eye, eye[order])

    def placed(whole, part):
        whole = whole.clone()
        whole[inside] = part
        return whole

    whole = group.identity(batch)
    if isinstance(whole, torch.Tensor):
        value = placed(whole, swap)
    else:  # permutation, signs, log-scales
        value = type(whole)(*map(placed, whole, swap))
    values = {**model.symmetry.identity().values, space: value}
    return model.symmetry.act(Element(model.symmetry, values), model.params)


@pytest.mark.parametrize("gauge", ["folded", "asis"])
@pytest.mark.parametrize(("name", "space", "inside"), CASES)
def test_a_swap_is_flat_in_the_middle_and_a_mirror_image_outside(model, name, space, inside, gauge):
    one = model(name, gauge)
    path = swap_path(one.symmetry, one.params, space, 0, 2, inside=inside)
    assert len(path.points) == 4
    assert distance(path.start, one.params) == 0
    assert distance(path.end, moved(one, space, 0, 2, inside)) <= EXACT
    assert one.drift(path.end, one.params) <= EXACT
    for t in (0.4, 0.5, 2 / 3):
        assert one.drift(path(t), path(1 / 3)) <= EXACT
    for t in (0.05, 0.2, 0.3):
        assert one.drift(path(t), path(1 - t)) <= EXACT
    assert one.drift(path(1 / 3), one.params) > 1e-4  # where they meet, the function is another


@pytest.mark.parametrize(("name", "space", "inside"), CASES)
def test_a_swap_through_a_dead_unit_changes_nothing(model, name, space, inside):
    one = model(name)
    last = one.symmetry.spaces[space].size - 1
    here = one.without(space, [last], inside)
    path = swap_path(one.symmetry, here, space, 0, 1, spare=last, inside=inside)
    assert len(path.points) == 8
    assert max(one.drift(path(k / 21), here) for k in range(22)) <= EXACT
    straight = swap_path(one.symmetry, here, space, 0, 1, inside=inside)
    assert distance(path.end, straight.end) <= EXACT
    assert distance(path.end, here) > 1e-3


@pytest.mark.parametrize(("name", "space", "inside"), CASES)
def test_replication_and_back_change_nothing(model, name, space, inside):
    one = model(name)
    here = one.without(space, [1], inside)
    there = replicate_path(one.symmetry, here, space, 0, 1, share=0.3, inside=inside)
    back = transfer_path(one.symmetry, there.end, space, 1, 0, inside=inside)
    for path in (there, back):
        assert max(one.drift(path(k / 6), here) for k in range(7)) <= EXACT
    assert distance(there(0.5), there.end) > 1e-3  # columns move as well as rows
    free = null_path(one.symmetry, back.end, space, [1], here, inside=inside)
    assert distance(free.end, here) <= EXACT


@pytest.mark.parametrize(("name", "space", "inside"), CASES)
def test_a_pair_that_cancels_moves_freely(model, name, space, inside):
    one = model(name)
    dead = one.without(space, [0, 1], inside)
    alike = null_path(one.symmetry, dead, space, [1], dead, like=0, inside=inside).end
    copy = replicate_path(one.symmetry, alike, space, 2, 0, share=0.0, inside=inside).end
    copy = null_path(one.symmetry, copy, space, [1], copy, like=0, inside=inside).end
    pair = transfer_path(one.symmetry, copy, space, 2, 0, 0.7, inside=inside).end
    pair = transfer_path(one.symmetry, pair, space, 2, 1, -7 / 3, inside=inside).end
    assert one.drift(pair, dead) <= EXACT  # now 0 and 1 are read with +0.7 and -0.7
    path = null_path(one.symmetry, pair, space, [0, 1], one.params, inside=inside)
    assert max(one.drift(path(t), dead) for t in (0.3, 0.6, 1.0)) <= EXACT
    assert distance(path.end, pair) > 1e-3
    with pytest.raises(Disconnected, match=f"unit 0 of '{space}' is read with "):
        null_path(one.symmetry, pair, space, [0], one.params, inside=inside)


@settings(max_examples=20)
@given(seed=st.integers(0, 2**31), share=st.floats(-3, 3))
def test_any_share_between_any_two_units_that_are_alike(mlp, seed, share):
    one = mlp
    generator = torch.Generator().manual_seed(seed)
    first, second, dead = torch.randperm(8, generator=generator)[:3].tolist()
    here = one.without("fc1", [dead])
    copy = replicate_path(one.symmetry, here, "fc1", first, dead).end
    path = transfer_path(one.symmetry, copy, "fc1", first, dead, share)
    assert max(one.drift(path(t), here) for t in (0.0, 0.4, 1.0)) <= EXACT
    with pytest.raises(Disconnected, match=f"units {first} and {second} of 'fc1' are not written"):
        transfer_path(one.symmetry, copy, "fc1", first, second)


def test_float32_stays_float32_and_flat(model):
    one = model("gpt")
    params = {name: x.float() for name, x in one.without("blocks.0.fc1", [7]).items()}
    path = swap_path(one.symmetry, params, "blocks.0.fc1", 0, 1, spare=7)
    assert {x.dtype for x in path(0.4).values()} == {torch.float32}
    copy = replicate_path(one.symmetry, params, "blocks.0.fc1", 0, 7).end
    wide = {name: x.double() for name, x in transfer_path(
        one.symmetry, copy, "blocks.0.fc1", 7, 0).end.items()}  # fmt: skip
    assert one.drift(wide, {name: x.double() for name, x in params.items()}) < 1e-5


def attended(h):
    """Attention in which the units are the tokens."""
    h = h.unsqueeze(-1)
    return nn.functional.scaled_dot_product_attention(h, h, h).squeeze(-1)


class Through(nn.Module):
    """Five units, something done to them, and two outputs."""

    def __init__(self, between, weights=lambda w: w):
        super().__init__()
        self.up, self.down = nn.Linear(3, 5), nn.Linear(5, 2)
        self.between, self.weights = between, weights

    def forward(self, x):
        h = self.between(torch.tanh(self.up(x)))
        return nn.functional.linear(h, self.weights(self.down.weight), self.down.bias)


MEETING = {
    "softmax": (Through(lambda h: torch.softmax(h, -1)), "softmax"),
    "layer_norm": (Through(lambda h: nn.functional.layer_norm(h, (5,))), "layer_norm"),
    "length": (Through(lambda h: h / h.norm(dim=-1, keepdim=True)), "linalg_vector_norm"),
    "weights": (
        Through(lambda h: h, lambda w: w / w.norm(dim=1, keepdim=True)),
        "linalg_vector_norm",
    ),
    "sum": (Through(lambda h: h + h.sum(-1, keepdim=True)), "sum"),
    "largest": (Through(lambda h: h + h.amax(-1, keepdim=True)), "amax"),
    "positions": (Through(lambda h: nn.functional.instance_norm(h.unsqueeze(1))[:, 0]), "instance"),
    "tokens": (Through(attended), "scaled_dot_product_attention"),
}


@pytest.mark.parametrize("name", MEETING)
def test_units_that_meet_are_refused_by_operator(name):
    module, operator = MEETING[name]
    x = torch.zeros(2, 3)
    symmetry = discover(module, x)
    with pytest.raises(Disconnected, match=f"units of 'up' meet in .*{operator}.*") as error:
        swap_path(symmetry, params_of(module), "up", 0, 1)
    assert "choose a space whose units are alone" in str(error.value)


@pytest.mark.parametrize(
    "name", ["softmax", "layer_norm", "weights", "sum", "largest", "positions", "tokens"]
)
def test_there_it_would_indeed_change_the_function(name):
    module, _ = MEETING[name]
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    params = params_of(module)
    params["down.weight"][:, 0] = 0
    other = {n: t.clone() for n, t in params.items()}
    if name == "weights":  # columns are not summed: sliding between copies is felt
        for p in (params, other):
            p["up.weight"][1], p["up.bias"][1] = p["up.weight"][0], p["up.bias"][0]
        other["down.weight"][:, 0], other["down.weight"][:, 1] = (
            params["down.weight"][:, 1] / 2,
            (params["down.weight"][:, 1] / 2),
        )
    else:  # a unit that nothing reads is felt
        other["up.bias"][0] += 2
    outputs = [torch.func.functional_call(module, p, (x,)) for p in (params, other)]
    assert float((outputs[0] - outputs[1]).abs().max()) > 1e-3


def test_whole_heads_swap_and_those_that_might_be_tokens_do_not(model):
    gpt, llama = model("gpt"), model("llama")
    path = swap_path(gpt.symmetry, gpt.params, "blocks.0.attention.head", 0, 1)
    assert gpt.drift(path(0.5), path(1 / 3)) <= EXACT
    assert gpt.drift(path(0.2), path(0.8)) <= EXACT
    assert gpt.drift(path(1.0), gpt.params) <= EXACT
    assert gpt.drift(path(1 / 3), gpt.params) > 1e-3
    with pytest.raises(Disconnected, match="meet in scaled_dot_product_attention"):
        swap_path(llama.symmetry, llama.params, "blocks.0.attention.head", 0, 1)


def test_what_a_model_lacks_is_said(model):
    mlp, tied, gpt = model("mlp"), model("tied_autoencoder"), model("gpt")
    llama = model("llama")
    with pytest.raises(UnknownName, match="no space 'fc3'.*did you mean 'fc"):
        swap_path(mlp.symmetry, mlp.params, "fc3", 0, 1)
    with pytest.raises(BadInput, match="units 0, 8 of 'fc1', expected different numbers from 0"):
        swap_path(mlp.symmetry, mlp.params, "fc1", 0, 8)
    with pytest.raises(BadInput, match="units 1, 1 of 'fc1'"):
        swap_path(mlp.symmetry, mlp.params, "fc1", 1, 1)
    with pytest.raises(BadInput, match=r"inside is \(1,\), expected nothing"):
        swap_path(mlp.symmetry, mlp.params, "fc1", 0, 1, inside=(1,))
    with pytest.raises(BadInput, match=r"inside is \(\), expected blocks.0.attention.head below 2"):
        swap_path(gpt.symmetry, gpt.params, "blocks.0.attention.value", 0, 1)
    with pytest.raises(Disconnected, match="no parameter reads units of 'weight' in columns"):
        swap_path(tied.symmetry, tied.params, "weight", 0, 1)
    with pytest.raises(Disconnected, match="meet in layer_norm in blocks.0.norm1"):
        swap_path(gpt.symmetry, gpt.params, "position", 0, 1)
    with pytest.raises(Disconnected, match="cannot be swapped in R⁺.*coordinates are swapped"):
        swap_path(llama.symmetry, llama.params, "blocks.0.attention.key.2", 0, 1)
    with pytest.raises(Disconnected, match="unit 3 of 'fc1' is read with .*expected 0"):
        swap_path(mlp.symmetry, mlp.params, "fc1", 0, 1, spare=3)
    with pytest.raises(Disconnected, match="unit 1 of 'fc1' is read"):
        replicate_path(mlp.symmetry, mlp.params, "fc1", 0, 1)
    with pytest.raises(Disconnected, match="units 0 and 1 of 'fc1' are not written alike"):
        null_path(mlp.symmetry, mlp.params, "fc1", [0, 1], mlp.params)
    with pytest.raises(UnknownName, match="parameter 'head.bias' is missing"):
        swap_path(mlp.symmetry, {n: x for n, x in mlp.params.items() if n != "head.bias"},
                  "fc1", 0, 1)  # fmt: skip
    with pytest.raises(ShapeMismatch, match="head.bias has shape"):
        null_path(mlp.symmetry, mlp.without("fc1", [0]), "fc1", [0],
                  {**mlp.params, "head.bias": torch.zeros(2)})  # fmt: skip

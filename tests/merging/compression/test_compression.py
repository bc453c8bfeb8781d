"""Compression: rounded layers, principal axes, slices."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call

from isthmus import Loss, discover, params_of, principal_axes, quantised, sliced, streams
from isthmus.ground import BadInput, ShapeMismatch, UnknownName
from isthmus.merging import removed
from isthmus.merging.compression import RoundedLinear
from isthmus.merging.compression.rounding import rounded
from isthmus.testing.zoo import entry, randomise


@pytest.fixture(scope="module", params=["gpt", "llama_two_layers"])
def known(request):
    one = entry(request.param)
    model = randomise(one.build(), 0).double()
    symmetry = discover(one.build(), one.example())
    rng = torch.Generator().manual_seed(2)
    ids = torch.randint(7, (6, 5), generator=rng)
    axes = principal_axes(one.build(), symmetry, params_of(model), [(ids, ids)], *streams(symmetry))
    return model, symmetry, ids, axes


def change(model, params, moved, ids):
    old, new = (functional_call(model, p, (ids,)) for p in (params, moved))
    return float((new - old).abs().max() / old.abs().max())


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_rounding_goes_to_the_nearest_point_of_each_rows_grid(bits) -> None:
    x = torch.randn(5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x[3] = 0
    found = rounded(x, bits)
    levels = 2 ** (bits - 1) - 1
    step = x.abs().amax(-1, keepdim=True) / levels
    assert float(((found - x).abs() - step / 2).max()) <= 1e-12
    assert torch.equal(found[3], x[3])
    whole = torch.where(step > 0, found / step.clamp_min(1e-300), 0)
    assert torch.allclose(whole, whole.round())
    assert rounded(x, None) is x
    assert torch.allclose(rounded(found, bits), found)


def test_gradients_pass_straight_through() -> None:
    x = torch.randn(3, 4, requires_grad=True)
    (rounded(x, 2) * torch.arange(4)).sum().backward()
    assert torch.equal(x.grad, torch.arange(4.0).expand(3, 4))


def test_a_quantised_model_takes_the_params_and_rounds_only_what_it_computes() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3, bias=False))
    params, x = params_of(model), torch.randn(5, 6)
    twin = quantised(model, 3)
    assert params_of(twin).keys() == params.keys()
    assert all(torch.equal(params_of(twin)[n], t) for n, t in params.items())
    assert type(model[0]) is nn.Linear
    small = {n: rounded(t, 3) if "weight" in n else t for n, t in params.items()}
    assert torch.equal(twin(x), functional_call(model, small, (x,)))
    assert isinstance(quantised(model, 3, but=["2"])[0], RoundedLinear)
    assert type(quantised(model, 3, but=["2"])[2]) is nn.Linear
    exact = quantised(model, None, None)
    assert torch.equal(exact(x), model(x))
    assert isinstance(quantised(nn.Linear(2, 2)), RoundedLinear)


def test_a_layer_that_is_read_twice_is_rounded_in_both_places() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(4, 4)
    twin = quantised(nn.Sequential(layer, nn.ReLU(), layer), 3)
    assert twin[0] is twin[2]
    assert isinstance(twin[2], RoundedLinear)


def test_more_bits_lose_less() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 40), nn.ReLU(), nn.Linear(40, 5))
    x = torch.randn(200, 20)
    y = model(x).detach()
    losses = [
        Loss(quantised(model, k, k), [(x, y)], F.mse_loss)(params_of(model)) for k in (8, 6, 4, 3)
    ]
    assert losses == sorted(losses)


def test_what_cannot_be_rounded_is_refused() -> None:
    with pytest.raises(BadInput, match="at least 2"):
        quantised(nn.Linear(2, 2), 1)
    with pytest.raises(BadInput, match="no linear module"):
        quantised(nn.Conv1d(2, 2, 1))
    with pytest.raises(UnknownName, match="did you mean '0'"):
        quantised(nn.Sequential(nn.Linear(2, 2)), but=["00"])


def test_principal_axes_are_orthonormal_and_their_shares_sum_to_one(known) -> None:
    axes = known[-1]
    eye = axes.directions.mT @ axes.directions
    assert torch.allclose(eye, torch.eye(len(eye), dtype=eye.dtype))
    assert float(axes.shares.sum()) == pytest.approx(1)
    assert torch.equal(axes.shares, axes.shares.sort(descending=True).values)
    assert "directions" not in axes.to_json()
    assert str(axes).endswith("of what is read")


def test_turned_into_its_axes_the_stream_has_them_as_coordinates(known) -> None:
    """What was sliced along an axis is, after the turn, sliced along a coordinate."""
    model, symmetry, ids, axes = known
    params = params_of(model)
    moved = symmetry.act(axes.turn(symmetry), params)
    assert change(model, params, moved, ids) < 1e-9
    again = principal_axes(model, symmetry, moved, [(ids, ids)], axes.space)
    assert torch.allclose(again.shares, axes.shares, atol=1e-9)
    if len(axes.shares) == axes.directions.shape[0]:  # no mean that must stay
        eye = torch.eye(len(axes.shares), dtype=torch.float64)
        assert torch.allclose(again.directions.abs(), eye, atol=1e-6)


def test_with_all_directions_the_function_stays_and_with_fewer_it_does_not(known) -> None:
    model, symmetry, ids, axes = known
    params = params_of(model)
    whole = sliced(symmetry, params, axes.space, axes.directions)
    assert change(model, params, whole, ids) < 1e-9
    fewer = sliced(symmetry, params, axes.space, axes.directions[:, :2])
    assert change(model, params, fewer, ids) > 1e-2
    once = sliced(symmetry, fewer, axes.space, axes.directions[:, :2])
    assert change(model, fewer, once, ids) < 1e-9


def test_a_sliced_model_is_a_smaller_one() -> None:
    """The tensors of a stream of fewer coordinates, run by the same modules."""
    one = entry("llama_two_layers")
    model = randomise(one.build(), 0).double()
    symmetry, (ids,) = discover(one.build(), one.example()), one.example()
    params, kept, size = params_of(model), 5, 8
    (name,) = streams(symmetry)
    axes = principal_axes(model, symmetry, params, [(ids, ids)], name)
    basis = axes.directions[:, :kept]
    narrow = {}
    for parameter, tensor in symmetry.canonical(params).items():
        if "norm" in parameter:  # the root mean square is over fewer coordinates
            narrow[parameter] = torch.full((kept,), (size / kept) ** 0.5, dtype=torch.float64)
            continue
        for dim, axis in enumerate(symmetry.reps[parameter].axes):
            if any(getattr(factor, "space", None) == name for factor in axis):
                tensor = torch.tensordot(tensor, basis, ([dim], [0])).movedim(-1, dim)
        narrow[parameter] = tensor
    small, large = (
        functional_call(model, p, (ids,)) for p in (narrow, sliced(symmetry, params, name, basis))
    )
    assert torch.allclose(small, large, atol=1e-9)
    saved = 1 - sum(t.numel() for t in narrow.values()) / sum(t.numel() for t in params.values())
    norms = sum(t.numel() for n, t in params.items() if "norm" in n)
    slack = norms / sum(t.numel() for t in params.values())
    assert removed(symmetry, name, kept) <= saved <= removed(symmetry, name, kept) + slack


def test_directions_that_are_none_are_refused(known) -> None:
    model, symmetry, _, axes = known
    params, size = params_of(model), len(axes.directions)
    with pytest.raises(ShapeMismatch, match="expected"):
        sliced(symmetry, params, axes.space, torch.eye(size + 1))
    with pytest.raises(BadInput, match="not orthonormal"):
        sliced(symmetry, params, axes.space, 2 * axes.directions)
    with pytest.raises(BadInput, match="are kept"):
        removed(symmetry, axes.space, 0)
    with pytest.raises(UnknownName):
        sliced(symmetry, params, "nowhere", axes.directions)
    if axes.directions.shape[1] < size:
        ones = torch.ones(size, 1, dtype=torch.float64) / size**0.5
        with pytest.raises(BadInput, match="not orthonormal vectors that"):
            sliced(symmetry, params, axes.space, ones)
    assert removed(symmetry, axes.space, size) == 0

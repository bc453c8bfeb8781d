"""Changes of basis: elements of the group, by a matrix."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.func import functional_call

from isthmus import basis_change, discover, hadamard_change, params_of, streams
from isthmus.algebra.bases import random_hadamard, stream_group
from isthmus.ground import BadInput, ShapeMismatch, UnknownName
from isthmus.testing.zoo import entry, randomise


@pytest.fixture(scope="module", params=["gpt", "gpt_rms_norm", "llama_two_layers"])
def known(request):
    one = entry(request.param)
    model = randomise(one.build(), 0).double()
    return model, discover(one.build(), one.example()), one.example()


def change(model, params, moved, inputs):
    old, new = (functional_call(model, p, inputs) for p in (params, moved))
    return float((new - old).abs().max() / old.abs().max())


def test_hadamard_changes_keep_the_function(known) -> None:
    model, symmetry, inputs = known
    params = params_of(model)
    g = hadamard_change(symmetry, seed=3)
    moved = symmetry.act(g, params)
    assert change(model, params, moved, inputs) < 1e-9
    (name,) = streams(symmetry)
    assert set(g.moved) == {name}
    back = symmetry.act(~g, moved)
    assert all(torch.allclose(back[n], t, atol=1e-9) for n, t in params.items())


def test_what_is_turned_but_not_by_the_group_changes_the_function(known) -> None:
    """The gains are in the way: weights alone cannot be turned as they stand."""
    model, symmetry, inputs = known
    params = params_of(model)
    (name,) = streams(symmetry)
    turn = hadamard_change(symmetry, seed=3).values
    reps = symmetry.essential.reps
    felt = [n for n in params if n in reps and name in reps[n].spaces]
    assert {"token.weight", "head.weight"} <= set(felt)
    moved = {**params, **{n: symmetry.act_on(n, turn, params[n]) for n in felt}}
    assert change(model, params, moved, inputs) > 1e-3


def test_matrices_that_are_not_in_the_group_are_refused(known) -> None:
    _, symmetry, _ = known
    (name,) = streams(symmetry)
    size = symmetry.spaces[name].size
    with pytest.raises(BadInput, match="differs from 1"):
        basis_change(symmetry, {name: 2 * torch.eye(size)})
    with pytest.raises(ShapeMismatch, match="expected"):
        basis_change(symmetry, {name: torch.eye(size + 1)})
    with pytest.raises(UnknownName, match=name):
        basis_change(symmetry, {"nowhere": torch.eye(size)})
    with pytest.raises(UnknownName):
        hadamard_change(symmetry, spaces=["nowhere"])


def test_the_mean_of_a_layer_norms_stream_stays() -> None:
    one = entry("gpt")
    symmetry = discover(one.build(), one.example())
    (name,) = streams(symmetry)
    with pytest.raises(BadInput, match="vector of ones is moved"):
        basis_change(symmetry, {name: random_hadamard(6)})
    turn = hadamard_change(symmetry).values[name]
    assert torch.allclose(turn.sum(1), torch.ones(6, dtype=torch.float64))


def test_units_have_no_basis_to_change() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    symmetry = discover(model, torch.zeros(1, 3))
    assert streams(symmetry) == ()
    (name,) = symmetry.spaces
    with pytest.raises(BadInput, match="no basis"):
        basis_change(symmetry, {name: torch.eye(4)})
    with pytest.raises(BadInput, match="no stream"):
        stream_group(symmetry, name)
    with pytest.raises(BadInput, match="no stream"):
        hadamard_change(symmetry)


@given(size=st.integers(1, 40), seed=st.integers(0, 10**6))
def test_random_hadamard_matrices_are_orthogonal_and_flat(size, seed) -> None:
    matrix = random_hadamard(size, seed)
    assert torch.allclose(matrix @ matrix.mT, torch.eye(size, dtype=matrix.dtype), atol=1e-12)
    odd = size // (size & -size)
    assert float(matrix.abs().max()) <= (odd / size) ** 0.5 + 1e-12
    if odd == 1:
        assert torch.allclose(matrix.abs(), torch.full_like(matrix, size**-0.5))


def test_sizes_are_positive() -> None:
    with pytest.raises(BadInput, match="at least 1"):
        random_hadamard(0)

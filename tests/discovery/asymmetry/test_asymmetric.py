"""Networks without symmetry: that they have none, and that they stay usable."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from isthmus import completeness, discover, params_of, verify
from isthmus.algebra.groups import AbstractMonomial
from isthmus.discovery.asymmetry import FiGLU, FixedEntries, asymmetric
from isthmus.ground import BadInput, ShapeMismatch, UnknownName, lerp
from isthmus.testing.training import seeded
from isthmus.testing.zoo.language import Gpt


def perceptron(activation: nn.Module | None = None, width: int = 6) -> nn.Sequential:
    return seeded(
        lambda: nn.Sequential(
            nn.Linear(5, width),
            activation or nn.ReLU(),
            nn.Linear(width, width),
            activation or nn.ReLU(),
            nn.Linear(width, 3),
        ),
        0,
    )


def convolution() -> nn.Sequential:
    return seeded(
        lambda: nn.Sequential(
            nn.Conv2d(1, 3, 2),
            nn.ReLU(),
            nn.Conv2d(3, 2, 2),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(2, 2),
        ),
        0,
    )


IMAGE, ROW = torch.zeros(1, 1, 3, 3), torch.zeros(1, 5)


@pytest.mark.parametrize(
    ("model", "example"),
    [
        (perceptron(), ROW),
        (perceptron(nn.Tanh()), ROW),
        (convolution(), IMAGE),
    ],
    ids=["relu", "tanh", "convolution"],
)
def test_the_group_is_trivial_where_it_was_not(model: nn.Module, example: torch.Tensor) -> None:
    before = discover(model, example)
    assert before.lie_dim or before.log_components
    made = asymmetric(model, fixed=0.3)
    after = discover(made, example)
    assert (after.lie_dim, after.log_components) == (0, 0)
    assert not after.warnings
    counted = completeness(after, made, example)
    assert counted.complete, str(counted)
    assert counted.nullity == 0


def test_biases_that_are_only_added_can_still_be_traded() -> None:
    """Masks stand in weights alone: without activations every hidden bias stays redundant."""
    model, example = nn.Sequential(nn.Linear(6, 4), nn.Linear(4, 6)), torch.zeros(1, 6)
    made = asymmetric(model, fixed=0.5)
    symmetry = discover(made, example)
    counted = completeness(symmetry, made, example)
    assert (symmetry.lie_dim, counted.nullity) == (0, 4)
    moved = {n for one in counted.unexplained for n, share in one.shares.items() if share > 1e-9}
    assert moved == {"0.bias", "1.bias"}


def test_no_permutation_of_the_whole_weights_is_a_point_of_the_asymmetric_network() -> None:
    """Not even for other values of the free entries: the constants are elsewhere."""
    model = perceptron()
    made = asymmetric(model, fixed=0.4)
    whole = {n: t.detach() for n, t in effective(made).items()}
    symmetry = discover(model, ROW)
    swaps = symmetry.restrict(lambda space: isinstance(space.group, AbstractMonomial))
    for seed in range(20):
        element = swaps.sample(seed, scale=0.0)
        moved = symmetry.act(element, whole)
        if all(torch.equal(t, whole[n]) for n, t in moved.items()):
            continue
        holding = [made[k].parametrizations.weight[0] for k in (0, 2, 4)]
        kept = [
            holder(holder.right_inverse(moved[f"{k}.weight"]))
            for k, holder in zip((0, 2, 4), holding, strict=True)
        ]
        gaps = [
            float((x - moved[f"{k}.weight"]).abs().max())
            for k, x in zip((0, 2, 4), kept, strict=True)
        ]
        assert max(gaps) > 1e-3


def test_permuting_the_free_entries_breaks_the_output() -> None:
    made = asymmetric(perceptron(), fixed=0.4).double()
    x = torch.randn(7, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    before = made(x).detach()
    params = params_of(made)
    order = torch.tensor([1, 0, 2, 3, 4, 5])
    for name in ("0.parametrizations.weight.original", "0.bias"):
        params[name] = params[name][order]
    made.load_state_dict(params)
    assert float((made(x).detach() - before).abs().max() / before.abs().max()) > 1e-2


def test_gated_units_cannot_change_places() -> None:
    plain = perceptron(nn.SiLU())
    assert discover(plain, ROW).log_components > 0
    gated = perceptron(FiGLU(6))
    symmetry = discover(gated, ROW)
    assert (symmetry.lie_dim, symmetry.log_components) == (0, 0)
    assert completeness(symmetry, gated, ROW).complete
    swapped = discover(plain, ROW).sample(3)
    wide = gated.double()
    moved = discover(plain, ROW).act(swapped, params_of(wide))
    x = torch.randn(7, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    before = wide(x).detach()
    after = torch.func.functional_call(wide, moved, x).detach()
    assert float((after - before).abs().max() / before.abs().max()) > 1e-3
    assert not verify(discover(plain, ROW), gated, ROW).margin > 0


def test_what_is_not_made_asymmetric_keeps_its_group() -> None:
    made = asymmetric(perceptron(), fixed=0.3, layers=["0"])
    symmetry = discover(made, ROW)
    assert list(symmetry.spaces) == ["2"]
    assert symmetry.lie_dim == 6
    assert verify(symmetry, made, ROW).evidence["relative_error"] < 1e-12


def test_a_transformer_loses_all_its_permutations() -> None:
    """Heads, hidden units and the stream; shifts between biases are left."""
    sizes = {"width": 8, "positions": 4, "heads": 2, "hidden": 12, "vocabulary": 7}
    model = seeded(lambda: Gpt(nn.LayerNorm, 1, False, **sizes), 0)
    ids = torch.zeros(1, 4, dtype=torch.long)
    before, made = discover(model, ids), asymmetric(model, fixed=0.3)
    after = discover(made, ids)
    assert before.log_components > 0
    assert (after.log_components, after.warnings) == (0, ())
    assert after.lie_dim < before.lie_dim
    assert verify(after, made, ids, samples=2).evidence["relative_error"] < 1e-12


def test_the_weights_are_those_of_the_model_and_constants() -> None:
    model = perceptron()
    kept = params_of(model)
    made = asymmetric(model, fixed=0.4, spread=2.0, seed=5)
    again = asymmetric(model, fixed=0.4, spread=2.0, seed=5)
    other = asymmetric(model, fixed=0.4, spread=2.0, seed=6)
    for name, weight in effective(made).items():
        assert torch.equal(weight, effective(again)[name])
        if name.endswith("weight"):
            fixed = weight != kept[name]
            assert set(fixed.sum(1).tolist()) == {round(0.4 * weight.shape[1])}
            assert not torch.equal(weight, effective(other)[name])
        assert torch.equal(params_of(model)[name], kept[name])


def test_it_is_trained_stored_and_interpolated_as_any_module() -> None:
    made = asymmetric(convolution(), fixed=0.2)
    x = torch.randn(8, 1, 3, 3, generator=torch.Generator().manual_seed(0))
    start = params_of(made)
    optimiser = torch.optim.SGD(made.parameters(), lr=0.1)
    made(x).square().mean().backward()
    optimiser.step()
    end = params_of(made)
    assert all(not torch.equal(t, end[n]) for n, t in start.items())
    other = asymmetric(convolution(), fixed=0.2)
    other.load_state_dict(end)
    assert torch.equal(other(x), made(x))
    middle = lerp(start, end, 0.5)
    whole = torch.func.functional_call(made, middle, x)
    assert whole.shape == (8, 2)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 12), st.integers(2, 7), st.data(), st.integers(0, 100))
def test_masks_have_distinct_rows(rows: int, width: int, data: st.DataObject, seed: int) -> None:
    fixed = data.draw(st.integers(1, width - 1))
    draw = torch.Generator().manual_seed(seed)
    if math.comb(width, fixed) < rows:
        with pytest.raises(BadInput, match="places of their own"):
            FixedEntries.drawn(torch.Size([rows, width]), fixed, 1.0, draw)
        return
    made = FixedEntries.drawn(torch.Size([rows, width]), fixed, 1.0, draw)
    assert len({tuple(row) for row in made.places.tolist()}) == rows
    weight = torch.randn(rows, width, generator=draw)
    free = made.right_inverse(weight)
    assert free.shape == (rows, width - fixed)
    assert torch.equal(made.right_inverse(made(free)), free)
    assert int((made(free) != weight).sum()) == rows * fixed


def effective(model: nn.Sequential) -> dict[str, torch.Tensor]:
    return {
        f"{k}.{part}": getattr(model[k], part) for k in (0, 2, 4) for part in ("weight", "bias")
    }


def test_errors_say_what_to_do() -> None:
    same = torch.tensor([[1, 0, 1], [0, 1, 1], [1, 0, 1]])
    zeros = torch.zeros(3, 3)
    with pytest.raises(BadInput, match="rows 0 and 2 of the mask are equal"):
        FixedEntries(same, zeros)
    with pytest.raises(BadInput, match="1 to 2 free entries"):
        FixedEntries(torch.tensor([[1, 0, 1], [0, 1, 0]]), zeros[:2])
    with pytest.raises(BadInput, match="3 of 3 entries of every row are free"):
        FixedEntries(torch.ones(2, 3), zeros[:2])
    with pytest.raises(ShapeMismatch, match=r"\(2, 3\)"):
        FixedEntries(same, zeros[:2])
    with pytest.raises(UnknownName, match="did you mean '0'"):
        asymmetric(perceptron(), layers=["0."])
    with pytest.raises(UnknownName, match="mask for '1'"):
        asymmetric(perceptron(), masks={"1": same})
    with pytest.raises(BadInput, match="no linear or convolutional module"):
        asymmetric(nn.ReLU())
    with pytest.raises(BadInput, match="parametrized already"):
        asymmetric(asymmetric(perceptron(), fixed=0.3))
    with pytest.raises(BadInput, match="made for 6 units and is given 4"):
        FiGLU(6)(torch.zeros(2, 4))
    tied = perceptron()
    tied[2].weight = nn.Parameter(torch.zeros(6, 6))
    tied.append(nn.Linear(6, 6))
    tied[5].weight = tied[2].weight
    with pytest.raises(BadInput, match="tied to another tensor"):
        asymmetric(tied)

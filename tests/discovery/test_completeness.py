"""Flat directions are counted by linear algebra alone, and compared with the group's own."""

from __future__ import annotations

import json
import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import isthmus
from isthmus.algebra.orbits import Orbit
from isthmus.discovery import completeness, discover
from isthmus.discovery.capture import capture
from isthmus.discovery.directions import fewest_tensors
from isthmus.discovery.draws import draws
from isthmus.discovery.evaluation import double_inputs
from isthmus.discovery.jacobian import jacobian
from isthmus.discovery.spectrum import Rows, rank_of
from isthmus.ground.errors import BadInput, UnknownName
from isthmus.ground.params import params_of
from isthmus.testing.zoo import entry, randomise

HAND_COUNTED = {
    # design.md 6: derived term by term, and measured by another program
    "gpt": (428, 153),
    "gpt_rms_norm": (410, 88),
    "llama": (536, 79),
    "llama_two_layers": (888, 121),
    # no continuous symmetry at all
    "mlp_tanh": (151, 0),
    "mlp_gelu": (151, 0),
    # 6-8-7-4 with biases is one affine map of 4·6 + 4 numbers
    "linear_net": (151, 151 - 28),
    # one scale a hidden unit
    "mlp_square": (151, 15),
}


SLOW = {"llama_two_layers"}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] * (n in SLOW)) for n in HAND_COUNTED]
)
def test_nullities_that_are_known_by_hand(name):
    one = entry(name)
    model, example = one.build(), one.example()
    found = completeness(discover(model, example), model, example)
    assert (found.parameters, found.nullity) == HAND_COUNTED[name]
    assert found.rank == found.parameters - found.nullity
    assert found.clear
    assert found.sound
    assert found.gap > 1e6
    assert found.residual < 1e-12
    assert len(found.unexplained) == found.nullity - found.explained


def two_layers(width: int = 5) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        up, middle, down = nn.Linear(6, width), nn.Linear(width, 4), nn.Linear(4, 3)
        return nn.Sequential(up, Square(), middle, Square(), down).eval()


class Square(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * x


def test_a_dropped_space_is_what_is_missing():
    model, example = two_layers(), torch.randn(4, 6)
    symmetry = discover(model, example)
    whole = completeness(symmetry, model, example)
    assert whole.complete
    assert (whole.nullity, whole.explained, whole.unexplained) == (9, 9, ())
    first, second = symmetry.spaces
    smaller = completeness(symmetry.restrict(lambda s: s.name != second), model, example)
    assert not smaller.complete
    assert (smaller.nullity, smaller.explained) == (9, 5)
    assert len(smaller.unexplained) == 4
    for direction in smaller.unexplained:
        assert set(direction.shares) == {"2.weight", "2.bias", "4.weight"}
        assert sum(direction.shares.values()) == pytest.approx(1)
    assert smaller.moves()[0].startswith("4 × ")
    other = completeness(symmetry.restrict(lambda s: s.name != first), model, example)
    assert all(set(d.shares) == {"0.weight", "0.bias", "2.weight"} for d in other.unexplained)


def test_explained_and_unexplained_span_the_flat_directions():
    model, example = two_layers(), torch.randn(4, 6)
    symmetry = discover(model, example)
    smaller = symmetry.restrict(lambda s: s.name == next(iter(symmetry.spaces)))
    found = completeness(smaller, model, example, randomise=False)
    params = {n: t.double() for n, t in params_of(model).items()}
    inputs = double_inputs(torch.randn(40, 6), torch.Generator())
    rows = jacobian(model.double(), params, inputs)
    flat = torch.stack(
        [torch.cat([d.vector[n].flatten() for n in params]) for d in found.unexplained]
    )
    assert float((rows @ flat.T).abs().max()) < 1e-10 * float(rows.abs().max())
    both = torch.cat([flat, Orbit(smaller, params).tangent()])
    assert int(torch.linalg.matrix_rank(both)) == found.nullity


def test_a_symmetry_that_is_none_is_told_and_not_counted():
    class Gelu(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return F.gelu(x)

    squared, example = two_layers(), torch.randn(4, 6)
    false = discover(squared, example)
    curved = two_layers()
    curved[1], curved[3] = Gelu(), Gelu()
    found = completeness(false, curved, example)
    assert (found.nullity, found.explained) == (0, 0)
    assert found.residual > 1e-3
    assert not found.sound
    assert not found.complete
    assert "NOT A SYMMETRY" in str(found)


def test_half_of_a_false_symmetry_counts_half():
    squared, example = two_layers(), torch.randn(4, 6)
    false = discover(squared, example)
    curved = two_layers()
    curved[3] = nn.GELU()
    found = completeness(false, curved, example)
    assert (found.nullity, found.explained) == (5, 5)
    assert not found.sound


def test_statistics_are_coordinates_that_the_group_moves():
    model = nn.Sequential(
        nn.Linear(6, 5), nn.BatchNorm1d(5, eps=1e-30), nn.Softplus(), nn.Linear(5, 3)
    )
    example = torch.randn(8, 6)
    found = completeness(discover(model, example), randomise(model, 0), example)
    assert (found.parameters, found.statistics) == (35 + 20 + 18, 10)
    # a unit has 6 weights, bias, mean, variance, gain and shift; the output sees gain / deviation
    # times the weights, and one offset: 7 of 11
    assert found.nullity == 5 * (11 - 7)
    assert found.clear
    assert found.sound


def test_the_jacobian_matches_differences_where_operators_have_no_derivative():
    class Unusual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(5, 4, padding_idx=0)
            self.batch = nn.BatchNorm1d(4)
            self.instance = nn.InstanceNorm1d(4, affine=True, track_running_stats=True)

        def forward(self, ids: Tensor) -> Tensor:
            x = self.table(ids).transpose(1, 2)
            return self.instance(torch.tanh(self.batch(x)))

    model = randomise(Unusual(), 1).double()
    params, ids = params_of(model), torch.tensor([[0, 1, 2], [3, 4, 0]])
    rows = jacobian(model, params, ((ids,), {}))
    moving = {n: t for n, t in params.items() if t.is_floating_point()}
    for column, (name, place) in enumerate(
        (n, k) for n, t in moving.items() for k in range(t.numel())
    ):
        ends = []
        for step in (1e-6, -1e-6):
            at = {n: t.clone() for n, t in params.items()}
            at[name].view(-1)[place] += step
            ends.append(torch.func.functional_call(model, at, (ids,)).detach().flatten())
        assert torch.allclose(rows[:, column], (ends[0] - ends[1]) / 2e-6, atol=1e-7)


def test_a_gradient_that_is_no_derivative_is_refused():
    class Stopped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.read, self.hidden = nn.Linear(4, 3), nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.read(self.hidden(x).detach())

    model, example = Stopped(), torch.randn(2, 4)
    symmetry = discover(model, example)
    with pytest.raises(BadInput, match=r"gradients by hidden.weight, hidden.bias are not") as said:
        completeness(symmetry, model, example)
    assert "detaches" in said.value.remedy


class Tokens(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.token, self.position = nn.Embedding(9, 3), nn.Embedding(4, 3)
        self.read = nn.Linear(3, 2)

    def forward(self, ids: Tensor, places: Tensor, mask: Tensor, x: Tensor) -> Tensor:
        ids = ids.reshape(2, -1).to(torch.int64)
        table = self.position.weight[places]
        return self.read((self.token(ids) + table) * mask + x)


def test_inputs_cover_what_is_allowed_and_no_more():
    example = {
        "ids": torch.zeros(2, 4, dtype=torch.int32),
        "x": torch.ones(2, 4, 3),
        "places": torch.tensor([0, 1, 1, 0]),
        "mask": torch.ones(2, 4, 1, dtype=torch.bool),
    }
    model = Tokens()
    source = draws(capture(model, example), example, torch.Generator().manual_seed(0))
    first = next(source)[1]
    assert torch.equal(first["ids"], example["ids"])
    seen = [next(source)[1] for _ in range(60)]
    assert {int(n) for one in seen for n in one["ids"].flatten()} == set(range(9))
    assert {int(n) for one in seen for n in one["places"]} == set(range(4))
    # Every row has its turn before any other has its second: 8 of 9 in the first, 16 in two.
    assert len({int(n) for n in seen[0]["ids"].flatten()}) == 8
    assert {int(n) for one in seen[:2] for n in one["ids"].flatten()} == set(range(9))
    assert all(one["ids"].dtype == torch.int32 for one in seen)
    assert all(bool(one["mask"].all()) for one in seen)
    assert all(bool((one["x"] > 0).all()) for one in seen)
    assert len({float(one["x"].sum()) for one in seen}) == 60


def test_integers_of_no_table_stay_between_those_of_the_example():
    class Bits(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.read = nn.Linear(4, 2)

        def forward(self, bits: Tensor) -> Tensor:
            return self.read(bits.float())

    example = (torch.tensor([[0, 1, 1, 0]]),)
    source = draws(capture(Bits(), example), example, torch.Generator().manual_seed(0))
    assert {int(n) for _ in range(30) for n in next(source)[0][0].flatten()} == {0, 1}


def test_the_rank_is_where_the_values_fall_the_farthest():
    assert rank_of(torch.tensor([3.0, 1e-3, 1e-5], dtype=torch.float64)).rank == 3
    found = rank_of(torch.tensor([3.0, 1e-5, 1e-15, 1e-19], dtype=torch.float64))
    assert found.rank == 2
    assert found.clear
    blurred = rank_of(torch.logspace(0, -15, 16, dtype=torch.float64))
    assert not blurred.clear
    assert rank_of(torch.zeros(3, dtype=torch.float64)).rank == 0


def test_streamed_rows_keep_their_singular_values():
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(60, 12, generator=generator, dtype=torch.float64)
    rows[:, 5] = rows[:, 4]
    rows[:, 3] *= 1e-7
    stream = Rows(12)
    for part in rows.split(7):
        stream.append(part)
    assert stream.count == 60
    assert stream.factor.shape == (12, 12)
    values = torch.linalg.svdvals(rows)
    assert torch.allclose(torch.linalg.svdvals(stream.factor), values, atol=1e-13)
    assert stream.rank().rank == 11
    (flat,) = stream.null_space(11)
    assert float(flat[4] + flat[5]) == pytest.approx(0, abs=1e-12)
    assert abs(float(flat[4])) == pytest.approx(math.sqrt(0.5))
    assert stream.residual(flat[None]) < 1e-15
    assert stream.residual(torch.eye(12, dtype=torch.float64)) > 0.3


def test_directions_are_taken_apart():
    """Tensors of 2, 2 and 3 numbers; two directions lie in one tensor each, one joins two."""
    truth = torch.zeros(3, 7, dtype=torch.float64)
    truth[0, 0] = truth[1, 4] = truth[2, 2] = truth[2, 5] = 1
    generator = torch.Generator().manual_seed(0)
    turn = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64)).Q
    space = torch.linalg.qr((turn @ truth).T).Q.T
    found = fewest_tensors(space, torch.zeros(0, 3, dtype=torch.float64), [2, 2, 3])
    assert torch.allclose(found.norm(dim=1), torch.ones(3, dtype=torch.float64))
    moved = {tuple(bool(p.norm() > 1e-9) for p in row.split([2, 2, 3])) for row in found}
    assert moved == {(True, False, False), (False, False, True), (False, True, True)}
    known = (space @ torch.nn.functional.normalize(truth[:1], dim=1).T).T
    rest = fewest_tensors(space, known, [2, 2, 3])
    assert len(rest) == 2
    assert float(rest[:, 0].abs().max()) < 1e-9


def test_too_large_or_empty_or_of_another_model():
    model, example = two_layers(), torch.randn(4, 6)
    symmetry = discover(model, example)
    with pytest.raises(BadInput, match="has 74 parameters, completeness takes at most 10"):
        completeness(symmetry, model, example, limit=10)
    with pytest.raises(BadInput, match="0.weight is a meta tensor without numbers"):
        completeness(symmetry, two_layers().to("meta"), example)
    with pytest.raises(UnknownName):
        completeness(symmetry, nn.Linear(6, 3), example)


def test_as_text_and_as_data():
    model, example = two_layers(), torch.randn(4, 6)
    symmetry = discover(model, example).restrict(isthmus.Trivial)
    found = isthmus.completeness(symmetry, model, example)
    lines = str(found).splitlines()
    assert lines[0] == "9 flat directions, 0 explained"
    assert "74 parameters, rank 65" in lines[1]
    assert "9 not explained; they move" in str(found)
    data = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert data["nullity"] == 9
    assert set(data["unexplained"][0]) == {"shares"}
    assert "0.weight" in json.dumps(data)


def test_the_same_seed_counts_the_same():
    model, example = two_layers(), torch.randn(4, 6)
    symmetry = discover(model, example)
    one = completeness(symmetry, model, example, seed=3)
    assert one.to_json() == completeness(symmetry, model, example, seed=3).to_json()
    assert one.gap != completeness(symmetry, model, example, seed=4).gap

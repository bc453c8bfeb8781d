"""The mean-field bounds hold for every t, are in order, and name the hypothesis that fails."""

from __future__ import annotations

import json
import math
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.transport.bounds.conftest import ACTIVATIONS, CORNERED, built, case
from torch import nn

from isthmus import Loss, discover, params_of
from isthmus.ground import BadInput, NotFinite, UnknownName, UnknownOperator, Verdict
from isthmus.ground.assignment import assignment
from isthmus.landscape.running import run
from isthmus.transport.bounds import LipschitzLoss, SquaredLoss, mean_field_bound

HULL = "Lipschitz, on the hull", "smooth, on the hull"


def gaps(one, line, t):
    """‖f(t) - (1 - t) f(0) - t f(1)‖ of every input, by the model itself."""
    x = torch.cat([x for x, _ in one.loss.batches])
    with torch.no_grad():
        f0, f1, f = (run(one.loss.model, p, x) for p in (line.a, line.b, line(t)))
    return (f - (1 - t) * f0 - t * f1).norm(dim=1)


def bounded(one, **options):
    return mean_field_bound(one.loss, one.a, one.b, one.symmetry, **options)


def holds(seed, name, mean, bias, width, power, spread, squared):
    one = case(
        seed, name, (3, width, 2), mean, bias, spread, nn.MSELoss() if squared else F.cross_entropy
    )
    found = bounded(one, power=power, convex=SquaredLoss(1 / 2) if squared else None)
    for t in (0.1, 0.5, 0.77):
        gap = gaps(one, found.line, t)
        for bound in found.bounds.values():
            assert float(gap.mean()) <= 4 * t * (1 - t) * bound.mean + 1e-14
            assert float(gap.max()) <= 4 * t * (1 - t) * bound.worst + 1e-14
        assert float(gap.mean()) <= found.at(t) + 1e-14
    for bound in found.bounds.values():
        assert found.measured.barrier <= bound.barrier + 1e-14
    return found


draws = given(
    seed=st.integers(0, 10**6),
    name=st.sampled_from(sorted(ACTIVATIONS)),
    mean=st.booleans(),
    bias=st.booleans(),
    width=st.sampled_from([2, 8]),
    power=st.sampled_from([1.0, 2.0]),
    spread=st.sampled_from([0.1, 1.0, 3.0]),
    squared=st.booleans(),
)


@settings(max_examples=25)
@draws
def test_nothing_on_the_line_exceeds_a_bound(**drawn):
    holds(**drawn)


@pytest.mark.slow
@settings(max_examples=500)
@draws
def test_nothing_on_the_line_exceeds_a_bound_in_500_networks(**drawn):
    holds(**drawn)


@settings(max_examples=10)
@given(seed=st.integers(0, 10**6), name=st.sampled_from(["tanh", "gelu", "relu", "square"]))
def test_what_knows_more_is_no_larger(seed, name):
    found = bounded(case(seed, name)).bounds
    for family in ("Lipschitz", "smooth"):
        chain = [f"{family}, on the hull", f"{family}, by pairs", "products, by pairs"]
        for one, other in pairwise([found[n] for n in chain if n in found]):
            assert other.mean <= one.mean * (1 + 1e-6)
            assert other.barrier <= one.barrier * (1 + 1e-6)


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_the_distances_are_those_of_transport(power):
    one = case(0)
    found = bounded(one, power=power, outgoing=1.0)
    rows = [torch.cat([p["down.weight"].mT, p["up.weight"], p["up.bias"][:, None]], 1)
            for p in (one.a, one.b)]  # fmt: skip
    ot = pytest.importorskip("ot")
    cost = torch.cdist(*rows) ** power
    transport = float(ot.emd2([], [], cost.numpy()))
    own = found.first if power == 1 else found.second**2
    assert own == pytest.approx(transport, rel=1e-9)
    hull = {1.0: found.lipschitz / 2 * own, 2.0: found.curvature / 8 * own}[power]
    assert found.bounds[HULL[int(power) - 1]].worst == pytest.approx(hull, rel=1e-6)
    assert found.order.tolist() == assignment(cost).tolist()


def test_the_constants_hold_and_are_nearly_reached_on_the_hull():
    # Finite differences of a tanh(w·x + b) at random convex combinations of the units.
    one = case(1, "tanh", (1, 4, 1), criterion=nn.MSELoss())
    one.a["down.weight"][0, 1] *= 5  # so that the longest reader is far from the others
    found = bounded(one, outgoing=1.0, convex=SquaredLoss())
    units = torch.cat([torch.cat([p["up.weight"], p["up.bias"][:, None], p["down.weight"].mT], 1)
                       for p in (one.a, one.b)])  # fmt: skip
    generator = torch.Generator().manual_seed(0)
    shares = torch.rand(4000, 8, generator=generator, dtype=torch.float64) ** 8
    mixed = (shares / shares.sum(1, keepdim=True)) @ units
    points = torch.cat([units, mixed]).requires_grad_()
    gradients, seconds = [0.0], [0.0]
    for x in torch.cat([x for x, _ in one.loss.batches]).flatten():
        value = points[:, 2] * torch.tanh(points[:, 0] * x + points[:, 1])
        (first,) = torch.autograd.grad(value.sum(), points, create_graph=True)
        rows = [torch.autograd.grad(first[:, k].sum(), points, retain_graph=True)[0]
                for k in range(3)]  # fmt: skip
        gradients.append(float(first.detach().norm(dim=1).max()))
        seconds.append(float(torch.linalg.matrix_norm(torch.stack(rows, 1), 2).max()))
    assert max(gradients) <= found.lipschitz <= 1.6 * max(gradients)
    assert max(seconds) <= found.curvature <= 3 * max(seconds)


@pytest.mark.parametrize("bias", [True, False])
def test_products_are_sharp_where_nothing_bends(bias):
    found = bounded(case(0, "identity", bias=bias))
    assert found.bounds["products, by pairs"].worst == pytest.approx(found.measured.worst, rel=1e-6)
    assert found.measured.worst > 0.01


@pytest.mark.parametrize("outgoing", [1.0, 2.0])
@pytest.mark.parametrize(("name", "gap"), [("relu", 1 / 2), ("abs", 1.0), ("square", 1.0)])
def test_one_unit_by_hand(name, gap, outgoing):
    # Read alike, it takes 1 in the one network and -1 in the other, 2 apart.
    model, symmetry = built((1, 1, 1), name, True, False)
    loss = Loss(model, [(torch.ones(1, 1).double(), torch.zeros(1, 1).double())], nn.MSELoss())
    a, b = (
        {"up.weight": torch.tensor([[w]]).double(), "down.weight": torch.ones(1, 1).double()}
        for w in (1.0, -1.0)
    )
    found = mean_field_bound(loss, a, b, symmetry, convex=SquaredLoss(), outgoing=outgoing)
    assert found.measured.worst == pytest.approx(gap)
    worst = {name: bound.worst for name, bound in found.bounds.items()}
    assert worst["products, by pairs"] == pytest.approx(gap, rel=1e-6)
    steepest = 2.0 if name == "square" else 1.0
    assert worst["Lipschitz, by pairs"] == pytest.approx(math.hypot(1 / outgoing, steepest))
    if name == "square":  # H is the larger eigenvalue of [[0, m], [m, 2]], and 2² / 8 = 1/2
        second = 1 + math.hypot(1, 2 / outgoing)
        assert found.curvature == pytest.approx(second)
        assert worst["smooth, by pairs"] == pytest.approx(second / 2)


@pytest.mark.parametrize("name", CORNERED)
def test_a_corner_refuses_the_smooth_bound_by_name(name):
    found = bounded(case(0, name))
    assert "smooth, on the hull" not in found.bounds
    assert "Lipschitz, on the hull" in found.bounds
    assert found.curvature == math.inf
    (why,) = [text for text in found.hypotheses if text.startswith("fails")]
    assert why.startswith(f"fails: {name} has a corner at")
    assert found.certificate.verdict is Verdict.PROVED
    assert why in str(found)


def test_matching_makes_the_gap_far_smaller_and_width_makes_it_small():
    # mathematics.md 2.8 b: .0016, .0014, .0002 matched and .030, .019, .006 not, widths as here.
    rows = []
    for width in (50, 200, 800):
        found = [
            bounded(
                case(seed, "tanh", (2, width, 1), bias=False, criterion=nn.MSELoss(), samples=30),
                convex=SquaredLoss(),
                outgoing=1.0,
            )
            for seed in range(4)
        ]
        rows.append([sum(getattr(f, n).mean for f in found) / 4 for n in ("measured", "unmatched")])
    for matched, unmatched in rows:
        assert matched < unmatched / 4
    assert rows[2][0] < rows[1][0] < rows[0][0] < 0.01


def test_a_sum_has_the_bounds_of_the_same_mean():
    one = case(3, mean=True)
    model, symmetry = built((3, 8, 2), "tanh", False, True)
    found = []
    for params, loss, own, of in (
        ((one.a, one.b), one.loss, one.symmetry, 1.0),
        (
            [
                {n: t / 8 if n.startswith("down") else t for n, t in p.items()}
                for p in (one.a, one.b)
            ],
            Loss(model, one.loss.batches, F.cross_entropy),
            symmetry,
            8.0,
        ),
    ):
        found.append(mean_field_bound(loss, *params, own))
        assert found[-1].scale == pytest.approx(of)
    for name, gap in found[0].bounds.items():
        assert found[1].bounds[name].mean == pytest.approx(gap.mean, rel=1e-9)
    assert str(found[0]).startswith("mean of 8 tanh units")
    assert str(found[1]).startswith("sum of 8 tanh units")


def test_a_permuted_copy_is_met_exactly():
    one = case(0, "gelu")
    g = one.symmetry.sample(2)
    found = mean_field_bound(one.loss, one.a, one.symmetry.act(g, one.a), one.symmetry)
    assert found.first < 1e-12
    assert found.measured.worst < 1e-12 < found.unmatched.worst
    assert found.bounds["products, by pairs"].worst < 1e-9


class Written(nn.Module):
    """The same network by products of matrices, biases added by hand, inputs normalised."""

    def __init__(self) -> None:
        super().__init__()
        self.w, self.b = nn.Parameter(torch.randn(8, 3)), nn.Parameter(torch.randn(8))
        self.r, self.c = nn.Parameter(torch.randn(8, 2)), nn.Parameter(torch.randn(2))
        self.register_buffer("size", torch.tensor(2.0))

    def forward(self, x):
        hidden = torch.tanh((x.flatten(1) / self.size) @ self.w.T + self.b)
        return 3 * (hidden @ self.r / 8 + self.c)


def test_a_network_may_be_written_in_other_words():
    model = Written().double()
    x, y = torch.randn(9, 3, 1).double(), torch.randint(0, 2, (9,))
    loss = Loss(model, [(x, y)], F.cross_entropy)
    a = params_of(model)
    b = {n: t if n == "size" else torch.randn_like(t) for n, t in a.items()}
    symmetry = discover(model, x)
    found = mean_field_bound(loss, a, b, symmetry)
    assert found.scale == pytest.approx(3)
    assert str(found).startswith("3 times the mean of 8 tanh units")
    assert found.measured.worst <= found.bounds["products, by pairs"].worst
    with pytest.raises(BadInput, match="the models differ in size, which is no part of a unit"):
        mean_field_bound(loss, a, {**b, "size": torch.tensor(3.0).double()}, symmetry)


def test_batches_may_differ_and_inputs_be_named():
    one = case(5)
    x, y = (torch.cat(parts) for parts in zip(*one.loss.batches, strict=True))
    batches = [({"x": x[:3]}, y[:3]), ((x[3:],), y[3:])]
    other = one._replace(loss=Loss(one.loss.model, batches, F.cross_entropy))
    for name, gap in bounded(one).bounds.items():
        assert bounded(other).bounds[name].mean == pytest.approx(gap.mean, rel=1e-12)
        assert bounded(other).bounds[name].barrier == pytest.approx(gap.barrier, rel=1e-12)


def test_single_precision_is_taken_as_given():
    one = case(6)
    narrow = [{n: t.float() for n, t in p.items()} for p in (one.a, one.b)]
    model = torch.nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))
    names = {"up.weight": "0.weight", "up.bias": "0.bias", "down.weight": "2.weight"}
    a, b = ({names.get(n, "2.bias"): t for n, t in p.items()} for p in narrow)
    batches = [(x.float(), y) for x, y in one.loss.batches]
    found = mean_field_bound(
        Loss(model, batches, F.cross_entropy), a, b, discover(model, batches[0][0])
    )
    assert found.line.a["0.weight"].dtype is torch.float64
    assert found.measured.worst <= found.bounds["products, by pairs"].worst
    assert found.scale == 8.0


def refusal(model, x=None):
    model = model.double()
    x = torch.randn(4, 3).double() if x is None else x
    params = params_of(model)
    loss = Loss(model, [(x, torch.zeros(4).long())], F.cross_entropy)
    return mean_field_bound(loss, params, params, discover(model, x))


class Shifted(nn.Module):
    """Something is added to all units before they bend."""

    def __init__(self) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(3, 6), nn.Linear(6, 2)
        self.shift = nn.Parameter(torch.ones(()))

    def forward(self, x):
        return self.down(torch.tanh(self.up(x) + self.shift))


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (
            nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2)),
            "the network has 2 hidden spaces .*; for other networks use residual_bound",
        ),
        (nn.Linear(3, 2), "the network has 0 hidden spaces, and the mean-field bound is for one"),
        (
            nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Sigmoid(), nn.Linear(4, 2)),
            "units go through tanh and sigmoid",
        ),
        (
            nn.Sequential(nn.Linear(3, 4), nn.Softsign(), nn.Linear(4, 2)),
            "is not known|are not known|units go through",
        ),
        (nn.Sequential(nn.Linear(3, 4), nn.PReLU(4), nn.Linear(4, 2)), "are made of|PReLU|prelu"),
    ],
)
def test_other_networks_are_refused_by_name(model, words):
    with pytest.raises(UnknownOperator, match=words):
        refusal(model)


class Scalar(nn.Module):
    """One number for each input, no vector."""

    def __init__(self) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(3, 6), nn.Linear(6, 1)

    def forward(self, x):
        return self.down(torch.tanh(self.up(x))).squeeze(-1)


def test_numbers_for_outputs_are_refused():
    words = r"the model gives shape \(4,\), expected \(4, 1\): a vector of outputs for each input"
    with pytest.raises(UnknownOperator, match=words):
        refusal(Scalar())


def test_numbers_beyond_floats_prove_nothing():
    one = case(0, "square", spread=1e120)
    found = bounded(one, convex=LipschitzLoss(math.inf))
    assert found.scale == 1
    assert found.certificate.verdict is Verdict.UNKNOWN
    assert not found.bounds


def test_a_large_bias_of_the_outputs_hides_no_unit():
    one = case(0)
    large = one._replace(**{k: {**getattr(one, k), "down.bias": torch.full((2,), 1e9).double()}
                            for k in ("a", "b")})  # fmt: skip
    assert bounded(large).scale == 1
    assert bounded(large).each.tolist() == pytest.approx(bounded(one).each.tolist())


@pytest.mark.parametrize("seed", range(6))
def test_one_relu_is_recognised_on_one_input(seed):
    one = case(seed, "relu", (1, 1, 1), bias=False, samples=2, criterion=nn.MSELoss())
    assert bounded(one, convex=SquaredLoss()).scale == 1
    zero = Loss(
        one.loss.model, [(torch.zeros(1, 1).double(), torch.zeros(1, 1).double())], nn.MSELoss()
    )
    with pytest.raises(BadInput, match="give inputs that are felt"):
        bounded(one._replace(loss=zero))


def test_what_is_computed_otherwise_than_recognised_is_refused():
    with pytest.raises(BadInput, match="a unit's input is not what it was recognised to be"):
        refusal(Shifted())


def test_the_criterion_is_compared_with_what_is_said_of_it():
    one = case(0, spread=3.0, criterion=nn.MSELoss())
    with pytest.raises(BadInput, match="the criterion is not 0.001-Lipschitz: it is"):
        bounded(one, convex=LipschitzLoss(0.001))
    with pytest.raises(BadInput, match="give SquaredLoss the criterion's weight: one over"):
        bounded(one, convex=SquaredLoss())
    bent = one._replace(
        loss=Loss(one.loss.model, one.loss.batches, lambda f, y: -f.square().mean())
    )
    with pytest.raises(BadInput, match="the criterion is not convex in the outputs"):
        bounded(bent, convex=LipschitzLoss(1e9))


def test_wrong_input_is_refused():
    one = case(0)
    for options, words in (
        ({"power": 0.0}, "power is 0.0, expected a positive number; give 1 for W₁, 2 for W₂"),
        ({"outgoing": -1.0}, "outgoing is -1.0, expected a positive number; give one, or None"),
        ({"points": 1}, "points is 1, expected at least 2"),
    ):
        with pytest.raises(BadInput, match=words):
            bounded(one, **options)
    empty = Loss(one.loss.model, [(torch.zeros(0, 3), torch.zeros(0).long())], F.cross_entropy)
    with pytest.raises(BadInput, match="no samples to bound the gap on"):
        bounded(one._replace(loss=empty))
    with pytest.raises(NotFinite):
        bounded(one._replace(a={**one.a, "up.bias": one.a["up.bias"] * math.nan}))
    with pytest.raises(UnknownName):
        bounded(one._replace(b={"up.weight": one.b["up.weight"]}))


def test_softplus_that_torch_cuts_off_is_refused():
    model = nn.Sequential(nn.Linear(3, 4), nn.Softplus(threshold=1.0), nn.Linear(4, 2))
    with pytest.raises(BadInput, match="where torch cuts softplus off at 1; give it a larger"):
        refusal(model, 30 * torch.ones(4, 3).double())


def test_the_result_is_plain_data():
    found = bounded(case(0))
    data = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert data["bounds"]["products, by pairs"]["mean"] == found.bounds["products, by pairs"].mean
    assert data["certificate"]["verdict"] == "PROVED"
    assert "after Theorem 3.1 of Ferbach et al. (2024)" in str(found)
    assert "given: the criterion is LipschitzLoss(constant=1.414" in str(found)
    assert found.certificate.evidence["upper"] == min(g.barrier for g in found.bounds.values())
    assert found.certificate.margin >= 0

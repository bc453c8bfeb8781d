"""The loss does not drift along an orbit path, whatever the groups; the shorter curve is taken."""

from __future__ import annotations

import itertools
import math
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus import discover, params_of
from isthmus.algebra import Element, Rep, Space, Symmetry, groups
from isthmus.algebra.groups import GeneralLinear, Group
from isthmus.algebra.groups.curves import Exponential, principal_log
from isthmus.ground import distance, norm
from isthmus.landscape import Line, Loss, OrbitPath, Polygon
from isthmus.landscape.geometry import differences
from isthmus.testing.zoo import as_dtype, entry, randomise, run

seeds = st.integers(0, 2**31)

MODELS = {
    "linear_net": {"GeneralLinear", "Translation"},
    "gated_bilinear": {"GeneralLinear", "Monomial", "Translation"},
    "mlp_tanh": {"SignedPermutation"},
    "mlp_sin": {"SignedPermutation", "Lattice"},
    "mlp_exp": {"Permutation", "Translation"},
    "residual_mlp": {"MeanOrthogonal", "Monomial", "Translation"},
    "depthwise_grouped": {"Monomial", "Permutation"},
    "gpt": {"GeneralLinear", "MeanOrthogonal", "Monomial", "Permutation", "Translation"},
    "llama": {"GeneralLinear", "Monomial", "Orthogonal", "PlaneRotation", "PositiveScaling"},
}
"""Models, and kinds of groups that each has."""


def _case(name: str):
    one = entry(name)
    model = randomise(one.build(), seed=0).double()
    example = as_dtype(one.example(), torch.float64)
    with warnings.catch_warnings(action="ignore"):
        symmetry = discover(model, example)
    return model, symmetry, params_of(model), example


def test_the_models_have_groups_of_every_kind():
    kinds = {k.__name__ for k in vars(groups).values() if isinstance(k, type)}
    kinds = {k for k in kinds if issubclass(getattr(groups, k), Group)}
    abstract = {k for k in kinds if k.startswith("Abstract")} | {"Group"}
    # Families took the place of wreath products; nothing acts where a group is trivial.
    assert kinds - abstract - {"Wreath", "Trivial"} == set().union(*MODELS.values())


@pytest.mark.filterwarnings("ignore::isthmus.algebra.charts.step.GaugeWarning")
@pytest.mark.parametrize("name", MODELS)
def test_the_loss_does_not_drift_over_101_points(name):
    model, symmetry, params, example = _case(name)
    assert {type(s.group).__name__ for s in symmetry.spaces.values()} >= MODELS[name]
    wanted = run(model, example)
    wanted = (wanted[0] if isinstance(wanted, tuple) else wanted).detach()
    target = torch.zeros_like(wanted)
    loss = Loss(model, [(example, target)], torch.nn.functional.mse_loss, metrics={})
    path = OrbitPath(symmetry, symmetry.sample(1), params)
    at_params = loss(params)
    losses = [one.loss for one in loss.along(path, [k / 100 for k in range(101)])]
    assert max(abs(one - at_params) for one in losses) <= 1e-12 * at_params


@pytest.mark.filterwarnings("ignore::isthmus.algebra.charts.step.GaugeWarning")
@pytest.mark.parametrize("name", ["linear_net", "residual_mlp", "gpt", "llama"])
def test_derivatives_are_those_of_finite_differences(name):
    _, symmetry, params, _ = _case(name)
    path = OrbitPath(symmetry, symmetry.sample(2), params)
    for t in (0.0, 0.41):
        scale = path.speed(t) + 1
        exact, nearby = path.jet(t), differences(path, t, 2)
        for order, tolerance in ((1, 1e-9), (2, 1e-6)):
            for key, x in exact[order].items():
                assert float((x - nearby[order][key]).abs().max()) < tolerance * scale**2, key


def _pair(size: int, seed: int, g: torch.Tensor):
    """The path of ``(g W₁, W₂ g⁻¹)`` and its element."""
    space = Space("h", size, GeneralLinear(size))
    spaces = {"h": space}
    reps = {"one": Rep.parse("h ⊗ 7", spaces), "two": Rep.parse("6 ⊗ h*", spaces)}
    rng = torch.Generator().manual_seed(seed)
    params = {
        "one": torch.randn(size, 7, generator=rng, dtype=torch.float64),
        "two": torch.randn(6, size, generator=rng, dtype=torch.float64),
    }
    symmetry = Symmetry(spaces, reps)
    return OrbitPath(symmetry, Element(symmetry, {"h": g}), params)


def _near(size: int, seed: int, scale: float) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    normal = torch.randn(size, size, generator=rng, dtype=torch.float64) / math.sqrt(size)
    return torch.linalg.matrix_exp(scale * normal)


def _travelled(points) -> float:
    return sum(distance(a, b) for a, b in itertools.pairwise(points))


@settings(max_examples=8)
@given(seed=seeds, scale=st.sampled_from([0.3, 1.0, 2.0]))
def test_the_shorter_of_two_curves_is_taken(seed, scale):
    g = _near(4, seed, scale)
    path = _pair(4, seed + 1, g)
    log = principal_log(g)
    left, values, right = torch.linalg.svd(g)
    skew = groups.curves.rotation_log(left @ right)
    growth = right.mT @ torch.diag(values.log()) @ right

    def straight(t):
        return torch.linalg.matrix_exp(t * log)

    def polar(t):
        return torch.linalg.matrix_exp(t * skew) @ torch.linalg.matrix_exp(t * growth)

    def moved(h):
        one, two = path.params["one"], path.params["two"]
        return {"one": h @ one, "two": two @ torch.linalg.inv(h)}

    curves = [straight, polar] if log is not None else [polar]
    ts = [k / 150 for k in range(151)]
    lengths = [_travelled([moved(curve(t)) for t in ts]) for curve in curves]
    assert _travelled([path(t) for t in ts]) == pytest.approx(min(lengths), rel=1e-4)
    assert path.length() == pytest.approx(min(lengths), rel=1e-4)


def test_both_candidates_are_taken_by_some_element():
    lengths = []
    for seed in range(40):
        g = _near(4, seed, 2.0)
        path = _pair(4, seed + 1, g)
        if principal_log(g) is not None:
            half = path.symmetry.act(path.element**0.5, path.params)
            lengths.append(distance(half, path(0.5)) < 1e-9)
    assert {True, False} == set(lengths)


def test_a_shear_has_no_frame_but_a_curve():
    shear = torch.tensor([[1.0, 1.0], [0.0, 1.0]], dtype=torch.float64)
    curve = GeneralLinear(2).curve(shear)
    assert any(isinstance(s, Exponential) for s in curve.steps(GeneralLinear(2).natural))
    half = torch.tensor([[1.0, 0.5], [0.0, 1.0]], dtype=torch.float64)
    assert torch.allclose(curve(0.5), half, atol=1e-14)
    path = _pair(2, 0, shear)
    assert distance(path(1 - 1e-12), path.end) < 1e-9
    product = path.params["two"] @ path.params["one"]
    for t in (0.2, 0.7):
        assert torch.allclose(path(t)["two"] @ path(t)["one"], product, atol=1e-13)


def test_a_rotation_has_constant_speed_and_a_quarter_turn_its_length():
    turn = torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=torch.float64)
    path = _pair(2, 3, turn)
    radius = math.hypot(*(float(x.norm()) for x in path.params.values()))
    assert path.length() == pytest.approx(math.pi / 2 * radius, rel=1e-12)
    assert [path.speed(t) for t in (0.0, 0.3, 1.0)] == pytest.approx(3 * [math.pi / 2 * radius])
    assert path.curvature(0.3) == pytest.approx(1 / radius, rel=1e-12)


def test_geometry_of_lines_polygons_and_joined_paths():
    g = _near(3, 5, 0.5)
    orbit = _pair(3, 6, g)
    line = Line(orbit.params, orbit.end)
    assert line.length() == pytest.approx(distance(*line.ends), rel=1e-12)
    assert line.curvature(0.2) == 0
    triangle = Polygon([orbit.params, orbit(0.5), orbit.end])
    sides = _travelled(triangle.points)
    assert triangle.length() == pytest.approx(sides, rel=1e-12)
    assert triangle.breaks == (0.5,)
    assert line.length() < triangle.length() < orbit.length()
    whole = triangle.then(orbit.reversed())
    assert whole.breaks == (0.25, 0.5)
    assert whole.length() == pytest.approx(sides + orbit.length(), rel=1e-9)
    assert whole.curvature(0.9) == pytest.approx(orbit.curvature(0.2), rel=1e-9)
    assert whole.speed(0.9) == pytest.approx(2 * orbit.speed(0.2), rel=1e-9)


def test_derivatives_are_bounded():
    for seed in range(10):
        path = _pair(4, seed, _near(4, seed, 1.5))
        second, third = path.derivative_bounds(0.5, 0.1)
        jets = [path.jet(0.4 + k / 100, 2) for k in range(21)]
        assert max(norm(acceleration) for _, _, acceleration in jets) <= second
        changes = [distance(a[2], b[2]) / 0.01 for a, b in itertools.pairwise(jets)]
        assert max(changes) <= third


def test_what_rests_is_left_as_it_is():
    _, symmetry, params, _ = _case("gpt")
    single = {n: t.float() if t.is_floating_point() else t for n, t in params.items()}
    one = symmetry.identity()
    name = next(n for n, s in symmetry.spaces.items() if "GL" in str(s))
    values = {**one.values, name: symmetry.sample(1).split()[1].values[name]}
    path = OrbitPath(symmetry, Element(symmetry, values), single)
    touched = {n for n, rep in symmetry.reps.items() if name in rep.spaces}
    middle = path(0.5)
    moved = {n for n, t in single.items() if distance({n: t}, {n: middle[n]}) > 1e-5}
    assert touched & moved
    assert all(".attention." in n for n in moved)  # its key bias is in the chart
    assert path.derivative_bounds(0.5, 0.1) is None  # through a chart

"""The function is the same everywhere on an orbit path; discrete parts are jumps."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from isthmus.algebra import Element
from isthmus.algebra.groups import Permutation
from isthmus.ground import BadInput, ShapeMismatch, distance
from isthmus.landscape import Line, OrbitPath

TS = (0.0, 0.13, 0.5, 0.77, 1.0)
seeds = st.integers(0, 2**31)


def assert_flat(case, path, tolerance=1e-12):
    """The outputs along ``path`` are those at the case's own params."""
    wanted = case.outputs(case.params)
    size = float(wanted.abs().max())
    for t in TS:
        gap = float((case.outputs(path(t)) - wanted).abs().max())
        assert gap <= tolerance * size, f"t = {t}: {gap / size:.3g}"


def linear_element(case, fc1: Tensor) -> Element:
    """The element that is ``fc1`` in the first hidden layer and 1 in the second."""
    values = {**case.symmetry.identity().values, "fc1": fc1.double()}
    return Element(case.symmetry, values)


@settings(max_examples=12)
@given(seed=seeds)
def test_relu_network_is_constant_on_its_orbit_paths(relu, seed):
    g = relu.symmetry.sample(seed, scale=1.0)
    assert_flat(relu, OrbitPath(relu.symmetry, g, relu.params))


@settings(max_examples=12)
@given(seed=seeds)
def test_linear_network_is_constant_on_its_orbit_paths(linear, seed):
    g = linear.symmetry.sample(seed, scale=0.5)
    assert_flat(linear, OrbitPath(linear.symmetry, g, linear.params))


@pytest.mark.parametrize("case", ["relu", "linear"])
def test_ends_jump_and_curve_are_as_documented(case, request):
    case = request.getfixturevalue(case)
    g = case.symmetry.sample(3, scale=1.0)
    path = OrbitPath(case.symmetry, g, case.params)
    jump, _ = g.split()
    moved = case.symmetry.act(g, case.params)
    assert distance(path.start, case.symmetry.act(jump, case.params)) == 0
    assert distance(path.end, moved) == 0
    assert distance(path(1 - 1e-12), moved) < 1e-9  # the curve arrives where the end is
    assert [distance(a, b) for a, b in zip(path.ends, (case.params, moved), strict=True)] == [0, 0]
    assert distance(path(1e-12), case.symmetry.act(jump, case.params)) < 1e-9


def test_a_connected_element_starts_at_the_params_themselves(relu):
    g = relu.symmetry.sample(1).split()[1]
    path = OrbitPath(relu.symmetry, g, relu.params)
    assert path.jump is None
    assert path.jumps == ()
    assert distance(path.start, relu.params) == 0


def test_the_jump_is_listed_by_space_and_never_interpolated_over(relu):
    swap = relu.symmetry.restrict(Permutation)
    g = relu.symmetry.lift(swap.sample(5))
    path = OrbitPath(relu.symmetry, g, relu.params)
    moved = int((g.values["fc1"].perm != torch.arange(5)).sum())
    assert str(path.jump).startswith(f"fc1: moves {moved} of 5 units; fc2: moves ")
    assert path.jumps == (path.jump,)
    assert path.jump.at == 0
    assert distance(path(0.0), path(0.4)) < 1e-14  # all is in the jump, so the curve rests


def test_an_element_of_a_subgroup_is_lifted(relu):
    swap = relu.symmetry.restrict(Permutation)
    g = swap.sample(5)
    path = OrbitPath(relu.symmetry, g, relu.params)
    assert distance(path.end, swap.act(g, relu.params)) == 0
    assert_flat(relu, path)


def test_negative_real_eigenvalues_need_no_jump(linear):
    # Eigenvalues -1 and -2: no real logarithm (Culver), yet positive determinant.
    shear = torch.tensor([[1.0, 0.3], [-0.2, 1.0]])
    block = shear @ torch.diag(torch.tensor([-1.0, -2.0])) @ torch.linalg.inv(shear)
    g = linear_element(linear, torch.block_diag(block, torch.eye(3)))
    path = OrbitPath(linear.symmetry, g, linear.params)
    assert path.jump is None
    assert distance(path.start, linear.params) == 0
    assert distance(path(1 - 1e-12), path.end) < 1e-9
    assert_flat(linear, path)


def test_negative_determinant_is_a_jump_and_then_a_curve(linear):
    g = linear_element(linear, torch.diag(torch.tensor([-2.0, 1.0, 1.0, 0.5, 1.0])))
    path = OrbitPath(linear.symmetry, g, linear.params)
    assert str(path.jump) == "fc1: is 2 from the identity, 1 mirrored"
    assert distance(path.start, linear.params) > 0.1
    assert_flat(linear, path)
    middle = path(0.5)["0.weight"]
    assert float(middle.abs().min()) > 1e-3  # the mirrored coordinate never passes through 0


def test_the_path_is_continuous_and_moves(linear):
    g = linear.symmetry.sample(11, scale=0.5)
    path = OrbitPath(linear.symmetry, g, linear.params)
    points = [path(k / 200) for k in range(201)]
    steps = [distance(a, b) for a, b in itertools.pairwise(points)]
    assert max(steps) < 4 * sum(steps) / len(steps)
    assert sum(steps) >= distance(path.start, path.end) > 0.1


def test_line_then_the_way_home_declares_the_jump(relu):
    g = relu.symmetry.sample(2, scale=0.5)
    orbit = OrbitPath(relu.symmetry, g, relu.params)
    a = {name: t + 0.1 for name, t in relu.params.items()}
    home = orbit.home_from(a)
    assert distance(home(0.2), Line(a, orbit.end)(0.4)) == 0
    assert distance(home(0.5), orbit.end) == 0
    assert distance(home.ends[1], relu.params) == 0
    assert distance(home.end, orbit.start) == 0
    assert [(jump.at, jump.moved) for jump in home.jumps] == [(1.0, orbit.jump.moved)]
    assert home.kind == "linear, exact-flat"


def test_float32_params_stay_float32(relu):
    params = {name: t.float() for name, t in relu.params.items()}
    path = OrbitPath(relu.symmetry, relu.symmetry.sample(4), params)
    assert {t.dtype for t in path(0.3).values()} == {torch.float32}


def test_points_do_not_share_memory_with_the_path(relu):
    path = OrbitPath(relu.symmetry, relu.symmetry.sample(4), relu.params)
    before = {name: t.clone() for name, t in relu.params.items()}
    for t in TS:
        for tensor in path(t).values():
            tensor.zero_()
    assert distance(before, relu.params) == 0
    assert distance(path.start, path.start) == 0
    assert float(path.start["0.weight"].abs().max()) > 0


def test_wrong_params_and_elements_are_refused(relu, linear):
    g = relu.symmetry.sample(0)
    with pytest.raises(ShapeMismatch, match=r"0.bias has shape \(4,\), expected \(5,\)"):
        OrbitPath(relu.symmetry, g, {**relu.params, "0.bias": torch.zeros(4)})
    other = Element(relu.symmetry, {"fc1": g.values["fc1"]})
    with pytest.raises(BadInput, match="the element has values for fc1, expected fc1, fc2"):
        OrbitPath(relu.symmetry, other, relu.params)

"""Exponentials, logarithms, splits and curves of every group class."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.algebra.groups import (
    GeneralLinear,
    Monomial,
    Orthogonal,
    Permutation,
    SignedPermutation,
    Wreath,
    curves,
)
from isthmus.ground import Disconnected

seeds = st.integers(0, 2**31)
few = settings(max_examples=4)


@few
@given(seed=seeds)
def test_log_undoes_exp(group, tools, seed):
    rng = tools.rng(seed)
    for batch in ((), (2,)):
        v = 0.4 * torch.randn(*batch, group.lie_dim, generator=rng, dtype=torch.float64)
        assert torch.allclose(group.log(group.exp(v)), v, atol=1e-9)


@few
@given(seed=seeds)
def test_exp_undoes_log_where_there_is_one(group, tools, seed):
    _, flow = group.split(group.sample(tools.rng(seed), 0.5))
    try:
        v = group.log(flow)
    except Disconnected:
        with pytest.raises(Disconnected, match="has no real logarithm"):
            group.log(flow)
        return
    assert v.shape == (group.lie_dim,)
    assert tools.gap(group, group.exp(v), flow) < 1e-8
    assert tools.gap(group, group.exp(0.3 * v), group.curve(flow)(0.3)) < 1e-8


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")
def test_exp_is_a_chart_of_the_full_dimension(group, tools):
    zero = torch.zeros(group.lie_dim, dtype=torch.float64)
    assert tools.gap(group, group.exp(zero), group.identity()) == 0
    if not group.lie_dim:
        return

    def matrices(v):
        return tools.matrices(group, group.exp(v)).flatten()

    basis = torch.eye(group.lie_dim, dtype=torch.float64)
    rows = torch.stack([torch.func.jvp(matrices, (zero,), (e,))[1] for e in basis])
    assert int(torch.linalg.matrix_rank(rows)) == group.lie_dim


@few
@given(seed=seeds)
def test_split_is_a_jump_and_then_a_flow(group, tools, seed):
    g = group.sample(tools.rng(seed), 0.5)
    jump, flow = group.split(g)
    one = group.identity()
    assert tools.gap(group, group.compose(flow, jump), g) < 1e-12
    assert tools.gap(group, group.split(flow)[0], one) < 1e-12
    assert tools.gap(group, group.split(jump)[1], one) < 1e-12
    if tools.gap(group, jump, one) > 1e-12:
        for apart in (group.log, group.curve):
            with pytest.raises(Disconnected, match="joins the identity to"):
                apart(g)


@few
@given(seed=seeds)
def test_a_curve_runs_from_1_to_the_flow_inside_the_group(group, tools, seed):
    _, flow = group.split(group.sample(tools.rng(seed), 0.5))
    curve = group.curve(flow)
    assert tools.gap(group, curve(0.0), group.identity()) < 1e-12
    assert tools.gap(group, curve(1.0), flow) < 1e-10
    points = [curve(k / 20) for k in range(21)]
    for point in points[::5]:
        assert group.why_not(group.matrix(point, group.natural)) is None
        assert tools.gap(group, group.split(point)[0], group.identity()) < 1e-12
    steps = [tools.gap(group, a, b) for a, b in itertools.pairwise(points)]
    whole = max(tools.gap(group, p, points[0]) for p in points)
    assert max(steps) <= 0.5 * whole + 1e-12  # continuous: no single step is most of the way


@pytest.mark.parametrize(
    ("group", "change", "text"),
    [
        (
            Permutation(3),
            lambda g: g._replace(perm=torch.tensor([1, 0, 2])),
            (
                "no path in S(3) joins the identity to an element that moves 2 of 3 units; "
                "split it first: a jump, then a curve (Element.split)"
            ),
        ),
        (
            SignedPermutation(3),
            lambda g: g._replace(signs=torch.tensor([[1.0, -1.0, 1.0]]).double()),
            (
                "no path in B(3) joins the identity to an element that flips 1 signs; "
                "split it first: a jump, then a curve (Element.split)"
            ),
        ),
        (
            Orthogonal(2),
            lambda g: torch.diag(torch.tensor([1.0, -1.0]).double()),
            (
                "no path in O(2) joins the identity to a matrix of negative determinant; "
                "split it first: a reflection, then a curve (Element.split)"
            ),
        ),
        (
            GeneralLinear(2),
            lambda g: torch.diag(torch.tensor([3.0, -1.0]).double()),
            (
                "no path in GL(2) joins the identity to a matrix of negative determinant; "
                "split it first: a reflection, then a curve (Element.split)"
            ),
        ),
        (
            Wreath(GeneralLinear(1), 2),
            lambda g: g._replace(perm=torch.tensor([1, 0])),
            (
                "no path in S(2) joins the identity to an element that moves 2 of 2 units; "
                "split it first: a jump, then a curve (Element.split)"
            ),
        ),
    ],
    ids=["swap", "flip", "mirror", "negative determinant", "blocks"],
)
def test_other_components_are_named(group, change, text):
    g = change(group.identity())
    for apart in (group.log, group.curve):
        with pytest.raises(Disconnected) as caught:
            apart(g)
        assert str(caught.value) == text


@pytest.mark.parametrize(
    "matrix",
    [
        [[-1.0, 0.0], [0.0, -2.0]],
        [[-1.0, 1.0], [0.0, -1.0]],
        [[-1e-3, 5.0], [0.0, -1e3]],
    ],
    ids=["two negative eigenvalues", "a negative Jordan block", "badly conditioned"],
)
def test_without_a_real_logarithm_two_exponentials_do(matrix, tools):
    group = GeneralLinear(2)
    g = torch.tensor(matrix).double()
    with pytest.raises(
        Disconnected, match=r"an element of GL\(2\) has no real logarithm: an eigen"
    ):
        group.log(g)
    curve = group.curve(g)
    assert torch.allclose(curve(1.0), g, rtol=1e-9, atol=1e-12 * float(g.abs().max()))
    assert all(float(torch.linalg.det(curve(k / 20))) > 0 for k in range(21))


@pytest.mark.parametrize("size", [2, 3, 4, 5, 6])
@few
@given(seed=seeds)
def test_half_turns_have_a_skew_logarithm(tools, size, seed):
    # Eigenvalue -1 twice or more, where scipy's logm is complex.
    rng = tools.rng(seed)
    basis = Orthogonal(size).sample(rng)
    signs = torch.ones(size, dtype=torch.float64)
    signs[: 2 * (size // 2)] = -1
    g = basis @ torch.diag(signs) @ basis.mT
    log = curves.rotation_log(g)
    assert torch.allclose(log, -log.mT, atol=1e-12)
    assert torch.allclose(torch.linalg.matrix_exp(log), g, atol=1e-10)


@few
@given(seed=seeds)
def test_logs_of_rotations_are_at_most_a_half_turn(tools, seed):
    rng = tools.rng(seed)
    _, g = Orthogonal(5).split(Orthogonal(5).sample(rng))
    log = curves.rotation_log(g)
    assert float(torch.linalg.matrix_norm(log, 2)) <= torch.pi + 1e-9


@few
@given(seed=seeds)
def test_a_stretched_matrix_is_reached_in_its_inverse_too(tools, seed):
    # A condition number of 1e6: the dual axis sees the small singular values.
    rng = tools.rng(seed)
    left, right = Orthogonal(3).sample(rng), Orthogonal(3).sample(rng)
    right[0] *= torch.linalg.det(left) * torch.linalg.det(right)
    g = left @ torch.diag(torch.tensor([1e3, 1.0, 1e-3]).double()) @ right
    end = GeneralLinear(3).curve(g)(1.0)
    assert torch.allclose(torch.linalg.inv(end) @ g, torch.eye(3).double(), atol=1e-6)


def test_a_geometric_curve_has_the_middle_at_the_root():
    group = Monomial(2)
    one = group.identity()
    flow = one._replace(logs=torch.tensor([[4.0, 9.0]]).double().log())
    middle = group.matrix(group.curve(flow)(0.5), group.natural)
    assert torch.allclose(middle, torch.diag(torch.tensor([2.0, 3.0]).double()))

"""Single steps against what brute force, or the closed form by hand, finds."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import Tensor

from isthmus.algebra.groups import Character, GeneralLinear, Group, Motion, Orthogonal, monomial
from isthmus.algebra.reps import Rep
from isthmus.algebra.spaces import Factor, Space
from isthmus.algebra.symmetry import Symmetry
from isthmus.alignment import align
from isthmus.alignment.forms.balancing import balancing
from isthmus.alignment.matching.linear import balance
from isthmus.alignment.matching.steps import best_change

DUAL = Character(True)


def hand_made(group: Group, size: int, character: Character, back: Character) -> Symmetry:
    """``in``: hidden ⊗ 5, ``out``: 4 ⊗ hidden*."""
    reps = {
        "in": Rep.of([(Factor(size, "hidden", character),), (Factor(5),)]),
        "out": Rep.of([(Factor(4),), (Factor(size, "hidden", back),)]),
    }
    return Symmetry({"hidden": Space("hidden", size, group)}, reps)


def pair(size: int, tools: SimpleNamespace, seed: int = 0) -> dict[str, Tensor]:
    return {
        "in": tools.gaussian(size, 5, seed=2 * seed),
        "out": tools.gaussian(4, size, seed=2 * seed + 1),
    }


@pytest.mark.parametrize("seed", range(5))
def test_rotations_are_found_by_procrustes(seed: int, tools: SimpleNamespace) -> None:
    symmetry = hand_made(Orthogonal(6), 6, Character(), DUAL)
    a, b = pair(6, tools, seed), pair(6, tools, seed + 50)
    fit = align(b, to=a, symmetry=symmetry)
    cross = a["in"] @ b["in"].T + a["out"].T @ b["out"]
    u, values, v = torch.linalg.svd(cross)
    squares = sum(float(t.square().sum()) for t in (*a.values(), *b.values()))
    assert fit.after**2 == pytest.approx(squares - 2 * float(values.sum()), rel=1e-9)
    assert torch.allclose(fit.element.values["hidden"], u @ v, atol=1e-8)
    planted = symmetry.act(symmetry.sample(seed=seed), a)
    assert align(planted, to=a, symmetry=symmetry).after < 1e-10


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("size", [2, 4])
def test_a_contragredient_pair_is_recovered(size: int, seed: int, tools: SimpleNamespace) -> None:
    symmetry = hand_made(GeneralLinear(size), size, Character(), DUAL)
    a = pair(size, tools, seed)
    planted = symmetry.act(symmetry.sample(seed=seed, scale=0.8), a)
    fit = align(planted, to=a, symmetry=symmetry)
    assert fit.after < 1e-7 * tools.norm(a)


@pytest.mark.parametrize("plain", [0, 3, 5, 9])
@pytest.mark.parametrize("dual", [0, 2, 5, 8])
def test_shears_are_undone_whatever_the_ranks(
    plain: int, dual: int, tools: SimpleNamespace
) -> None:
    """Queries of a head may span less than it has room for: no balanced form, yet exact."""
    group, size = GeneralLinear(6), 6
    planted = group.sample(torch.Generator().manual_seed(plain + 10 * dual), 0.5)
    rows = []
    for k, (character, width) in enumerate(((Character(), plain), (DUAL, dual))):
        b = tools.gaussian(size, width, seed=k)
        rows.append((character, group.act(planted, b, 0, character), b))
    found = best_change(group, rows)
    assert float(torch.linalg.cond(found)) < 1e4
    for character, a, b in rows:
        torch.testing.assert_close(group.act(found, b, 0, character), a, rtol=0, atol=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_no_invertible_matrix_near_the_found_one_is_better(
    seed: int, tools: SimpleNamespace
) -> None:
    symmetry = hand_made(GeneralLinear(3), 3, Character(), DUAL)
    a, b = pair(3, tools, seed), pair(3, tools, seed + 50)
    fit = align(b, to=a, symmetry=symmetry)

    def cost(flat: np.ndarray) -> float:
        u = torch.as_tensor(flat.reshape(3, 3))
        back = torch.linalg.inv(u)
        first = (a["in"] - u @ b["in"]).square().sum()
        return float(first + (a["out"] - b["out"] @ back).square().sum())

    found = fit.element.values["hidden"].numpy().ravel()
    assert cost(found) == pytest.approx(fit.after**2, rel=1e-9)
    polished = minimize(cost, found, method="BFGS", options={"gtol": 1e-10})
    assert polished.fun >= cost(found) * (1 - 1e-6)


Rows = list[tuple[Character, Tensor, Tensor]]


def pair_cost(rows: Rows, i: int, j: int, flips: int, scales: int) -> float:
    """The least cost of one pair over all signs, and scales by a search from several starts."""

    def cost(logs: np.ndarray, signs: tuple[float, ...]) -> float:
        total = 0.0
        for character, a, b in rows:
            factor = float(np.exp(np.dot(character.scales, logs))) if scales else 1.0
            for sign, k in zip(signs, character.flips, strict=True):
                factor *= sign if k % 2 else 1.0
            total += float((a[i] - factor * b[j]).square().sum())
        return total

    found = []
    fine = {"xatol": 1e-9, "fatol": 1e-13}
    for signs in itertools.product((1.0, -1.0), repeat=flips):
        for start in itertools.product((-1.0, 0.0, 1.0), repeat=scales):
            at = np.array(start)
            found.append(
                float(minimize(cost, at, (signs,), method="Nelder-Mead", options=fine).fun)
                if scales
                else cost(at, signs)
            )
    return min(found)


def brute_force(rows: Rows, size: int, flips: int, scales: int) -> float:
    """All permutations of the best pairs."""
    places = range(size)
    table = np.array([[pair_cost(rows, i, j, flips, scales) for j in places] for i in places])
    return min(sum(table[i, p[i]] for i in places) for p in itertools.permutations(places))


CASES = {
    "swaps": (0, 0, [Character(), DUAL]),
    "signs": (1, 0, [Character(False, (), (1,)), Character(True, (), (1,))]),
    "scales": (0, 1, [Character(False, (1,)), Character(True, (-1,))]),
    "squares": (0, 1, [Character(False, (1,)), Character(True, (-2,)), Character(False, (2,))]),
    "scales and signs": (1, 1, [Character(False, (1,), (1,)), Character(True, (-1,), (1,))]),
    "signs that wait for each other": (
        2,
        0,
        [Character(False, (), (1, 1)), Character(False, (), (1, 0)), Character(True, (), (0, 1))],
    ),
    "a gate": (
        1,
        1,
        [Character(False, (0,), (0,)), Character(False, (1,), (1,)), Character(True, (-1,), (1,))],
    ),
}


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("kind", CASES)
def test_joint_assignment_reaches_the_optimum(kind: str, seed: int, tools: SimpleNamespace) -> None:
    flips, scales, characters = CASES[kind]
    size = 3
    rows = []
    for k, character in enumerate(characters):
        a, b = (tools.gaussian(size, 4, seed=99 * m + 10 * seed + k) for m in range(2))
        rows.append((character, a, b))
    group = monomial(size, swaps=True, flips=flips, scales=scales)
    value = best_change(group, rows)
    moved = [group.act(value, b, 0, c) for c, _, b in rows]
    cost = sum(float((a - m).square().sum()) for (_, a, _), m in zip(rows, moved, strict=True))
    assert cost <= brute_force(rows, size, flips, scales) * (1 + 1e-4) + 1e-9


def test_balanced_forms_are_balanced(tools: SimpleNamespace) -> None:
    plain, dual = (tools.gaussian(4, 9, seed=s) for s in range(2))
    p, d = plain @ plain.T, dual @ dual.T
    h = balance(p, d)
    back = torch.linalg.inv(h)
    torch.testing.assert_close(h @ p @ h.T, back.T @ d @ back)
    eye = torch.eye(4, dtype=torch.float64)
    both = balance(torch.stack([p, torch.zeros_like(p)]), torch.stack([d, d]))
    torch.testing.assert_close(both[0], h)
    assert torch.equal(both[1], eye)  # what one side cannot see has no balance


@pytest.mark.parametrize(
    "name", ["mlp", "vgg", "gated_swiglu", "residual_mlp", "attention_separate"]
)
def test_balancing_twice_is_balancing_once(name: str, tools: SimpleNamespace) -> None:
    symmetry, a = tools.essential(name)
    once = symmetry.act(balancing(symmetry, a, sweeps=200), a)
    again = balancing(symmetry, once, sweeps=200)
    assert tools.gap(once, symmetry.act(again, once)) < 1e-5


@pytest.mark.parametrize("name", ["mlp", "mlp_square", "vgg", "layer_used_twice", "residual_mlp"])
def test_one_orbit_has_one_balanced_form(name: str, tools: SimpleNamespace) -> None:
    """Up to what no scale decides: the order of units, their signs, and rotations."""
    symmetry, a = tools.essential(name)
    g = symmetry.sample(seed=1)
    jump, flow = g.split()
    first = symmetry.act(balancing(symmetry, a, sweeps=300), a)
    moved = symmetry.act(flow, a)
    assert tools.gap(a, moved) > 0.05
    second = symmetry.act(balancing(symmetry, moved, sweeps=300), moved)
    assert tools.norm(second) == pytest.approx(tools.norm(first), rel=1e-4)
    turns = any(Motion.TURN in space.group.motions for space in symmetry.spaces.values())
    assert turns or tools.gap(first, second) < 1e-4
    swapped = symmetry.act(jump, a)
    third = symmetry.act(balancing(symmetry, swapped, sweeps=300), swapped)
    assert tools.norm(third) == pytest.approx(tools.norm(first), rel=1e-4)


def test_balancing_keeps_norms_least(tools: SimpleNamespace) -> None:
    symmetry = tools.symmetry_of("mlp")
    a = {n: t.double() for n, t in tools.params("mlp").items()}
    least = symmetry.act(balancing(symmetry, a, sweeps=200), a)
    for seed in range(5):
        _, flow = symmetry.sample(seed=seed, scale=0.05).split()
        assert tools.norm(symmetry.act(flow, least)) > tools.norm(least)

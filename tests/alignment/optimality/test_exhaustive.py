"""The best of all elements, and refusal where there are too many."""

from __future__ import annotations

import itertools
import json
from types import SimpleNamespace

import pytest
import torch

from isthmus import Permutation, SignedPermutation, Verdict, WeightMatching, align
from isthmus.algebra import Rep, Space, Symmetry
from isthmus.algebra.elements import Element
from isthmus.algebra.groups import Motion, Moves
from isthmus.alignment.optimality import Exhaustive, optimality, recheck
from isthmus.ground import distance
from isthmus.ground.errors import BadInput

REPS = {
    "permutations": {"one": "p ⊗ 2", "bias": "p", "two": "q ⊗ p*", "three": "2 ⊗ q*"},
    "twice": {"one": "p ⊗ 2", "two": "p ⊗ p*", "three": "q ⊗ p*"},
    "family": {"one": "(p k) ⊗ 2", "two": "2 ⊗ (p* k*)", "bias": "p", "three": "q ⊗ p*"},
    "parts": {"one": "(p + 2) ⊗ q", "two": "p"},
}


def net(kind: str, signed: bool) -> Symmetry:
    size = 2 if signed else 3
    group = SignedPermutation(size) if signed else Permutation(size)
    spaces = {name: Space(name, size, group) for name in "pq"}
    if kind == "family":
        spaces["p"] = Space("p", 2, Permutation(2))
        spaces["k"] = Space("k", 2, SignedPermutation(2) if signed else Permutation(2), ("p",))
    return Symmetry(spaces, {n: Rep.parse(t, spaces) for n, t in REPS[kind].items()})


def gaussian(symmetry: Symmetry, seed: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = symmetry.shapes.items()
    return {n: torch.randn(s, generator=generator, dtype=torch.float64) for n, s in shapes}


def brute(symmetry: Symmetry, a, b) -> float:
    """All elements of all spaces, one after the other."""
    choices = []
    for name, space in symmetry.spaces.items():
        one, copies = space.group.identity(symmetry.batch(name)), symmetry.copies(name)
        perms = list(itertools.permutations(range(space.size)))
        signs = list(itertools.product((1.0, -1.0), repeat=one.signs.numel()))
        choices.append(
            [
                Moves(
                    torch.tensor(p).reshape(one.perm.shape),
                    torch.tensor(s).double().reshape(one.signs.shape),
                    one.logs,
                )
                for p in itertools.product(perms, repeat=copies)
                for s in signs
            ]
        )
    found = (
        distance(a, symmetry.act(Element(symmetry, dict(zip(symmetry.spaces, v, strict=True))), b))
        for v in itertools.product(*choices)
    )
    return min(found)


@pytest.mark.parametrize("kind", sorted(REPS))
@pytest.mark.parametrize("signed", [False, True])
def test_it_finds_what_brute_force_finds(kind: str, signed: bool) -> None:
    symmetry = net(kind, signed)
    a, b = gaussian(symmetry, 1), gaussian(symmetry, 2)
    fit = align(b, to=a, symmetry=symmetry, method=Exhaustive())
    assert fit.after == pytest.approx(brute(symmetry, a, b), abs=1e-12)
    assert fit.certificate.evidence["distances"] == [pytest.approx(fit.after, abs=1e-12)]
    assert fit.certificate.verdict is Verdict.PROVED
    assert "all were tried" in fit.certificate.claim
    assert optimality(symmetry, a, b, fit.element).evidence["lower_bound"] <= fit.after + 1e-12


def test_a_model_of_the_zoo(tools: SimpleNamespace) -> None:
    """Free coordinates are brought together, and descent is not better."""
    symmetry = tools.symmetry_of("vgg").restrict([Motion.SWAP, Motion.SHIFT])
    a, b = tools.params("vgg"), tools.params("vgg", seed=4)
    small = symmetry.restrict(lambda space: space.name != "4")
    fit = align(b, to=a, symmetry=small, method=Exhaustive())
    other = align(b, to=a, symmetry=small, method=WeightMatching())
    assert fit.after <= other.after + 1e-9
    assert fit.after == pytest.approx(fit.certificate.evidence["distances"][0], rel=1e-5)


def test_what_is_not_finite_or_too_large_is_refused(tools: SimpleNamespace) -> None:
    a = tools.params("mlp")
    symmetry = tools.symmetry_of("mlp")
    with pytest.raises(BadInput, match=r"the space fc1 has M⁺\(8\), which is not finite; restrict"):
        align(a, to=a, symmetry=symmetry, method=Exhaustive())
    with pytest.raises(BadInput, match=r"5,040 elements to try, and the limit is 10; raise"):
        align(a, to=a, symmetry=symmetry.restrict(Permutation), method=Exhaustive(limit=10))


def test_the_proof_is_checked_by_trying_all_again() -> None:
    symmetry = net("permutations", signed=False)
    a, b = gaussian(symmetry, 1), gaussian(symmetry, 2)
    fit = align(b, to=a, symmetry=symmetry, method=Exhaustive()).certify(b, to=a)
    assert fit.certificate.verdict is Verdict.PROVED
    assert fit.certificate.claim.startswith("no element of the group")
    evidence = fit.certificate.evidence
    assert evidence["tried"]["elements"] == 6
    assert evidence["lower_bound"] == pytest.approx(fit.after, abs=1e-12)
    data = json.loads(json.dumps(fit.certificate.to_json()))
    assert recheck(data, symmetry, a, b).holds
    with pytest.raises(BadInput, match="that 6 elements were tried, and the limit is 5; raise"):
        recheck(data, symmetry, a, b, limit=5)
    for tried, said in (
        ({"elements": 5, "least": 0.0}, "not 5 elements were to be tried, but 6"),
        ({"elements": 6, "least": 0.0}, "evidence.tried.least is 0.0"),
        ({}, "lower_bound is"),
    ):
        other = {**data, "evidence": {**data["evidence"], "tried": tried}}
        assert any(said in fault for fault in recheck(other, symmetry, a, b).faults)
    worse = optimality(symmetry, a, b, symmetry.identity())
    assert worse.evidence["lower_bound"] == pytest.approx(fit.after, abs=1e-12)
    assert not worse


def test_only_small_groups_are_tried_unless_asked() -> None:
    symmetry = net("permutations", signed=False)
    a, b = gaussian(symmetry, 1), gaussian(symmetry, 2)
    one = symmetry.identity()
    assert optimality(symmetry, a, b, one, exhaustive=17).evidence["tried"] == {}
    assert optimality(symmetry, a, b, one, exhaustive=18).evidence["tried"]["elements"] == 6
    found = optimality(symmetry, a, b, one, exhaustive=0, search={"tried": 6})
    assert found.evidence["tried"]["elements"] == 6

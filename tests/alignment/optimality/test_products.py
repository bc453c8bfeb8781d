"""What no change of basis alters: bounds over the whole group where GL is part of it."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus import align
from isthmus.algebra import Rep, Space, Symmetry
from isthmus.algebra.groups import (
    GeneralLinear,
    Orthogonal,
    Permutation,
    PlaneRotation,
    PositiveScaling,
)
from isthmus.alignment.optimality import optimality, recheck
from isthmus.ground import distance

NETS = {
    "pair": {"q": "k ⊗ 5", "bias": "k", "key": "k* ⊗ 5"},
    "turning": {"q": "k ⊗ o*", "bias": "k", "key": "k* ⊗ o*", "embed": "6 ⊗ o"},
    "heads": {"q": "(h l) ⊗ o*", "bias": "(h l)", "key": "(h l*) ⊗ o*", "embed": "6 ⊗ o"},
    "fixed heads": {"q": "(f m) ⊗ 5", "key": "(f m*) ⊗ 5"},
    "grouped": {"q": "(h p l) ⊗ o*", "key": "(h l*) ⊗ o*"},
    "planes": {"q": "(h t r) ⊗ o*", "key": "(h t* r*) ⊗ o*", "embed": "6 ⊗ o"},
    "one side": {"q": "k ⊗ o*", "embed": "6 ⊗ o"},
}


def net(kind: str) -> Symmetry:
    spaces = {
        "o": Space("o", 4, Orthogonal(4)),
        "h": Space("h", 3, Permutation(3)),
        "f": Space("f", 3, Permutation(3).meet(frozenset())[0]),
        "k": Space("k", 2, GeneralLinear(2)),
        "p": Space("p", 2, Permutation(2), ("h",)),
        "l": Space("l", 2, GeneralLinear(2), ("h",)),
        "r": Space("r", 3, PositiveScaling(3), ("h",)),
        "t": Space("t", 2, PlaneRotation(), ("h", "r")),
        "m": Space("m", 2, GeneralLinear(2), ("f",)),
    }
    reps = {n: Rep.parse(t, spaces) for n, t in NETS[kind].items()}
    used = {s for rep in reps.values() for s in rep.spaces}
    return Symmetry({n: s for n, s in spaces.items() if n in used}, reps)


def gaussian(symmetry: Symmetry, seed: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = symmetry.shapes.items()
    return {n: torch.randn(s, generator=generator, dtype=torch.float64) for n, s in shapes}


@settings(max_examples=20, deadline=None)
@given(
    kind=st.sampled_from(sorted(NETS)),
    noise=st.sampled_from([0.0, 0.01, 0.3, 1.0]),
    length=st.sampled_from([0.1, 1.0, 3.0]),
    scale=st.sampled_from([0.05, 0.5, 1.5]),
    seed=st.integers(0, 10_000),
)
def test_no_element_comes_nearer(
    kind: str, noise: float, length: float, scale: float, seed: int
) -> None:
    symmetry = net(kind)
    a, other = gaussian(symmetry, seed), gaussian(symmetry, seed + 1)
    blurred = {n: t + noise * length * other[n] for n, t in a.items()}
    planted = symmetry.sample(seed=seed)
    b = symmetry.act(planted, blurred)
    fit = align(b, to=a, symmetry=symmetry)
    found = optimality(symmetry, a, b, fit.element).evidence
    assert found["lower_bound"] <= fit.after + 1e-9
    for k in range(3):
        g = symmetry.sample(seed=seed + k, scale=scale) @ (~planted if k else symmetry.identity())
        assert found["lower_bound"] <= distance(a, symmetry.act(g, b)) + 1e-9
        elsewhere = optimality(symmetry, a, b, g).evidence
        assert elsewhere["lower_bound"] == pytest.approx(
            min(found["lower_bound"], elsewhere["distance"]), rel=1e-6, abs=1e-6
        )


@pytest.mark.parametrize("kind", sorted(set(NETS) - {"one side"}))
def test_strangers_are_told_apart(kind: str) -> None:
    """The bound is a good part of the distance, and its evidence can be checked."""
    symmetry = net(kind)
    a, b = gaussian(symmetry, 1), gaussian(symmetry, 2)
    fit = align(b, to=a, symmetry=symmetry).certify(b, to=a)
    evidence = fit.certificate.evidence
    assert evidence["lower_bound"] > (0.05 if kind == "grouped" else 0.3) * fit.after
    (share,) = [s for s in evidence["orbit"] if s["kind"] == "products"]
    assert ("u" in share) == ("h" in symmetry.spaces)
    data = json.loads(json.dumps(fit.certificate.to_json()))
    assert recheck(data, symmetry, a, b).holds


def test_a_transformer(tools: SimpleNamespace) -> None:
    symmetry = tools.symmetry_of("gpt")
    a, b = (tools.wide(tools.independent("gpt", seed)) for seed in (5, 6))
    found = align(b, to=a, symmetry=symmetry).certify(b, to=a).certificate.evidence
    named = {s["space"]: s for s in found["orbit"] if s["kind"] == "products"}
    assert set(named) == {"blocks.0.attention.key", "blocks.0.attention.value"}
    assert all(0 < share["bound"] < share["value"] for share in named.values())

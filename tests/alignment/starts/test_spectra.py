"""Spectra of heads: they do not change along the orbit, and tell heads apart."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from isthmus.algebra.symmetry import Params
from isthmus.alignment import HeadSpectra, WeightMatching, align
from isthmus.alignment.forms.balancing import balancing
from isthmus.alignment.matching.problem import Problem
from isthmus.alignment.starts.spectra import _unlike


def balanced(tools: SimpleNamespace, name: str, seed: int | None) -> tuple[Problem, str]:
    """A model against itself, moved by a random element, both in canonical gauges."""
    whole = tools.symmetry_of(name)
    core = whole.essential
    g = None if seed is None else core.sample(seed)

    def essential(params: Params) -> Params:
        found = whole.coordinates(tools.wide(params))
        return {n: t for n, t in found.items() if n in core.reps}

    a = essential(tools.params(name))
    b = a if g is None else core.act_all(g, a)
    target, source = balancing(core, a), balancing(core, b)
    heads = next(
        s.name for s in core.spaces.values() if any(s.name in o.over for o in core.spaces.values())
    )
    return Problem(core, core.act_all(target, a), b, source), heads


@pytest.mark.parametrize("name", ["gpt", "llama", "attention_chunk"])
def test_spectra_are_the_same_all_along_the_orbit(name: str, tools: SimpleNamespace) -> None:
    problem, heads = balanced(tools, name, 4)
    here, _ = balanced(tools, name, None)
    found, plain = _unlike(problem, heads), _unlike(here, heads)
    assert found.shape == plain.shape
    order = found.argmin(1)
    assert sorted(order.tolist()) == list(range(len(order)))
    # Squared distances, as near as the balancing of a start comes to the shortest point.
    assert torch.allclose(found[:, order], plain, atol=1e-5)
    assert float(plain.diagonal().max()) < 1e-18
    if len(plain) > 1:
        assert float((plain + 9 * torch.eye(len(plain))).min()) > 1e-3


@pytest.mark.parametrize("name", ["gpt", "mlp", "attention_chunk"])
def test_a_planted_element_is_undone_from_spectra(name: str, tools: SimpleNamespace) -> None:
    symmetry, a = tools.symmetry_of(name), tools.wide(tools.params(name))
    b = symmetry.act(symmetry.sample(seed=6), a)
    fit = align(b, to=a, symmetry=symmetry, method=WeightMatching(starts=(HeadSpectra(),)))
    assert fit.after <= 1e-9 * tools.norm(a)
    assert fit.certificate.evidence["start"] == "HeadSpectra"

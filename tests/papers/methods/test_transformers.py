"""Transformers' groups in use, at the smallest scale: identities hold, and claims can fail."""

from dataclasses import replace

import pytest
import torch
from torch.func import functional_call

from isthmus import discover, params_of, verify
from isthmus.papers.bench import Scale, Standing
from isthmus.papers.methods.transformers.experts import experts, mixtures, orders
from isthmus.papers.methods.transformers.networks import Mixture, masked_text, mixture_gpt
from isthmus.papers.methods.transformers.quantisation import FORMATS, WAYS, quantisation
from isthmus.papers.methods.transformers.slicing import slicing
from isthmus.papers.methods.transformers.text_transformers import (
    PARTS,
    part_of,
    permutations,
    text_transformers,
)

pytestmark = pytest.mark.xdist_group("transformers methods")  # what all tests look at is made once

LEARNED = torch.tensor([WAYS.index("learned")])


def failed(found):
    return {check.name for check in found.check() if not check.passed}


def test_claims_on_rounding_can_fail(smoke) -> None:
    found, _ = smoke(quantisation)
    costs = torch.ones(len(WAYS), len(FORMATS))
    learned = replace(
        found,
        settings=quantisation.settings[Scale.QUICK],
        loss=torch.tensor(0.0),
        losses=costs,
        exact=torch.tensor(1e-6),
    )
    assert failed(learned) == {"exact", "rotation"}
    costs = torch.tensor([1.0, 1.0, 1.0, 2.0, 4.0, 1.0, 3.0]).unsqueeze(1).repeat(1, len(FORMATS))
    worse = replace(learned, losses=costs, peaks=found.peaks.flip(0), exact=torch.tensor(0.0))
    assert {"learned", "as trained"} <= failed(worse)
    standing = {check.name: check.standing for check in worse.check()}
    assert standing["as trained"] is Standing.FINDING
    assert standing["learned"] is Standing.FAILED
    peaks = torch.ones_like(found.peaks)
    peaks[WAYS.index("folded")] = 2  # then there was something to spread
    assert not replace(worse, peaks=peaks, losses=costs.clone().index_fill_(0, LEARNED, 0)).passed


def test_claims_on_slices_can_fail(smoke) -> None:
    found, _ = smoke(slicing)
    settings = slicing.settings[Scale.QUICK]
    even = torch.ones(3, settings.steps)
    wrong = replace(found, settings=settings, loss=torch.tensor(0.0), losses=even)
    assert failed(wrong) == {"random", "coordinates"}
    assert failed(replace(found, counted=found.counted + 1e-6)) == {"shares"}
    assert failed(replace(found, lost=found.lost.flip(0))) >= {"shares", "least"}


def test_claims_on_experts_can_fail(smoke) -> None:
    found, _ = smoke(experts)
    bump = torch.tensor([0.0, 1.0, 0.0])
    settings = experts.settings[Scale.QUICK]
    flat = {gate: bump.repeat(4, 1) for gate in found.losses}
    assert len(failed(replace(found, settings=settings, losses=flat))) == 6
    assert failed(replace(found, broken=torch.tensor(0.0))) == {"no scale of two"}


def test_claims_on_text_transformers_can_fail(smoke) -> None:
    found, _ = smoke(text_transformers)
    settings = text_transformers.settings[Scale.QUICK]

    def of(*heights):
        rows = torch.tensor([[[0.0, height, 0.0]] for height in heights])
        return replace(found, settings=settings, losses=dict(zip(found.losses, rows, strict=True)))

    assert failed(of(1.0, 0.9, 0.8, 0.5, 0.4)) == set()
    assert failed(of(1.0, 0.4, 0.6, 0.01, 0.4)) == {"not zero", "part by part"}
    stuck = of(1.0, 0.9, 0.9, 0.8, 0.9)
    assert failed(stuck) == {"a quarter"}
    assert stuck.passed
    assert not of(1.0, 0.9, 0.9, 0.8, 0.4).passed  # then the reason given would be false


@pytest.mark.parametrize("chosen", [None, 1, 2])
def test_experts_are_found_with_their_units(chosen) -> None:
    task = mixture_gpt("sentences", 16, 8, 1, 3, chosen)
    symmetry = discover(task.fresh(), task.x[:1])
    assert orders(symmetry) or chosen == 1
    inside = mixtures(symmetry)
    assert all(
        "mixture" in name
        for space, one in inside.spaces.items()
        if one.group.lie_dim or one.group.log_components
        for name, _, _ in symmetry.occurrences(space)
    )
    assert verify(symmetry, task.fresh(), task.x[:2], samples=2).evidence["relative_error"] < 1e-9


def test_experts_that_are_not_chosen_weigh_nothing() -> None:
    torch.manual_seed(0)
    mixture, x = Mixture(6, 5, 4, 1).double(), torch.randn(7, 6, dtype=torch.float64)
    params = params_of(mixture)
    which = mixture.gate(x).argmax(-1)
    out = functional_call(mixture, params, (x,))
    hidden = torch.relu(torch.einsum("nd,nhd->nh", x, params["up"][which]))
    alone = torch.einsum("nh,ndh->nd", hidden, params["down"][which])
    assert torch.allclose(out, alone, atol=1e-12)


def test_as_many_characters_are_hidden_in_every_window() -> None:
    task = masked_text("sentences", 16, 8, 1)
    asked = task.y != -100
    assert (asked.sum(-1) == 3).all()
    assert (task.x[asked] == len(task.classes)).all()
    assert not (task.x[~asked] == len(task.classes)).any()
    assert not torch.equal(asked[0], asked[1])


def test_parts_are_told_apart_and_add_up() -> None:
    task = masked_text("sentences", 16, 8, 1)
    symmetry = discover(task.fresh(), task.x[:1])
    parts = {name: part_of(symmetry, space) for name, space in symmetry.spaces.items()}
    assert set(PARTS) <= set(parts.values())
    counts = [permutations(symmetry, part).log_components for part in PARTS]
    assert counts == sorted(counts)
    assert all(permutations(symmetry, part).lie_dim == 0 for part in PARTS)

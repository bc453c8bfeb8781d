"""Subsets of units: the law of random ones, and all of them where they are few."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from isthmus.discovery import discover
from isthmus.ground import Params, params_of
from isthmus.papers.ferbach2023.theorems.mean_field import Settings as Runs
from isthmus.papers.ferbach2023.theorems.mean_field import task
from isthmus.transport import Subnetworks, subnetworks

HEAVY = 4
"""Units that carry all of the outputs, in the networks that break the hypothesis."""


def room(kept: tuple[int, ...], width: int) -> Tensor:
    """``√(1 - k/n)``, a column."""
    return torch.tensor([1 - k / width for k in kept], dtype=torch.float64).sqrt().unsqueeze(1)


def law(found: Subnetworks) -> Tensor:
    """What is expected of it, a tensor."""
    assert found.expected is not None  # one hidden layer
    return torch.tensor(found.expected, dtype=torch.float64)


def heavy(params: Params) -> Params:
    """The first few units carry all: their readers are multiplied, those of all others 0."""
    readers = torch.zeros_like(params["down.weight"])
    readers[:, :HEAVY] = params["down.weight"].shape[1] / HEAVY
    return {**params, "down.weight": readers}


def all_subsets(seed: int) -> Params:
    """All 20 subsets of 3 of the 6 units of a network at its start, against network and law."""
    width, kept = 6, 3
    given = task(Runs(shown=20), width, seed)
    model, params = given.fresh(seed), params_of(given.fresh(seed))
    symmetry = discover(model, given.x_test[:2])
    found = subnetworks(given.loss(test=True), params, symmetry, (kept, kept + 1), 2)
    whole = torch.func.functional_call(model, params, given.x_test)
    total, square = torch.zeros_like(whole), 0.0
    subsets = list(itertools.combinations(range(width), kept))
    for units in subsets:
        readers = torch.zeros_like(params["down.weight"])
        readers[:, list(units)] = params["down.weight"][:, list(units)] * width / kept
        given_by = torch.func.functional_call(
            model, {**params, "down.weight": readers}, given.x_test
        )
        total = total + given_by / len(subsets)
        square += float((given_by - whole).square().mean()) / len(subsets)
    off = float((total - whole).abs().max() / whole.abs().max())
    expected = float(law(found)[0]) ** 2
    return {"off": torch.tensor([off, abs(square / expected - 1)], dtype=torch.float64)}

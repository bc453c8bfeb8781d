"""The overlap: its value, its gradient at vertices, the best step on a segment."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from isthmus.algebra.symmetry import Symmetry
from isthmus.alignment.matching.meeting import Meeting
from isthmus.alignment.matching.problem import Problem
from isthmus.alignment.soft.frank_wolfe import _line_search
from isthmus.alignment.soft.overlap import Overlap
from isthmus.discovery import discover

NAMES = ["mlp", "mlp_tanh", "vgg", "gated_swiglu", "depthwise_grouped", "residual_mlp"]


class Product(nn.Module):
    """Two hidden layers multiplied: a weight with three hidden axes, a space twice in a weight."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(3, 4), nn.Linear(3, 5)
        self.both, self.again = nn.Bilinear(4, 5, 6), nn.Linear(6, 6)
        self.out = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.relu(self.both(torch.tanh(self.left(x)), torch.tanh(self.right(x))))
        return self.out(torch.relu(hidden + self.again(hidden)))


def product() -> tuple[Symmetry, dict[str, Tensor]]:
    torch.manual_seed(0)
    model = Product().double()
    symmetry = discover(model, torch.zeros(1, 3, dtype=torch.float64))
    return symmetry.essential, {n: p.detach() for n, p in model.named_parameters()}


def case(name: str, tools: SimpleNamespace) -> tuple[Symmetry, dict[str, Tensor]]:
    return product() if name == "product" else tools.essential(name)


@pytest.mark.parametrize("name", [*NAMES, "product"])
def test_the_gradient_at_a_vertex_is_that_of_the_polynomial(
    name: str, tools: SimpleNamespace
) -> None:
    symmetry, params = case(name, tools)
    target = {n: tools.gaussian(*t.shape, seed=k) for k, (n, t) in enumerate(params.items())}
    names = [n for n in params if not symmetry.reps[n].fixed]
    problem = Problem(
        symmetry, {n: target[n] for n in names}, {n: params[n] for n in names}, symmetry.sample(1)
    )
    overlap = Overlap(problem)
    moves = {n: symmetry.sample(7).values[n] for n in overlap.kinds}
    moves = {n: m._replace(logs=torch.zeros_like(m.logs)) for n, m in moves.items()}
    value, gradient = overlap.at_vertex(moves)
    matrices = {n: k.matrices(moves[n], torch.float32) for n, k in overlap.kinds.items()}
    expected, slopes = overlap.at(matrices)
    assert value == pytest.approx(expected, rel=1e-4, abs=1e-4)
    for space, slope in slopes.items():
        scale = float(slope.abs().max())
        assert torch.allclose(gradient[space], slope, rtol=1e-4, atol=1e-5 * scale)
        assert scale > 0


@pytest.mark.parametrize("degree", [2, 3])
def test_the_line_search_is_exact(degree: int) -> None:
    symmetry, params = product()
    if degree == 2:
        symmetry = symmetry.restrict(lambda space: space.name != "left")
    problem = Meeting.of(
        {n: torch.randn_like(t) for n, t in params.items()}, params, symmetry
    ).problem(symmetry.identity())
    overlap = Overlap(problem)
    assert overlap.degree == degree
    here = overlap.between(0.3)
    value, gradient = overlap.at(here)
    there = {n: k.matrices(k.best(gradient[n]), torch.float32) for n, k in overlap.kinds.items()}
    slope = sum(float((gradient[n] * (there[n] - here[n])).sum()) for n in here)
    t, best = _line_search(overlap, here, there, (value, slope, overlap.at(there)[0]))
    grid = [
        overlap.at({n: here[n].lerp(there[n], float(s)) for n in here})[0]
        for s in np.linspace(0, 1, 201)
    ]
    assert 0 < t <= 1
    at_best = overlap.at({n: here[n].lerp(there[n], t) for n in here})[0]
    assert best == pytest.approx(at_best, abs=1e-3)
    assert best >= max(grid) - 1e-3

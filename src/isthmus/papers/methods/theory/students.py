"""Teacher and students: ReLU networks of two layers, the teacher's neurons orthonormal."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss, one_hot

from isthmus.algebra.groups import Permutation
from isthmus.algebra.symmetry import Symmetry
from isthmus.discovery import discover
from isthmus.ground import Params
from isthmus.landscape import Loss


def network(inputs: int, width: int) -> nn.Sequential:
    """``Σ a_i relu(w_i·x)``, in float64."""
    up, down = nn.Linear(inputs, width, bias=False), nn.Linear(width, 1, bias=False)
    return nn.Sequential(up, nn.ReLU(), down).double()


def taught(x: Tensor, neurons: int) -> Tensor:
    """``Σ relu(x_k)`` over the first inputs: the teacher, in its own coordinates."""
    return torch.relu(x[..., :neurons]).sum(-1, keepdim=True)


def loss(inputs: int, width: int, neurons: int, samples: int, seed: int) -> Loss:
    """The squared distance from the teacher, on Gaussian inputs."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(samples, inputs, generator=generator, dtype=torch.float64)
    return Loss(network(inputs, width), [(x, taught(x, neurons))], mse_loss)


def permutations(inputs: int, width: int) -> Symmetry:
    """Those of a student's units."""
    x = torch.zeros(2, inputs, dtype=torch.float64)
    return discover(network(inputs, width), x).restrict(Permutation)


def students(
    count: int,
    inputs: int,
    width: int,
    neurons: int,
    *,
    steps: int,
    batch: int,
    lr: float,
    seed: int,
) -> Params:
    """Trained side by side, each from its own start and on new samples at every step.

    In the mean-field form ``(1/width) Σ a_i relu(w_i·x)``, with Adam and a cosine schedule; the
    weights are those of `network`, with a leading dimension for the students.
    """
    generator = torch.Generator().manual_seed(seed)
    draw = partial(torch.randn, generator=generator)
    up = (draw(count, width, inputs) / inputs**0.5).requires_grad_()
    down = draw(count, 1, width).requires_grad_()
    adam = torch.optim.Adam([up, down], lr=lr)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
    with torch.enable_grad():
        for _ in range(steps):
            x = draw(count, batch, inputs)
            found = torch.relu(x @ up.mT) @ down.mT / width
            adam.zero_grad()
            (found - taught(x, neurons)).square().mean((1, 2)).sum().backward()  # type: ignore[no-untyped-call]
            adam.step()
            cosine.step()
    return {"0.weight": up.detach().double(), "2.weight": down.detach().double() / width}


def one_of(every: Params, number: int) -> Params:
    """One of several students."""
    return {name: tensor[number] for name, tensor in every.items()}


def on_manifold(directions: Tensor, weights: Tensor, inputs: int) -> Params:
    """A minimum: unit i is ``weights[i]`` times the teacher's neuron ``directions[i]``, read once.

    It is one if the weights are not negative and sum to 1 in every direction.
    """
    up = weights.unsqueeze(1) * one_hot(directions, inputs).double()
    return {"0.weight": up, "2.weight": torch.ones(1, len(weights), dtype=torch.float64)}

"""verify: random elements of the whole group change no output, in float64."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from isthmus.algebra.groups import FLOAT
from isthmus.algebra.symmetry import Params, Symmetry
from isthmus.discovery.capture import Example
from isthmus.discovery.evaluation import Inputs, double_inputs, perturbed, run
from isthmus.ground.certificates import Certificate, Verdict
from isthmus.ground.params import params_of

TOLERANCE = 1e-9
"""The largest relative change of the outputs that counts as none."""


def verify(
    symmetry: Symmetry,
    model: nn.Module,
    example: Example,
    *,
    samples: int = 8,
    seed: int = 0,
    scale: float = 0.3,
    randomise: bool = True,
) -> Certificate:
    """Check in float64 that sampled elements of the whole group keep the function.

    Parameters are randomised around the model's own (gains of 1 and biases of 0 would hide
    errors); ``randomise=False`` checks the model as it is.

    Returns:
        A certificate, TESTED or REFUTED; ``evidence["relative_error"]`` is the largest change of
        the outputs over their largest absolute value, ``evidence["culprits"]`` the spaces that
        fail on their own.
    """
    double = copy.deepcopy(model).to(FLOAT).eval()
    generator = torch.Generator().manual_seed(seed)
    inputs = double_inputs(example, generator)
    params = {n: t.to(FLOAT) if t.is_floating_point() else t for n, t in params_of(double).items()}
    if randomise:
        params = perturbed(params, generator)
    before = run(double, params, inputs)
    worst = 0.0
    for _ in range(samples):
        g = symmetry.sample(generator, scale)
        worst = max(worst, relative_change(before, run(double, symmetry.act(g, params), inputs)))
    good = worst <= TOLERANCE
    culprits = [] if good else _culprits(symmetry, double, params, inputs, before, generator)
    return Certificate(
        claim=f"{samples} random elements of the whole group keep the function",
        verdict=Verdict.TESTED if good else Verdict.REFUTED,
        margin=TOLERANCE - worst,
        evidence={"relative_error": worst, "samples": samples, "seed": seed, "culprits": culprits},
    )


def relative_change(before: list[Tensor], after: list[Tensor]) -> float:
    """The largest absolute change over the largest absolute value."""
    worst = 0.0
    for a, b in zip(before, after, strict=True):
        if a.numel():
            worst = max(worst, _change(_reals(a), _reals(b)))
    return worst


def _reals(x: Tensor) -> Tensor:
    return (torch.view_as_real(x) if x.is_complex() else x).to(FLOAT)


def _change(a: Tensor, b: Tensor) -> float:
    """Equal infinities and NaN in the same place are no change; where all are NaN, no test."""
    finite = a.isfinite()
    if not bool(finite.any()):
        return float("inf")
    size = float(a[finite].abs().max()) or 1.0
    same = (a == b) | (a.isnan() & b.isnan())
    change = float((a - b).abs()[~same].max()) / size if not bool(same.all()) else 0.0
    return change if change == change else float("inf")


def _culprits(
    symmetry: Symmetry,
    model: nn.Module,
    params: Params,
    inputs: Inputs,
    before: list[Tensor],
    generator: torch.Generator,
) -> list[str]:
    """The spaces whose own elements change the function."""
    found = []
    for name in symmetry.spaces:
        alone = symmetry.restrict(lambda space, name=name: space.name == name)  # type: ignore[misc]
        # A small group draws its identity now and then.
        draws = (alone.act(alone.sample(generator), params) for _ in range(8))
        if any(relative_change(before, run(model, moved, inputs)) > TOLERANCE for moved in draws):
            found.append(name)
    return found

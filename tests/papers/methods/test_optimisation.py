"""Methods of optimisation at the smallest scale: they run, are drawn, and can fail."""

from dataclasses import replace

import pytest
import torch

from isthmus.papers.bench import Scale
from isthmus.papers.methods.optimisation.charges import charges
from isthmus.papers.methods.optimisation.clusters import clusters
from isthmus.papers.methods.optimisation.families import gaussian_jeffreys
from isthmus.papers.methods.optimisation.flow import conservers
from isthmus.papers.methods.optimisation.layerwise_paths import layerwise_paths
from isthmus.papers.methods.optimisation.quadratic import Bowl, off_parallel
from isthmus.papers.methods.optimisation.teleportation import teleportation

pytestmark = pytest.mark.xdist_group("optimisation methods")  # what all look at is made once


def failed(found) -> set[str]:
    return {check.name for check in found.check() if not check.passed}


def test_charges_that_drift_and_decay_otherwise_are_told(smoke) -> None:
    found, _ = smoke(charges)
    drifting = found.drift.clone()
    drifting[1, -1] = 1e-5
    assert failed(replace(found, drift=drifting)) == {"conserved: shears (linear)"}
    assert "flat minima" in failed(replace(found, sharpness=found.sharpness * torch.ones(2, 1)
                                           * torch.tensor([[1.0], [1.1]])))  # fmt: skip


@pytest.mark.parametrize("number", range(4))
def test_what_is_no_charge_is_not_conserved(number) -> None:
    network = conservers(12)[number]
    weight = next(iter(network.start))
    other = replace(network, charge=lambda params: params[weight].square().sum(1))
    rows = other.run(0.01, 20)
    assert float((rows[-1] - rows[0]).abs().max()) > 1e-4
    kept = network.run(0.01, 20)
    assert float((kept[-1] - kept[0]).abs().max()) < 1e-6


def test_a_teleport_in_the_bowl_stays_on_the_level_set() -> None:
    bowl = Bowl.drawn(30.0, 4, seed=3)
    start = torch.tensor([1.0, -2.0, 0.5, 1.0], dtype=torch.float64)
    there = bowl.teleported(start, 300)
    assert bowl.loss(there) == pytest.approx(bowl.loss(start), rel=1e-12)
    slope = bowl.matrix() @ there
    assert float(slope @ slope) == pytest.approx(2 * 30 * bowl.loss(start), rel=1e-9)  # the largest
    assert off_parallel(slope, bowl.newton(there)) < 1e-12
    assert off_parallel(bowl.matrix() @ start, bowl.newton(start)) > 0.01
    half = bowl.teleported(start, 2)
    assert off_parallel(bowl.matrix() @ half, bowl.newton(half)) > 1e-6
    assert bowl.descent(there, 1 / 30, 1e-9) == 1


def test_teleports_that_change_the_function_or_gain_nothing_are_told(smoke) -> None:
    found, _ = smoke(teleportation)
    assert failed(replace(found, kept=found.kept + 1e-6)) == {"same function"}
    assert failed(replace(found, figures=found.figures.flip(1))) == {"steeper", "flatter"}
    learned = replace(found, settings=teleportation.settings[Scale.QUICK])
    assert failed(replace(learned, losses=found.losses.flip(0))) == set()
    assert failed(replace(learned, losses=torch.tensor([[1.0, 0.5], [1.0, 0.6], [1.0, 0.7]]))) == {
        "training"
    }


def test_symmetrised_divergence_of_gaussians_is_its_integral() -> None:
    at = torch.linspace(-30, 30, 60001, dtype=torch.float64)
    ends = torch.tensor([[0.4, 0.2], [-0.7, -0.3]], dtype=torch.float64)
    one, other = (
        torch.distributions.Normal(mean, wide.exp()).log_prob(at) for mean, wide in ends.unbind(0)
    )
    wanted = torch.trapezoid((one.exp() - other.exp()) * (one - other), at)
    assert float(gaussian_jeffreys(*ends)) == pytest.approx(float(wanted), rel=1e-8)


def test_repeats_that_all_end_alike_are_a_finding(smoke) -> None:
    found, _ = smoke(layerwise_paths)
    learned = replace(found, settings=layerwise_paths.settings[Scale.QUICK])
    alike = replace(learned, highest=torch.ones(len(found.highest)))
    apart = replace(learned, highest=torch.linspace(0.5, 1.5, len(found.highest)))
    assert "spread" in failed(alike)
    assert "spread" not in failed(apart)
    loose = replace(found, off=torch.tensor([1e-6, 1.0]))
    assert failed(loose) == {"variance", "one at a time"}


def test_clusters_that_tell_nothing_are_told(smoke) -> None:
    found, _ = smoke(clusters)
    each, starts = found.settings.each, len(found.gaps)
    gaps = torch.full((starts, 3 * each, 3 * each), 0.01, dtype=torch.float64)
    gaps[:, :each, each:] = gaps[:, each:, :each] = 1.0
    learned = replace(
        found,
        settings=replace(clusters.settings[Scale.QUICK], each=each),
        gaps=gaps,
        labels=torch.tensor([[0] * each + [1] * each] * starts),
        reliance=torch.tensor([[0.3] * each + [0.0] * 2 * each] * starts),
    )
    assert failed(learned) == set()
    assert learned.agreement == 1
    assert failed(replace(learned, gaps=torch.ones_like(gaps))) == {"gaps", "not the images"}
    mixed = torch.tensor([[0, 1] * each] * starts)
    assert failed(replace(learned, labels=mixed)) == {"clusters"}
    assert failed(replace(learned, reliance=0 * learned.reliance)) == {"strategies"}

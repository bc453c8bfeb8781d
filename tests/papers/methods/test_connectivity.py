"""Methods of connectivity, at the smallest scale: they run, and what is exact is exact."""

from dataclasses import replace

import pytest
import torch

from isthmus.papers.methods import Measured, connectivity
from isthmus.papers.methods.connectivity.built import built

EXPERIMENTS = list(dict.fromkeys(method.experiment for method in connectivity.METHODS))


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda one: one.name)
def test_every_experiment_runs_and_is_drawn(experiment, tmp_path) -> None:
    found = experiment.run("smoke", folder=tmp_path)
    assert isinstance(found, Measured)
    assert found.passed, [str(check) for check in found.check()]
    assert "\n" not in found.measured
    for name in found.draw():
        assert (tmp_path / f"{name}.svg").read_text("utf-8").startswith("<svg")
    assert all(tensor.isfinite().all() for tensor in found.arrays().values())
    assert str(found)


def test_a_path_that_is_not_flat_fails() -> None:
    found = built.run("smoke")
    losses = dict(found.losses) | {"replicas": found.losses["replicas"] + torch.rand(2, 15) * 1e-6}
    failed = {one.name for one in replace(found, losses=losses).check() if not one.passed}
    assert failed == {"replicas"}

"""Methods of connectivity, at the smallest scale: they run, and what is exact is exact."""

from dataclasses import replace

import pytest
import torch

from isthmus.papers.methods.connectivity.built import built

pytestmark = pytest.mark.xdist_group("connectivity methods")


def test_a_path_that_is_not_flat_fails(smoke) -> None:
    found, _ = smoke(built)
    losses = dict(found.losses) | {"replicas": found.losses["replicas"] + torch.rand(2, 15) * 1e-6}
    failed = {one.name for one in replace(found, losses=losses).check() if not one.passed}
    assert failed == {"replicas"}

"""Methods of merging by features, at the smallest scale: they run, and their identities hold."""

import json
from dataclasses import replace

import pytest
import torch

from isthmus.papers.bench import Scale, Standing
from isthmus.papers.methods.features import METHODS
from isthmus.papers.methods.features.zipping import zipping

EXPERIMENTS = tuple(dict.fromkeys(method.experiment for method in METHODS))


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """What the experiment finds, and where."""
    folder = tmp_path_factory.mktemp("methods") / "zipping"
    return zipping.run("smoke", folder=folder), folder


def test_it_is_measured_and_drawn(smoke) -> None:
    found, folder = smoke
    assert (zipping,) == EXPERIMENTS
    assert all(check.standing is Standing.PASSED for check in found.check()), found.check()
    assert all(bool(torch.isfinite(t).all()) for t in found.arrays().values())
    assert found.partial.shape == (2, 4)
    assert torch.equal(found.partial[0, :1], found.bounds[1, 0, :1])  # nothing merged: the ends
    (name,) = found.draw()
    assert (folder / f"{name}.svg").read_text("utf-8").startswith("<svg")
    data = json.loads((folder / "result.json").read_text("utf-8"))
    assert data["found"]["measured"] == found.measured
    assert "\n" not in found.measured
    assert str(found)


def test_claims_on_accuracies_can_fail(smoke) -> None:
    found, _ = smoke
    learned = replace(found, settings=zipping.settings[Scale.QUICK])
    names = {"ZipIt, other classes", "CCA-Merge, one task", "PLeaS"}
    names |= {"partial zipping", "PLeaS, room"}

    def failed(ways: list[list[float]], partial: list[float]) -> set[str]:
        shaped = torch.tensor(ways)[:, :, None, None].expand(2, 5, 2, 2)
        both = torch.tensor([partial, partial])
        one = replace(learned, ways=shaped, partial=both, rooms=1 - both)
        return {check.name for check in one.check() if not check.passed}

    bad = [0.5, 0.8, 0.7, 0.7, 0.7]
    assert failed([bad, bad], [0.5, 0.4, 0.6, 0.7]) == names
    good = [0.5, 0.6, 0.85, 0.8, 0.8]
    assert failed([good, good], [0.9, 0.8, 0.7, 0.6]) == set()
    spoilt = replace(found, off=torch.tensor([0.0, 0.0, 1e-6, 0.0, 0.0]))
    assert {c.name for c in spoilt.check() if not c.passed} == {"CCA-Merge, linear"}


@pytest.mark.slow
def test_claims_hold_at_the_quick_scale() -> None:
    found = zipping.run("quick")
    assert found.passed, [str(check) for check in found.check()]

"""Methods of merging by features, at the smallest scale: they run, and their identities hold."""

from dataclasses import replace

import pytest
import torch

from isthmus.papers.bench import Scale
from isthmus.papers.methods.features.zipping import zipping

pytestmark = pytest.mark.xdist_group("features methods")


def test_what_is_not_merged_is_the_ends(smoke) -> None:
    found, _ = smoke(zipping)
    assert found.partial.shape == (2, 4)
    assert torch.equal(found.partial[0, :1], found.bounds[1, 0, :1])


def test_claims_on_accuracies_can_fail(smoke) -> None:
    found, _ = smoke(zipping)
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

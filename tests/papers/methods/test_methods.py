"""Every method, at the smallest scale: it runs, is drawn, and what is exact about it holds."""

import json

import pytest

from isthmus.ground import load
from isthmus.papers.bench import Standing
from isthmus.papers.methods import EXPERIMENTS, METHODS, Measured


def cases() -> list:
    """All experiments; those of a folder stay on the worker whose tests look at them again."""
    found = []
    for experiment in EXPERIMENTS:
        folder = type(experiment.settings["smoke"]).__module__.split(".")[3]
        group = pytest.mark.xdist_group(f"{folder} methods")
        found.append(pytest.param(experiment, id=experiment.name, marks=group))
    return found


@pytest.mark.parametrize("experiment", cases())
def test_every_method_is_measured_and_drawn(experiment, smoke) -> None:
    found, folder = smoke(experiment)
    assert isinstance(found, Measured)
    assert found.check()
    assert {check.standing for check in found.check()} == {Standing.PASSED}, found.check()
    for name, tensor in found.arrays().items():  # NaN marks what a network does not have
        assert not tensor.isinf().any(), name
        assert not tensor.isnan().all(), name
    assert load(folder / "arrays.safetensors").keys() == found.arrays().keys()
    assert found.draw()
    for name in found.draw():
        assert (folder / f"{name}.svg").read_text("utf-8").startswith("<svg")
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    data = json.loads((folder / "result.json").read_text("utf-8"))
    assert data["found"]["measured"] == found.measured
    assert "\n" not in found.measured
    assert str(found)


@pytest.mark.slow
@pytest.mark.parametrize("experiment", cases())
def test_claims_hold_at_the_quick_scale(experiment) -> None:
    found = experiment.run("quick")
    assert found.passed, [str(check) for check in found.check()]


def test_every_method_says_where_it_is_from() -> None:
    for method in METHODS:
        assert method.experiment.name.startswith("methods.")
        assert method.call.startswith("`isthmus."), method.name
        assert method.source
        assert method.headline
    assert len({method.name for method in METHODS}) == len(METHODS)

"""Section 7 of Zhao et al. at the smallest scale: what is exact holds, and can fail."""

import json
from dataclasses import replace

import pytest
import torch

from isthmus.ground import load
from isthmus.papers.bench import Standing
from isthmus.papers.tasks import tiny_gpt
from isthmus.papers.zhao2025 import section7
from isthmus.papers.zhao2025.section7.problems import digits, second

pytestmark = pytest.mark.xdist_group("section7")  # what all tests look at is made once


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Everything, once."""
    folder = tmp_path_factory.mktemp("section7")
    names = ("charges", "teleportation", "tuning")
    return folder, {
        name: getattr(section7, name).run("smoke", folder=folder / name) for name in names
    }


@pytest.mark.parametrize("name", ["charges", "teleportation", "tuning"])
def test_it_runs_and_is_drawn(name, found) -> None:
    folder, results = found
    one = results[name]
    assert {check.standing for check in one.check()} == {Standing.PASSED}, [*map(str, one.check())]
    assert (folder / name / f"{name}.svg").read_text("utf-8").startswith("<svg")
    assert (folder / name / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((folder / name / "result.json").read_text("utf-8"))["found"]
    assert load(folder / name / "arrays.safetensors").keys() == one.arrays().keys()
    assert "digits" in str(one)


@pytest.mark.parametrize("name", ["charges", "teleportation", "tuning"])
def test_what_is_done_is_read_again(name, found) -> None:
    folder, results = found
    again = getattr(section7, name).run("smoke", folder=folder / name)
    arrays = results[name].arrays()
    assert all(torch.equal(arrays[key], part) for key, part in again.arrays().items())


def missed(one) -> set[str]:
    return {check.name for check in one.check() if not check.passed}


def test_what_does_not_hold_is_seen(found) -> None:
    charges, moved, tuned = (found[1][name] for name in ("charges", "teleportation", "tuning"))
    assert missed(replace(charges, off=charges.off + 1e-8)) == {"law of descent"}
    assert missed(replace(charges, left=0.8 * charges.left)) == {"decay", "conservation"}
    assert missed(replace(moved, moves=moved.moves + torch.tensor([1e-8, -10.0]))) == {
        "same function",
        "steeper",
    }
    facts = tuned.facts + torch.tensor([1e-8, -10.0, 1e-8, 0.0])
    assert missed(replace(tuned, facts=facts)) == {"held inputs", "still free", "orbit"}


def test_what_training_shows_is_checked_from_quick_on(found) -> None:
    tuned = found[1]["tuning"]
    trained = replace(tuned, settings=replace(tuned.settings, trained=True))
    worse = trained.scores.clone()
    worse[:, 1, :, :2] = 0  # as if EWC lost nothing and learned everything
    checks = {check.name: check for check in replace(trained, scores=worse).check()}
    assert checks["digits: EWC"].standing is Standing.FINDING
    assert set(checks) > {"digits: forgetting", "digits: plain"}
    moved = found[1]["teleportation"]
    slower = moved.losses.clone()
    slower[:, 1] += 1
    settings = replace(moved.settings, trained=True)
    assert "digits: at one step size" in missed(replace(moved, settings=settings, losses=slower))


def test_second_tasks_are_others_of_the_same_shape() -> None:
    one, two = digits(), second(digits(), seed=1)
    assert torch.equal(one.x.flatten(1).sort().values, two.x.flatten(1).sort().values)
    assert not torch.equal(one.x, two.x)
    assert torch.equal(one.y, two.y)
    text = tiny_gpt(text="sentences")
    capitals = second(text)
    assert torch.equal(text.x[:, 1:], text.y[:, :-1])
    assert torch.equal(capitals.x[:, 1:], capitals.y[:, :-1])
    shown, raised = (
        "".join(text.classes[k] for k in one.x.flatten().tolist()) for one in (text, capitals)
    )
    assert raised == "".join(c.upper() if c.upper() in text.classes else c for c in shown) != shown
